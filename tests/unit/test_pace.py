"""How fast a model is and how long it answers: what is given, what is seen, and what is forgotten."""

from __future__ import annotations

import math
import random

import pytest

from gateway.core.pace import GROWTH, HALF_LIFE_SECONDS, Lengths, Pace, Quantiles
from tests.laps import laps

MINI = ("openai", "gpt-4o-mini")
BIG = ("openai", "gpt-4o")


def close(value: float) -> object:
    return pytest.approx(value, rel=GROWTH - 1)


def test_a_model_of_which_nothing_is_known_has_the_pace_of_any() -> None:
    pace = Pace(ttft_ms=800, tokens_per_s=60)
    assert pace.ttft_ms(MINI) == close(800)
    assert pace.tokens_per_s(MINI) == close(60)
    pace.first_token(BIG, 90, 0)
    assert pace.ttft_ms(MINI) == close(800)


def test_what_the_catalogue_says_is_believed_before_anything_is_seen() -> None:
    pace = Pace()
    pace.expect(MINI, 400, 120)
    assert (pace.ttft_ms(MINI), pace.tokens_per_s(MINI)) == (close(400), close(120))
    assert pace.late_ms(MINI) > 2 * pace.ttft_ms(MINI)  # so that nobody hedges at the median


def test_what_the_catalogue_says_is_worth_five_observations() -> None:
    pace = Pace()
    pace.expect(MINI, 400, 120)
    for now in range(4):
        pace.first_token(MINI, 4_000, now)
    assert pace.ttft_ms(MINI) < 1_300
    for now in range(4, 7):
        pace.first_token(MINI, 4_000, now)
    assert pace.ttft_ms(MINI) == close(4_000)


def test_the_first_token_and_the_flow_are_learned_apart() -> None:
    pace = Pace(ttft_ms=1_000, tokens_per_s=50)
    for now in range(50):
        pace.first_token(MINI, 100, now)
    assert (pace.ttft_ms(MINI), pace.tokens_per_s(MINI)) == (close(100), close(50))
    for now in range(50):
        pace.flowed(MINI, 200, now)
    assert (pace.ttft_ms(MINI), pace.tokens_per_s(MINI)) == (close(100), close(200))


def test_a_catalogue_that_changes_replaces_what_it_said_and_not_what_was_seen() -> None:
    pace = Pace()
    pace.expect(MINI, 400, 120)
    pace.expect(MINI, 4_000, 12)
    assert (pace.ttft_ms(MINI), pace.tokens_per_s(MINI)) == (close(4_000), close(12))
    for now in range(50):
        pace.first_token(MINI, 90, now)
    pace.expect(MINI, 8_000, 12)
    assert pace.ttft_ms(MINI) == close(90)


def test_one_answer_that_took_a_minute_moves_the_tail_and_not_the_middle() -> None:
    pace = Pace()
    pace.expect(MINI, 300, 100)
    for now in range(100):
        pace.first_token(MINI, 300, now)
    before = pace.ttft_ms(MINI)
    for now in range(8):
        pace.first_token(MINI, 60_000, 100 + now)
    assert pace.ttft_ms(MINI) == before
    assert pace.late_ms(MINI) == close(60_000)


def test_where_one_in_twenty_is_slow_an_answer_is_late_before_it_is_one_of_those() -> None:
    dice, pace, late = random.Random(7), Pace(), []
    pace.expect(MINI, 700, 100)
    for now in range(4_000):
        ttft = 1_500 if dice.random() < 0.05 else dice.uniform(30, 70)
        if now > 100:
            late.append(ttft > pace.late_ms(MINI))
        pace.first_token(MINI, ttft, now / 200)
    slow = sum(late) / len(late)
    assert 0.035 < slow < 0.06, slow


def test_a_model_that_was_slow_and_is_not_asked_any_more_is_by_and_by_believed_to_be_as_the_catalogue_says() -> None:
    pace = Pace()
    pace.expect(MINI, 300, 100)
    for now in range(200):
        pace.first_token(MINI, 20_000, now)
    pace.refresh(200 + HALF_LIFE_SECONDS)
    assert pace.ttft_ms(MINI) == close(20_000)
    pace.refresh(200 + 8 * HALF_LIFE_SECONDS)
    assert pace.ttft_ms(MINI) < 1_000


@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf, -math.inf])
def test_what_is_no_speed_is_not_learned(value: float) -> None:
    pace = Pace(ttft_ms=800)
    pace.first_token(MINI, value, 0)
    pace.flowed(MINI, value, 0)
    assert (pace.ttft_ms(MINI), pace.tokens_per_s(MINI)) == (close(800), close(50))


def test_what_lies_beyond_the_scale_counts_at_its_end() -> None:
    quantiles = Quantiles(1, 1_000, 10)
    for _ in range(50):
        quantiles.add(1e12, 0)
    assert quantiles.p50 == close(1_000)
    for _ in range(400):
        quantiles.add(1e-12, 0)
    assert quantiles.p50 == close(1)


def test_a_clock_that_stands_or_goes_back_does_no_harm() -> None:
    quantiles = Quantiles(1, 1_000, 10)
    for now in (5, 5, 3, 1, 5, 0):
        quantiles.add(100, now)
    assert quantiles.p50 == close(100)


def test_a_hundred_thousand_observations_over_years_stay_exact() -> None:
    quantiles = Quantiles(1, 600_000, 10)
    dice = random.Random(1)
    for number in range(100_000):
        quantiles.add(
            dice.lognormvariate(6, 1), number * 1_000.0
        )  # three years: the weights are made smaller many times
    for number in range(1_000):
        quantiles.add(dice.uniform(99, 101), 1e8 + number)
    assert quantiles.p50 == close(100)
    assert math.isclose(sum(quantiles._buckets), quantiles._total, rel_tol=1e-9)


def test_memory_is_bounded_and_the_newest_is_kept() -> None:
    pace = Pace(most_keys=50)
    for number in range(500):
        pace.first_token(("openai", f"model-{number}"), 5_000, number)
        pace.first_token(MINI, 100, number)
    assert len(pace._speeds) == 50
    assert pace.ttft_ms(MINI) == close(100)


def test_an_observation_costs_microseconds() -> None:
    pace = Pace()
    dice = random.Random(1)
    values = [dice.lognormvariate(6, 1) for _ in range(2_000)]
    for attempt, lap in enumerate(laps(within=10e-6 * len(values))):
        with lap:
            for number, value in enumerate(values):
                pace.first_token(MINI, value, attempt * 1_000 + number / 10)


def test_the_length_of_answers_is_what_is_given_until_some_are_seen() -> None:
    lengths = Lengths()
    assert lengths.expected("coding_help", 700) == 700
    for _ in range(5):
        lengths.add("coding_help", MINI, 100)
    assert lengths.expected("coding_help", 700) == pytest.approx(400, rel=0.02)  # five seen, five believed


def test_intents_are_learned_apart() -> None:
    lengths = Lengths()
    for _ in range(100):
        lengths.add("social_chat", MINI, 20)
    assert lengths.expected("coding_help", 700) == 700


def test_reasoning_is_learned_per_model_and_is_no_part_of_the_answer() -> None:
    lengths = Lengths()
    for _ in range(100):
        lengths.add("reasoning_math", BIG, 2_300, reasoning=2_000)
        lengths.add("reasoning_math", MINI, 300)
    assert lengths.expected("reasoning_math", 300) == pytest.approx(300)
    assert lengths.reasoning(BIG, 2_000) == pytest.approx(2_000)
    assert lengths.reasoning(MINI) == 0
    assert lengths.reasoning(("anthropic", "claude"), 500) == 500


def test_lengths_follow_a_change() -> None:
    lengths = Lengths()
    for _ in range(500):
        lengths.add("qa", MINI, 1_000)
    for _ in range(220):
        lengths.add("qa", MINI, 100)
    assert lengths.expected("qa", 1_000) < 560


@pytest.mark.parametrize(("output", "reasoning"), [(-5, 0), (10, 50), (10, -3), (10**18, 0), (10**18, 10**18)])
def test_usage_that_lies_does_not_spoil_what_was_learned(output: int, reasoning: int) -> None:
    lengths = Lengths()
    lengths.add("qa", MINI, output, reasoning)
    assert 0 <= lengths.expected("qa", 300) <= 1_000_000
    assert 0 <= lengths.reasoning(MINI) <= 1_000_000


def test_lengths_are_bounded_too() -> None:
    lengths = Lengths(most_keys=50)
    for number in range(500):
        lengths.add(f"intent-{number}", ("openai", f"model-{number}"), 10)
    assert len(lengths._intents) == len(lengths._thoughts) == 50
