"""`POST /v1/embeddings`."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from functools import partial
from types import TracebackType

from gateway.core import embeddings
from gateway.core.caller import Caller
from gateway.core.deadline import Deadline
from gateway.core.embeddings import EmbeddingsRequest
from gateway.core.errors import UpstreamError
from gateway.core.ids import uuid7
from gateway.http.intake import Head
from gateway.http.visit import JSON, Visit
from gateway.records import billing
from gateway.records.decision import ANSWERED, Attempt, Decision
from gateway.records.settle import Settle
from gateway.reply import told, warning
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
        embedder: Embedder,
        settle: Settle,
        prices: Prices,
        *,
        body_seconds: float,
        total_seconds: float,
    ) -> None:
        self._policies = policies
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
            stack.push(partial(self._over, decision, visit.began))
            candidate = self._policies.of(caller).embedder(caller, name) or Candidate(SIMULATED, SYNTRA)
            embedded = await self._embed(candidate, caller, request, decision)
            visit.answered(candidate.name, decision.id)
            simulated = [(b"x-syntra-simulated", b"true")] if candidate.provider == SIMULATED else []
            headers = (JSON, *told(decision, debug=head.debug), *simulated, *warning(embedded.dropped))
            await visit.whole(200, headers, embedded.body)

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

    def _over(
        self,
        decision: Decision,
        began: float,
        _: type[BaseException] | None,
        error: BaseException | None,
        __: TracebackType | None,
    ) -> None:
        self._settle.settle(decision, error, time.perf_counter() - began)
