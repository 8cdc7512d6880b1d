"""Embeddings on Gemini's wire; it is small enough to be spoken without LiteLLM."""

from __future__ import annotations

from urllib.parse import quote

import msgspec
from msgspec import Struct

from gateway.core.embeddings import EmbeddingsRequest, pack
from gateway.core.errors import BadRequest, UpstreamBroken
from gateway.core.events import Usage
from gateway.upstream.dialect import Outbound, Provider

_READ = frozenset({"model", "input", "encoding_format", "dimensions"})


class _Vector(Struct):
    values: list[float]


class _Reply(Struct):
    embeddings: list[_Vector]


_reply = msgspec.json.Decoder(_Reply)


def encode(provider: Provider, model: str, request: EmbeddingsRequest) -> Outbound:
    """The request as `batchEmbedContents`; raises BadRequest for tokens, which are of a tokenizer that Google lacks."""
    about: dict[str, object] = {"model": f"models/{model}"}
    if request.body.dimensions is not None:
        about["outputDimensionality"] = request.body.dimensions
    asked = [{**about, "content": {"parts": [{"text": text}]}} for text in _texts(request)]
    url = f"{provider.base_url.rstrip('/')}/v1beta/models/{quote(model, safe='')}:batchEmbedContents"
    headers = [("content-type", "application/json"), ("x-goog-api-key", provider.key.reveal())]
    dropped = tuple(name for name in request.fields if name not in _READ)
    return Outbound(url, headers, msgspec.json.encode({"requests": asked}), dropped)


def decode(body: bytes, name: str, request: EmbeddingsRequest) -> tuple[bytes, Usage | None]:
    """Google's reply as OpenAI's, under the name that the client asked for; tokens are estimated, it counts none."""
    try:
        vectors = [vector.values for vector in _reply.decode(body).embeddings]
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise UpstreamBroken("The provider's reply cannot be read.") from None
    texts = _texts(request)
    if len(vectors) != len(texts):
        raise UpstreamBroken("The provider's reply has not an embedding for every input.")
    packed = request.body.encoding_format == "base64"
    data = [
        {"object": "embedding", "index": k, "embedding": pack(vector) if packed else vector}
        for k, vector in enumerate(vectors)
    ]
    tokens = request.tokens
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return msgspec.json.encode({"object": "list", "data": data, "model": name, "usage": usage}), None


def _texts(request: EmbeddingsRequest) -> list[str]:
    given = request.body.input
    items = [given] if isinstance(given, str) else given
    texts = [item for item in items if isinstance(item, str)]
    if len(texts) != len(items):
        raise BadRequest("This model embeds texts, not tokens.", param="input", code="unsupported_value")
    return texts
