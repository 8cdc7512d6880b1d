"""The formula, the chain and the limits of a plan, on a table that can be reckoned by hand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec
import pytest

from gateway.core.money import PICO, Picodollars, Price
from policies import engine
from policies.documents import Half, Routing, Weights
from policies.engine import Board
from policies.facts import Facts, Live, Offer
from policies.reasons import reasons
from tests.laps import laps

MILLION = 10**6
NO_WEIGHTS: dict[str, float] = dict.fromkeys(Weights.__struct_fields__, 0.0)


def price(dollars_a_million: float) -> Price:
    plain = Picodollars(round(dollars_a_million * PICO / MILLION))
    return Price(plain, plain, Picodollars(plain // 10), plain)


def offer(name: str, quality: float = 0.9, dollars: float | None = 1.0, **other: Any) -> Offer:
    fields: dict[str, Any] = {
        "abilities": frozenset({"tools"}),
        "window": 100_000,
        "most_output": 10_000,
        "price": None if dollars is None else price(dollars),
        "quality": {"default": (quality, quality)},
        "reasoning": 0,
        "ttft_ms": 1000.0,
        "tokens_per_s": 100.0,
    }
    return Offer(name=name, **fields | other)


def routing(weights: dict[str, float] | None = None, **other: Any) -> Routing:
    fields: dict[str, Any] = {
        "version": 1,
        "about": "",
        "weights": Weights(**NO_WEIGHTS | (weights or {"shortfall": 10, "cost": 1})),
        "half": Half(cost_usd=0.001, ttft_ms=1000, duration_ms=10_000),
        "enough": {"default": (0.8, 0.8)},
    }
    return Routing(**fields | other)


def lives(offers: list[Offer], **cooling: Live) -> dict[str, Live]:
    return {one.name: Live(one.ttft_ms, one.tokens_per_s, one.reasoning) for one in offers} | cooling


def chain(offers: list[Offer], facts: Facts, document: Routing | None = None, **cooling: Live) -> list[str]:
    plan = Board("test", document or routing(), offers).plan(facts, lives(offers, **cooling))
    return [one.name for one in plan.chain]


FACTS = Facts(intent="x", tokens=1000, output_tokens=1000)


@dataclass(frozen=True)
class Term:
    """One weight alone, and the score of the one model."""

    weight: str
    facts: Facts
    offer: Offer
    score: float

    def __str__(self) -> str:
        return f"{self.weight} {self.score}"


TERMS = (
    Term("shortfall", FACTS, offer("a/m", quality=0.7), -0.1),
    Term("shortfall", FACTS, offer("a/m", quality=0.9), 0.0),
    Term("surplus", FACTS, offer("a/m", quality=0.9), 0.1),
    Term("surplus", FACTS, offer("a/m", quality=0.7), 0.0),
    Term("cost", FACTS, offer("a/m", dollars=0.5), -0.5),  # 2000 tokens at 0.5 $ a million are one tenth of a cent
    Term("cost", FACTS, offer("a/m", dollars=None), -1.0),
    Term("cost", FACTS, offer("a/m", dollars=0.0), 0.0),
    Term("ttft", FACTS, offer("a/m", ttft_ms=1000.0), -0.5),
    Term("duration", FACTS, offer("a/m", ttft_ms=0.0), -0.5),  # 1000 tokens at 100 a second
    Term("duration", FACTS, offer("a/m", ttft_ms=0.0, reasoning=2000), -0.75),
    Term("crowding", FACTS, offer("a/m", window=2000), -0.25),
    Term("crowding", FACTS, offer("a/m", window=0), 0.0),
    Term("stay", Facts(intent="x", warm="a/m"), offer("a/m"), 1.0),
    Term("stay", Facts(intent="x", warm="b/m"), offer("a/m"), 0.0),
    Term("search", Facts(intent="x", fresh=0.7), offer("a/m", abilities=frozenset({"search"})), 0.7),
    Term("search", Facts(intent="x", fresh=0.5), offer("a/m", abilities=frozenset({"search"})), 0.0),
    Term("search", Facts(intent="x", fresh=0.7), offer("a/m"), 0.0),
)


@pytest.mark.parametrize("term", TERMS, ids=str)
def test_every_term_of_the_formula_is_what_it_says(term: Term) -> None:
    board = Board("test", routing({term.weight: 1.0}), [term.offer])
    assert board.plan(term.facts, lives([term.offer])).candidates[0].score == pytest.approx(term.score)


def test_the_cheapest_that_is_good_enough_is_asked_first() -> None:
    offers = [offer("a/great", 0.99, 10.0), offer("b/good", 0.85, 0.5), offer("c/poor", 0.5, 0.01)]
    assert chain(offers, FACTS)[0] == "b/good"


def test_what_is_harder_asks_for_a_better_model() -> None:
    document = routing(enough={"default": (0.6, 0.95)})
    offers = [offer("a/great", 0.97, 10.0), offer("b/fair", 0.7, 0.5)]
    picks = [chain(offers, Facts(intent="x", complexity=c / 10, tokens=1000), document)[0] for c in range(11)]
    assert picks[0] == "b/fair"
    assert picks[-1] == "a/great"
    assert picks == sorted(picks, reverse=True)


def test_an_unsure_reading_leans_on_what_a_model_can_do_in_general() -> None:
    one = offer("a/m", quality=0.0)
    spread = Offer(
        **{name: getattr(one, name) for name in one.__struct_fields__} | {"quality": {"x": (1.0, 1.0), "y": (0.0, 0.0)}}
    )
    board = Board("test", routing(), [spread])
    found = [
        board.plan(Facts(intent="x", confidence=c), lives([spread])).candidates[0].quality for c in (1.0, 0.5, 0.0)
    ]
    assert found == pytest.approx([1.0, 0.75, 0.5])


def test_a_fitted_quality_comes_before_the_catalogues() -> None:
    offers = [offer("a/m", 0.99, 2.0), offer("b/m", 0.2, 0.5)]
    assert chain(offers, FACTS)[0] == "a/m"
    assert chain(offers, Facts(intent="x", tokens=1000, qualities={"b/m": 0.95}))[0] == "b/m"


def test_leaving_a_warm_prompt_cache_costs_what_it_costs() -> None:
    offers = [offer("a/m", dollars=1.0), offer("b/m", dollars=0.9)]
    facts = Facts(intent="x", tokens=50_000, output_tokens=100)
    assert chain(offers, facts)[0] == "b/m"
    warm = Facts(intent="x", tokens=50_000, output_tokens=100, warm="a/m", warm_tokens=49_000)
    assert chain(offers, warm)[0] == "a/m"


def test_the_backup_is_of_another_provider_and_the_default_comes_last() -> None:
    offers = [offer("a/1", dollars=0.1), offer("a/2", dollars=0.2), offer("b/1", dollars=5), offer("c/1", dollars=9)]
    assert chain(offers, FACTS) == ["a/1", "b/1", "a/2"]
    assert chain(offers, FACTS, routing(default=["c/1"])) == ["a/1", "b/1", "c/1"]
    assert chain(offers, FACTS, routing(default=["a/1"])) == ["a/1", "b/1", "a/2"]
    assert chain(offers, FACTS, routing(default=["c/1"], attempts=1)) == ["a/1"]
    assert chain(offers, FACTS, routing(default=["c/1"], attempts=2)) == ["a/1", "c/1"]


def test_a_tool_loop_stays_with_its_model() -> None:
    offers = [offer("a/cheap", dollars=0.1), offer("b/dear", dollars=50)]
    step = Facts(intent="x", tokens=1000, turn="tool", warm="b/dear", needs=("tools",))
    assert chain(offers, step)[0] == "b/dear"
    gone = Facts(intent="x", tokens=1000, turn="tool", warm="b/other", needs=("tools",))
    assert chain(offers, gone)[0] == "a/cheap"


def test_who_rests_is_passed_over_while_somebody_else_can_answer() -> None:
    offers = [offer("a/m", dollars=0.1), offer("b/m", dollars=1)]
    resting = Live(1000.0, 100.0, 0.0, "failing", 5.0)
    assert chain(offers, FACTS, **{"a/m": resting}) == ["b/m"]
    assert chain(offers, FACTS, **{"a/m": resting, "b/m": resting}) == ["a/m", "b/m"]


def test_a_wait_that_the_provider_stated_is_kept() -> None:
    offers = [offer("a/m")]
    assert chain(offers, FACTS, **{"a/m": Live(1000.0, 100.0, 0.0, "rate limited", 5.0, stated=True)}) == []


@dataclass(frozen=True)
class Limit:
    """Facts and a model that break one limit, and what is said of it."""

    out: str
    facts: Facts
    offer: Offer
    said: str

    def __str__(self) -> str:
        return self.out


LIMITS = (
    Limit(engine.UNABLE, Facts(needs=("json", "tools", "vision")), offer("a/m"), "cannot do: json, vision"),
    Limit(
        engine.TOO_LONG,
        Facts(tokens=99_900, output_tokens=200),
        offer("a/m"),
        "too long: 100,100 tokens of prompt and answer, its window holds 100,000",
    ),
    Limit(
        engine.TOO_SHORT,
        Facts(most_output=10_001),
        offer("a/m"),
        "answers with at most 10,000 tokens, 10,001 are asked for",
    ),
    Limit(engine.NO_PRICE, Facts(max_cost=1), offer("a/m", dollars=None), "price unknown"),
    Limit(
        engine.TOO_DEAR,
        Facts(tokens=1000, most_output=1000, max_cost=PICO // 1000),
        offer("a/m", dollars=1.0),
        "may cost $0.002000, the limit is $0.001000",
    ),
    Limit(
        engine.TOO_SLOW,
        Facts(max_ttft_ms=500),
        offer("a/m"),
        "first token after 1,000 ms, the limit is 500 ms",
    ),
)


@pytest.mark.parametrize("limit", LIMITS, ids=str)
def test_a_hard_limit_is_told_in_words(limit: Limit) -> None:
    plan = Board("test", routing(), [limit.offer]).plan(limit.facts, lives([limit.offer]))
    (one,) = plan.candidates
    assert (plan.chain, one.out, one.rank) == ((), limit.out, 0)
    assert reasons(one, limit.facts, enough=plan.enough, chosen=0, searches=False)[0] == limit.said


def test_the_limit_of_the_cost_counts_thought_and_every_choice() -> None:
    plain, thinking = offer("a/plain"), offer("b/thinks", reasoning=4000)
    facts = Facts(intent="x", tokens=1000, output_tokens=1000, max_cost=3 * PICO // 1000)
    assert chain([plain, thinking], facts) == ["a/plain"]
    several = msgspec.structs.replace(facts, choices=3)
    assert chain([plain], several) == []
    unlimited = msgspec.structs.replace(several, max_cost=None)
    plan = Board("test", routing(), [plain]).plan(unlimited, lives([plain]))
    assert plan.chain[0].cost == 4 * PICO // 1000


def test_what_is_not_in_the_policy_or_not_allowed_is_said_to_be_so() -> None:
    offers = [offer("a/m"), offer("b/m"), offer("c/m")]
    board = Board("test", routing(models=["a/*", "b/m"]), offers)
    plan = board.plan(FACTS, lives(offers), allowed={"b/m", "c/m"})
    assert {one.name: one.out for one in plan.candidates} == {
        "a/m": engine.FORBIDDEN,
        "b/m": "",
        "c/m": engine.NOT_LISTED,
    }


def test_a_plan_of_forty_models_takes_no_longer_than_it_may() -> None:
    offers = [offer(f"{'abcdef'[k % 6]}/m{k}", 0.5 + k / 100, 0.1 * k) for k in range(40)]
    board, live = Board("test", routing(), offers), lives(offers)
    for lap in laps(within=300e-6):
        with lap:
            board.plan(FACTS, live)
