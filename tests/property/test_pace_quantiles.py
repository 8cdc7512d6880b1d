"""Quantiles that forget are the quantiles that a list with weights would have."""

from __future__ import annotations

import math
import random

from hypothesis import assume, given
from hypothesis import strategies as st

from gateway.core.pace import GROWTH, HALF_LIFE_OBSERVATIONS, HALF_LIFE_SECONDS, Quantiles

LEAST, MOST, PRIOR = 1.0, 600_000.0, 1_000.0
SPREAD = (0.6, 0.8, 1.0, 1.5, 3.0)  # of what is believed
WITHIN = GROWTH**1.001  # one bucket, and what rounding does

values = st.floats(LEAST, MOST)
pauses = st.one_of(st.just(0.0), st.floats(0, 30), st.floats(0, 5_000), st.floats(0, 1e7))
observations = st.lists(st.tuples(values, pauses), max_size=150)


def learn(seen: list[tuple[float, float]], prior: float = PRIOR) -> Quantiles:
    quantiles, now = Quantiles(LEAST, MOST, prior), 0.0
    for value, pause in seen:
        now += pause
        quantiles.add(value, now)
    return quantiles


def weighed(seen: list[tuple[float, float]], prior: float = PRIOR) -> list[tuple[float, float]]:
    """Every value and its weight, worked out backwards from the last."""
    found, ages = [], 0.0
    for later, (value, pause) in enumerate(reversed(seen)):
        found.append((value, 2.0 ** (-later / HALF_LIFE_OBSERVATIONS - ages / HALF_LIFE_SECONDS)))
        ages += pause
    return sorted(found + [(min(MOST, max(LEAST, prior * times)), 1.0) for times in SPREAD])


def quantile(found: list[tuple[float, float]], share: float) -> float:
    wanted, so_far = share * sum(weight for _, weight in found), 0.0
    for value, weight in found:
        so_far += weight
        if so_far >= wanted:
            return value
    return found[-1][0]


def is_quantile(told: float, found: list[tuple[float, float]], share: float) -> bool:
    """Whether what is told is within a bucket of the quantile, give or take a hair's breadth of its share."""
    low, high = quantile(found, share - 1e-6), quantile(found, min(1.0, share + 1e-6))
    return low / WITHIN <= told <= high * WITHIN


@given(observations)
def test_a_quantile_is_within_one_bucket_of_the_true_one(seen: list[tuple[float, float]]) -> None:
    quantiles, found = learn(seen), weighed(seen)
    assert is_quantile(quantiles.p50, found, 0.50)


@given(observations)
def test_no_more_than_a_twentieth_and_its_error_is_later_than_what_is_late(seen: list[tuple[float, float]]) -> None:
    quantiles, found = learn(seen), weighed(seen)
    seen_of_it = sum(weight for _, weight in found) - len(SPREAD)
    assume(not 19.9 < seen_of_it < 20.1)  # a hair more or less, and another rule holds
    if seen_of_it < 20:
        assert quantile(found, 0.95 - 1e-6) <= quantiles.late() * WITHIN
        return
    for times in SPREAD:
        found.remove((min(MOST, max(LEAST, PRIOR * times)), 1.0))
    late = quantiles.late()
    assert sum(weight for value, weight in found if value > late * 1.001) <= 0.0601 * seen_of_it
    assert sum(weight for value, weight in found if value > late / GROWTH / 1.001) >= 0.0599 * seen_of_it or late < 1.1


@given(observations, values)
def test_quantiles_are_numbers_in_their_order(seen: list[tuple[float, float]], prior: float) -> None:
    quantiles = Quantiles(LEAST, MOST, prior)
    now = 0.0
    for value, pause in seen:
        now += pause
        quantiles.add(value, now)
        quantiles.refresh(now + pause / 2)
        assert LEAST / WITHIN <= quantiles.p50 <= MOST * WITHIN
        assert LEAST / WITHIN <= quantiles.late() <= MOST * WITHIN


@given(st.integers(0, 2**32), st.floats(5, 12), st.floats(0.05, 1.5))
def test_stationary_data_have_their_own_quantiles(seed: int, middle: float, width: float) -> None:
    dice = random.Random(seed)
    quantiles = Quantiles(LEAST, MOST, math.exp(middle))
    for number in range(1_500):
        quantiles.add(min(MOST, math.exp(middle) * math.exp(dice.gauss(0, width))), number * 0.1)
    # 290 observations are remembered: their median is as good as that many can make it, plus half a bucket.
    spread = 4 * 1.25 * width / math.sqrt(290)
    assert abs(math.log(quantiles.p50) - middle) <= spread + math.log(WITHIN)


@given(values, values)
def test_a_change_is_followed_within_the_half_life(before: float, after: float) -> None:
    quantiles = Quantiles(LEAST, MOST, before)
    for number in range(1_000):
        quantiles.add(before, number)
    for number in range(int(HALF_LIFE_OBSERVATIONS)):
        quantiles.add(after, 1_000 + number)
    assert after / WITHIN <= quantiles.p50 <= after * WITHIN


@given(values, values)
def test_after_a_half_life_of_silence_half_as_many_are_enough(before: float, after: float) -> None:
    quantiles = Quantiles(LEAST, MOST, after)
    for _ in range(60):
        quantiles.add(before, 0)
    for _ in range(30):
        quantiles.add(after, HALF_LIFE_SECONDS)
    assert after / WITHIN <= quantiles.p50 <= after * WITHIN


@given(st.lists(values, min_size=1, max_size=40), st.randoms(use_true_random=False))
def test_the_order_of_what_comes_at_the_same_time_hardly_matters(seen: list[float], dice: random.Random) -> None:
    shuffled = seen[:]
    dice.shuffle(shuffled)
    one, other = learn([(value, 0.0) for value in seen]), learn([(value, 0.0) for value in shuffled])
    found = sorted([(value, 1.0) for value in seen] + [(min(MOST, PRIOR * times), 1.0) for times in SPREAD])
    # 40 observations weigh differently by 13 %; a share of 50 % may be one of 46 or 54 %.
    low, high = quantile(found, 0.46), quantile(found, 0.54)
    assert all(low / WITHIN <= told <= high * WITHIN for told in (one.p50, other.p50))


@given(observations)
def test_the_same_observations_give_the_same_bits(seen: list[tuple[float, float]]) -> None:
    one, other = learn(seen), learn(seen)
    assert (one.p50, one.late()) == (other.p50, other.late())
