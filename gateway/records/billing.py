"""What a request costs: each attempt by what happened in it, and their sum as the ledger's rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from msgspec import structs

from gateway.core.ends import ANSWERED, UNASKED
from gateway.core.events import Usage
from gateway.core.milliseconds import milliseconds
from gateway.core.money import Picodollars
from gateway.records.decision import Attempt, Decision, Outcome
from gateway.records.ledger import Row, started
from gateway.stages.fallback import Tried
from gateway.upstream.count import Counted
from gateway.upstream.prices import Prices
from gateway.upstream.providers import SIMULATED

MOST_NAME: Final = 200  # characters that are kept of a name that a client gave


class Settled(NamedTuple):
    """What a request came to, for those who hold something back for it; the cost is None where no price is known."""

    tokens: int
    cost: Picodollars | None


def count(attempt: Attempt, counted: Counted, prices: Prices) -> None:
    """Note what an attempt has used."""
    attempt.usage, attempt.estimated = counted.usage, counted.estimated
    attempt.odd += counted.odd
    if not attempt.model.startswith(f"{SIMULATED}/"):
        attempt.cost = prices.cost(attempt.model, counted.usage)


def in_vain(tried: Tried, prices: Prices) -> Attempt:
    """An attempt that brought nothing: it costs what its provider may have read, if it may have been at work."""
    outcome = tried.ended if tried.error is None else tried.error.kind
    attempt = Attempt(tried.candidate.name, outcome, duration_ms=milliseconds(tried.seconds), cache=tried.cache)
    if tried.counted is not None:
        count(attempt, tried.counted, prices)
    elif tried.prompt:
        count(attempt, Counted(Usage(tried.prompt, 0, tried.prompt), estimated=True), prices)
    return attempt


def total(attempts: Sequence[Attempt]) -> Picodollars | None:
    """The sum of what is known; None where nothing is known of attempts that have used something."""
    known, unknown = -1, False
    for attempt in attempts:
        if attempt.cost is not None:
            known = max(known, 0) + attempt.cost
        elif attempt.usage is not None:
            unknown = True
    return None if unknown and known < 0 else Picodollars(max(known, 0))


def rows(decision: Decision) -> list[Row]:
    """The ledger's rows: one for each attempt that was made, and the final one, which comes last and is their sum.

    Most requests have one attempt, which differs from the whole in its duration alone, and one row that says so.
    """
    final = _final(decision)
    asked = [attempt for attempt in decision.attempts if attempt.outcome not in UNASKED]
    if len(asked) == 1 and _is_all(asked[0], decision.outcome):
        return [_whole(final, asked[0])]
    made: list[Row] = []
    for attempt in asked:
        row = _row(decision, attempt, structs.replace(final), len(made) + 1)
        made.append(row)
        final.model = decision.outcome.model[:MOST_NAME] or (row.model if attempt.usage is not None else final.model)
    for row in made:
        final.input_tokens += row.input_tokens
        final.cached_tokens += row.cached_tokens
        final.output_tokens += row.output_tokens
        final.reasoning_tokens += row.reasoning_tokens
    return [*made, final]


def _final(decision: Decision) -> Row:
    """The final row, but for what is summed up."""
    outcome = decision.outcome
    return Row(
        decision.id,
        0,
        started(decision.id),
        decision.key_id,
        decision.surface,
        decision.asked[:MOST_NAME],
        outcome.ended,
        person=decision.person[:MOST_NAME],
        policy="" if decision.plan is None else decision.plan.policy,
        intent="" if decision.facts is None else decision.facts.intent,
        cost=outcome.cost,
        estimated=outcome.estimated,
        ttft_ms=outcome.ttft_ms,
        duration_ms=outcome.duration_ms,
        cache=outcome.cache,
    )


def _is_all(attempt: Attempt, outcome: Outcome) -> bool:
    """Whether there is nothing to a request but this attempt; one that is billed to another has no usage."""
    return (
        attempt.outcome == ANSWERED
        and outcome.cost == (attempt.cost if attempt.usage is not None else 0)
        and attempt.ttft_ms == outcome.ttft_ms
        and attempt.cache == outcome.cache
        and attempt.model == outcome.model
    )


def _whole(final: Row, attempt: Attempt) -> Row:
    """The final row of a request that is its only attempt."""
    final.model, final.sole_ms = attempt.model[:MOST_NAME], attempt.duration_ms
    if attempt.usage is not None:
        final.input_tokens, final.cached_tokens, final.output_tokens, final.reasoning_tokens = _tokens(attempt.usage)
    return final


def _row(decision: Decision, attempt: Attempt, row: Row, number: int) -> Row:
    """The row of an attempt, made of a copy of the final one."""
    row.attempt = number
    row.model = attempt.model[:MOST_NAME]
    row.status = decision.outcome.ended if attempt.outcome == ANSWERED else attempt.outcome
    row.estimated, row.cache = attempt.estimated, attempt.cache
    row.ttft_ms, row.duration_ms = attempt.ttft_ms, attempt.duration_ms
    if attempt.usage is None:
        row.cost = 0
    else:
        row.cost = attempt.cost
        row.input_tokens, row.cached_tokens, row.output_tokens, row.reasoning_tokens = _tokens(attempt.usage)
    return row


def _tokens(usage: Usage) -> tuple[int, int, int, int]:
    """Tokens read, cached, said and thought; a part is never more than its whole, whatever a provider says."""
    prompt, completion = usage.prompt_tokens_details, usage.completion_tokens_details
    cached = (prompt.cached_tokens or 0) if prompt is not None else 0
    thought = (completion.reasoning_tokens or 0) if completion is not None else 0
    read, said = usage.prompt_tokens, usage.completion_tokens
    return read, min(max(cached, 0), read) if cached else 0, said, min(max(thought, 0), said) if thought else 0
