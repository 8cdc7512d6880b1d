"""The pace that is kept towards a provider: one for all workers, fair between organisations, honest to who must wait."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from gateway.core.deadline import Deadline
from gateway.core.errors import Paced
from gateway.stores import pacer as module
from gateway.stores.pacer import Pacer
from gateway.stores.valkey import Valkey
from gateway.stores.valkey_place import place
from policies.documents import Tempo
from tests.conftest import StartGateway
from tests.fakes.caller import ask
from tests.fakes.gateway import OPENAI, PLAIN, Gateway
from tests.fakes.provider import Provider
from tests.fakes.script import Fault
from tests.fakes.valkey import Engine, Wire
from tests.unit.wire_rig import Run

SAME = [{"role": "user", "content": "What all of us ask."}]
MINI = ("openai", "env", "gpt-4o-mini")


@asynccontextmanager
async def worker(url: str | None, workers: int = 2, **tempo: Any) -> AsyncIterator[Pacer]:
    tempos = {"openai": Tempo(**tempo)} if tempo else {}
    if url is None:
        async with Pacer(tempos, dict, None, workers=workers) as pacer:
            yield pacer
        return
    async with Valkey(place(url)) as valkey, Pacer(tempos, dict, valkey, workers=workers) as pacer:
        yield pacer


async def enter(pacer: Pacer, organisation: str = "acme") -> Callable[[], None] | None:
    """A place, or None where there is none in time."""
    try:
        return await pacer.enter(MINI, organisation, Deadline(60))
    except Paced:
        return None


def test_all_workers_together_keep_to_one_rate(run: Run[Any], engine: Engine) -> None:
    async def story() -> None:
        async with (
            worker(engine.url, rps=40, burst=10, wait=1.0) as one,
            worker(engine.url, rps=40, burst=10, wait=1.0) as other,
        ):
            began = time.monotonic()
            through = await asyncio.gather(*[enter(pacer) for _ in range(100) for pacer in (one, other)])
            passed = time.monotonic() - began
        let = sum(place is not None for place in through)
        assert 30 <= let <= 10 + 40 * passed + 1

    run(story())


def test_no_more_run_at_once_than_may_on_all_workers_together(run: Run[Any], engine: Engine) -> None:
    running, most = 0, 0

    async def work(pacer: Pacer) -> None:
        nonlocal running, most
        release = await pacer.enter(MINI, "acme", Deadline(60))
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.03)
        running -= 1
        release()

    async def story() -> None:
        async with (
            worker(engine.url, concurrency=3, wait=20) as one,
            worker(engine.url, concurrency=3, wait=20) as other,
        ):
            await asyncio.gather(*[work(pacer) for _ in range(15) for pacer in (one, other)])

    run(story())
    assert most == 3


def test_a_crowd_of_one_organisation_does_not_stand_before_anothers_single_request(
    run: Run[Any], engine: Engine
) -> None:
    order: list[str] = []

    async def work(pacer: Pacer, organisation: str) -> None:
        release = await pacer.enter(MINI, organisation, Deadline(60))
        order.append(organisation)
        await asyncio.sleep(0.01)
        release()

    async def story() -> None:
        async with worker(engine.url, concurrency=1, wait=20) as pacer:
            first = await pacer.enter(MINI, "crowd", Deadline(60))
            crowd = [asyncio.create_task(work(pacer, "crowd")) for _ in range(20)]
            await asyncio.sleep(0.02)
            others = [asyncio.create_task(work(pacer, name)) for name in ("ada", "bob")]
            await asyncio.sleep(0.02)
            first()
            await asyncio.gather(*crowd, *others)

    run(story())
    assert {"ada", "bob"} <= set(order[:4])
    assert order[4:] == ["crowd"] * 18


def test_who_cannot_be_served_in_time_is_told_at_once_for_how_long(run: Run[Any]) -> None:
    async def story() -> None:
        async with worker(None, workers=1, rps=0.2, burst=1, wait=0.5) as pacer:
            assert await enter(pacer)
            began = time.monotonic()
            with pytest.raises(Paced) as caught:
                await pacer.enter(MINI, "acme", Deadline(60))
            assert time.monotonic() - began < 0.2  # five seconds would not have been in time
            assert caught.value.retry_after == 5
            assert caught.value.status == 429

    run(story())


def test_a_wait_is_bounded_and_leaves_nothing_behind(run: Run[Any]) -> None:
    async def story() -> None:
        async with worker(None, workers=1, concurrency=1, wait=0.3) as pacer:
            release = await pacer.enter(MINI, "acme", Deadline(60))
            began = time.monotonic()
            assert await enter(pacer) is None
            assert 0.25 < time.monotonic() - began < 1
            waiting = asyncio.create_task(enter(pacer))
            await asyncio.sleep(0.05)
            waiting.cancel()  # a client that leaves
            await asyncio.gather(waiting, return_exceptions=True)
            release()
            assert await enter(pacer)
            (lane,) = pacer._lanes.values()
            assert lane.waiting == 0

    run(story())


def test_the_places_of_a_worker_that_was_killed_come_back(
    run: Run[Any], engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LEASE_SECONDS", 1.2)

    async def story() -> None:
        async with worker(engine.url, concurrency=2, wait=5) as other:
            async with worker(engine.url, concurrency=2, wait=0.1) as killed:
                assert await enter(killed)
                assert await enter(killed)
                await asyncio.sleep(2.0)
                assert await enter(killed) is None  # held for longer than a lease, and kept
            began = time.monotonic()
            assert await enter(other)
            assert time.monotonic() - began < 4

    run(story())


def test_a_place_of_which_valkey_tells_too_late_is_given_back(run: Run[Any], engine: Engine) -> None:
    async def story() -> None:
        async with (
            Wire(engine.port) as wire,
            worker(f"redis://127.0.0.1:{wire.port}/0", concurrency=2, wait=1) as one,
            Valkey(place(engine.url)) as direct,
        ):
            (await one.enter(MINI, "acme", Deadline(60)))()  # from now on Valkey knows the script
            wire.delay = 0.2
            release = await one.enter(MINI, "acme", Deadline(60))  # let in by the worker's own share
            wire.delay = 0.0
            await asyncio.sleep(0.3)
            release()
            assert await direct.run("ZCARD", "syntra:pace:{openai:env}:run", within=5) == 0

    run(story())


def test_without_valkey_each_worker_has_its_share(run: Run[Any], engine: Engine) -> None:
    async def story() -> None:
        async with (
            worker(engine.url, rps=0.01, burst=10, wait=0.05) as one,
            worker(engine.url, rps=0.01, burst=10, wait=0.05) as other,
        ):
            engine.kill()
            try:
                await asyncio.sleep(0.2)
                through = [await enter(pacer) for _ in range(10) for pacer in (one, other)]
                assert sum(place is not None for place in through) == 10
            finally:
                engine.start()

    run(story())


def test_where_no_pace_is_set_nothing_is_asked_and_it_costs_microseconds(run: Run[Any]) -> None:
    async def story() -> None:
        async with worker(None) as pacer:
            await pacer.enter(MINI, "acme", Deadline(60))
            deadline, best = Deadline(60), 1.0
            for _ in range(5):
                began = time.perf_counter()
                for _ in range(1000):
                    (await pacer.enter(MINI, "acme", deadline))()
                best = min(best, (time.perf_counter() - began) / 1000)
            assert best < 20e-6
            assert pacer._lanes == {}

    run(story())


def test_a_providers_headers_hold_the_next_request_back(run: Run[Any]) -> None:
    async def story() -> None:
        async with worker(None) as pacer:
            await pacer.enter(MINI, "acme", Deadline(60))
            spent = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "3s"}
            pacer.heard(MINI, {**spent, "x-ratelimit-limit-requests": "10"})
            began = time.monotonic()
            assert await enter(pacer)
            assert 0.25 < time.monotonic() - began < 1
            pacer.heard(MINI, {**spent, "x-ratelimit-limit-requests": "1"})
            with pytest.raises(Paced) as caught:
                await pacer.enter(MINI, "acme", Deadline(60))
            assert caught.value.retry_after == 3

    run(story())


def test_what_is_only_guessed_makes_nobody_wait(run: Run[Any]) -> None:
    """After a 429 half as much is asked: who has another candidate goes there at once, who has none is let through."""

    async def story() -> None:
        async with worker(None) as pacer:
            for _ in range(20):
                await pacer.enter(MINI, "acme", Deadline(60))
            pacer.limited(MINI, 0)
            began = time.monotonic()
            refused = 0
            for _ in range(50):
                try:
                    await pacer.enter(MINI, "acme", Deadline(60), last=False)
                except Paced:
                    refused += 1
            assert 20 < refused < 50
            for _ in range(50):
                await pacer.enter(MINI, "acme", Deadline(60))
            assert time.monotonic() - began < 1

    run(story())


# As it is started.


@pytest.fixture(scope="module")
def paced(start_gateway: StartGateway) -> Gateway:
    return start_gateway("openai kimi", "--workers", "2", OPENAI_RPS="1", OPENAI_BURST="4")


def test_a_pin_waits_a_while_and_is_then_told_an_honest_429(paced: Gateway, providers: Mapping[str, Provider]) -> None:
    began = time.monotonic()
    with ThreadPoolExecutor(16) as pool:
        told = list(pool.map(lambda _: ask(paced, OPENAI.model, temperature=1), range(16)))
    passed = time.monotonic() - began
    statuses = Counter(one.status for one in told)
    assert set(statuses) == {200, 429}
    assert len(providers["openai"].requests) == statuses[200] <= 4 + 1 * passed + 1
    for one in told:
        if one.status == 429:
            assert one.json["error"]["code"] == "rate_limit_exceeded"
            assert 1 <= int(one.headers["retry-after"]) <= 60
    assert passed < 8


def test_what_syntra_chooses_goes_to_the_next_candidate(paced: Gateway, providers: Mapping[str, Provider]) -> None:
    with ThreadPoolExecutor(12) as pool:
        told = list(pool.map(lambda _: ask(paced, "syntra", temperature=1), range(12)))
    assert {one.status for one in told} == {200}
    assert providers["kimi"].requests


def test_who_shares_a_call_takes_no_place_of_their_own(paced: Gateway, providers: Mapping[str, Provider]) -> None:
    time.sleep(2.5)
    providers["openai"].script(delay=0.5)
    with ThreadPoolExecutor(16) as pool:
        told = list(pool.map(lambda _: ask(paced, OPENAI.model, messages=SAME), range(16)))
    assert {one.status for one in told} == {200}
    assert len(providers["openai"].requests) <= 2  # one, or one for each worker


def test_a_429_in_spite_of_it_is_no_news_to_the_pace_alone(paced: Gateway, providers: Mapping[str, Provider]) -> None:
    time.sleep(2)
    providers["openai"].script(fault=Fault.RATE_LIMITED, retry_after="1")
    assert ask(paced, OPENAI.model).status == 429
    providers["openai"].script()
    time.sleep(1.2)
    assert ask(paced, OPENAI.model).status == 200


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/embeddings", {"model": "openai/text-embedding-3-small", "input": "a harbour"}),
        ("/images/generations", {"model": "openai/gpt-image-2", "prompt": "a harbour"}),
    ],
    ids=["embeddings", "images"],
)
def test_what_is_no_chat_keeps_to_the_same_pace(
    path: str, body: Mapping[str, Any], paced: Gateway, providers: Mapping[str, Provider]
) -> None:
    def post(_: int) -> httpx.Response:
        url = f"{paced.base_url}{path}"
        return httpx.post(url, json=body, headers=paced.headers, timeout=30, verify=PLAIN)

    began = time.monotonic()
    with ThreadPoolExecutor(16) as pool:
        told = list(pool.map(post, range(16)))
    passed = time.monotonic() - began
    statuses = Counter(one.status_code for one in told)
    assert set(statuses) == {200, 429}
    assert len(providers["openai"].requests) == statuses[200] <= 4 + 1 * passed + 1
    assert all(1 <= int(one.headers["retry-after"]) <= 60 for one in told if one.status_code == 429)
