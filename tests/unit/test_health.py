"""What makes a model rest, and for how long."""

from __future__ import annotations

import pytest

from gateway.core.errors import (
    BadRequest,
    ContextTooLong,
    SyntraError,
    UpstreamBroken,
    UpstreamFailed,
    UpstreamRejected,
    UpstreamSilent,
    UpstreamUnknownModel,
    UpstreamUnreachable,
)
from gateway.core.health import FAILING, RATE_LIMITED, REFUSED, SLOW, Health
from tests.unit.health_rig import BIG, ELSEWHERE, FAILED, MINI, OTHER_KEY, REFUSAL, busy, fail, failing, reason


def test_a_model_that_nobody_has_asked_is_healthy() -> None:
    health = Health()
    assert health.cooling(MINI, 0) is None
    assert not health.recovering(MINI)
    assert health.try_probe(MINI, 0)
    assert health.snapshot(0) == []


@pytest.mark.parametrize(("stated", "cools"), [(1, 1), (7, 7), (60, 60), (0, 1), (3600, 60)])
def test_a_rate_limit_cools_for_as_long_as_the_provider_says_within_a_minute(stated: float, cools: float) -> None:
    health = Health()
    cooldown = health.failed(MINI, busy(stated), 10)
    assert cooldown is not None
    assert (cooldown.key, cooldown.reason, cooldown.stated) == (MINI, RATE_LIMITED, True)
    assert (cooldown.since, cooldown.until, cooldown.left(10.5)) == (10, 10 + cools, cools - 0.5)
    assert health.cooling(MINI, 10 + cools - 0.01) == cooldown
    assert health.cooling(MINI, 10 + cools) is None


def test_a_rate_limit_is_of_one_model_with_one_credential() -> None:
    health = Health()
    health.failed(MINI, busy(30), 0)
    assert [reason(health, 1, key) for key in (BIG, OTHER_KEY, ELSEWHERE)] == [None, None, None]


def test_a_longer_rate_limit_replaces_a_shorter_one_and_not_the_other_way() -> None:
    health = Health()
    assert health.failed(MINI, busy(10), 0) is not None
    assert health.failed(MINI, busy(5), 1) is None
    assert health.failed(MINI, busy(30), 2) is not None
    assert health.cooling(MINI, 31.9) is not None


def test_many_calls_that_hear_the_same_rate_limit_are_one_cooldown() -> None:
    health = Health()
    assert sum(health.failed(MINI, busy(10), k / 100) is not None for k in range(20)) == 1


def test_a_refused_credential_cools_all_its_models_for_a_minute_and_no_other_credential() -> None:
    health = Health()
    cooldown = health.failed(MINI, REFUSAL, 0)
    assert cooldown is not None
    assert (cooldown.key, cooldown.reason, cooldown.until) == (("openai", "env", ""), REFUSED, 60)
    assert [reason(health, 59.9, key) for key in (MINI, BIG, OTHER_KEY, ELSEWHERE)] == [REFUSED, REFUSED, None, None]
    assert health.cooling(BIG, 60) is None


def test_the_longest_cooldown_is_the_one_that_is_told() -> None:
    health = Health()
    health.failed(MINI, busy(5), 0)
    health.failed(BIG, REFUSAL, 0)
    assert [reason(health, 1), reason(health, 1, BIG)] == [REFUSED, REFUSED]
    health.failed(MINI, busy(60), 30)
    assert reason(health, 31) == RATE_LIMITED


COUNTS = [UpstreamUnreachable("x"), UpstreamFailed("x"), UpstreamSilent("x"), UpstreamBroken("x")]


@pytest.mark.parametrize("error", COUNTS, ids=lambda error: type(error).__name__)
def test_three_failures_in_a_row_cool_for_five_seconds(error: SyntraError) -> None:
    health = Health()
    one, two, three = fail(health, [0, 14, 29], error)
    assert (one, two) == (None, None)
    assert three is not None
    assert (three.reason, three.until, three.stated) == (FAILING, 34, False)


ABOUT_THE_REQUEST = [UpstreamRejected("x"), UpstreamRejected("x", status=404), ContextTooLong("x"), BadRequest("x")]


@pytest.mark.parametrize("error", ABOUT_THE_REQUEST, ids=lambda error: f"{type(error).__name__} {error.status}")
def test_what_is_about_the_request_says_nothing_of_the_provider(error: SyntraError) -> None:
    health = Health()
    assert fail(health, range(50), error) == [None] * 50
    assert health.snapshot(50) == []


@pytest.mark.parametrize(
    ("story", "cools"),
    [
        ("FFF", True),
        ("FFSF", False),
        ("FSFSFSFSF", False),  # half, but of fewer than ten
        ("FSFSFSFSFSF", True),  # of at least ten
        ("SSSFFSFFSF", True),  # never three in a row
        ("SSSSSSFFSFFSSS", False),  # fewer than half
        ("F" + 20 * "_" + "F" + 15 * "_" + "F", False),  # three in a row, in more than 30 s
        ("FF" + 40 * "_" + "F", False),
        ("FSFSFSFS" + 40 * "_" + "FSFSF", False),  # what is long ago does not count
    ],
)
def test_a_share_of_failures_or_three_in_a_row_within_half_a_minute_is_too_much(story: str, cools: bool) -> None:
    health = Health()
    found = False
    for now, what in enumerate(story):
        if what == "F":
            found = health.failed(MINI, FAILED, now) is not None or found
        elif what == "S":
            health.succeeded(MINI, 0.1, now)
    assert found is cools


def test_failures_of_one_model_are_not_those_of_another() -> None:
    health = Health()
    for key in (MINI, BIG, OTHER_KEY, ELSEWHERE):
        for now in (0, 1):
            assert health.failed(key, FAILED, now) is None


@pytest.mark.parametrize(
    ("usual", "ttft", "cools"),
    [
        (0.0, 10.1, True),
        (0.0, 9.9, False),
        (0.5, 9.9, False),  # twenty times the usual, and still not slow to a person
        (0.5, 10.1, True),
        (4.0, 19.9, False),  # a model that always thinks for long
        (4.0, 20.1, True),
    ],
)
def test_three_slow_first_tokens_in_a_row_cool_for_a_quarter_of_a_minute(
    usual: float, ttft: float, cools: bool
) -> None:
    health = Health()
    for now in (0, 50, 100):
        assert health.cooling(MINI, now) is None
        assert not health.succeeded(MINI, ttft, now, usual)
    cooldown = health.cooling(MINI, 100)
    assert (cooldown is not None) is cools
    if cooldown is not None:
        assert (cooldown.reason, cooldown.seconds, cooldown.since) == (SLOW, 15, 100)


def test_one_quick_answer_between_slow_ones_is_enough() -> None:
    health = Health()
    for now, ttft in enumerate([20, 20, 1, 20, 20, 1]):
        health.succeeded(MINI, ttft, now)
    assert health.cooling(MINI, 6) is None


def test_the_snapshot_tells_every_sick_model_and_its_state() -> None:
    health = failing()
    health.failed(ELSEWHERE, REFUSAL, 100)
    health.failed(BIG, busy(2), 100)
    health.try_probe(BIG, 103)
    told = [(one.provider, one.model, one.reason, one.state, one.seconds) for one in health.snapshot(103.25)]
    assert told == [
        ("anthropic", "*", REFUSED, "cooling", 56.75),
        ("openai", "gpt-4o", RATE_LIMITED, "probing", 0),
        ("openai", "gpt-4o-mini", FAILING, "cooling", 1.75),
    ]
    assert [one.state for one in health.snapshot(140)][-2:] == ["waiting", "waiting"]


def test_no_name_of_a_model_stands_for_all_of_them() -> None:
    health = Health()
    for model in ("*", ""):
        for now in range(20):
            health.failed(("openai", "env", model), FAILED, now)
            health.failed(("openai", "env", model), busy(60), now)
    assert health.cooling(MINI, 20) is None


def test_memory_is_bounded_and_the_newest_is_kept() -> None:
    health = Health(most_keys=100)
    for number in range(1000):
        key = ("openai", "env", f"model-{number}")
        health.failed(key, FAILED, number)
        health.failed(key, busy(60), number)
        health.succeeded(("anthropic", "env", f"model-{number}"), 1, number)
    assert len(health.snapshot(1000)) == 100
    assert len(health._records) <= 100
    assert health.cooling(("openai", "env", "model-999"), 1000) is not None
    assert health.cooling(("openai", "env", "model-0"), 0) is None


def test_a_model_that_the_provider_does_not_have_is_left_alone_for_long() -> None:
    health = Health()
    cooldown = health.failed(("openai", "env", "m"), UpstreamUnknownModel("no", status=404), 100.0)
    assert cooldown is not None
    assert (cooldown.reason, cooldown.seconds, cooldown.stated) == ("no such model", 120.0, False)
