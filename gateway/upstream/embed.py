"""Embeddings over the OpenAI wire, and from the simulated provider."""

from __future__ import annotations

import base64
import struct

import msgspec
from msgspec import Raw

from gateway.core.deadline import Deadline, Patience
from gateway.core.embeddings import EmbeddingsRequest
from gateway.core.errors import BadRequest, UpstreamBroken, UpstreamError
from gateway.upstream.answer import checked_body, header_lines
from gateway.upstream.dialect import Provider
from gateway.upstream.openai_wire import OpenAIWire
from gateway.upstream.providers import SIMULATED, Candidate
from gateway.upstream.simulate import embed
from gateway.upstream.wire import Wire

_object = msgspec.json.Decoder(dict[str, Raw])
_encode = msgspec.json.Encoder().encode


class Embedder:
    """Asks a candidate for embeddings; vectors pass as the provider wrote them, float or base64."""

    def __init__(self, wire: Wire, patience: Patience, providers: dict[str, Provider]) -> None:
        self._wire = wire
        self._patience = patience
        self._providers = providers

    async def embed(self, candidate: Candidate, name: str, request: EmbeddingsRequest, deadline: Deadline) -> bytes:
        """The reply's body, under the name that the client asked for."""
        if candidate.provider == SIMULATED:
            return _simulated(name, request)
        provider = self._providers[candidate.provider]
        if not isinstance(provider.dialect, OpenAIWire):
            raise BadRequest(f"{provider.name} offers no embeddings here.", param="model", code="unsupported_model")
        try:
            reply = _object.decode(await self._ask(provider, candidate.model, request, deadline))
        except msgspec.MsgspecError:
            raise UpstreamBroken("The provider's reply cannot be read.", provider=provider.name) from None
        except UpstreamError as error:
            error.provider = provider.name
            raise
        if "data" not in reply:
            raise UpstreamBroken("The provider's reply has no embeddings.", provider=provider.name)
        return _encode({**reply, "model": name})

    async def _ask(self, provider: Provider, model: str, request: EmbeddingsRequest, deadline: Deadline) -> bytes:
        body = _encode({**request.fields, "model": model})
        headers = header_lines(OpenAIWire.headers(provider))
        url = f"{provider.base_url}/embeddings"
        exchange = await self._wire.post(url, headers, body, deadline, first_event=self._patience.first_event)
        try:
            return await checked_body(exchange, provider)
        finally:
            exchange.close()


def _simulated(name: str, request: EmbeddingsRequest) -> bytes:
    """Vectors that depend on the text alone."""
    given = request.body.input
    items = [given] if isinstance(given, str) or isinstance(given[0], int) else given
    texts = [item if isinstance(item, str) else str(item) for item in items]
    data = []
    for k, text in enumerate(texts):
        vector: object = embed(text)
        if request.body.encoding_format == "base64":
            vector = base64.b64encode(struct.pack(f"<{len(embed(text))}f", *embed(text))).decode()
        data.append({"object": "embedding", "index": k, "embedding": vector})
    tokens = sum(len(text) for text in texts) // 4 + 1
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return _encode({"object": "list", "data": data, "model": name, "usage": usage})
