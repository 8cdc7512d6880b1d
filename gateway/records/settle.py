"""What is done with a request's end: what was learned from it, and its decision kept and counted."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from gateway.core.errors import SyntraError
from gateway.core.pace import Lengths, Pace
from gateway.records.decision import ANSWERED, LEFT, Decision

if TYPE_CHECKING:  # prometheus_client must not be imported before the parent has said where to count
    from gateway.records.decisions import Decisions
    from gateway.records.metrics import Metrics

_LEAST_TOKENS = 20  # of an answer whose speed says something
_LEAST_SECONDS = 0.05


class Settle:
    """Closes the books on requests, after the reply and never in its way."""

    def __init__(self, pace: Pace, lengths: Lengths, decisions: Decisions, metrics: Metrics) -> None:
        self._pace = pace
        self._lengths = lengths
        self._decisions = decisions
        self._metrics = metrics

    def settle(self, decision: Decision, error: BaseException | None, seconds: float) -> None:
        """The request is over after so many seconds, with an error or without."""
        outcome = decision.outcome
        outcome.duration_ms = round(seconds * 1e3, 3)
        if not outcome.ended:
            outcome.ended = _ended(error)
        if outcome.ended == ANSWERED:
            self._learn(decision, seconds)
        self._metrics.settled(decision)
        self._decisions.keep(decision.id, decision.organisation, decision)

    def _learn(self, decision: Decision, seconds: float) -> None:
        """How fast the model wrote, and how long answers of this kind are."""
        outcome, facts = decision.outcome, decision.facts
        if outcome.usage is None:
            return
        details = outcome.usage.completion_tokens_details
        reasoning = (details.reasoning_tokens or 0) if details is not None else 0
        said = outcome.usage.completion_tokens
        provider, _, model = outcome.model.partition("/")
        key = provider, model
        writing = seconds - (outcome.ttft_ms or 0.0) / 1e3
        if said >= _LEAST_TOKENS and writing >= _LEAST_SECONDS:
            self._pace.flowed(key, said / writing, time.monotonic())
        if facts is not None and facts.confidence:
            self._lengths.add(facts.intent, key, said, reasoning)


def _ended(error: BaseException | None) -> str:
    """The word for an end without an answer."""
    if isinstance(error, SyntraError):
        return error.kind
    return LEFT if error is None or isinstance(error, asyncio.CancelledError) else "defect"
