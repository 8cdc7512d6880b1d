"""What a request costs: each attempt by what happened in it, and their sum as the ledger's rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from gateway.core.events import Usage
from gateway.core.money import Picodollars
from gateway.records.decision import ANSWERED, LEFT, RESTING, Attempt, Decision
from gateway.records.ledger import Row, started
from gateway.stages.fallback import Tried
from gateway.upstream.count import Counted
from gateway.upstream.prices import Prices
from gateway.upstream.providers import SIMULATED

_MOST_NAME = 200  # characters that are kept of a name that a client gave


class Settled(NamedTuple):
    """What a request came to, for those who hold something back for it; the cost is None where no price is known."""

    tokens: int
    cost: Picodollars | None


class _Tokens(NamedTuple):
    """The counts of a row."""

    read: int = 0
    cached: int = 0
    said: int = 0
    thought: int = 0


def count(attempt: Attempt, counted: Counted, prices: Prices) -> None:
    """Note what an attempt has used."""
    attempt.usage, attempt.estimated = counted.usage, counted.estimated
    if not attempt.model.startswith(f"{SIMULATED}/"):
        attempt.cost = prices.cost(attempt.model, counted.usage)


def in_vain(tried: Tried, prices: Prices) -> Attempt:
    """An attempt that brought nothing: it costs what its provider may have read, if it may have been at work."""
    unasked = LEFT if tried.left else RESTING
    outcome = unasked if tried.error is None else tried.error.kind
    attempt = Attempt(tried.candidate.name, outcome, duration_ms=round(tried.seconds * 1e3, 3))
    if tried.prompt:
        count(attempt, Counted(Usage(tried.prompt, 0, tried.prompt), estimated=True), prices)
    return attempt


def total(attempts: Sequence[Attempt]) -> Picodollars | None:
    """The sum of what is known; None where nothing is known of attempts that have used something."""
    costs = [attempt.cost for attempt in attempts if attempt.usage is not None]
    known = [cost for cost in costs if cost is not None]
    return Picodollars(sum(known)) if known or not costs else None


def rows(decision: Decision) -> list[Row]:
    """The ledger's rows: one for each attempt that was made, and the final one, which comes last and is their sum."""
    made = [_row(decision, k, attempt) for k, attempt in enumerate(_asked(decision), start=1)]
    outcome = decision.outcome
    final = _blank(decision, 0)
    final.status = outcome.ended
    final.model = (outcome.model or next((row.model for row in reversed(made) if row.input_tokens), ""))[:_MOST_NAME]
    for row in made:
        final.input_tokens += row.input_tokens
        final.cached_tokens += row.cached_tokens
        final.output_tokens += row.output_tokens
        final.reasoning_tokens += row.reasoning_tokens
    final.cost, final.estimated = outcome.cost, outcome.estimated
    final.ttft_ms, final.duration_ms = outcome.ttft_ms, outcome.duration_ms
    return [*made, final]


def _asked(decision: Decision) -> list[Attempt]:
    return [attempt for attempt in decision.attempts if attempt.outcome != RESTING]


def _row(decision: Decision, number: int, attempt: Attempt) -> Row:
    row = _blank(decision, number)
    row.model = attempt.model[:_MOST_NAME]
    row.status = decision.outcome.ended if attempt.outcome == ANSWERED else attempt.outcome
    row.input_tokens, row.cached_tokens, row.output_tokens, row.reasoning_tokens = _tokens(attempt.usage)
    row.cost = attempt.cost if attempt.usage is not None else 0
    row.estimated = attempt.estimated
    row.ttft_ms, row.duration_ms = attempt.ttft_ms, attempt.duration_ms
    return row


def _blank(decision: Decision, number: int) -> Row:
    return Row(
        decision.id,
        number,
        started(decision.id),
        decision.key_id,
        decision.surface,
        decision.asked[:_MOST_NAME],
        "",
        person=decision.person[:_MOST_NAME],
        policy="" if decision.plan is None else decision.plan.policy,
        intent="" if decision.facts is None else decision.facts.intent,
    )


def _tokens(usage: Usage | None) -> _Tokens:
    """The counts of a usage; a part is never more than its whole, whatever a provider says."""
    if usage is None:
        return _Tokens()
    prompt, completion = usage.prompt_tokens_details, usage.completion_tokens_details
    cached = (prompt.cached_tokens or 0) if prompt is not None else 0
    thought = (completion.reasoning_tokens or 0) if completion is not None else 0
    read, said = usage.prompt_tokens, usage.completion_tokens
    return _Tokens(read, min(max(cached, 0), read), said, min(max(thought, 0), said))
