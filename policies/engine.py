"""From facts to a plan: hard limits first, then one formula. Pure: the same document and facts give the same plan.

    score = - shortfall × max(0, enough - quality) + surplus × max(0, quality - enough)
            - cost     × usd / (usd + half.cost_usd)
            - ttft     × ttft_ms / (ttft_ms + half.ttft_ms)
            - duration × duration_ms / (duration_ms + half.duration_ms)
            - crowding × (tokens / window)²
            + stay     if it answered this conversation before
            + search   × fresh, if it searches the web and fresh >= fresh_from

`quality` and `enough` lie on the line between their two ends, at the request's complexity; where the intent is unsure,
quality leans towards the model's mean over all intents. What it costs to leave a warm prompt cache is in `usd`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Final

from msgspec import Struct

from policies.documents import Range, Routing
from policies.facts import Facts, Live, Offer

PICO: Final = 1e12  # picodollars in a dollar
_MIDDLING: Final[Range] = (0.5, 0.5)  # the quality of a model of which the catalogue says nothing

# Why a model cannot be taken; the first that holds is told.
NOT_LISTED: Final = "not in this policy"
FORBIDDEN: Final = "not allowed for this key or its organisation"
UNABLE: Final = "unable"
TOO_LONG: Final = "too long"
TOO_SHORT: Final = "too short an answer"
NO_PRICE: Final = "price unknown"
TOO_DEAR: Final = "too dear"
TOO_SLOW: Final = "too slow"
COOLING: Final = "cooling down"


class Scored(Struct, array_like=True, gc=False):
    """One candidate as the plan sees it; `out` says which limit it breaks, `rank` when it is asked (1 is first)."""

    name: str
    score: float = 0.0
    quality: float = 0.0
    cost: int | None = None  # picodollars, expected
    ttft_ms: float = 0.0
    duration_ms: float = 0.0
    rank: int = 0
    out: str = ""
    detail: str = ""  # what the limit is about


class Plan(Struct, frozen=True):
    """Who is asked, in order, and what was thought of everyone: the chain first, then by falling score."""

    policy: str
    enough: float
    chain: tuple[Scored, ...]
    candidates: tuple[Scored, ...]


class _Seat(Struct, frozen=True):
    """One model on offer, and what a policy knows of it before anything is asked."""

    offer: Offer
    listed: bool
    searches: bool
    mean: Range  # of its quality over all intents


class Board:
    """A policy with the models on offer, prepared once so that a plan costs microseconds."""

    def __init__(self, name: str, routing: Routing, offers: Sequence[Offer]) -> None:
        self.name = name
        self.routing = routing
        self.offers = tuple(offers)
        self._seats = [
            _Seat(offer, matches(offer.name, routing.models), "search" in offer.abilities, _mean(offer.quality))
            for offer in self.offers
        ]

    def plan(self, facts: Facts, live: Mapping[str, Live], allowed: Collection[str] | None = None) -> Plan:
        """The candidates in their order; `allowed` are the models that the organisation may use, None for all."""
        enough = _at(self.routing.enough.get(facts.intent) or self.routing.enough["default"], facts.complexity)
        seen = sorted(self._seen(facts, live, allowed, enough), key=_order)
        able = [one for one in seen if not one.out]
        if not able:  # a guess of ours yields where it would leave nobody; a wait that the provider stated does not
            able = [one for one in seen if one.out == COOLING and not live[one.name].stated]
        chain = tuple(self._chain(able, facts))
        for rank, one in enumerate(chain, 1):
            one.rank, one.out, one.detail = rank, "", ""
        return Plan(self.name, enough, chain, (*chain, *[one for one in seen if not one.rank]))

    def _seen(
        self, facts: Facts, live: Mapping[str, Live], allowed: Collection[str] | None, enough: float
    ) -> Iterator[Scored]:
        """Every model in the formula at the head of this file, and against the limits."""
        weights, half = self.routing.weights, self.routing.half
        tokens, fresh = facts.tokens, facts.fresh if facts.fresh >= self.routing.fresh_from else 0.0
        for seat in self._seats:
            offer = seat.offer
            name, price, doing = offer.name, offer.price, live[offer.name]
            warm = name == facts.warm
            said = spoken(facts, doing)
            ttft = doing.ttft_ms
            duration = ttft + 1e3 * said / doing.tokens_per_s
            quality = _quality(seat, facts)
            above = quality - enough
            score = (weights.surplus if above > 0 else weights.shortfall) * above
            if price is None:
                cost, dear = None, 1.0
            else:
                cost = price.of(tokens, said * facts.choices, facts.warm_tokens if warm else 0)
                dear = cost / PICO / (cost / PICO + half.cost_usd)
            score -= weights.cost * dear
            score -= weights.ttft * ttft / (ttft + half.ttft_ms)
            score -= weights.duration * duration / (duration + half.duration_ms)
            if offer.window:
                score -= weights.crowding * (tokens / offer.window) ** 2
            if warm:
                score += weights.stay
            if seat.searches and fresh:
                score += weights.search * fresh
            if not seat.listed:
                out, detail = NOT_LISTED, ""
            elif allowed is not None and name not in allowed:
                out, detail = FORBIDDEN, ""
            else:
                out, detail = limit(offer, facts, doing)
            yield Scored(name, score, quality, cost, ttft, duration, out=out, detail=detail)

    def _chain(self, able: list[Scored], facts: Facts) -> list[Scored]:
        """Primary, backups, default. The first backup is of another provider: what fails is most often a provider."""
        if facts.turn == "tool":  # a tool loop stays where it is: the calls and their ids are that model's own
            able = sorted(able, key=lambda one: one.name != facts.warm)
        attempts = self.routing.attempts
        backup = next((one for one in able if _provider(one) != _provider(able[0])), None)
        if backup is not None:
            able = [able[0], backup, *(one for one in able[1:] if one is not backup)]
        default = next((one for name in self.routing.default for one in able if one.name == name), None)
        if default is not None and attempts > 1 and default not in able[:attempts]:
            return [*able[: attempts - 1], default]
        return able[:attempts]


def limit(offer: Offer, facts: Facts, live: Live) -> tuple[str, str]:
    """The first hard limit that a model breaks and what it is about; two empty strings where it breaks none."""
    if facts.needs and (lacking := [need for need in facts.needs if need not in offer.abilities]):
        return UNABLE, ", ".join(lacking)
    if offer.window and facts.tokens + facts.output_tokens > offer.window:
        return TOO_LONG, str(offer.window)
    if offer.most_output and facts.most_output > offer.most_output and not facts.ceiling:
        return TOO_SHORT, str(offer.most_output)
    if facts.max_cost is not None:
        said = facts.choices * (facts.most_output or spoken(facts, live))
        dear = over(None if offer.price is None else offer.price.of(facts.tokens, said), facts.max_cost)
        if dear[0]:
            return dear
    if facts.max_ttft_ms is not None and live.ttft_ms > facts.max_ttft_ms:
        return TOO_SLOW, ""
    return (COOLING, f"{live.cooling}, {live.cooling_s:.0f} s") if live.cooling else ("", "")


def spoken(facts: Facts, live: Live) -> int:
    """Tokens that one answer is expected to have, with what is thought before it."""
    said = facts.output_tokens + int(live.reasoning)
    return min(said, facts.most_output) if facts.most_output else said


def over(cost: int | None, most: int) -> tuple[str, str]:
    """How a cost breaks the request's own limit, as `limit` says it."""
    if cost is None:
        return NO_PRICE, ""
    return (TOO_DEAR, f"{cost / PICO:.6f}") if cost > most else ("", "")


def matches(name: str, patterns: Sequence[str]) -> bool:
    """Whether a model is one of these: whole names, or patterns with `*`."""
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _quality(seat: _Seat, facts: Facts) -> float:
    """How good a model's answer will most likely be, 0..1."""
    offer = seat.offer
    if facts.qualities is not None and offer.name in facts.qualities:
        return facts.qualities[offer.name]
    mean = _at(seat.mean, facts.complexity)
    known = offer.quality.get(facts.intent) or offer.quality.get("default")
    return mean if known is None else mean + facts.confidence * (_at(known, facts.complexity) - mean)


def _at(ends: Range, complexity: float) -> float:
    """The point of the line at this complexity."""
    return ends[0] + (ends[1] - ends[0]) * complexity


def _mean(quality: Mapping[str, Range]) -> Range:
    """The line between the mean ends."""
    ends = quality.values() or (_MIDDLING,)
    return sum(end[0] for end in ends) / len(ends), sum(end[1] for end in ends) / len(ends)


def _order(one: Scored) -> tuple[float, str]:
    return -one.score, one.name


def _provider(one: Scored) -> str:
    return one.name.partition("/")[0]
