"""Embeddings on OpenAI's wire: everything passes as it came, but for the model's name."""

from __future__ import annotations

import msgspec
from msgspec import Raw

from gateway.core.embeddings import EmbeddingsRequest
from gateway.core.errors import UpstreamBroken
from gateway.core.events import Usage, decode_usage
from gateway.upstream.dialect import Outbound, Provider
from gateway.upstream.openai_wire import OpenAIWire

_object = msgspec.json.Decoder(dict[str, Raw])
_encode = msgspec.json.Encoder().encode


def encode(provider: Provider, model: str, request: EmbeddingsRequest) -> Outbound:
    """The client's own fields."""
    url = f"{provider.base_url}/embeddings"
    return Outbound(url, OpenAIWire.headers(provider), _encode({**request.fields, "model": model}))


def decode(body: bytes, name: str, _: EmbeddingsRequest) -> tuple[bytes, Usage | None]:
    """The provider's own reply, vectors untouched (float or base64), under the name that the client asked for."""
    try:
        reply = _object.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise UpstreamBroken("The provider's reply cannot be read.") from None
    if "data" not in reply:
        raise UpstreamBroken("The provider's reply has no embeddings.")
    usage = decode_usage(reply["usage"]) if "usage" in reply else None
    return _encode({**reply, "model": name}), usage
