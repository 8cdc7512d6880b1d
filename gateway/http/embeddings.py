"""`POST /v1/embeddings`."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from types import TracebackType

from msgspec import Struct

from gateway.core import embeddings
from gateway.core.caller import Caller
from gateway.core.deadline import Deadline
from gateway.core.embeddings import EmbeddingsRequest
from gateway.core.ends import ANSWERED
from gateway.core.errors import SyntraError, UpstreamError
from gateway.core.ids import uuid7
from gateway.http.intake import Head
from gateway.http.visit import JSON, Visit
from gateway.records import billing
from gateway.records.decision import Attempt, Decision
from gateway.records.settle import Settle
from gateway.reply import told, warning
from gateway.stages.admission import FREE, Admission, Admitted
from gateway.stages.fallback import in_vain
from gateway.stages.policy import Policies
from gateway.upstream.answer import Sent
from gateway.upstream.embed import Embedded, Embedder
from gateway.upstream.names import SYNTRA
from gateway.upstream.prices import Prices
from gateway.upstream.providers import SIMULATED, Candidate


class Embeddings:
    """Serves embeddings."""

    def __init__(
        self,
        policies: Policies,
        admission: Admission,
        embedder: Embedder,
        settle: Settle,
        prices: Prices,
        *,
        body_seconds: float,
        total_seconds: float,
    ) -> None:
        self._policies = policies
        self._admission = admission
        self._embedder = embedder
        self._settle = settle
        self._prices = prices
        self._body_seconds = body_seconds
        self._total_seconds = total_seconds

    async def serve(self, visit: Visit, head: Head, caller: Caller) -> None:
        """One request; there is nothing to stream."""
        request = embeddings.parse(await visit.body(head, self._body_seconds))
        name = request.body.model
        decision = Decision(uuid7(), caller.organisation, caller.key_id, name, "embeddings", caller.user)
        decision.degraded += caller.degraded
        async with AsyncExitStack() as stack:
            over = _Over(self._settle, decision, visit.began, head.debug)
            stack.push(over.close)
            self._settle.require_room()
            candidate = self._policies.of(caller).embedder(caller, name) or Candidate(SIMULATED, SYNTRA)
            over.admitted = await self._admit(candidate, caller, request, decision)
            embedded = await self._embed(candidate, caller, request, decision)
            visit.answered(candidate.name, decision.id)
            simulated = [(b"x-syntra-simulated", b"true")] if candidate.provider == SIMULATED else []
            headers = (*told(decision, debug=head.debug), *over.admitted.headers, *simulated)
            await visit.whole(200, (JSON, *headers, *warning(embedded.dropped)), embedded.body)

    async def _embed(
        self, candidate: Candidate, caller: Caller, request: EmbeddingsRequest, decision: Decision
    ) -> Embedded:
        """Ask, and note what that has cost."""
        deadline, sent, began = Deadline(self._total_seconds), Sent(), time.monotonic()
        try:
            embedded = await self._embedder.embed(
                candidate, caller.credentials, request.body.model, request, deadline, sent
            )
        except (UpstreamError, asyncio.CancelledError) as error:
            failure = error if isinstance(error, UpstreamError) else None
            tried = in_vain(candidate, lambda: request.tokens, sent, began, failure)
            decision.attempts.append(billing.in_vain(tried, self._prices))
            raise
        attempt = Attempt(candidate.name, duration_ms=round((time.monotonic() - began) * 1e3, 3))
        billing.count(attempt, embedded.counted, self._prices)
        decision.attempts.append(attempt)
        outcome = decision.outcome
        outcome.ended, outcome.model, outcome.usage = ANSWERED, candidate.name, attempt.usage
        outcome.cost = billing.total(decision.attempts)
        return embedded

    async def _admit(
        self, candidate: Candidate, caller: Caller, request: EmbeddingsRequest, decision: Decision
    ) -> Admitted:
        """Let the request in; what it costs is known but for how its tokens are counted."""
        if not self._admission.concerns(caller):
            return FREE
        known = self._prices.get(candidate.name)
        cost = known.price.of(request.tokens, 0) if known is not None and known.price is not None else None
        admitted = await self._admission.admit(caller, decision.id, request.tokens, cost)
        decision.degraded += admitted.degraded
        return admitted


class _Over(Struct):
    """What is done when the request is over, however it ends."""

    settle: Settle
    decision: Decision
    began: float
    debug: bool
    admitted: Admitted = FREE

    def close(self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None) -> None:
        settled = self.settle.settle(self.decision, error, time.perf_counter() - self.began)
        self.admitted.settle(settled.tokens, settled.cost)
        if isinstance(error, SyntraError):
            error.told = (*told(self.decision, debug=self.debug), *self.admitted.headers)
