"""Says in words why a model was or was not taken."""

from __future__ import annotations

from collections.abc import Collection

from policies import engine
from policies.engine import PICO, Scored
from policies.facts import Facts


def reasons(one: Scored, facts: Facts, *, enough: float, chosen: int, searches: bool) -> list[str]:
    """What speaks for and against a candidate, the decisive thing first; `chosen` is how many the chain has."""
    return [_decisive(one, facts, chosen), *_others(one, facts, enough, searches=searches)]


def _decisive(one: Scored, facts: Facts, chosen: int) -> str:
    if one.rank == 1:
        return "stays in its tool loop" if facts.turn == "tool" and one.name == facts.warm else "best score"
    if one.rank:
        return "default" if one.rank == chosen and chosen > 2 else "backup"
    return _limit(one, facts) if one.out else "lower score"


def _limit(one: Scored, facts: Facts) -> str:
    """The hard limit that it breaks."""
    match one.out:
        case engine.UNABLE:
            return f"cannot do: {one.detail}"
        case engine.TOO_LONG:
            size = facts.tokens + facts.output_tokens
            return f"too long: {size:,} tokens of prompt and answer, its window holds {int(one.detail):,}"
        case engine.TOO_SHORT:
            return f"answers with at most {int(one.detail):,} tokens, {facts.most_output:,} are asked for"
        case engine.TOO_DEAR:
            return f"may cost ${one.detail}, the limit is ${(facts.max_cost or 0) / PICO:.6f}"
        case engine.TOO_SLOW:
            return f"first token after {one.ttft_ms:,.0f} ms, the limit is {facts.max_ttft_ms or 0:,.0f} ms"
        case _:
            return f"{one.out}: {one.detail}" if one.detail else one.out


def _others(one: Scored, facts: Facts, enough: float, *, searches: bool) -> Collection[str]:
    found = []
    if one.quality or not one.out:
        good = one.quality >= enough
        found.append(f"good enough ({one.quality:.2f})" if good else f"not quite good enough ({one.quality:.2f})")
    if facts.warm and one.name == facts.warm and one.rank != 1:
        found.append("answered before")
    if searches and facts.fresh >= 0.5:
        found.append("searches the web")
    if one.cost is None:
        found.append("price unknown")
    return found


def line(one: Scored) -> dict[str, object]:
    """The figures of a candidate, in dollars and milliseconds."""
    return {
        "model": one.name,
        "score": round(one.score, 6),
        "cost_usd": None if one.cost is None else round(one.cost / PICO, 9),
        "ttft_ms": round(one.ttft_ms),
    }
