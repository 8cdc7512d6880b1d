"""Money is whole numbers: nothing is lost, nothing is made up."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from gateway.core.money import PICO, Picodollars, Price, dollars, picodollars

amounts = st.integers(0, 10**9).map(Picodollars)
prices = st.builds(Price, amounts, amounts, amounts, amounts)
counts = st.integers(0, 50_000_000)


@dataclass(frozen=True)
class Amount:
    """Picodollars, and how they are told."""

    pico: int
    told: str


@pytest.mark.parametrize(
    "amount",
    [
        Amount(0, "0.000000"),
        Amount(1, "0.000000"),
        Amount(499_999, "0.000000"),
        Amount(500_000, "0.000001"),
        Amount(1_499_999, "0.000001"),
        Amount(PICO, "1.000000"),
        Amount(PICO - 1, "1.000000"),
        Amount(12_345_678_900_000, "12.345679"),
        Amount(10**30, "1000000000000000000.000000"),
    ],
)
def test_an_amount_is_told_in_microdollars_rounded_half_up(amount: Amount) -> None:
    assert dollars(Picodollars(amount.pico)) == amount.told


@given(st.integers(0, 10**24))
def test_an_amount_is_told_without_a_float_on_the_way(pico: int) -> None:
    exact = (Decimal(pico) / PICO).quantize(Decimal("0.000001"), ROUND_HALF_UP)
    assert Decimal(dollars(Picodollars(pico))) == exact


@dataclass(frozen=True)
class Listed:
    """A price as a price list writes it, and what it is."""

    usd: float
    pico: int


@pytest.mark.parametrize(
    "listed",
    [
        Listed(0.0, 0),
        Listed(1.5e-07, 150_000),
        Listed(6e-07, 600_000),
        Listed(7.5e-08, 75_000),
        Listed(1.0e-12, 1),
        Listed(15e-6, 15_000_000),
    ],
)
def test_a_listed_price_is_exact(listed: Listed) -> None:
    assert picodollars(listed.usd) == listed.pico


@given(st.integers(0, 10**9))
def test_every_price_of_whole_picodollars_is_read_back(pico: int) -> None:
    assert picodollars(pico / PICO) == pico


@given(prices, counts, counts, counts, counts)
def test_a_cost_is_a_whole_number_and_never_negative(
    price: Price, prompt: int, completion: int, cached: int, written: int
) -> None:
    cost = price.of(prompt, completion, cached, written)
    assert isinstance(cost, int)
    assert cost >= 0


@given(prices, *[st.integers(-(10**9), 10**9)] * 4)
def test_no_lie_of_a_provider_makes_a_cost_negative(
    price: Price, prompt: int, completion: int, cached: int, written: int
) -> None:
    assert price.of(prompt, completion, cached, written) >= 0


@given(prices, counts, counts, counts, counts)
def test_the_cost_of_two_calls_is_the_sum_of_their_costs(price: Price, p1: int, c1: int, p2: int, c2: int) -> None:
    assert price.of(p1, c1) + price.of(p2, c2) == price.of(p1 + p2, c1 + c2)


@given(prices, st.lists(st.tuples(counts, counts), max_size=4), counts)
def test_the_cost_is_the_sum_of_its_parts(price: Price, parts: list[tuple[int, int]], completion: int) -> None:
    cached = sum(a for a, _ in parts)
    written = sum(b for _, b in parts)
    fresh = 7
    expected = (
        fresh * price.input + cached * price.cached_input + written * price.cache_write + completion * price.output
    )
    assert price.of(fresh + cached + written, completion, cached, written) == expected


@given(prices, counts, st.integers(0, 10**9), st.integers(0, 10**9))
def test_more_cached_than_prompted_counts_as_all_of_the_prompt(
    price: Price, prompt: int, cached: int, written: int
) -> None:
    dearest = max(price.input, price.cached_input, price.cache_write)
    assert price.of(prompt, 0, cached, written) <= prompt * dearest


# Parts that few models have: a fee for each call, dearer thought, dearer long prompts.

tiers = st.builds(Price, amounts, amounts, amounts, amounts, st.none() | amounts, amounts)
tiered = st.builds(Price, amounts, amounts, amounts, amounts, st.none() | amounts, amounts, counts, tiers)


@given(tiered, *[st.integers(-(10**9), 10**9)] * 5)
def test_no_lie_makes_a_cost_negative_whatever_a_price_is_made_of(
    price: Price, prompt: int, completion: int, cached: int, written: int, reasoning: int
) -> None:
    cost = price.of(prompt, completion, cached, written, reasoning)
    assert isinstance(cost, int)
    assert cost >= price.request or (price.long is not None and cost >= price.long.request)


@given(tiered, counts, counts, counts)
def test_a_long_prompt_costs_the_long_price_and_no_other_does(
    price: Price, prompt: int, completion: int, cached: int
) -> None:
    assert price.long is not None
    flat = replace(price, long=None)
    chosen = price.long if prompt > price.long_from else flat
    assert price.of(prompt, completion, cached) == chosen.of(prompt, completion, cached)


@given(prices, amounts, counts, counts)
def test_thought_is_part_of_the_completion_and_costs_its_own_price(
    price: Price, dear: Picodollars, completion: int, reasoning: int
) -> None:
    thought = min(reasoning, completion)
    expected = (completion - thought) * price.output + thought * dear
    assert replace(price, reasoning=dear).of(0, completion, reasoning=reasoning) == expected
    assert price.of(0, completion, reasoning=reasoning) == completion * price.output


@given(prices, amounts, counts, counts)
def test_a_fee_is_paid_once_for_each_call(price: Price, fee: Picodollars, prompt: int, completion: int) -> None:
    assert replace(price, request=fee).of(prompt, completion) == fee + price.of(prompt, completion)


def test_a_real_bill() -> None:
    mini = Price(picodollars(1.5e-07), picodollars(6e-07), picodollars(7.5e-08), picodollars(1.5e-07))
    assert dollars(mini.of(1_000_000, 1_000_000, cached=500_000)) == "0.712500"
