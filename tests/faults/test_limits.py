"""Limits on bad days: Valkey dies, is slow, forgets; workers are killed; clients leave; nothing is lost and nobody waits."""

from __future__ import annotations

import asyncio
import json
import signal
import statistics
import sys
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from gateway.core.errors import BudgetSpent, RateLimited
from gateway.core.ids import uuid7
from gateway.core.limits import Limits
from gateway.core.money import Picodollars
from gateway.stages.admission import Admitted
from gateway.stores import leases as leases_module
from gateway.stores import valkey as valkey_module
from tests.fakes.engines import ValkeyEngine
from tests.fakes.limits import CENT, EVERYTHING, Worker, limited, worker
from tests.fakes.valkey import Engine, Wire, until
from tests.unit.wire_rig import Run

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def unhurried(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine shall not make a test one of slowness that is not."""
    if "slow" not in request.node.name:
        monkeypatch.setattr(valkey_module, "DEADLINE", 2.0)


async def process(stack: AsyncExitStack, url: str, **asked: Any) -> asyncio.subprocess.Process:
    """Another worker, in a process of its own."""
    made = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.fakes.admitting", url, cwd=ROOT,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip

    async def end() -> None:
        if made.returncode is None:
            made.kill()
        await made.wait()

    stack.push_async_callback(end)
    assert made.stdin is not None
    made.stdin.write(json.dumps(asked).encode() + b"\n")
    return made


async def line(of: asyncio.subprocess.Process) -> Any:
    assert of.stdout is not None
    return (await of.stdout.readline()).decode().strip()


async def holding(stack: AsyncExitStack, url: str, limits: dict[str, Any], count: int) -> asyncio.subprocess.Process:
    """A worker in a process of its own that has let so many in, none of which ends; its leases last 1.5 s."""
    made = await process(stack, url, what="hold", limits=limits, count=count, lease_seconds=1.5)
    assert await line(made) == str(count)
    return made


async def end(holder: asyncio.subprocess.Process) -> None:
    """It is killed, and its leases are over."""
    holder.send_signal(signal.SIGKILL)
    await holder.wait()
    await asyncio.sleep(1.6)


# Workers that die, and many at once


def test_what_a_worker_holds_that_is_killed_comes_back(run: Run[Any], valkey_engine: ValkeyEngine) -> None:
    limits = {"concurrency": 5, "usd_per_day": 0.05, "tokens_per_day": 50}

    async def story() -> None:
        async with AsyncExitStack() as stack:
            held = await holding(stack, valkey_engine.url, limits, 5)
            one = await stack.enter_async_context(worker(valkey_engine.url, ttl=1.5))
            caller = limited(Limits(**limits))
            for _ in range(4):  # for longer than a lease lasts: whoever lives renews it
                refused = await one.ask(caller)
                assert isinstance(refused, RateLimited)
                assert refused.retry_after in (1, 2)
                await asyncio.sleep(0.5)
            await end(held)
            assert len(await one.admits(caller)) == 5
            assert await one.spent() == 0

    run(story())


@pytest.mark.parametrize("patient", [False, True])
def test_200_at_once_over_4_processes_against_a_budget_for_50(
    run: Run[Any], valkey_engine: ValkeyEngine, patient: bool
) -> None:
    """With true estimates exactly 50 go; with others a budget is exceeded by no more than what is documented."""
    real = (0.008, 0.012) if patient else (0.01, 0.01)
    asked = {"what": "spend", "limits": {"usd_per_day": 0.50}, "count": 50, "patient": patient, "real": real}

    async def story() -> list[int]:
        async with AsyncExitStack() as stack:
            workers = [
                await process(stack, valkey_engine.url, **asked, estimate=0.01, seconds=0.03 if patient else 2.0)
                for _ in range(4)
            ]
            for one in workers:
                assert await line(one) == "ready"
            for one in workers:
                assert one.stdin is not None
                one.stdin.write(b"\n")
            said = [json.loads(await line(one)) for one in workers]
            async with worker(valkey_engine.url) as last:
                spent = [cost for one in said for costs in one["spent"] for cost in costs]
                assert abs(await last.spent() - sum(spent)) <= 1000 * len(spent)  # rounded up to nanodollars
                assert isinstance(await last.ask(limited(Limits(usd_per_day=0.50))), BudgetSpent)
            return spent

    spent = run(story())
    if patient:
        beyond = 50 * (0.012 - 0.01)  # of the 50 that the budget lets run at the same time
        assert 0.50 <= sum(spent) / 1e12 <= 0.50 + beyond
    else:
        assert len(spent) == 50


def test_a_client_that_asks_one_by_one_never_meets_its_own_request(run: Run[Any], valkey_engine: ValkeyEngine) -> None:
    async def story() -> None:
        async with worker(valkey_engine.url) as one:
            caller = limited(Limits(usd_per_day=3.0), Limits(concurrency=1))
            for _ in range(300):
                admitted = await one.ask(caller)
                assert isinstance(admitted, Admitted)
                admitted.settle(10, CENT)
            assert isinstance(await one.ask(caller), BudgetSpent)

    run(story())


def test_a_request_that_runs_for_longer_than_its_lease_keeps_it_and_one_that_was_dropped_does_not(
    run: Run[Any], valkey_engine: ValkeyEngine
) -> None:
    async def story() -> None:
        async with worker(valkey_engine.url, ttl=0.3) as one, worker(valkey_engine.url, ttl=0.3) as other:
            caller = limited(Limits(concurrency=1))
            (runs,) = await one.admits(caller)
            for _ in range(6):
                await asyncio.sleep(0.15)
                assert isinstance(await other.ask(caller), RateLimited)
            runs.settle(10, CENT)
            await until(lambda: one.told)
            (dropped,) = await other.admits(caller)
            del dropped
            assert isinstance(await one.ask(caller), RateLimited)
            await asyncio.sleep(0.35)
            assert len(await one.admits(caller)) == 1

    run(story())


def test_a_request_that_ends_after_its_lease_is_counted_all_the_same_and_once(
    run: Run[Any], valkey_engine: ValkeyEngine
) -> None:
    async def story() -> None:
        async with worker(valkey_engine.url, ttl=0.1) as one:
            one.shared.leases.hold = lambda _: None  # type: ignore[method-assign]  # a worker that cannot renew
            caller = limited(Limits(usd_per_day=1.0, concurrency=5))
            late = await one.ask(caller)
            assert isinstance(late, Admitted)
            await asyncio.sleep(0.15)
            assert len(await one.admits(caller)) == 5  # and now it is known to have lapsed
            late.settle(10, Picodollars(7 * CENT))
            await until(lambda: one.told)
            assert await one.spent() == 7 * CENT
            assert await one.read("ZCARD", "syntra:{acme-id}:lapsed") == 0

    run(story())


def test_a_client_that_leaves_while_it_is_let_in_gives_everything_back(run: Run[Any], shared_engine: Engine) -> None:
    async def story() -> None:
        async with Wire(shared_engine.port) as wire, worker(f"redis://127.0.0.1:{wire.port}") as one:
            await one.read("FLUSHALL")
            caller = limited(Limits(concurrency=1, usd_per_day=0.01))
            await one.read("PING")
            wire.delay = 0.02
            asking = asyncio.create_task(one.admission.admit(caller, uuid7(), 10, CENT))
            await asyncio.sleep(0.01)
            asking.cancel()
            await asyncio.wait([asking])
            assert asking.cancelled()
            await until(lambda: one.told)
            wire.delay = 0.0
            assert len(await one.admits(caller)) == 1

    run(story())


# A Valkey that is away, slow, full or new


def test_valkey_dies_and_each_worker_allows_its_share_at_once_and_says_so(run: Run[Any], tmp_path: Path) -> None:
    async def story(engine: Engine) -> None:
        async with worker(engine.url, workers=2) as one:
            caller = limited(Limits(requests_per_minute=20, usd_per_day=1.0))
            before = await one.admits(caller, most=3)
            assert [admitted.degraded for admitted in before] == [()] * 3
            engine.kill()
            await until(lambda: one.valkey.state == "away")
            began = time.monotonic()
            let_in = await one.admits(caller)
            assert time.monotonic() - began < 0.05
            assert len(let_in) == 10
            assert {admitted.degraded for admitted in let_in} == {("limits",)}
            refused = await one.ask(caller)
            assert isinstance(refused, RateLimited)
            assert (b"x-syntra-degraded", b"limits") in refused.headers
            for admitted in (*before, *let_in):
                admitted.settle(10, Picodollars(2 * CENT))
            await asyncio.to_thread(engine.start)
            await until(lambda: one.valkey.state == "ok" and one.told)
            assert await one.spent() == 26 * CENT  # Valkey has heard of all that went on without it
            again = await one.ask(caller)
            assert isinstance(again, Admitted)
            assert again.degraded == ()

    with Engine(tmp_path) as engine:
        run(story(engine))


def test_slow_is_treated_as_down_and_what_valkey_took_all_the_same_is_given_back(
    run: Run[Any], shared_engine: Engine
) -> None:
    async def story() -> None:
        async with Wire(shared_engine.port) as wire, worker(f"redis://127.0.0.1:{wire.port}") as one:
            await one.read("FLUSHALL")
            caller = limited(Limits(concurrency=4, usd_per_day=1.0))
            (first,) = await one.admits(caller, most=1)
            wire.delay = 0.2
            let_in, waits = [], []
            for _ in range(12):
                began = time.monotonic()
                let_in.append(await one.ask(caller))
                waits.append(time.monotonic() - began)
            assert all(wait < 0.05 + 0.04 for wait in waits), waits
            assert statistics.median(waits[5:]) < 0.02, waits
            runs = [one for one in let_in if isinstance(one, Admitted)]
            assert len(runs) == 4
            assert {admitted.degraded for admitted in runs} == {("limits",)}
            wire.delay = 0.0
            for admitted in (first, *runs):
                admitted.settle(10, CENT)
            await until(lambda: one.told and one.valkey.state == "ok")
            assert await one.spent() == 5 * CENT
            assert await one.read("ZCARD", "syntra:{acme-id}:leases") == 0

    run(story())


def test_a_start_without_valkey_is_no_different_and_heals(run: Run[Any], tmp_path: Path) -> None:
    async def story(engine: Engine) -> None:
        async with worker(engine.url, ready=False) as one:
            caller = limited(EVERYTHING)
            (admitted,) = await one.admits(caller, most=1)
            assert admitted.degraded == ("limits",)
            await asyncio.to_thread(engine.start)
            await until(lambda: one.valkey.state == "ok")
            (second,) = await one.admits(caller, most=1)
            assert second.degraded == ()
            admitted.settle(10, CENT)
            await until(lambda: one.told)
            assert await one.spent() == CENT

    engine = Engine(tmp_path)
    try:
        run(story(engine))
    finally:
        engine.kill()


def test_what_waits_to_be_told_is_bounded_and_the_newest_is_kept(
    run: Run[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(leases_module, "_MOST_UNTOLD", 50)

    async def story(engine: Engine) -> None:
        async with worker(engine.url, ready=False) as one:
            for number in range(200):
                caller = limited(Limits(usd_per_day=1000.0), key=f"k{number % 7}")
                (admitted,) = await one.admits(caller, most=1)
                admitted.settle(10, Picodollars(number * CENT))
            assert one.shared.leases._waiting == 50
            assert sum(len(ends) for _, ends in one.shared.leases._untold.values()) == 50
            await asyncio.to_thread(engine.start)
            await until(lambda: one.told)
            assert await one.spent() >= sum(range(150, 200)) * CENT // 2

    engine = Engine(tmp_path)
    try:
        run(story(engine))
    finally:
        engine.kill()
    assert caplog.text.count("will not hear of every request") == 1


def test_a_valkey_that_refuses_to_write_is_one_that_is_away(run: Run[Any], tmp_path: Path) -> None:
    async def story(engine: Engine) -> None:
        async with worker(engine.url) as one:
            caller = limited(EVERYTHING)
            (admitted,) = await one.admits(caller, most=1)
            await one.read("CONFIG", "SET", "maxmemory", "1")
            assert [one.degraded for one in await one.admits(caller, most=2)] == [("limits",)] * 2
            admitted.settle(10, CENT)
            await asyncio.sleep(0.1)
            await one.read("CONFIG", "SET", "maxmemory", "0")
            await until(lambda: one.told)
            assert await one.spent() == CENT

    with Engine(tmp_path) as engine:
        run(story(engine))


def test_a_valkey_that_has_forgotten_the_script_is_sent_it_again(run: Run[Any], valkey_engine: ValkeyEngine) -> None:
    async def story() -> None:
        async with worker(valkey_engine.url) as one:
            for _ in range(3):
                await one.read("SCRIPT", "FLUSH")
                (admitted,) = await one.admits(limited(EVERYTHING), most=1)
                assert admitted.degraded == ()
                await one.read("SCRIPT", "FLUSH")
                admitted.settle(10, CENT)
                await until(lambda: one.told)
            assert await one.spent() == 3 * CENT

    run(story())


def test_a_request_with_limits_waits_for_one_round_trip_and_scripts_are_loaded_once(
    run: Run[Any], shared_engine: Engine
) -> None:
    late = 0.1

    async def loads(one: Worker) -> int:
        stats = (await one.read("INFO", "commandstats")).decode()
        return int(stats.partition("cmdstat_script|load:calls=")[2].partition(",")[0])

    async def story() -> None:
        async with Wire(shared_engine.port) as wire, worker(f"redis://127.0.0.1:{wire.port}") as one:
            await one.read("FLUSHALL")
            caller = limited(EVERYTHING, EVERYTHING)
            (first,) = await one.admits(caller, most=1)
            first.settle(10, CENT)
            await until(lambda: one.told)
            loaded, wire.delay, waits = await loads(one), late, []
            for _ in range(8):
                began = time.monotonic()
                admitted = await one.ask(caller)
                waits.append(time.monotonic() - began)
                assert isinstance(admitted, Admitted)
                admitted.settle(10, CENT)  # is told together with the next question, or while nobody waits
            assert late - 0.001 <= min(waits) < 2 * late, waits  # a loop's clock may be a millisecond behind
            wire.delay = 0.0
            await until(lambda: one.told)
            assert await loads(one) == loaded

    run(story())
