"""What makes a model rest, for how long, and how it comes back."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from gateway.core.errors import (
    BadRequest,
    ContextTooLong,
    SyntraError,
    UpstreamBroken,
    UpstreamBusy,
    UpstreamCredential,
    UpstreamFailed,
    UpstreamRejected,
    UpstreamSilent,
    UpstreamUnknownModel,
    UpstreamUnreachable,
)
from gateway.core.health import FAILING, MOST_SECONDS, RATE_LIMITED, REFUSED, SLOW, Cooldown, Health

MINI = ("openai", "env", "gpt-4o-mini")
BIG = ("openai", "env", "gpt-4o")
OTHER_KEY = ("openai", "acme", "gpt-4o-mini")
ELSEWHERE = ("anthropic", "env", "claude")

FAILED = UpstreamFailed("x")
REFUSAL = UpstreamCredential("x")


def busy(seconds: float) -> UpstreamBusy:
    return UpstreamBusy("x", retry_after=int(seconds))


def fail(health: Health, times: Iterable[float], error: SyntraError = FAILED) -> list[Cooldown | None]:
    return [health.failed(MINI, error, now) for now in times]


def failing() -> Health:
    """A model that cools from second 100 to 105."""
    health = Health()
    fail(health, [98, 99, 100])
    assert health.cooling(MINI, 104.9) is not None
    return health


def reason(health: Health, now: float, key: tuple[str, str, str] = MINI) -> str | None:
    found = health.cooling(key, now)
    return found.reason if found else None


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


def test_after_a_refused_credential_one_model_probes_for_all() -> None:
    health = Health()
    health.failed(MINI, REFUSAL, 0)
    assert health.try_probe(BIG, 60)
    assert not health.try_probe(MINI, 60)
    assert not health.try_probe(BIG, 60)
    assert health.succeeded(BIG, 0.5, 61)
    assert not health.recovering(MINI)
    assert not health.recovering(BIG)


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


def test_after_a_cooldown_exactly_one_attempt_goes_through_until_it_reports() -> None:
    health = failing()
    assert not health.try_probe(MINI, 104.9)
    assert [health.try_probe(MINI, 105) for _ in range(5)] == [True, False, False, False, False]
    assert health.recovering(MINI)
    assert health.succeeded(MINI, 0.2, 105.3)
    assert not health.recovering(MINI)
    assert [health.try_probe(MINI, 105.4) for _ in range(3)] == [True, True, True]


def test_a_probe_that_does_not_report_for_half_a_minute_makes_room_for_another() -> None:
    health = failing()
    assert health.try_probe(MINI, 110)
    assert not health.try_probe(MINI, 139.9)
    assert health.try_probe(MINI, 140)
    assert not health.try_probe(MINI, 140)


def test_a_probe_whose_client_left_makes_room_at_once() -> None:
    health = failing()
    assert health.try_probe(MINI, 110)
    health.released(MINI)
    assert health.try_probe(MINI, 110.1)


def test_the_leaving_of_an_older_attempt_does_not_make_room() -> None:
    health = failing()
    assert health.try_probe(MINI, 110)
    health.released(MINI, began=99)
    assert not health.try_probe(MINI, 110.1)
    health.released(MINI, began=110)
    assert health.try_probe(MINI, 110.2)


def test_a_probe_about_whose_request_the_provider_complains_makes_room_at_once() -> None:
    health = failing()
    assert health.try_probe(MINI, 110)
    assert health.failed(MINI, UpstreamRejected("x"), 110.5, 110) is None
    assert health.try_probe(MINI, 110.6)


def test_a_probe_that_another_worker_has_is_asked_for_again_in_a_second() -> None:
    health = failing()
    assert health.try_probe(MINI, 110)
    health.elsewhere(MINI, 110)
    assert not health.try_probe(MINI, 110.9)
    assert health.try_probe(MINI, 111)


def test_each_relapse_doubles_the_cooldown_up_to_two_minutes() -> None:
    health = failing()
    now, seconds = 105.0, []
    for _ in range(7):
        assert health.try_probe(MINI, now)
        cooldown = health.failed(MINI, FAILED, now + 1, now)
        assert cooldown is not None
        seconds.append(cooldown.seconds)
        now = cooldown.until
    assert seconds == [10, 20, 40, 80, 120, 120, 120]


def test_after_a_recovery_it_begins_with_five_seconds_again() -> None:
    health = failing()
    health.try_probe(MINI, 105)
    relapse = health.failed(MINI, FAILED, 106, 105)
    assert relapse is not None
    assert health.succeeded(MINI, 0.2, relapse.until + 1)
    assert fail(health, [130, 131]) == [None, None]
    again = health.failed(MINI, FAILED, 132)
    assert again is not None
    assert again.seconds == 5


def test_what_was_under_way_when_the_cooldown_began_neither_lengthens_nor_ends_it() -> None:
    health = failing()
    assert health.failed(MINI, FAILED, 101) is None
    assert not health.succeeded(MINI, 3, 101)  # asked at 98
    assert health.failed(MINI, FAILED, 106, began=99) is None
    assert not health.succeeded(MINI, 8, 106)  # asked at 98
    assert not health.succeeded(MINI, 0, 106, began=98)  # a reply that is no stream
    assert health.recovering(MINI)


def test_an_attempt_made_in_spite_of_a_cooldown_may_end_it() -> None:
    health = failing()
    assert health.succeeded(MINI, 0.5, 102)
    assert health.cooling(MINI, 102) is None


def test_a_retry_after_is_kept_to_whatever_succeeds() -> None:
    health = Health()
    health.failed(MINI, busy(20), 0)
    assert not health.succeeded(MINI, 0.5, 5)
    assert reason(health, 19) == RATE_LIMITED
    assert health.succeeded(MINI, 0.5, 20.6)


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


def test_a_slow_model_whose_probe_is_slow_rests_again_and_whose_probe_is_quick_is_back() -> None:
    health = Health()
    for now in (0, 1, 2):
        health.succeeded(MINI, 30, now)
    assert health.try_probe(MINI, 17)
    assert not health.succeeded(MINI, 12, 29)
    assert reason(health, 43.9) == SLOW
    assert health.try_probe(MINI, 44)
    assert health.succeeded(MINI, 1, 45)


def test_a_probe_may_find_another_trouble() -> None:
    health = failing()
    health.try_probe(MINI, 105)
    assert health.failed(MINI, busy(20), 106, 105) is not None
    assert reason(health, 125) == RATE_LIMITED
    health.try_probe(MINI, 126)
    cooldown = health.failed(MINI, FAILED, 127, 126)  # one failure is enough for what has not recovered
    assert cooldown is not None
    assert (cooldown.reason, cooldown.seconds) == (FAILING, 5)


def test_what_another_worker_tells_holds_here() -> None:
    health = Health()
    cooldown = health.cool(MINI, FAILING, 40, 100)
    assert cooldown is not None
    assert health.cooling(MINI, 139) == cooldown
    assert health.try_probe(MINI, 140)
    relapse = health.failed(MINI, FAILED, 141, 140)
    assert relapse is not None
    assert relapse.seconds == 80  # it goes on where the other was


def test_what_another_worker_tells_never_shortens_and_is_bounded() -> None:
    health = Health()
    health.failed(MINI, busy(30), 0)
    assert health.cool(MINI, FAILING, 5, 0) is None
    assert reason(health, 29) == RATE_LIMITED
    assert health.cool(BIG, FAILING, 1e9, 0) is not None
    assert health.cooling(BIG, MOST_SECONDS) is None
    assert health.cool(ELSEWHERE, FAILING, -5, 0) is not None
    assert health.cooling(ELSEWHERE, 0) is None


def test_a_recovery_that_another_worker_tells_holds_here() -> None:
    health = failing()
    health.try_probe(MINI, 105)
    health.recover(MINI, 105.5)
    assert not health.recovering(MINI)
    assert health.snapshot(106) == []


def test_a_recovery_that_another_worker_tells_lifts_the_credential_but_no_running_retry_after() -> None:
    health = Health()
    health.failed(BIG, REFUSAL, 0)
    health.failed(MINI, busy(50), 20)
    health.recover(MINI, 61)
    assert [reason(health, 61, key) for key in (MINI, BIG)] == [RATE_LIMITED, None]
    assert not health.recovering(BIG)
    health.recover(MINI, 71)
    assert not health.recovering(MINI)


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
