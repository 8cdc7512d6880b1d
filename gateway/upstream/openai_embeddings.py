"""Embeddings on OpenAI's wire: everything passes as it came, but for the model's name.

Not every server of this wire heeds `encoding_format`, and the SDKs ask for base64 by themselves: what comes in the
other form is put into the one that was asked for.
"""

from __future__ import annotations

import msgspec
from msgspec import Raw

from gateway.core.embeddings import EmbeddingsRequest, pack, unpack
from gateway.core.errors import UpstreamBroken
from gateway.core.events import Usage, decode_usage
from gateway.upstream.dialect import Outbound, Provider
from gateway.upstream.openai_wire import OpenAIWire

_items = msgspec.json.Decoder(list[dict[str, Raw]])
_vector = msgspec.json.Decoder(list[float])
_text = msgspec.json.Decoder(str)
_object = msgspec.json.Decoder(dict[str, Raw])
_encode = msgspec.json.Encoder().encode


def encode(provider: Provider, model: str, request: EmbeddingsRequest) -> Outbound:
    """The client's own fields."""
    url = f"{provider.base_url}/embeddings"
    return Outbound(url, OpenAIWire.headers(provider), _encode({**request.fields, "model": model}))


def decode(body: bytes, name: str, request: EmbeddingsRequest) -> tuple[bytes, Usage | None]:
    """The provider's own reply under the name that the client asked for; its vectors as floats or base64, as asked."""
    try:
        reply = _object.decode(body)
        if "data" in reply:
            reply["data"] = _as_asked(reply["data"], packed=request.body.encoding_format == "base64")
    except (msgspec.MsgspecError, ValueError, OverflowError, RecursionError):
        raise UpstreamBroken("The provider's reply cannot be read.") from None
    if "data" not in reply:
        raise UpstreamBroken("The provider's reply has no embeddings.")
    usage = decode_usage(reply["usage"]) if "usage" in reply else None
    return _encode({**reply, "model": name}), usage


def _as_asked(data: Raw, *, packed: bool) -> Raw:
    """The vectors in the form that was asked for; the same bytes where they have it already."""
    items = _items.decode(data)
    others = [item for item in items if bytes(item.get("embedding", b""))[:1] == (b"[" if packed else b'"')]
    for item in others:
        vector = item["embedding"]
        item["embedding"] = Raw(_encode(pack(_vector.decode(vector)) if packed else unpack(_text.decode(vector))))
    return Raw(_encode(items)) if others else data
