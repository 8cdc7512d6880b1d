"""Asks for embeddings, each provider on its own wire; and makes them up where no provider has a key."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType, ModuleType

import msgspec
from msgspec import Struct

from gateway.core.caller import Credential
from gateway.core.deadline import Deadline, Patience
from gateway.core.embeddings import EmbeddingsRequest, pack
from gateway.core.errors import BadRequest, UpstreamError
from gateway.core.events import Usage
from gateway.upstream import gemini_embeddings, openai_embeddings
from gateway.upstream.answer import Entry, Sent, checked_body, post
from gateway.upstream.count import Counted
from gateway.upstream.dialect import Outbound, Provider
from gateway.upstream.openai_wire import OpenAIWire
from gateway.upstream.providers import SIMULATED, Candidate, Places
from gateway.upstream.simulate import embed
from gateway.upstream.wire import Wire

_encode = msgspec.json.Encoder().encode


class Embedded(Struct, frozen=True):
    """A reply's body, and its tokens; `dropped` names the fields that the provider's wire cannot carry."""

    body: bytes
    counted: Counted
    dropped: tuple[str, ...] = ()
    headers: Mapping[str, str] = MappingProxyType({})  # of the provider's reply


class Embedder:
    """Asks a candidate for embeddings."""

    def __init__(self, wire: Wire, patience: Patience, places: Places) -> None:
        self._wire = wire
        self._patience = patience
        self._places = places

    async def embed(
        self,
        candidate: Candidate,
        credentials: Mapping[str, Credential],
        name: str,
        request: EmbeddingsRequest,
        deadline: Deadline,
        sent: Sent,
        entry: Entry,
    ) -> Embedded:
        """The reply under the name that the client asked for; the call waits at the `entry`."""
        if candidate.provider == SIMULATED:
            return _simulated(name, request)
        provider = self._places.with_key(candidate, credentials)
        wire = _wire_of(provider)
        outbound = wire.encode(provider, candidate.model, request)
        try:
            said, headers = await self._ask(provider, outbound, deadline, sent, entry)
            body, usage = wire.decode(said, name, request)
        except UpstreamError as error:
            error.provider = provider.name
            raise
        counted = Counted(Usage(request.tokens), estimated=True) if usage is None else Counted(usage, estimated=False)
        return Embedded(body, counted, outbound.dropped, headers)

    async def _ask(
        self, provider: Provider, outbound: Outbound, deadline: Deadline, sent: Sent, entry: Entry
    ) -> tuple[bytes, Mapping[str, str]]:
        exchange = await post(self._wire, outbound, deadline, self._patience.first_event, sent, entry)
        try:
            return await checked_body(exchange, provider), exchange.headers
        finally:
            exchange.close()


def _wire_of(provider: Provider) -> ModuleType:
    """The module that speaks embeddings on this provider's wire."""
    if isinstance(provider.dialect, OpenAIWire):
        return openai_embeddings
    if provider.name == "google":
        return gemini_embeddings
    raise BadRequest(f"{provider.name} offers no embeddings here.", param="model", code="unsupported_model")


def _simulated(name: str, request: EmbeddingsRequest) -> Embedded:
    """Vectors that depend on the text alone."""
    given = request.body.input
    items = [given] if isinstance(given, str) or isinstance(given[0], int) else given
    texts = [item if isinstance(item, str) else str(item) for item in items]
    data = []
    for k, text in enumerate(texts):
        vector = embed(text)
        packed: object = pack(vector) if request.body.encoding_format == "base64" else vector
        data.append({"object": "embedding", "index": k, "embedding": packed})
    tokens = sum(len(text) for text in texts) // 4 + 1
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    body = _encode({"object": "list", "data": data, "model": name, "usage": usage})
    return Embedded(body, Counted(Usage(tokens, 0, tokens), estimated=False))
