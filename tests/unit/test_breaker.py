"""When a store is taken for slow, and how it is known that it is quick again."""

from __future__ import annotations

from gateway.stores.breaker import Breaker, Respite


def test_five_failures_open_the_breaker_and_no_request_is_sent_to_find_out() -> None:
    breaker = Breaker("Valkey")
    for now in range(5):
        assert breaker.allows
        breaker.failed(now)
    assert breaker.is_open
    breaker.succeeded()  # of one that was under way
    assert not breaker.allows


def test_four_failures_and_a_success_do_not_open_the_breaker() -> None:
    breaker = Breaker("Valkey")
    for now in range(100):
        if now % 5 < 4:
            breaker.failed(now)
        else:
            breaker.succeeded()
        assert breaker.allows


def test_in_doubt_nobody_waits_and_a_sign_of_life_is_asked_for_at_once() -> None:
    asked: list[None] = []
    breaker = Breaker("PostgreSQL", look=lambda: asked.append(None))
    for _ in range(3):
        breaker.doubt()
    assert not breaker.allows
    assert len(asked) == 1
    breaker.beat(quick=True)
    assert breaker.allows
    breaker.doubt()
    breaker.beat(quick=False)
    assert breaker.is_open


def test_three_quick_heartbeats_in_a_row_close_the_breaker() -> None:
    breaker = Breaker("Valkey")
    for now in range(5):
        breaker.failed(now)
    for quick in (True, True, False, True, True):
        breaker.beat(quick=quick)
        assert breaker.is_open
    breaker.beat(quick=True)
    assert not breaker.is_open


def test_who_is_not_ours_is_left_alone_for_a_minute_and_then_one_tries() -> None:
    respite = Respite("SuperMemory")
    for now in range(5):
        assert respite.allows(now)
        respite.failed(now, now)
    assert respite.is_open
    assert not respite.allows(63.9)
    assert [respite.allows(64), respite.allows(64), respite.allows(65)] == [True, False, False]
    respite.failed(64.05, 64)
    assert not respite.allows(124)
    assert respite.allows(124.05)
    respite.succeeded()
    assert not respite.is_open
    assert all(respite.allows(125) for _ in range(9))
