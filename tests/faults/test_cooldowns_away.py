"""While Valkey is away or slow, cooldowns are each worker's own: nobody waits, and sharing heals by itself."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from statistics import median
from typing import Any

from gateway.core.errors import UpstreamBusy, UpstreamFailed
from gateway.core.health import FAILING, RATE_LIMITED, Health
from gateway.stores.cooldowns import Cooldowns
from tests.fakes.valkey import Engine, Wire, until
from tests.faults.cooldowns_rig import BIG, MINI, worker
from tests.unit.wire_rig import Run


def test_sharing_heals_when_valkey_is_killed_and_comes_back(run: Run[Any], tmp_path: Path) -> None:
    async def story(engine: Engine) -> None:
        async with worker(engine.url) as one, worker(engine.url) as other:
            one.fails(MINI, 60)
            await until(lambda: other.reason(MINI))
            engine.kill()
            await until(lambda: one.valkey.state == other.valkey.state == "away")
            one.hears(BIG, UpstreamBusy("x", retry_after=50))
            other.fails(("google", "env", "gemini"), 0.01)
            await asyncio.sleep(0.02)
            assert await other.may_ask(("google", "env", "gemini"))  # each worker probes for itself
            assert (one.reason(BIG), other.reason(BIG)) == (RATE_LIMITED, None)
            await asyncio.to_thread(engine.start)
            await until(lambda: other.reason(BIG) == RATE_LIMITED)  # told when Valkey was back
            one.fails(("anthropic", "env", "claude"), 30)
            await until(lambda: other.reason(("anthropic", "env", "claude")))

    with Engine(tmp_path) as engine:
        run(story(engine))


def test_a_start_does_not_wait_for_valkey_and_heals_when_it_comes(run: Run[Any], tmp_path: Path) -> None:
    async def story(engine: Engine) -> None:
        began = time.monotonic()
        async with worker(engine.url, ready=False) as one, worker(engine.url, ready=False) as other:
            assert time.monotonic() - began < 1
            assert one.valkey.state == "away"
            one.fails(MINI, 60)
            assert one.reason(MINI) == FAILING
            await asyncio.to_thread(engine.start)
            await until(lambda: other.reason(MINI))

    engine = Engine(tmp_path)
    try:
        run(story(engine))
    finally:
        engine.kill()


def test_a_request_never_waits_for_a_slow_valkey(run: Run[Any], engine: Engine) -> None:
    async def story() -> None:
        async with Wire(engine.port) as wire, worker(f"redis://127.0.0.1:{wire.port}") as one:
            keys = [("openai", "env", f"model-{number}") for number in range(20)]
            for key in keys:
                one.fails(key, 0.01)
            await until(lambda: not one.cooldowns._outbox and not any(one.reason(key) for key in keys))
            wire.delay = 1.0
            waits = []
            for key in keys:
                began = time.monotonic()
                assert await one.may_ask(key)
                waits.append(time.monotonic() - began)
            tried, spared = waits[:5], waits[5:]
            assert min(tried) > 0.04, waits
            assert median(tried) < 0.1, waits  # a busy machine wakes one or the other late
            assert median(spared) < 0.02, waits
            assert one.valkey.state == "slow"

    run(story())


def test_without_valkey_nothing_runs_and_every_worker_decides_for_itself(run: Run[Any]) -> None:
    async def story() -> None:
        health = Health()
        before = asyncio.all_tasks()
        async with Cooldowns(health, None) as cooldowns:
            assert asyncio.all_tasks() == before
            for _ in range(3):
                cooldown = health.failed(MINI, UpstreamFailed("x"), 100)
            assert cooldown is not None
            cooldowns.tell(cooldown)
            cooldowns.recovered(BIG)
            assert not cooldowns._outbox
            assert health.try_probe(MINI, 106)
            assert await cooldowns.may_probe(MINI)

    run(story())


def test_what_waits_to_be_told_is_bounded_and_the_newest_is_kept(run: Run[Any], tmp_path: Path) -> None:
    async def story() -> None:
        async with worker(Engine(tmp_path).url, ready=False) as one:
            for number in range(3_000):
                one.fails(("openai", "env", f"model-{number}"), 60)
            one.fails(("openai", "env", "x" * 10_000), 60)  # nobody's model: not carried around
            assert len(one.cooldowns._outbox) == 1_000
            assert next(reversed(one.cooldowns._outbox))[2] == "model-2999"

    run(story())


def test_closing_leaves_no_task_behind_whatever_it_was_doing(run: Run[Any], engine: Engine, tmp_path: Path) -> None:
    async def story() -> None:
        before = asyncio.all_tasks()
        for url in (engine.url, Engine(tmp_path).url):
            for pause in (0, 0.001, 0.01, 0.1):
                async with worker(url, ready=False) as one:
                    one.fails(MINI, 60)
                    await asyncio.sleep(pause)
                assert asyncio.all_tasks() == before

    run(story())


def test_a_client_that_leaves_while_the_probe_is_asked_for_gives_its_place_back(run: Run[Any], engine: Engine) -> None:
    async def story() -> None:
        async with Wire(engine.port) as wire, worker(f"redis://127.0.0.1:{wire.port}") as one:
            one.fails(MINI, 0.01)
            await until(lambda: not one.cooldowns._outbox and not one.reason(MINI))
            wire.delay = 0.03
            asking = asyncio.create_task(one.may_ask(MINI))
            await asyncio.sleep(0.005)
            asking.cancel()
            await asyncio.wait([asking])
            assert asking.cancelled()
            assert one.health.try_probe(MINI, time.monotonic())

    run(story())
