"""Whatever the models, prices, speeds and facts: limits hold, and getting better never makes a model come later."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.money import Picodollars, Price
from policies import engine
from policies.documents import Half, Routing, Weights
from policies.engine import Board, Plan
from policies.facts import Facts, Live, Offer

INTENTS = ("social_chat", "coding_help", "default")
ABILITIES = ("tools", "vision", "json", "search")
shares = st.floats(0, 1, allow_nan=False)
ranges = st.tuples(shares, shares).map(lambda ends: (max(ends), min(ends)))
rising = st.tuples(shares, shares).map(lambda ends: (min(ends), max(ends)))
speeds = st.floats(1, 60_000, allow_nan=False)


@st.composite
def prices(draw: st.DrawFn) -> Price | None:
    if draw(st.integers(0, 5)) == 0:
        return None
    plain, output = (Picodollars(draw(st.integers(0, 10**8))) for _ in range(2))
    return Price(plain, output, Picodollars(plain // 10), plain)


@st.composite
def offers(draw: st.DrawFn) -> list[Offer]:
    names = draw(
        st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("xyzw")), min_size=1, max_size=8, unique=True)
    )
    return [
        Offer(
            name=f"{provider}/{model}",
            abilities=frozenset(draw(st.sets(st.sampled_from(ABILITIES)))),
            window=draw(st.sampled_from([0, 8_000, 128_000, 1_000_000])),
            most_output=draw(st.sampled_from([0, 1_000, 64_000])),
            price=draw(prices()),
            quality={intent: draw(ranges) for intent in draw(st.sets(st.sampled_from(INTENTS)))},
            reasoning=draw(st.integers(0, 10_000)),
            ttft_ms=draw(speeds),
            tokens_per_s=draw(speeds),
        )
        for provider, model in names
    ]


weights = st.builds(Weights, *[st.floats(0, 100)] * 8)
halves = st.builds(Half, *[st.floats(1e-6, 1e5)] * 3)


@st.composite
def boards(draw: st.DrawFn) -> Board:
    offered = draw(offers())
    names = st.sampled_from([offer.name for offer in offered])
    return Board(
        "some",
        Routing(
            version=1,
            about="",
            weights=draw(weights),
            half=draw(halves),
            enough={"default": draw(rising), "social_chat": draw(rising)},
            models=draw(st.sampled_from([["*"], ["a/*", "b/x"], ["*/x"]])),
            fresh_from=draw(shares),
            attempts=draw(st.integers(1, 4)),
            default=draw(st.lists(names, max_size=2, unique=True)),
        ),
        offered,
    )


@st.composite
def lives(draw: st.DrawFn, board: Board) -> dict[str, Live]:
    resting = st.sampled_from([("", 0.0, False)] * 3 + [("failing", 5.0, False), ("rate limited", 9.0, True)])
    return {
        offer.name: Live(draw(speeds), draw(speeds), draw(st.floats(0, 9_000)), *draw(resting))
        for offer in board.offers
    }


@st.composite
def all_facts(draw: st.DrawFn, board: Board) -> Facts:
    return Facts(
        intent=draw(st.sampled_from([*INTENTS, "unheard_of"])),
        confidence=draw(shares),
        complexity=draw(shares),
        fresh=draw(shares),
        tokens=draw(st.integers(0, 2_000_000)),
        output_tokens=draw(st.integers(1, 4_000)),
        most_output=draw(st.sampled_from([0, 0, 500, 32_000])),
        choices=draw(st.sampled_from([1, 1, 8])),
        needs=tuple(sorted(draw(st.sets(st.sampled_from(ABILITIES), max_size=2)))),
        turn=draw(st.sampled_from(["user", "tool"])),
        warm=draw(st.sampled_from(["", "gone/model", *(offer.name for offer in board.offers)])),
        warm_tokens=draw(st.integers(0, 100_000)),
        max_cost=draw(st.one_of(st.none(), st.integers(1, 10**11))),
        max_ttft_ms=draw(st.one_of(st.none(), speeds)),
    )


@st.composite
def moments(draw: st.DrawFn) -> tuple[Board, Facts, dict[str, Live], frozenset[str] | None]:
    board = draw(boards())
    allowed = draw(st.one_of(st.none(), st.frozensets(st.sampled_from([offer.name for offer in board.offers]))))
    return board, draw(all_facts(board)), draw(lives(board)), allowed


def rank(plan: Plan, name: str) -> int:
    """When a model is asked; whoever is not asked comes after all."""
    return next((one.rank for one in plan.chain if one.name == name), 99)


def score(plan: Plan, name: str) -> float:
    return next(one.score for one in plan.candidates if one.name == name)


@given(moments())
def test_a_plan_never_breaks_a_hard_limit(
    moment: tuple[Board, Facts, Mapping[str, Live], frozenset[str] | None],
) -> None:
    board, facts, live, allowed = moment
    plan = board.plan(facts, live, allowed)
    by_name = {offer.name: offer for offer in board.offers}
    rested = [one for one in board.offers if not live[one.name].cooling]
    for one in plan.chain:
        offer = by_name[one.name]
        assert engine.matches(one.name, board.routing.models)
        assert allowed is None or one.name in allowed
        assert set(facts.needs) <= offer.abilities
        assert not offer.window or facts.tokens + facts.output_tokens <= offer.window
        assert not offer.most_output or facts.most_output <= offer.most_output
        assert facts.max_ttft_ms is None or live[one.name].ttft_ms <= facts.max_ttft_ms
        if facts.max_cost is not None:
            assert offer.price is not None
            assert one.cost is not None
            assert one.cost <= facts.max_cost  # as the plan itself expects it, and ...
            assert (
                offer.price.of(facts.tokens, facts.choices * facts.most_output) <= facts.max_cost
            )  # ... as is allowed
        assert not live[one.name].stated
        if live[one.name].cooling:  # only where nobody else is left
            well = [other for other in rested if engine.limit(other, facts, live[other.name]) == ("", "")]
            assert [
                other.name
                for other in well
                if engine.matches(other.name, board.routing.models) and (allowed is None or other.name in allowed)
            ] == []


@given(moments())
def test_a_plan_holds_everybody_once_and_no_more_than_are_to_be_asked(
    moment: tuple[Board, Facts, Mapping[str, Live], frozenset[str] | None],
) -> None:
    board, facts, live, allowed = moment
    plan = board.plan(facts, live, allowed)
    assert sorted(one.name for one in plan.candidates) == sorted(offer.name for offer in board.offers)
    assert [one.rank for one in plan.chain] == list(range(1, len(plan.chain) + 1))
    assert len(plan.chain) <= board.routing.attempts
    assert all(one.out for one in plan.candidates if not one.rank) or len(plan.chain) >= board.routing.attempts


@given(moments())
def test_the_same_document_and_facts_give_the_same_plan_bit_for_bit(
    moment: tuple[Board, Facts, Mapping[str, Live], frozenset[str] | None],
) -> None:
    board, facts, live, allowed = moment
    kept = msgspec.json.encode((facts, live))
    again, live_again = msgspec.json.decode(kept, type=tuple[Facts, dict[str, Live]])
    other = Board(board.name, board.routing, tuple(reversed(board.offers)))
    first = msgspec.json.encode(board.plan(facts, live, allowed))
    assert first == msgspec.json.encode(board.plan(again, live_again, allowed))
    assert first == msgspec.json.encode(other.plan(facts, live, allowed))


@given(moments())
def test_a_kept_plan_says_who_was_allowed_so_that_it_can_be_made_again(
    moment: tuple[Board, Facts, Mapping[str, Live], frozenset[str] | None],
) -> None:
    board, facts, live, allowed = moment
    plan = board.plan(facts, live, allowed)
    seen = {one.name for one in plan.candidates if one.out != engine.FORBIDDEN}
    assert board.plan(facts, live, seen) == plan


@given(moments(), st.data())
def test_a_better_price_never_lowers_a_models_rank(
    moment: tuple[Board, Facts, Mapping[str, Live], frozenset[str] | None], data: st.DataObject
) -> None:
    board, facts, live, allowed = moment
    chosen = data.draw(st.sampled_from(board.offers))
    share = data.draw(shares)
    if chosen.price is None:
        return
    cut = {
        name: Picodollars(int(getattr(chosen.price, name) * share))
        for name in ("input", "output", "cached_input", "cache_write")
    }
    cheaper = msgspec.structs.replace(chosen, price=msgspec.structs.replace(chosen.price, **cut))
    offered = [cheaper if offer is chosen else offer for offer in board.offers]
    before = board.plan(facts, live, allowed)
    after = Board(board.name, board.routing, offered).plan(facts, live, allowed)
    assert score(after, chosen.name) >= score(before, chosen.name)
    assert rank(after, chosen.name) <= rank(before, chosen.name)


@given(moments(), st.data())
def test_a_better_latency_never_lowers_a_models_rank(
    moment: tuple[Board, Facts, Mapping[str, Live], frozenset[str] | None], data: st.DataObject
) -> None:
    board, facts, live, allowed = moment
    chosen = data.draw(st.sampled_from([offer.name for offer in board.offers]))
    was = live[chosen]
    faster = msgspec.structs.replace(
        was, ttft_ms=was.ttft_ms * data.draw(shares), tokens_per_s=was.tokens_per_s * (1 + data.draw(shares))
    )
    before, after = board.plan(facts, live, allowed), board.plan(facts, {**live, chosen: faster}, allowed)
    assert score(after, chosen) >= score(before, chosen)
    assert rank(after, chosen) <= rank(before, chosen)
