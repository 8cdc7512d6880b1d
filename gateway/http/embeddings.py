"""`POST /v1/embeddings`."""

from __future__ import annotations

import asyncio
import time

from gateway.core import embeddings
from gateway.core.caller import Caller
from gateway.core.deadline import Deadline
from gateway.core.embeddings import EmbeddingsRequest
from gateway.core.errors import UpstreamError
from gateway.core.money import Picodollars
from gateway.http.intake import Head
from gateway.http.single import Single, Terms
from gateway.http.visit import JSON, Visit
from gateway.records import billing
from gateway.records.decision import Attempt
from gateway.reply import warning
from gateway.stages.fallback import in_vain
from gateway.stages.policy import Policies
from gateway.upstream.answer import Sent
from gateway.upstream.embed import Embedded, Embedder
from gateway.upstream.names import SYNTRA
from gateway.upstream.providers import SIMULATED, Candidate


class Embeddings:
    """Serves embeddings."""

    def __init__(
        self, policies: Policies, terms: Terms, embedder: Embedder, *, body_seconds: float, total_seconds: float
    ) -> None:
        self._policies = policies
        self._terms = terms
        self._embedder = embedder
        self._body_seconds = body_seconds
        self._total_seconds = total_seconds

    async def serve(self, visit: Visit, head: Head, caller: Caller) -> None:
        """One request; there is nothing to stream."""
        request = embeddings.parse(await visit.body(head, self._body_seconds))
        name = request.body.model
        with Single(self._terms, visit, head, caller, "embeddings", name) as single:
            candidate = self._policies.of(caller).host(caller, "embeddings", name) or Candidate(SIMULATED, SYNTRA)
            await single.admit(candidate, request.tokens, self._cost(candidate, request))
            embedded = await self._embed(candidate, caller, request, single)
            headers = single.headers(candidate)
            await visit.whole(200, (JSON, *headers, *warning(embedded.dropped)), embedded.body)

    async def _embed(
        self, candidate: Candidate, caller: Caller, request: EmbeddingsRequest, single: Single
    ) -> Embedded:
        """Ask, and note what that has cost."""
        deadline, sent, began = Deadline(self._total_seconds), Sent(), time.monotonic()
        try:
            embedded = await self._embedder.embed(
                candidate,
                caller.credentials,
                request.body.model,
                request,
                deadline,
                sent,
                single.entry(candidate, deadline),
            )
        except (UpstreamError, asyncio.CancelledError) as error:
            failure = error if isinstance(error, UpstreamError) else None
            single.in_vain(in_vain(candidate, lambda: request.tokens, sent, began, failure))
            raise
        single.heard(candidate, embedded.headers)
        attempt = Attempt(candidate.name)
        billing.count(attempt, embedded.counted, self._terms.prices)
        single.count(attempt)
        return embedded

    def _cost(self, candidate: Candidate, request: EmbeddingsRequest) -> Picodollars | None:
        """What it costs is known but for how its tokens are counted."""
        known = self._terms.prices.get(candidate.name)
        return known.price.of(request.tokens, 0) if known is not None and known.price is not None else None
