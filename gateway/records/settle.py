"""What is done with a request's end: what was learned from it, what it has cost, and all of it recorded."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from gateway.core.ends import ANSWERED, LEFT
from gateway.core.errors import StoreAway, SyntraError
from gateway.core.milliseconds import milliseconds
from gateway.core.money import Picodollars
from gateway.core.pace import Lengths, Pace
from gateway.records import billing
from gateway.records.billing import Settled
from gateway.records.decision import Decision
from gateway.records.ledger import Ledger
from gateway.upstream.incoming import MISS

if TYPE_CHECKING:  # prometheus_client must not be imported before the parent has said where to count
    from gateway.records.metrics import Metrics

_LEAST_TOKENS = 20  # of an answer whose speed says something
_LEAST_SECONDS = 0.05
_CUT_SHORT = ("length", "content_filter")  # finishes that say nothing of how long an answer would have been


class Settle:
    """Closes the books on requests, after the reply and never in its way."""

    def __init__(self, pace: Pace, lengths: Lengths, ledger: Ledger, metrics: Metrics) -> None:
        self._pace = pace
        self._lengths = lengths
        self._ledger = ledger
        self._metrics = metrics

    def require_room(self) -> None:
        """Raise StoreAway where nothing more can be recorded: no answer goes unmetered."""
        if self._ledger.full:
            raise StoreAway("What is used cannot be recorded now, so nothing new is begun; please try again.")

    def settle(self, decision: Decision, error: BaseException | None, seconds: float) -> Settled:
        """The request is over after so many seconds, with an error or without; what it came to.

        Nothing of the decision may change any more, except what only replies tell.
        """
        outcome = decision.outcome
        outcome.duration_ms = milliseconds(seconds)
        if not outcome.ended:
            outcome.ended = _ended(error)
        decision.asked = decision.asked[: billing.MOST_NAME]
        outcome.cost = billing.total(decision.attempts)
        outcome.estimated = True in [attempt.estimated for attempt in decision.attempts]
        if outcome.ended == ANSWERED:
            self._learn(decision)
        self._metrics.settled(decision)
        rows = billing.rows(decision)
        for row in rows[:-1] or rows:
            tokens = row.input_tokens, row.cached_tokens, row.output_tokens, row.reasoning_tokens
            self._metrics.used(row.model, tokens, row.cost)
        if decision.attempts or not isinstance(error, SyntraError) or error.recorded:
            self._ledger.keep(decision.organisation, decision.id, rows[-1].at, rows, decision)
        cost = None if outcome.cost is None else Picodollars(outcome.cost)
        return Settled(rows[-1].input_tokens + rows[-1].output_tokens, cost)

    def _learn(self, decision: Decision) -> None:
        """How fast the model wrote, and how long answers of this kind are."""
        outcome, facts = decision.outcome, decision.facts
        if outcome.usage is None or outcome.cache != MISS:
            return
        attempts = decision.attempts
        if len(attempts) > 1 and len([attempt for attempt in attempts if attempt.ttft_ms is not None]) > 1:
            return  # nothing is learned of a model from what others have written too
        details = outcome.usage.completion_tokens_details
        reasoning = (details.reasoning_tokens or 0) if details is not None else 0
        said = outcome.usage.completion_tokens
        provider, _, model = outcome.model.partition("/")
        key = provider, model
        writing = (attempts[-1].writing_ms or 0.0) / 1e3
        if said >= _LEAST_TOKENS and writing >= _LEAST_SECONDS:
            self._pace.flowed(key, said / writing, time.monotonic())
        if facts is not None and facts.confidence and outcome.finish not in _CUT_SHORT:
            self._lengths.add(facts.intent, key, said // facts.choices, reasoning // facts.choices)


def _ended(error: BaseException | None) -> str:
    """The word for an end without an answer."""
    if isinstance(error, SyntraError):
        return error.kind
    return LEFT if error is None or isinstance(error, asyncio.CancelledError) else "defect"
