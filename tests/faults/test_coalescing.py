"""Identical requests of one circle share one call: whoever comes late hears all of it, and whoever leaves ends nothing."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from gateway.core.caller import Caller
from gateway.core.chat import parse
from gateway.core.freshness import ANY
from gateway.stages.company import circle
from policies.documents import Sharing
from tests.conftest import StartGateway
from tests.fakes.caller import HELLO, ask
from tests.fakes.gateway import ANTHROPIC, GOOGLE, OPENAI, Gateway, Pin
from tests.fakes.listeners import Listener
from tests.fakes.provider import Provider
from tests.fakes.script import Fault, Script, ToolCall
from tests.fakes.server import wait_for
from tests.laps import laps

Fakes = Mapping[str, Provider]
MINI = OPENAI.model
PIECES = tuple(f"word{k} " for k in range(12))
SLOW = Script(pieces=PIECES, delay=0.08)
MANY = 100


@pytest.fixture(scope="module")
def gateway(start_gateway: StartGateway, database: str) -> Gateway:
    return start_gateway("openai anthropic google", DATABASE_URL=database, SYNTRA_FIRST_EVENT_SECONDS="1.5")


def body(model: str = MINI, **more: Any) -> dict[str, Any]:
    return {"model": model, "messages": HELLO, "stream": True, **more}


def listener(gateway: Gateway, asked: Mapping[str, Any], **headers: str) -> Listener:
    return Listener(gateway.port, gateway.key, asked, {k.replace("_", "-"): v for k, v in headers.items()})


async def heard(gateway: Gateway, asked: Mapping[str, Any], **headers: str) -> Listener:
    async with listener(gateway, asked, **headers) as one:
        return await one.ends()


def together(gateway: Gateway, *asked: Mapping[str, Any]) -> list[Listener]:
    async def story() -> list[Listener]:
        return await asyncio.gather(*(heard(gateway, one) for one in asked))

    return asyncio.run(story())


def rows_of(database: str, request_id: str) -> list[dict[str, Any]]:
    """A request's rows as soon as they are there, the final one first."""
    query = "select * from syntra.ledger where request_id = %s order by attempt"
    with psycopg.connect(database, autocommit=True, row_factory=dict_row) as owner:
        return wait_for(lambda: owner.execute(query, (request_id,)).fetchall())


def billed(database: str, listeners: list[Listener]) -> list[tuple[str, str, bool]]:
    """Of each request: how it ended, where its answer came from, and whether it has cost anything."""
    found = [rows_of(database, one.headers["x-syntra-decision"]) for one in listeners]
    for rows in found:
        assert rows[0]["cost"] == sum(row["cost"] for row in rows[1:])
        assert rows[0]["cache"] == rows[-1]["cache"]
        assert bool(rows[0]["cost"]) == bool(rows[0]["output_tokens"])
    return [(rows[0]["status"], rows[0]["cache"], rows[0]["cost"] > 0) for rows in found]


@pytest.mark.parametrize("pin", [OPENAI, ANTHROPIC, GOOGLE], ids=str)
def test_a_hundred_identical_streams_are_one_call_and_the_same_bytes(
    gateway: Gateway, providers: Fakes, pin: Pin, database: str
) -> None:
    fake = providers[pin.provider]
    fake.says = SLOW
    found = together(gateway, *[body(pin.model)] * MANY)
    assert len(fake.requests) == 1
    assert len({one.body for one in found}) == 1
    assert found[0].text == SLOW.text
    assert found[0].body.endswith(b"data: [DONE]\n\n")
    told = [one.headers["x-syntra-cache"] for one in found]
    assert sorted(told) == ["joined"] * (MANY - 1) + ["miss"]
    assert len({one.headers["x-syntra-decision"] for one in found}) == MANY
    bills = billed(database, found)
    assert sorted(bills) == [("answered", "joined", False)] * (MANY - 1) + [("answered", "miss", True)]


def test_streams_of_a_syntra_model_are_the_same_bytes_too(gateway: Gateway, providers: Fakes) -> None:
    for fake in providers.values():
        fake.says = SLOW
    found = together(gateway, *[body("syntra")] * 10)
    assert sum(len(fake.requests) for fake in providers.values()) == 1
    assert len({one.body for one in found}) == 1


def test_answers_in_one_piece_are_shared_too(gateway: Gateway, providers: Fakes) -> None:
    providers["openai"].script(delay=0.5)
    found = together(gateway, *[body(stream=False)] * 20)
    assert len(providers["openai"].requests) == 1
    assert len({one.body for one in found}) == 1
    assert found[0].text == Script().text


def test_who_comes_late_hears_at_once_what_was_said_and_then_the_rest(gateway: Gateway, providers: Fakes) -> None:
    providers["openai"].says = SLOW

    async def story() -> None:
        async with listener(gateway, body()) as first:
            await first.hears(b"word5")
            async with listener(gateway, body()) as late:
                await late.hears(b"word5")
                assert late.first_after < 0.06
                assert b"word0" in late.body
                assert late.headers["x-syntra-cache"] == "joined"
                await asyncio.gather(first.ends(), late.ends())
                assert late.body == first.body

    asyncio.run(story())
    assert len(providers["openai"].requests) == 1


def test_when_the_first_leaves_the_others_hear_the_rest_and_one_of_them_pays(
    gateway: Gateway, providers: Fakes, database: str
) -> None:
    providers["openai"].says = SLOW

    async def story() -> list[Listener]:
        async with listener(gateway, body()) as first:
            await first.hears(b"word2")
            late = [asyncio.create_task(heard(gateway, body())) for _ in range(3)]
            await first.hears(b"word6")
        return [first, *(await asyncio.gather(*late))]

    found = asyncio.run(story())
    (request,) = providers["openai"].requests
    assert request.closed_early is None
    assert {one.text for one in found[1:]} == {SLOW.text}
    bills = billed(database, found)
    assert bills[0] == ("left", "miss", False)
    assert sorted(bills[1:]) == [("answered", "joined", False)] * 2 + [("answered", "joined", True)]
    final = [rows_of(database, one.headers["x-syntra-decision"])[0] for one in found]
    assert sum(row["input_tokens"] for row in final) == 21
    assert sum(row["output_tokens"] for row in final) == 9


def test_when_the_first_leaves_before_the_first_word_the_call_goes_on(gateway: Gateway, providers: Fakes) -> None:
    providers["openai"].script(delay=0.3)

    async def story() -> Listener:
        async with listener(gateway, body()):
            await asyncio.sleep(0.15)
            late = asyncio.create_task(heard(gateway, body()))
            await asyncio.sleep(0.15)
        return await late

    assert asyncio.run(story()).text == Script().text
    (request,) = providers["openai"].requests
    assert request.closed_early is None


def test_when_the_last_leaves_the_call_ends(gateway: Gateway, providers: Fakes) -> None:
    providers["openai"].says = SLOW

    async def story() -> float:
        async with listener(gateway, body()) as first, listener(gateway, body()) as other:
            await asyncio.gather(first.hears(b"word1"), other.hears(b"word1"))
        return time.monotonic()

    left = asyncio.run(story())
    (request,) = providers["openai"].requests
    assert wait_for(lambda: request.closed_early) - left < 0.2


def test_who_reads_slowly_holds_nobody_up(gateway: Gateway, providers: Fakes) -> None:
    providers["openai"].script(pieces=("x" * 50_000,) * 120, delay=0.01)

    async def story() -> None:
        async with listener(gateway, body()) as slow:
            await slow.begins()
            began = time.monotonic()
            quick = await heard(gateway, body())
            assert quick.headers["x-syntra-cache"] == "joined"
            assert time.monotonic() - began < 5
            assert not slow.body
            await slow.ends()
            assert slow.body == quick.body

    asyncio.run(story())
    assert len(providers["openai"].requests) == 1


def test_when_the_call_breaks_all_are_told_and_one_pays(gateway: Gateway, providers: Fakes, database: str) -> None:
    providers["openai"].says = SLOW.but(fault=Fault.RESET_MID, after=6)
    found = together(gateway, *[body()] * 8)
    assert len(providers["openai"].requests) == 1
    for one in found:
        assert one.text == "".join(PIECES[:6])
        assert b'"error"' in one.body
        assert b"[DONE]" not in one.body
    bills = billed(database, found)
    assert sorted(bills) == [("cut", "joined", False)] * 7 + [("cut", "miss", True)]


def test_when_the_call_fails_before_the_first_word_all_move_on_together(
    start_gateway: StartGateway, providers: Fakes
) -> None:
    gateway = start_gateway("openai google", SYNTRA_FIRST_EVENT_SECONDS="1.5")  # nobody rests yet
    for fake in providers.values():
        fake.says = Script(delay=0.2)
    first = ask(gateway, "syntra", headers={"x-syntra-debug": "1"}).headers["x-syntra-provider"]
    providers[first].script(fault=Fault.HANG_BEFORE)
    for fake in providers.values():
        fake.requests.clear()
    found = together(gateway, *[body("syntra", user="somebody else")] * 40)
    assert sorted(len(fake.requests) for fake in providers.values()) == [0, 0, 0, 0, 1, 1]
    assert {one.status for one in found} == {200}
    assert len({one.body for one in found}) == 1


OWN = {
    "other words": {"messages": [{"role": "user", "content": "Say goodbye."}]},
    "another limit": {"max_tokens": 77},
}
APART: dict[str, dict[str, Any]] = {
    "a temperature above 0": {"temperature": 0.7},
    "several choices": {"n": 2},
    "what the provider is to store": {"store": True},
    "tools that the provider runs": {"tools": [{"type": "mcp", "server_label": "x"}]},
}


@pytest.mark.parametrize("more", APART.values(), ids=APART.keys())
def test_who_asks_for_chance_or_for_deeds_gets_a_call_of_its_own(more: dict[str, Any]) -> None:
    caller = Caller("org", "acme", "laptop")
    request = parse(json.dumps(body(**more)).encode())
    assert circle(caller, request, ANY, Sharing(), lambda: None) is None
    assert circle(caller, request, ANY, Sharing(random=True, acting=True), lambda: None) is not None
    assert circle(caller, request, ANY, Sharing(random=True, acting=True, joins_s=0, kept_s=0), lambda: None) is None


def test_a_temperature_above_0_is_a_call_of_its_own_and_0_is_not(gateway: Gateway, providers: Fakes) -> None:
    providers["openai"].says = SLOW
    together(gateway, *[body(temperature=0.7)] * 3)
    assert len(providers["openai"].requests) == 3
    together(gateway, *[body(temperature=0)] * 3)
    assert len(providers["openai"].requests) == 4
    together(gateway, *[body(temperature=0.7, seed=7)] * 3)
    assert len(providers["openai"].requests) == 5


def test_requests_that_differ_in_anything_share_nothing(gateway: Gateway, providers: Fakes) -> None:
    providers["openai"].says = SLOW
    together(gateway, body(), *(body(**more) for more in OWN.values()))
    assert len(providers["openai"].requests) == 1 + len(OWN)


@pytest.mark.parametrize("wish", ["no-store", "no-cache", "max-age=0"])
def test_who_wants_its_own_gets_its_own(gateway: Gateway, providers: Fakes, wish: str) -> None:
    providers["openai"].says = SLOW

    async def story() -> None:
        async with listener(gateway, body()) as first:
            await first.begins()
            own = await heard(gateway, body(), x_syntra_cache_control=wish)
            assert own.headers["x-syntra-cache"] == "miss"
            await first.ends()

    asyncio.run(story())
    assert len(providers["openai"].requests) == 2


def test_a_wish_that_nobody_knows_is_refused(gateway: Gateway, providers: Fakes) -> None:
    told = ask(gateway, MINI, headers={"x-syntra-cache-control": "private"})
    assert (told.status, told.error and told.error["code"]) == (400, "invalid_header")
    assert not providers["openai"].requests


def test_tools_that_the_client_runs_are_shared(gateway: Gateway, providers: Fakes) -> None:
    call = ToolCall("call_1", "look", '{"at":"the sky"}')
    providers["openai"].script(tool_calls=(call,), pieces=(), delay=0.1)
    tools = [{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}]
    found = together(gateway, *[body(tools=tools)] * 5)
    assert len(providers["openai"].requests) == 1
    assert len({one.body for one in found}) == 1


def test_an_answer_that_is_over_is_not_joined(gateway: Gateway, providers: Fakes) -> None:
    assert ask(gateway, MINI, stream=True).headers["x-syntra-cache"] == "miss"
    assert ask(gateway, MINI, stream=True).headers["x-syntra-cache"] == "miss"
    assert len(providers["openai"].requests) == 2


def test_to_join_adds_no_more_than_two_milliseconds(gateway: Gateway, providers: Fakes) -> None:
    providers["openai"].script(pieces=("first ", *("more " * 40).split(" ")), delay=0.12)

    async def story() -> None:
        async with listener(gateway, body()) as first:
            await first.hears(b"first")
            for lap in laps(within=0.004, clock=time.monotonic):  # 2 ms of it the way of any request
                async with listener(gateway, body()) as late:
                    await late.hears(b"first")
                    assert late.headers["x-syntra-cache"] == "joined"
                    lap.took = late.first_after

    asyncio.run(story())
    assert len(providers["openai"].requests) == 1
