"""A busy key is let in ahead of its limits, and they stay what they are: to the request, the token and the cent."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest

from gateway.core.caller import Caller
from gateway.core.errors import BudgetSpent, RateLimited, SyntraError
from gateway.core.limits import Limits
from gateway.core.money import Picodollars
from gateway.stages.admission import Admitted
from gateway.stores.allowances import SIZES
from tests.fakes.engines import ValkeyEngine
from tests.fakes.limits import CENT, Worker, limited, nothing_spent, worker
from tests.faults.test_limits import end, holding
from tests.unit.wire_rig import Run

FAR = Limits(10**6, 10**6, 10**8, 10**8, 10**5, 1e5, 1e5)  # from every limit
COUNTS, KEY_COUNTS = "syntra:{acme-id}:counts", "syntra:{acme-id}:key:k1:counts"
NOTHING = [0, 0, 0]  # leased: requests, tokens, nanodollars


@asynccontextmanager
async def counting(url: str, ttl: float = 60.0) -> AsyncIterator[tuple[Worker, Counter[str]]]:
    """A worker, and who let its requests in."""
    by: Counter[str] = Counter()

    def counted(what: str, who: str) -> None:
        by[who if what == "admitted" else what] += 1

    async with worker(url, ttl=ttl, counted=counted, spent=nothing_spent) as one:
        if time.time() % 1 > 0.5:  # the last tenth of a second has no allowances, and the next has others
            await asyncio.sleep(1 - time.time() % 1)
        yield one, by


async def busy(
    one: Worker, caller: Caller, many: int, tokens: int = 9, cost: Picodollars = CENT, pause: float = 0.001
) -> list[Admitted]:
    """So many requests after each other, as fast as a client can; each over before the next begins."""
    found = []
    for _ in range(many):
        admitted = await one.ask(caller)
        if isinstance(admitted, SyntraError):
            break
        admitted.settle(tokens, cost)
        found.append(admitted)
        await asyncio.sleep(pause)
    return found


async def numbers(one: Worker, name: str, *fields: str) -> list[int]:
    return [int(found or 0) for found in await one.read("HMGET", name, *fields)]


async def held(one: Worker) -> list[int]:
    return await numbers(one, COUNTS, "n", "t", "m")


async def nothing_held(one: Worker) -> None:
    until_then = time.monotonic() + 5
    while await held(one) != NOTHING:
        assert time.monotonic() < until_then, await held(one)
        await asyncio.sleep(0.02)


def test_a_busy_key_waits_for_a_few_of_its_requests_only(run: Run[Any], valkey_engine: ValkeyEngine) -> None:
    async def story() -> None:
        async with counting(valkey_engine.url) as (one, by):
            assert len(await busy(one, limited(FAR, FAR), 400)) == 400
            assert by["allowance"] > 300
            assert by["valkey"] + by["allowance"] == 400

    run(story())


@pytest.mark.parametrize(("limits", "leasing"), [(FAR, True), (Limits(10**6, 10**6), False)], ids=["all", "requests"])
def test_what_is_counted_in_the_end_is_what_was_used(
    run: Run[Any], valkey_engine: ValkeyEngine, limits: Limits, leasing: bool
) -> None:
    async def story() -> None:
        async with counting(valkey_engine.url) as (one, by):
            await busy(one, limited(limits, limits), 101, tokens=7, cost=CENT)
            assert by["allowance"]
            await asyncio.sleep(1.1)  # the second in which they were counted is over
            await nothing_held(one)
            for name in (COUNTS, KEY_COUNTS):
                assert await numbers(one, name, "dr", "rs") == [101, 101]
                assert await numbers(one, name, "dt", "ts", "sd") == ([707, 707, 101 * 10**7] if leasing else [0, 0, 0])

    run(story())


@pytest.mark.parametrize("pause", [0.001, 0], ids=["after its allowance", "before the allowance has come"])
def test_the_headers_tell_each_request_what_is_left_after_it(
    pause: float, run: Run[Any], valkey_engine: ValkeyEngine
) -> None:
    async def story() -> None:
        async with counting(valkey_engine.url) as (one, by):
            told = [dict(admitted.headers) for admitted in await busy(one, limited(Limits(10**6)), 100, pause=pause)]
            assert by["allowance"]
            for used, headers in enumerate(told, 1):  # what another worker may still use is told as used
                left = int(headers[b"x-ratelimit-remaining-requests"])
                assert 10**6 - used - 2 * SIZES[1] <= left <= 10**6 - used

    run(story())


def test_requests_that_run_longer_hold_what_is_theirs_and_no_more(run: Run[Any], valkey_engine: ValkeyEngine) -> None:
    async def story() -> None:
        async with counting(valkey_engine.url) as (one, by):
            running = []
            for _ in range(50):
                admitted = await one.ask(limited(FAR))
                assert isinstance(admitted, Admitted)
                running.append(admitted)
                await asyncio.sleep(0.001)
            assert by["allowance"] > 20
            n, tokens, nano = await held(one)
            assert tokens >= 500
            assert nano >= 50 * 10**7
            await asyncio.sleep(1.2)
            assert await held(one) == [50, 500, 50 * 10**7]
            assert n <= 50
            for admitted in running:
                admitted.settle(9, CENT)
            await nothing_held(one)
            assert await numbers(one, COUNTS, "dr", "dt", "sd") == [50, 450, 50 * 10**7]

    run(story())


@pytest.mark.parametrize(
    ("limits", "refused"),
    [(Limits(requests_per_day=2000), RateLimited), (Limits(usd_per_day=20.0), BudgetSpent)],
    ids=["requests", "a budget"],
)
def test_four_busy_workers_let_in_as_many_as_the_limit_says(
    run: Run[Any], valkey_engine: ValkeyEngine, limits: Limits, refused: type[SyntraError]
) -> None:
    async def story() -> None:
        async with AsyncExitStack() as stack:
            four = [await stack.enter_async_context(counting(valkey_engine.url)) for _ in range(4)]
            let_in = 0
            for _ in range(3):  # what an allowance was not used for comes back within a second
                let_in += sum(map(len, await asyncio.gather(*(busy(one, limited(limits), 900) for one, _ in four))))
                await asyncio.sleep(1.2)
            assert let_in == 2000
            assert sum(by["allowance"] for _, by in four) > 100
            assert isinstance(await four[0][0].ask(limited(limits)), refused)

    run(story())


def test_near_a_limit_every_request_asks(run: Run[Any], valkey_engine: ValkeyEngine) -> None:
    async def story() -> None:
        async with counting(valkey_engine.url) as (one, by):
            assert len(await busy(one, limited(Limits(requests_per_minute=200)), 300)) == 200
            assert by["allowance"] == 0

    run(story())


def test_no_request_is_let_in_by_another_seconds_count(run: Run[Any], valkey_engine: ValkeyEngine) -> None:
    async def story() -> None:
        async with counting(valkey_engine.url) as (one, by):
            ends, asked = time.monotonic() + 2.5, 0
            while time.monotonic() < ends:
                before = by["allowance"]
                admitted = await one.ask(limited(Limits(10**6)))
                now = time.time()
                assert isinstance(admitted, Admitted)
                if by["allowance"] > before:
                    assert admitted._verdict is not None
                    assert int(admitted._verdict.now) == int(now)
                asked += 1
                await asyncio.sleep(0.001)
            assert by["allowance"] > asked / 2

    run(story())


def test_a_lower_limit_is_felt_by_the_next_request(run: Run[Any], valkey_engine: ValkeyEngine) -> None:
    async def story() -> None:
        async with counting(valkey_engine.url) as (one, by):
            await busy(one, limited(FAR), 60)
            assert by["allowance"]
            assert isinstance(await one.ask(limited(Limits(requests_per_day=60))), RateLimited)

    run(story())


def test_what_a_busy_worker_holds_that_is_killed_comes_back(run: Run[Any], valkey_engine: ValkeyEngine) -> None:
    limits = {"concurrency": 100_000, "usd_per_day": 10_000.0, "tokens_per_day": 10**8}

    async def story() -> None:
        async with AsyncExitStack() as stack:
            other = await holding(stack, valkey_engine.url, limits, 200)
            one = await stack.enter_async_context(worker(valkey_engine.url, ttl=1.5))
            assert (await held(one))[1] >= 2000
            await end(other)
            admitted = await one.ask(limited(Limits(**limits)))
            assert isinstance(admitted, Admitted)
            admitted.settle(0, Picodollars(0))
            await nothing_held(one)

    run(story())


def test_a_worker_that_ends_gives_its_allowances_back(run: Run[Any], valkey_engine: ValkeyEngine) -> None:
    async def story() -> None:
        async with worker(valkey_engine.url) as other:
            async with counting(valkey_engine.url) as (one, by):
                await busy(one, limited(FAR), 41)
                assert by["allowance"]
            assert await held(other) == NOTHING
            assert await numbers(other, COUNTS, "dr", "rs") == [41, 41]

    run(story())
