"""What requests have in common that are no chat: one candidate, asked once, and what it came to recorded."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import partial
from types import TracebackType
from typing import Self

from gateway.core.caller import Caller
from gateway.core.deadline import Deadline
from gateway.core.ends import ANSWERED
from gateway.core.errors import NothingFits, Paced, SyntraError, UpstreamBusy
from gateway.core.ids import uuid7
from gateway.core.milliseconds import milliseconds
from gateway.core.money import Picodollars
from gateway.http.intake import Head
from gateway.http.visit import Headers, Visit
from gateway.records import billing
from gateway.records.decision import Attempt, Decision
from gateway.records.settle import Settle
from gateway.reply import told
from gateway.stages.admission import FREE, Admission
from gateway.stages.fallback import Tried
from gateway.stores.pacer import Pacer
from gateway.upstream.answer import Entry
from gateway.upstream.prices import Prices
from gateway.upstream.providers import SIMULATED, Candidate
from policies import engine
from policies.engine import Scored
from policies.facts import Facts
from policies.reasons import reasons


class Terms:
    """What such requests are let in by, paced by, priced with and recorded in."""

    def __init__(self, admission: Admission, pacer: Pacer, settle: Settle, prices: Prices) -> None:
        self.admission = admission
        self.pacer = pacer
        self.settle = settle
        self.prices = prices


class Single:
    """One such request; a context that records, pays and tells it, however it ends."""

    def __init__(self, terms: Terms, visit: Visit, head: Head, caller: Caller, surface: str, asked: str) -> None:
        self.decision = Decision(uuid7(), caller.organisation, caller.key_id, asked, surface, caller.user)
        self.decision.degraded += caller.degraded
        self._terms = terms
        self._visit = visit
        self._debug = head.debug
        self._most = head.max_cost
        self._caller = caller
        self._admitted = FREE
        self._began = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None) -> None:
        settled = self._terms.settle.settle(self.decision, error, time.perf_counter() - self._visit.began)
        self._admitted.settle(settled.tokens, settled.cost)
        if isinstance(error, SyntraError):
            error.told = (*told(self.decision, debug=self._debug), *self._admitted.headers)

    async def admit(
        self, candidate: Candidate, tokens: int, cost: Picodollars | None, *, unpriced: bool = False
    ) -> None:
        """Let it in, if itself, its key and its organisation allow what it is thought to take; raises 4xx, 503.

        `unpriced` ones are let in by a budget too, where nobody knows their price.
        """
        self._terms.settle.require_room()
        self._refuse_over_limit(candidate, cost)
        if self._terms.admission.concerns(self._caller):
            asked = None if unpriced else candidate
            self._admitted = await self._terms.admission.admit(self._caller, self.decision.id, tokens, cost, asked)
            self.decision.degraded += self._admitted.degraded

    def _refuse_over_limit(self, candidate: Candidate, cost: Picodollars | None) -> None:
        """Raise NothingFits where it is dearer than the request itself allows."""
        if self._most is None or candidate.provider == SIMULATED:
            return
        one = Scored(candidate.name)
        one.out, one.detail = engine.over(cost, self._most)
        if one.out:
            why = reasons(one, Facts(max_cost=self._most), enough=0.0, chosen=0, searches=False)[0]
            raise NothingFits(f"No model can serve this request. {one.name}: {why}.", param="model")

    def entry(self, candidate: Candidate, deadline: Deadline) -> Entry:
        """Where its call waits until the provider's pace has room for it."""
        return partial(self._terms.pacer.enter, candidate.key, self._caller.organisation, deadline)

    def heard(self, candidate: Candidate, headers: Mapping[str, str]) -> None:
        """A provider has answered; it may say that nothing is left."""
        self._terms.pacer.heard(candidate.key, headers)

    def in_vain(self, tried: Tried) -> None:
        """Nobody answered."""
        if isinstance(tried.error, UpstreamBusy) and not isinstance(tried.error, Paced):
            self._terms.pacer.limited(tried.candidate.key, tried.error.retry_after)
        self.decision.attempts.append(billing.in_vain(tried, self._terms.prices))

    def count(self, attempt: Attempt, *, ended: bool = True) -> None:
        """What an attempt has come to; not `ended` where its answer was not heard to its end."""
        attempt.duration_ms = milliseconds(time.monotonic() - self._began)
        self.decision.attempts.append(attempt)
        outcome = self.decision.outcome
        outcome.model, outcome.usage, outcome.cost = attempt.model, attempt.usage, billing.total(self.decision.attempts)
        if ended:
            outcome.ended = ANSWERED
        self._visit.answered(attempt.model, self.decision.id)

    def headers(self, candidate: Candidate) -> Headers:
        """What the reply's head says."""
        simulated = [(b"x-syntra-simulated", b"true")] if candidate.provider == SIMULATED else []
        return (*told(self.decision, debug=self._debug), *self._admitted.headers, *simulated)
