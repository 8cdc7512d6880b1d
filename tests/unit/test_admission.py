"""Admission without a Valkey: who has no limits never meets a store, and who has meets this worker's own."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from itertools import count
from typing import Any

import pytest
from msgspec import structs

from gateway.core.caller import Caller
from gateway.core.errors import BudgetSpent, RateLimited, SyntraError
from gateway.core.ids import uuid7
from gateway.core.limits import NO_LIMITS, Limits
from gateway.core.money import Picodollars, picodollars
from gateway.stages.admission import FREE, Admission, Admitted
from gateway.stores.breaker import Unavailable
from gateway.stores.limits import SharedLimits
from tests.unit.wire_rig import Run

CALLER = Caller("acme-id", "acme", "k1")
CENT = picodollars(0.01)


class Untouchable(SharedLimits):
    """Limits that nobody may ask."""

    async def admit(self, *_: Any, **__: Any) -> Any:
        raise AssertionError("the store was asked")


def alone(**options: Any) -> Admission:
    return Admission(SharedLimits(None), **options)


def limited(limits: Limits = NO_LIMITS, key_limits: Limits = NO_LIMITS) -> Caller:
    return structs.replace(CALLER, limits=limits, key_limits=key_limits)


async def outcome(asked: Awaitable[Admitted]) -> Admitted | SyntraError:
    try:
        return await asked
    except SyntraError as error:
        return error


def test_a_caller_without_limits_never_meets_a_store(run: Run[Any]) -> None:
    async def story() -> None:
        admission = Admission(Untouchable(None))
        for caller in (CALLER, limited(Limits(), Limits())):
            admitted = await admission.admit(caller, uuid7(), 1000, CENT)
            assert admitted is FREE
            assert (admitted.headers, admitted.degraded) == ((), ())
            admitted.settle(10, CENT)
            admitted.settle(10, None)

    run(story())


def test_a_caller_without_limits_costs_less_than_two_microseconds(run: Run[Any]) -> None:
    async def story() -> float:
        admission = Admission(Untouchable(None))
        caller = limited(Limits(), Limits())
        best = 1.0
        for _ in range(20):
            began = time.perf_counter()
            for _ in range(500):
                (await admission.admit(caller, "r", 1000, CENT)).settle(10, CENT)
            best = min(best, (time.perf_counter() - began) / 500)
        return best

    assert run(story()) < 2e-6


def test_defaults_are_for_organisations_that_have_no_limit_of_their_own(run: Run[Any]) -> None:
    async def story() -> None:
        admission = alone(defaults=Limits(requests_per_day=2, tokens_per_day=1000))
        ids = count()

        async def admits(caller: Caller) -> int:
            caller = structs.replace(caller, organisation=f"o{next(ids)}")
            outcomes = [await outcome(admission.admit(caller, uuid7(), 10, None)) for _ in range(10)]
            return sum(isinstance(one, Admitted) for one in outcomes)

        assert await admits(CALLER) == 2
        assert await admits(limited(Limits(requests_per_day=5))) == 5
        assert await admits(limited(Limits(tokens_per_day=30, requests_per_day=5))) == 3

    run(story())


def test_without_valkey_a_worker_allows_its_share_and_says_so(run: Run[Any]) -> None:
    async def story() -> None:
        counts: list[tuple[str, str]] = []
        admission = alone(workers=4, counted=lambda what, by: counts.append((what, by)))
        caller = limited(Limits(requests_per_minute=8))
        let_in = [await admission.admit(caller, uuid7(), 10, None) for _ in range(2)]
        assert [admitted.degraded for admitted in let_in] == [("limits",)] * 2
        assert dict(let_in[1].headers)[b"x-ratelimit-remaining-requests"] == b"0"
        refused = await outcome(admission.admit(caller, uuid7(), 10, None))
        assert isinstance(refused, RateLimited)
        assert (b"x-syntra-degraded", b"limits") in refused.headers
        assert counts == [("admitted", "worker")] * 2 + [("limited", "worker")]

    run(story())


def test_what_a_request_came_to_replaces_what_was_expected_once(run: Run[Any]) -> None:
    async def story() -> None:
        admission = alone()
        caller = limited(Limits(usd_per_day=0.05, concurrency=1))
        first = await admission.admit(caller, uuid7(), 10, Picodollars(3 * CENT))
        assert isinstance(await outcome(admission.admit(caller, uuid7(), 10, CENT)), RateLimited)
        first.settle(10, Picodollars(4 * CENT))
        first.settle(10, Picodollars(4 * CENT))
        second = await admission.admit(caller, uuid7(), 10, CENT)
        second.settle(10, None)  # no price is known: it counts for nothing
        third = await admission.admit(caller, uuid7(), 10, CENT)
        third.settle(10, CENT)
        assert isinstance(await outcome(admission.admit(caller, uuid7(), 10, CENT)), BudgetSpent)

    run(story())


def test_limits_that_change_take_effect_with_the_next_request(run: Run[Any]) -> None:
    async def story() -> None:
        admission = alone()
        assert await admission.admit(CALLER, uuid7(), 10, None) is FREE
        assert (await admission.admit(limited(Limits(requests_per_minute=1)), uuid7(), 10, None)).degraded
        again = await outcome(admission.admit(limited(Limits(requests_per_minute=1)), uuid7(), 10, None))
        assert isinstance(again, RateLimited)
        assert (await admission.admit(limited(Limits(requests_per_minute=2)), uuid7(), 10, None)).degraded
        assert await admission.admit(CALLER, uuid7(), 10, None) is FREE

    run(story())


def test_limits_that_were_read_anew_and_are_the_same_keep_their_account(run: Run[Any]) -> None:
    async def story() -> None:
        admission = alone()
        accounts = [admission._account(limited(Limits(concurrency=3), Limits(usd_per_day=1.0))) for _ in range(3)]
        assert accounts[0] is not None
        assert accounts[0] is accounts[1] is accounts[2]

    run(story())


def spent(day: int, month: int) -> Callable[[str, str | None], Awaitable[tuple[int, int]]]:
    async def ledger(organisation: str, key_id: str | None) -> tuple[int, int]:
        assert (organisation, key_id) in (("acme-id", None), ("acme-id", "k1"))
        return day, month

    return ledger


def test_while_valkey_is_away_the_ledger_says_what_others_have_spent(run: Run[Any]) -> None:
    async def story() -> None:
        admission = alone(spent=spent(10**9, 10**9))
        caller = limited(Limits(usd_per_day=1.0))
        assert (await admission.admit(caller, uuid7(), 10, CENT)).degraded  # the ledger is not waited for
        for task in list(admission._tasks):
            await task
        assert isinstance(await outcome(admission.admit(caller, uuid7(), 10, CENT)), BudgetSpent)
        await admission.close()

    run(story())


def test_where_nobody_can_say_what_has_been_spent_that_is_logged_once(
    run: Run[Any], caplog: pytest.LogCaptureFixture
) -> None:
    async def away(_: str, __: str | None) -> tuple[int, int]:
        raise Unavailable("PostgreSQL is away")

    async def story() -> None:
        admission = alone(spent=away)
        for key in range(5):
            caller = structs.replace(limited(Limits(usd_per_day=1.0)), key_id=f"k{key}")
            assert (await admission.admit(caller, uuid7(), 10, CENT)).degraded
            for task in list(admission._tasks):
                await task

    run(story())
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "budgets count from nothing" in caplog.text


def test_what_is_known_of_callers_is_bounded(run: Run[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.stages.admission._MOST_KNOWN", 5)

    async def story() -> None:
        admission = alone()
        for key in range(50):
            await admission.admit(structs.replace(limited(Limits(concurrency=9)), key_id=f"k{key}"), "r", 1, None)
        assert len(admission._known) <= 5

    run(story())
