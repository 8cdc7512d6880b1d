"""Embeddings on OpenAI's wire: everything passes as it came, but for the model's name."""

from __future__ import annotations

import re
import struct
from typing import Any, Final

import msgspec
from msgspec import Raw

from gateway.core.embeddings import EmbeddingsRequest, pack, unpack
from gateway.core.errors import UpstreamBroken
from gateway.core.events import Usage, decode_usage
from gateway.upstream.dialect import Outbound, Provider
from gateway.upstream.openai_wire import OpenAIWire

_object = msgspec.json.Decoder(dict[str, Raw])
_rows = msgspec.json.Decoder(list[dict[str, Any]])
_encode = msgspec.json.Encoder().encode
_VECTOR: Final = re.compile(rb'"embedding"\s*:\s*(["\[])')
_HEAD: Final = 4096  # bytes in which the first vector begins


def encode(provider: Provider, model: str, request: EmbeddingsRequest) -> Outbound:
    """The client's own fields."""
    url = f"{provider.base_url}/embeddings"
    return Outbound(url, OpenAIWire.headers(provider), _encode({**request.fields, "model": model}))


def decode(body: bytes, name: str, request: EmbeddingsRequest) -> tuple[bytes, Usage | None]:
    """The provider's own reply under the name that was asked for, its vectors in the form that was."""
    try:
        reply = _object.decode(body)
        if "data" not in reply:
            raise UpstreamBroken("The provider's reply has no embeddings.")
        data = _as_asked(reply["data"], packed=request.body.encoding_format == "base64")
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ValueError, OverflowError, struct.error):
        raise UpstreamBroken("The provider's reply cannot be read.") from None
    usage = decode_usage(reply["usage"]) if "usage" in reply else None
    return _encode({**reply, "data": data, "model": name}), usage


def _as_asked(data: Raw, *, packed: bool) -> Raw | list[dict[str, Any]]:
    """The vectors as they came, where that is how they were asked for: some servers know one form alone."""
    found = _VECTOR.search(memoryview(data)[:_HEAD])
    if found is None or found[1] == (b'"' if packed else b"["):
        return data
    rows = _rows.decode(data)
    for row in rows:
        vector = row.get("embedding")
        if packed and isinstance(vector, list):
            row["embedding"] = pack(vector)
        elif not packed and isinstance(vector, str):
            row["embedding"] = unpack(vector)
    return rows
