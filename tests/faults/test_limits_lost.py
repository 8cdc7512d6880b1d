"""What Valkey has lost is known again; clocks that jump do no harm; what is kept is bounded and goes by itself."""

from __future__ import annotations

import asyncio
import calendar
from typing import Any

import pytest

from gateway.core.errors import BudgetSpent, RateLimited
from gateway.core.limits import ADMITTED, NO_LIMITS, SPENT, WAIT, Limits, nanodollars
from gateway.core.money import Picodollars
from gateway.stages.admission import Admitted
from gateway.stores import valkey as valkey_module
from gateway.stores.breaker import Unavailable
from gateway.stores.leases import Lease
from gateway.stores.valkey import Valkey
from gateway.stores.valkey_place import place
from tests.fakes.engines import ValkeyEngine
from tests.fakes.limits import CENT, EVERYTHING, Counter, Worker, limited, worker
from tests.fakes.valkey import until
from tests.unit.wire_rig import Run

NOON = calendar.timegm((2026, 3, 31, 12, 0, 0)) * 1000
HOUR, DAY = 3_600_000, 86_400_000
MONTHLY = Limits(usd_per_day=1.0, usd_per_month=10.0)


@pytest.fixture(autouse=True)
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine shall not make these tests ones of slowness."""
    monkeypatch.setattr(valkey_module, "DEADLINE", 2.0)


class Ledger:
    """What the database would say has been spent."""

    def __init__(self) -> None:
        self.spent: dict[str | None, tuple[int, int]] = {}
        self.asked: list[str | None] = []
        self.away = False

    async def __call__(self, organisation: str, key_id: str | None) -> tuple[int, int]:
        assert organisation == "acme-id"
        self.asked.append(key_id)
        await asyncio.sleep(0.005)
        if self.away:
            raise Unavailable("PostgreSQL is away")
        return self.spent.get(key_id, (0, 0))


# Everything is gone, in the midst of it


def test_leases_that_were_lost_are_made_again_and_every_request_is_counted_once(
    run: Run[Any], valkey_engine: ValkeyEngine
) -> None:
    async def story() -> None:
        async with worker(valkey_engine.url) as one, worker(valkey_engine.url) as other:
            caller = limited(Limits(concurrency=6, usd_per_day=1.0))
            mine, theirs = await one.admits(caller, most=3), await other.admits(caller, most=2)
            await one.read("FLUSHDB")
            (after,) = await one.admits(caller, most=1)
            (too,) = await other.admits(caller, most=1)
            for _ in range(200):
                if await one.read("ZCARD", "syntra:{acme-id}:leases") == 7:
                    break
                await asyncio.sleep(0.01)
            assert isinstance(await one.ask(caller), RateLimited)
            for number, admitted in enumerate((*mine, *theirs, after, too), 1):
                admitted.settle(10, Picodollars(number * CENT))
            await until(lambda: one.told and other.told)
            assert await one.spent() == sum(range(1, 8)) * CENT
            assert await one.read("ZCARD", "syntra:{acme-id}:leases") == 0

    run(story())


def test_a_request_whose_lease_was_lost_before_it_ended_is_counted_all_the_same(
    run: Run[Any], valkey_engine: ValkeyEngine
) -> None:
    async def story() -> None:
        async with worker(valkey_engine.url) as one:
            (admitted,) = await one.admits(limited(MONTHLY), most=1)
            await one.read("FLUSHDB")
            admitted.settle(10, CENT)
            await until(lambda: one.told)
            assert await one.spent() == CENT

    run(story())


@pytest.mark.parametrize("part", ["leases", "counts"])
def test_a_part_that_was_evicted_leaves_no_place_taken_for_ever(
    run: Run[Any], valkey_engine: ValkeyEngine, part: str
) -> None:
    async def story() -> None:
        async with worker(valkey_engine.url) as one:
            caller = limited(Limits(concurrency=2, usd_per_day=1.0))
            running = await one.admits(caller)
            assert len(running) == 2
            await one.read("DEL", f"syntra:{{acme-id}}:{part}")
            await one.ask(caller)
            for admitted in running:
                admitted.settle(10, CENT)
            await until(lambda: one.told)
            held = await one.read("ZCARD", "syntra:{acme-id}:leases")
            assert len(await one.admits(caller)) == 2 - held
            assert await one.spent() == 2 * CENT

    run(story())


# What has been spent


def test_what_was_spent_is_taken_from_the_ledger_before_anybody_is_let_in(
    run: Run[Any], valkey_engine: ValkeyEngine
) -> None:
    async def story() -> None:
        ledger = Ledger()
        ledger.spent = {None: (nanodollars(0.97), nanodollars(5)), "k1": (nanodollars(0.2), nanodollars(0.2))}
        async with worker(valkey_engine.url, spent=ledger) as one:
            caller = limited(MONTHLY, Limits(usd_per_day=0.5))
            asked = await asyncio.gather(*(one.ask(caller) for _ in range(20)))
            let_in = [admitted for admitted in asked if isinstance(admitted, Admitted)]
            assert len(let_in) == 3
            assert sorted(ledger.asked, key=str) == [None, "k1"]  # who comes meanwhile waits for the same answer
            for admitted in let_in:
                admitted.settle(10, CENT)
            await until(lambda: one.told)
            assert isinstance(await one.ask(caller), BudgetSpent)
            assert await one.spent("syntra:{acme-id}:key:k1:counts") == 23 * CENT

    run(story())


def test_after_a_loss_the_ledger_is_asked_again_since_it_lags(run: Run[Any], valkey_engine: ValkeyEngine) -> None:
    async def story() -> None:
        ledger = Ledger()
        async with worker(valkey_engine.url, spent=ledger) as one:
            caller = limited(MONTHLY)
            (first,) = await one.admits(caller, most=1)
            first.settle(10, Picodollars(30 * CENT))
            await until(lambda: one.told)
            await one.read("FLUSHDB")  # and the row of that request is not yet written
            (second,) = await one.admits(caller, most=1)
            second.settle(10, Picodollars(2 * CENT))
            await until(lambda: one.told)
            assert await one.spent() == 2 * CENT
            ledger.spent = {None: (nanodollars(0.31), nanodollars(0.31))}
            await one.read("HINCRBY", "syntra:{acme-id}:counts", "sure", -15_001)  # so much later
            asked = len(ledger.asked)
            await asyncio.gather(*(one.ask(caller, cost=Picodollars(0)) for _ in range(10)))  # nobody waits for it
            await until(lambda: len(ledger.asked) == asked + 1)
            await until(lambda: not one.admission._tasks)
            assert await one.spent() == 31 * CENT
            ledger.spent = {None: (0, 0)}  # one that lags even more takes nothing back
            await one.read("HINCRBY", "syntra:{acme-id}:counts", "sure", -HOUR - 1)
            await one.ask(caller)
            await until(lambda: len(ledger.asked) == asked + 2)
            await until(lambda: not one.admission._tasks)
            assert await one.spent() == 31 * CENT

    run(story())


def test_a_ledger_that_is_away_too_counts_as_nothing_is_said_once_and_asked_until_it_answers(
    run: Run[Any], valkey_engine: ValkeyEngine, caplog: pytest.LogCaptureFixture
) -> None:
    async def story() -> None:
        ledger = Ledger()
        ledger.away = True
        async with worker(valkey_engine.url, spent=ledger) as one:
            caller = limited(Limits(usd_per_day=1.0))
            let_in = await one.admits(caller, most=3)
            assert [admitted.degraded for admitted in let_in] == [()] * 3
            for admitted in let_in:
                admitted.settle(10, CENT)
            await until(lambda: one.told)
            ledger.away = False
            ledger.spent = {None: (nanodollars(1.0), nanodollars(1.0))}
            assert isinstance(await one.ask(caller), BudgetSpent)

    run(story())
    assert caplog.text.count("budgets count from nothing") == 1


# Clocks


def test_a_clock_that_jumps_forward_lets_each_limit_begin_anew_and_no_more(
    run: Run[Any], valkey_engine: ValkeyEngine
) -> None:
    async def story(counter: Counter) -> None:
        account = counter.account("k1", Limits(requests_per_minute=3, concurrency=4), NO_LIMITS)
        leases = await let_in(counter, account, "a", 5)
        assert len(leases) == 3
        await counter.set_clock(NOON + HOUR)
        await counter.renew(*leases)  # they run, whatever the clock says
        assert len(await let_in(counter, account, "b", 5)) == 1

    with_clock(run, valkey_engine, story)


def test_a_clock_that_jumps_back_neither_frees_nor_holds_anything_for_an_hour(
    run: Run[Any], valkey_engine: ValkeyEngine
) -> None:
    async def story(counter: Counter) -> None:
        account = counter.account("k1", Limits(requests_per_minute=3, tokens_per_minute=50, concurrency=4), NO_LIMITS)
        assert len(await let_in(counter, account, "a", 2)) == 2
        await counter.set_clock(NOON - HOUR)
        assert len(await let_in(counter, account, "b", 5)) == 1
        said = await counter.admit(account, "c", 10, 0)
        assert (said.why, said.wait) == (WAIT, 61.0)
        await counter.set_clock(NOON - HOUR + 61_000)  # neither the window nor the leases wait for the old time
        assert len(await let_in(counter, account, "d", 5)) == 3

    with_clock(run, valkey_engine, story)


def test_a_clock_that_comes_back_to_the_day_before_keeps_what_was_counted_and_asks_the_ledger(
    run: Run[Any], valkey_engine: ValkeyEngine
) -> None:
    async def story(counter: Counter) -> None:
        account = counter.account("k1", Limits(requests_per_day=5, usd_per_day=1.0, usd_per_month=2.0), NO_LIMITS)
        ledger = ((nanodollars(0.9), nanodollars(1.2)), (0, 0))
        for number in range(2):
            said = await counter.admit(account, f"a{number}", 0, 0, ledger)
            assert said.why == ADMITTED
        await counter.set_clock(NOON + DAY)  # which is also the next month
        assert (await counter.admit(account, "b", 0, 0)).used[5:7] == [0, 0]
        await counter.set_clock(NOON)
        said = await counter.admit(account, "c", 0, 0, ledger)
        assert said.used[1] == 2
        assert said.used[5:7] == [nanodollars(0.9), nanodollars(1.2)]
        await counter.settle(account, "c", said.epoch, 0, nanodollars(0.1))
        assert (await counter.admit(account, "d", 0, 0, ledger)).why == SPENT

    with_clock(run, valkey_engine, story)


async def let_in(counter: Counter, account: Any, name: str, most: int) -> list[Lease]:
    found = []
    for number in range(most):
        said = await counter.admit(account, f"{name}{number}", 10, 0)
        if said.why == ADMITTED:
            found.append(Lease(account, f"{name}{number}", 10, 0, said.epoch, int(said.now)))
    return found


def with_clock(run: Run[Any], engine: ValkeyEngine, story: Any) -> None:
    async def all_of_it() -> None:
        async with Valkey(place(engine.url)) as valkey:
            await until(lambda: valkey.state == "ok")
            counter = Counter(valkey)
            await counter.set_clock(NOON)
            await story(counter)

    run(all_of_it())


# What is kept, and what is not asked


def test_every_key_has_its_organisation_in_braces_and_an_end_and_their_number_is_bounded(
    run: Run[Any], valkey_engine: ValkeyEngine
) -> None:
    async def story() -> None:
        async with worker(valkey_engine.url, ttl=0.2) as one:
            caller = limited(EVERYTHING, EVERYTHING)
            for number in range(150):
                admitted = await one.ask(caller)
                assert isinstance(admitted, Admitted)
                if number % 3:
                    admitted.settle(10, CENT)
                elif number % 2:
                    await one.read("DEL", "syntra:{acme-id}:leases")  # and so the next is told without a lease
            await until(lambda: one.told)
            await asyncio.sleep(0.25)
            await one.admits(caller, most=1)
            names = {name.decode() for name in await one.read("KEYS", "*")} - {"syntra:workers"}
            known = {"counts", "key:k1:counts", "leases", "lapsed", "told"}
            assert {name.removeprefix("syntra:{acme-id}:") for name in names} <= known
            for name in (*names, "syntra:workers"):
                assert 0 < await one.read("PTTL", name) <= 3 * DAY, name
            assert await one.read("HLEN", "syntra:{acme-id}:counts") < 160

    run(story())


def test_who_is_refused_for_its_requests_is_refused_without_asking_until_a_retry_can_help(
    run: Run[Any], valkey_engine: ValkeyEngine
) -> None:
    async def story() -> None:
        async with worker(valkey_engine.url) as one:
            caller = limited(Limits(requests_per_minute=2, tokens_per_minute=1000))
            await one.admits(caller)
            asked = await calls(one)
            refused = [await one.ask(caller) for _ in range(50)]
            assert await calls(one) == asked
            assert all(isinstance(error, RateLimited) for error in refused)
            last = refused[-1]
            assert isinstance(last, RateLimited)
            assert last.retry_after is not None
            assert 59 <= last.retry_after <= 61
            assert dict(last.headers)[b"x-ratelimit-remaining-requests"] == b"0"
            one.admission._refused["acme-id/k1"] = type(one.admission._refused["acme-id/k1"])(
                *(getattr(one.admission._refused["acme-id/k1"], name) for name in ("account", "verdict")), 0.0
            )
            await one.ask(caller)
            assert await calls(one) == asked + 1
            assert await one.admits(limited(Limits(requests_per_minute=3, tokens_per_minute=1000)))  # as it is now

    run(story())


def test_who_is_refused_for_anything_else_may_ask_again_at_once(run: Run[Any], valkey_engine: ValkeyEngine) -> None:
    async def story() -> None:
        async with worker(valkey_engine.url) as one:
            caller = limited(Limits(requests_per_minute=100, tokens_per_minute=100, concurrency=3))
            assert isinstance(await one.ask(caller, tokens=90), Admitted)
            assert isinstance(await one.ask(caller, tokens=90), RateLimited)
            assert isinstance(await one.ask(caller, tokens=10), Admitted)

    run(story())


async def calls(one: Worker) -> int:
    """How often Valkey was asked to run a script."""
    stats = (await one.read("INFO", "commandstats")).decode()
    return sum(
        int(line.partition("calls=")[2].partition(",")[0])
        for line in stats.splitlines()
        if line.startswith("cmdstat_evalsha")
    )


def test_two_organisations_with_the_same_key_ids_have_nothing_in_common(
    run: Run[Any], valkey_engine: ValkeyEngine
) -> None:
    async def story() -> None:
        async with worker(valkey_engine.url) as one:
            limits = Limits(requests_per_minute=3, concurrency=2, usd_per_day=0.05)
            for name in ("one", "two", "one/k1", "two}{one"):
                assert len(await one.admits(limited(limits, limits, organisation=name))) == 2

    run(story())


def test_workers_know_how_many_they_are(run: Run[Any], valkey_engine: ValkeyEngine) -> None:
    async def story() -> None:
        async with worker(valkey_engine.url, ttl=0.3) as one:
            await until(lambda: one.shared.leases.workers == 1)
            async with worker(valkey_engine.url, ttl=0.3), worker(valkey_engine.url, ttl=0.3) as third:
                await until(lambda: one.shared.leases.workers == third.shared.leases.workers == 3)
            await until(lambda: one.shared.leases.workers == 1)

    run(story())
