"""How a model that rests comes back: by one attempt at a time, and by what another worker tells."""

from __future__ import annotations

from gateway.core.errors import (
    UpstreamRejected,
)
from gateway.core.health import FAILING, MOST_SECONDS, RATE_LIMITED, SLOW, Health
from tests.unit.health_rig import BIG, ELSEWHERE, FAILED, MINI, REFUSAL, busy, fail, failing, reason


def test_after_a_refused_credential_one_model_probes_for_all() -> None:
    health = Health()
    health.failed(MINI, REFUSAL, 0)
    assert health.try_probe(BIG, 60)
    assert not health.try_probe(MINI, 60)
    assert not health.try_probe(BIG, 60)
    assert health.succeeded(BIG, 0.5, 61)
    assert not health.recovering(MINI)
    assert not health.recovering(BIG)


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
