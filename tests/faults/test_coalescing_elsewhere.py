"""A call is shared by the workers of all machines: whoever hears it, one provider is asked once, and it is paid once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import psycopg
import pytest
import valkey
from psycopg.rows import dict_row

from tests.conftest import StartGateway
from tests.fakes.caller import HELLO
from tests.fakes.gateway import ANTHROPIC, OPENAI, Gateway, Pin
from tests.fakes.listeners import Listener
from tests.fakes.provider import Provider
from tests.fakes.script import Fault, Script
from tests.fakes.server import wait_for
from tests.fakes.valkey import Engine

Fakes = Mapping[str, Provider]
MINI = OPENAI.model
SLOW = Script(pieces=tuple(f"word{k} " for k in range(16)), delay=0.1)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with Engine(tmp_path_factory.mktemp("valkey")) as engine:
        yield engine


Pair = tuple[Gateway, Gateway]


def two(start_gateway: StartGateway, providers: str, stores: Mapping[str, str]) -> Pair:
    """Two gateways that open each other's seals and have seen each other."""
    one = start_gateway(providers, **stores)
    secrets = {"SECRET_KEY": (one.data / "secret").read_text(), "ENCRYPTION_KEY": (one.data / "encryption").read_text()}
    other = start_gateway(providers, **stores, **secrets)
    time.sleep(1.5)  # until each has seen the other
    return one, other


@pytest.fixture(scope="module")
def pair(start_gateway: StartGateway, engine: Engine, database: str) -> Pair:
    """Two gateways on the same stores, as on two machines."""
    return two(start_gateway, "openai anthropic", {"DATABASE_URL": database, "VALKEY_URL": engine.url})


def listener(pair: Pair, at: int, model: str = MINI, **more: Any) -> Listener:
    return Listener(pair[at].port, pair[0].key, {"model": model, "messages": HELLO, "stream": True, **more})


async def heard(pair: Pair, at: int, model: str = MINI, **more: Any) -> Listener:
    async with listener(pair, at, model, **more) as one:
        return await one.ends()


def costs(database: str, listeners: list[Listener]) -> list[int]:
    query = "select * from syntra.ledger where request_id = %s and attempt = 0"
    found: list[int] = []
    with psycopg.connect(database, autocommit=True, row_factory=dict_row) as owner:
        for one in listeners:
            (row,) = wait_for(lambda: owner.execute(query, (one.headers["x-syntra-decision"],)).fetchall())  # noqa: B023
            found.append(row["cost"])
    return found


@pytest.mark.parametrize("pin", [OPENAI, ANTHROPIC], ids=str)
def test_streams_on_two_machines_are_one_call_and_the_same_bytes(
    pair: Pair, providers: Fakes, database: str, pin: Pin
) -> None:
    providers[pin.provider].says = SLOW

    async def story() -> list[Listener]:
        return await asyncio.gather(*(heard(pair, k % 2, pin.model) for k in range(20)))

    found = asyncio.run(story())
    assert len(providers[pin.provider].requests) == 1
    assert {one.text for one in found} == {SLOW.text}
    assert len({one.body for one in found}) == 1
    assert sorted(one.headers["x-syntra-cache"] for one in found) == ["joined"] * 19 + ["miss"]
    assert sum(cost > 0 for cost in costs(database, found)) == 1


def test_who_comes_late_on_another_machine_hears_all_of_it(pair: Pair, providers: Fakes) -> None:
    providers["openai"].says = SLOW

    async def story() -> None:
        async with listener(pair, 0) as first:
            await first.hears(b"word6")
            began = time.monotonic()
            async with listener(pair, 1) as late:
                await late.hears(b"word6")
                assert time.monotonic() - began < 0.25
                await asyncio.gather(first.ends(), late.ends())
                assert late.body == first.body

    asyncio.run(story())
    assert len(providers["openai"].requests) == 1


def test_when_the_first_leaves_the_other_machine_hears_the_rest_and_pays(
    pair: Pair, providers: Fakes, database: str
) -> None:
    providers["openai"].says = SLOW

    async def story() -> list[Listener]:
        async with listener(pair, 0) as first:
            await first.hears(b"word3")
            late = asyncio.create_task(heard(pair, 1))
            await first.hears(b"word6")
        return [first, await late]

    found = asyncio.run(story())
    (request,) = providers["openai"].requests
    assert request.closed_early is None
    assert found[1].text == SLOW.text
    paid = costs(database, found)
    assert paid[0] == 0
    assert paid[1] == 21 * 150_000 + 9 * 600_000


def test_when_the_last_leaves_on_the_other_machine_the_call_ends(pair: Pair, providers: Fakes) -> None:
    providers["openai"].says = SLOW

    async def story() -> float:
        async with listener(pair, 1) as late:
            async with listener(pair, 0) as first:
                await first.hears(b"word1")
                await asyncio.sleep(0.2)
                await late.hears(b"word1")
            await asyncio.sleep(0.3)
            assert providers["openai"].requests[0].closed_early is None
        return time.monotonic()

    left = asyncio.run(story())
    assert len(providers["openai"].requests) == 1
    assert wait_for(lambda: providers["openai"].requests[0].closed_early) - left < 0.3


def test_a_call_that_breaks_is_told_as_broken_on_both(pair: Pair, providers: Fakes) -> None:
    providers["openai"].says = SLOW.but(fault=Fault.RESET_MID, after=6)

    async def story() -> list[Listener]:
        return await asyncio.gather(heard(pair, 0), heard(pair, 1))

    for one in asyncio.run(story()):
        assert one.text == "".join(SLOW.pieces[:6])
        assert b'"error"' in one.body
        assert b"[DONE]" not in one.body
    assert len(providers["openai"].requests) == 1


def test_a_refusal_is_told_on_both(pair: Pair, providers: Fakes) -> None:
    providers["openai"].script(fault=Fault.BAD_REQUEST)

    async def story() -> list[Listener]:
        return await asyncio.gather(heard(pair, 0), heard(pair, 1))

    assert {one.status for one in asyncio.run(story())} == {400}


def test_when_the_machine_that_calls_dies_a_stream_is_cut_and_never_a_stop(
    start_gateway: StartGateway, providers: Fakes, tmp_path: Path, new_stores: Callable[[], dict[str, str]]
) -> None:
    providers["openai"].says = SLOW.but(pieces=SLOW.pieces * 4)
    with Engine(tmp_path) as engine:
        pair = two(start_gateway, "openai", {**new_stores(), "VALKEY_URL": engine.url})

        async def story() -> Listener:
            async with listener(pair, 0) as first:
                await first.hears(b"word1")
                async with listener(pair, 1) as late:
                    await late.hears(b"word1")
                    assert late.headers["x-syntra-cache"] == "joined"
                    engine.kill()
                    return await late.ends()

        late = asyncio.run(story())
        assert b'"error"' in late.body
        assert b"[DONE]" not in late.body


def test_without_valkey_each_machine_makes_its_own_call(
    start_gateway: StartGateway, providers: Fakes, tmp_path: Path
) -> None:
    providers["openai"].says = SLOW
    with Engine(tmp_path) as engine:
        gateway = start_gateway("openai", VALKEY_URL=engine.url)
        engine.kill()
        pair = gateway, gateway

        async def story() -> list[Listener]:
            return await asyncio.gather(heard(pair, 0), heard(pair, 0))

        found = asyncio.run(story())
    assert {one.text for one in found} == {SLOW.text}
    assert len(providers["openai"].requests) == 1  # one process is one machine still


def test_nothing_of_an_answer_can_be_read_on_the_way(pair: Pair, providers: Fakes, engine: Engine) -> None:
    providers["openai"].says = SLOW
    seen: list[bytes] = []
    client = valkey.Valkey.from_url(engine.url)
    ear = client.pubsub()
    ear.psubscribe("*")

    async def story() -> None:
        async with listener(pair, 0) as first:
            await first.hears(b"word1")  # who comes at the very same moment may make a call of its own
            await heard(pair, 1)

    asyncio.run(story())
    while (message := ear.get_message(timeout=0.1)) is not None:
        if message["type"] == "pmessage":
            seen.append(message["data"])
    ear.close()
    client.close()
    assert len(seen) > 10
    assert not any(b"word" in one or b"content" in one for one in seen)


def test_a_deploy_of_the_machine_that_calls_loses_nothing_for_who_hears_elsewhere(
    start_gateway: StartGateway, providers: Fakes, engine: Engine, new_stores: Callable[[], dict[str, str]]
) -> None:
    providers["openai"].says = SLOW
    pair = two(start_gateway, "openai", {**new_stores(), "VALKEY_URL": engine.url})

    async def story() -> Listener:
        async with listener(pair, 0) as first:
            await first.hears(b"word1")
            late = asyncio.create_task(heard(pair, 1))
            await first.hears(b"word3")
        pair[0].terminate()
        return await late

    late = asyncio.run(story())
    assert late.headers["x-syntra-cache"] == "joined"
    assert late.text == SLOW.text
    assert late.body.endswith(b"data: [DONE]\n\n")
    assert pair[0].process.wait(15) == 0
