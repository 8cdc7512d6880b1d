"""Cooldowns are one among all workers while Valkey is there."""

from __future__ import annotations

import asyncio
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from gateway.core.errors import UpstreamBusy, UpstreamCredential
from gateway.core.health import FAILING, RATE_LIMITED, REFUSED
from gateway.stores import cooldowns as module
from tests.fakes.valkey import Engine, until
from tests.faults.cooldowns_rig import BIG, MINI, worker
from tests.laps import laps
from tests.unit.wire_rig import Run


def test_what_one_worker_cools_the_other_leaves_alone_within_a_tenth_of_a_second(run: Run[Any], engine: Engine) -> None:
    async def story() -> None:
        async with worker(engine.url) as one, worker(engine.url) as other:
            for number, lap in enumerate(laps(within=0.1, clock=time.monotonic)):
                key = ("openai", "env", f"model-{number}")
                mine = one.fails(key, 30, RATE_LIMITED)
                with lap:
                    await until(partial(other.reason, key))
                theirs = other.health.cooling(key, time.monotonic())
                assert theirs is not None
                assert (theirs.key, theirs.reason) == (key, RATE_LIMITED)
                assert abs(theirs.until - mine.until) < 1
            assert other.reason(BIG) is None

    run(story())


@pytest.mark.parametrize("model", ["llama3:8b", "a:b:c", "模型 4", "x" * 200])
def test_models_are_told_by_whatever_name_they_have(run: Run[Any], engine: Engine, model: str) -> None:
    async def story() -> None:
        key = ("ollama", "env", model)
        async with worker(engine.url) as one, worker(engine.url) as other:
            one.fails(key, 30)
            await until(lambda: other.reason(key))
            async with worker(engine.url) as late:
                assert late.reason(key) == FAILING

    run(story())


def test_a_refused_credential_rests_everywhere_with_all_its_models(run: Run[Any], engine: Engine) -> None:
    async def story() -> None:
        async with worker(engine.url) as one, worker(engine.url) as other:
            one.hears(MINI, UpstreamCredential("x"))
            await until(lambda: other.reason(BIG) == REFUSED)
            assert other.reason(("openai", "acme", "gpt-4o")) is None

    run(story())


def test_a_cooldown_ends_for_all_at_the_same_time_and_leaves_nothing_behind(run: Run[Any], engine: Engine) -> None:
    async def story() -> None:
        async with worker(engine.url) as one, worker(engine.url) as other:
            one.fails(MINI, 0.3)
            await until(lambda: other.reason(MINI))
            assert await one.valkey.run("GET", "syntra:cool:openai:env:gpt-4o-mini") == b"failing"
            await until(lambda: one.reason(MINI) is None)
            assert await until(lambda: other.reason(MINI) is None) < 50
            await asyncio.sleep(0.01)
            assert await one.valkey.run("GET", "syntra:cool:openai:env:gpt-4o-mini") is None
            async with worker(engine.url) as late:
                assert not late.health.recovering(MINI)
                assert await late.valkey.run("SMEMBERS", "syntra:cools") == []

    run(story())


def test_of_all_workers_one_probes(run: Run[Any], engine: Engine) -> None:
    async def story() -> None:
        async with worker(engine.url) as a, worker(engine.url) as b, worker(engine.url) as c:
            a.fails(MINI, 0.1)
            await until(lambda: b.reason(MINI) and c.reason(MINI))
            await until(lambda: not (a.reason(MINI) or b.reason(MINI) or c.reason(MINI)))
            asked = await asyncio.gather(*(one.may_ask(MINI) for one in (a, b, c) * 20))
            assert sum(asked) == 1

    run(story())


def test_after_a_refused_credential_one_worker_probes_with_one_model(run: Run[Any], engine: Engine) -> None:
    async def story() -> None:
        async with worker(engine.url) as a, worker(engine.url) as b:
            a.fails(("openai", "env", ""), 0.1, REFUSED)
            await until(lambda: b.reason(MINI))
            await until(lambda: not (a.reason(MINI) or b.reason(MINI)))
            assert sum(await asyncio.gather(*(one.may_ask(key) for one in (a, b) for key in (MINI, BIG)))) == 1

    run(story())


def test_a_recovery_that_the_probe_finds_is_everybodys_within_a_tenth_of_a_second(
    run: Run[Any], engine: Engine
) -> None:
    async def story() -> None:
        async with worker(engine.url) as one, worker(engine.url) as other:
            one.fails(MINI, 0.1)
            await until(lambda: other.reason(MINI))
            await until(lambda: not (one.reason(MINI) or other.reason(MINI)))
            assert await one.may_ask(MINI)
            assert not await other.may_ask(MINI)
            assert one.succeeds(MINI)
            assert await until(lambda: not other.health.recovering(MINI)) < 100
            assert await other.may_ask(MINI)
            assert await one.valkey.run("KEYS", "syntra:*") == []

    run(story())


def test_a_probe_that_fails_cools_for_longer_everywhere_and_frees_the_next_probe(run: Run[Any], engine: Engine) -> None:
    async def story() -> None:
        async with worker(engine.url) as one, worker(engine.url) as other:
            one.fails(MINI, 0.05)
            await until(lambda: other.reason(MINI))
            await until(lambda: not (one.reason(MINI) or other.reason(MINI)))
            assert await one.may_ask(MINI)
            one.hears(MINI, UpstreamBusy("x", retry_after=1))
            await until(lambda: other.reason(MINI) == RATE_LIMITED)
            assert await one.valkey.run("KEYS", "syntra:probe:*") == []
            assert not await other.may_ask(MINI)

    run(story())


def test_the_probe_of_a_worker_that_died_is_taken_over(run: Run[Any], engine: Engine) -> None:
    async def story() -> None:
        async with worker(engine.url) as one, worker(engine.url) as other:
            one.fails(MINI, 0.05)
            await until(lambda: other.reason(MINI))
            await until(lambda: not (one.reason(MINI) or other.reason(MINI)))
            assert await one.may_ask(MINI)
            assert not await other.may_ask(MINI)
            name = "syntra:probe:openai:env:gpt-4o-mini"
            assert 29_000 < await one.valkey.run("PTTL", name) <= 30_000
            await one.valkey.run("PEXPIRE", name, 1)
            other.health.released(MINI)  # as its next second would
            await asyncio.sleep(0.01)
            assert await other.may_ask(MINI)

    run(story())


def test_a_worker_that_asks_for_its_own_probe_again_gets_it(run: Run[Any], engine: Engine) -> None:
    async def story() -> None:
        async with worker(engine.url) as one:
            one.fails(MINI, 0.01)
            await until(lambda: not one.reason(MINI))
            assert await one.may_ask(MINI)
            one.health.released(MINI)  # the client left
            assert await one.may_ask(MINI)

    run(story())


def test_a_worker_that_starts_later_knows_what_cools_and_for_how_long_still(run: Run[Any], engine: Engine) -> None:
    async def story() -> None:
        async with worker(engine.url) as one:
            mine = one.fails(MINI, 20)
            one.hears(BIG, UpstreamBusy("x", retry_after=7))
            await until(lambda: not one.cooldowns._outbox)
            await asyncio.sleep(0.1)
            async with worker(engine.url) as late:
                theirs = late.health.cooling(MINI, time.monotonic())
                assert theirs is not None
                assert abs(theirs.until - mine.until) < 0.1
                assert late.reason(BIG) == RATE_LIMITED

    run(story())


def test_what_a_worker_hears_of_itself_changes_nothing(run: Run[Any], engine: Engine) -> None:
    async def story() -> None:
        async with worker(engine.url) as one, worker(engine.url) as other:
            mine = one.fails(MINI, 20)
            await until(lambda: other.reason(MINI))
            one.fails(BIG, 20)
            await until(lambda: other.reason(BIG))
            assert one.health.cooling(MINI, time.monotonic()) is mine

    run(story())


def test_a_cooldown_that_all_know_is_told_once(run: Run[Any], engine: Engine) -> None:
    async def story() -> None:
        async with worker(engine.url) as one, worker(engine.url) as other:
            mine = one.fails(MINI, 20)
            await until(lambda: other.reason(MINI))
            await until(lambda: not one.cooldowns._outbox)
            one.cooldowns.tell(mine)
            theirs = other.health.cooling(MINI, time.monotonic())
            assert theirs is not None
            other.cooldowns.tell(theirs)
            assert not one.cooldowns._outbox
            assert not other.cooldowns._outbox

    run(story())


GARBAGE = [
    b"",
    b"{}",
    b"\xff\xfe",
    b"[1]",
    b'{"by":"x","name":"openai"}',
    b'{"by":"x","name":"a:b:c","reason":"hungry"}',
]


def test_what_no_worker_would_say_is_not_listened_to(run: Run[Any], engine: Engine) -> None:
    async def story() -> None:
        async with worker(engine.url) as one, worker(engine.url) as other:
            for message in GARBAGE:
                await one.valkey.run("PUBLISH", module.CHANNEL, message)
            await one.valkey.run("SADD", "syntra:cools", b"nonsense", b"\xff:\xff:\xff", b"a:b:c")
            await one.valkey.run("SET", "syntra:cool:a:b:c", "hungry")
            async with worker(engine.url) as late:
                assert late.health.snapshot(time.monotonic()) == []
            one.fails(MINI, 20)
            await until(lambda: other.reason(MINI))
            assert len(other.health.snapshot(time.monotonic())) == 1

    run(story())


def test_no_credential_is_in_a_key_or_a_message(run: Run[Any], tmp_path: Path) -> None:
    async def story(engine: Engine) -> None:
        url = engine.url.replace("//", "//:hunter2-hunter2@")
        async with worker(url) as one, worker(url) as other:
            one.fails(MINI, 60)
            await until(lambda: other.reason(MINI))
            names = await one.valkey.run("KEYS", "*")
            assert sorted(names) == [b"syntra:cool:openai:env:gpt-4o-mini", b"syntra:cools"]

    with Engine(tmp_path, password="hunter2-hunter2") as engine:
        run(story(engine))
