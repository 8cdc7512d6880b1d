"""Whole answers are kept for those who leave nothing to chance, and given again as it is asked for: never half, never late."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import psycopg
import pytest
import valkey
from psycopg.rows import dict_row

from gateway.core.kept import Kept
from gateway.stores.answers import Answers
from gateway.stores.valkey import Valkey
from gateway.stores.valkey_place import place
from tests.conftest import StartGateway
from tests.fakes.caller import HELLO
from tests.fakes.gateway import ANTHROPIC, GOOGLE, OPENAI, PLAIN, Gateway, Pin
from tests.fakes.listeners import Listener
from tests.fakes.provider import Provider
from tests.fakes.script import Fault, Script, ToolCall, Usage
from tests.fakes.server import wait_for
from tests.faults.answers_rig import MINI, cached, certain, shared_by
from tests.laps import laps

Fakes = Mapping[str, Provider]
wires = pytest.mark.parametrize("pin", [OPENAI, ANTHROPIC, GOOGLE], ids=str)
TOOLS = [{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}]


@pytest.fixture(scope="module")
def gateway(start_gateway: StartGateway, database: str) -> Gateway:
    return start_gateway("openai anthropic google", DATABASE_URL=database)


@pytest.fixture(autouse=True)
def nothing_kept(gateway: Gateway) -> Iterator[valkey.Valkey]:
    with valkey.Valkey.from_url(gateway.stores["VALKEY_URL"]) as client:
        client.flushdb()
        yield client


def kept(gateway: Gateway) -> int:
    with valkey.Valkey.from_url(gateway.stores["VALKEY_URL"]) as client:
        return len(client.keys("syntra:answer:*"))


def stays(gateway: Gateway, model: str = MINI, **body: Any) -> None:
    """Ask, and wait until the answer is kept."""
    assert cached(certain(gateway, model, **body)) == "miss"
    wait_for(lambda: kept(gateway))


@wires
def test_the_same_question_again_is_answered_without_a_call_and_in_the_same_bytes(
    gateway: Gateway, providers: Fakes, pin: Pin
) -> None:
    first = certain(gateway, pin.model, stream=True)
    wait_for(lambda: kept(gateway))
    again = certain(gateway, pin.model, stream=True)
    assert (cached(first), cached(again)) == ("miss", "hit")
    assert len(providers[pin.provider].requests) == 1
    assert again.body == first.body
    assert again.done


@wires
@pytest.mark.parametrize("streamed", [True, False], ids=["kept from a stream", "kept from a whole"])
def test_what_was_kept_one_way_is_given_the_other_way(
    gateway: Gateway, providers: Fakes, pin: Pin, streamed: bool
) -> None:
    providers[pin.provider].script(usage=Usage(30, 12, cached=4))
    stays(gateway, pin.model, stream=streamed)
    options = {"stream_options": {"include_usage": True}}
    stream = certain(gateway, pin.model, stream=True, **options)
    whole = certain(gateway, pin.model)
    assert (cached(stream), cached(whole)) == ("hit", "hit")
    assert stream.text == whole.text == Script().text
    assert stream.done
    assert stream.deltas()[0]["role"] == "assistant"
    assert stream.finishes() == ["stop"]
    assert whole.json["choices"][0]["finish_reason"] == "stop"
    for usage in (stream.chunks[-1]["usage"], whole.json["usage"]):
        assert (usage["prompt_tokens"], usage["completion_tokens"]) == (30, 12)
    assert len(providers[pin.provider].requests) == 1


def test_calls_of_tools_are_given_again_too(gateway: Gateway, providers: Fakes) -> None:
    providers["openai"].script(tool_calls=(ToolCall("call_1", "look", '{"at":"the sky"}'),), pieces=())
    stays(gateway, tools=TOOLS, stream=True)
    whole = certain(gateway, tools=TOOLS)
    assert cached(whole) == "hit"
    (call,) = whole.json["choices"][0]["message"]["tool_calls"]
    assert (call["id"], call["function"]["arguments"]) == ("call_1", '{"at":"the sky"}')


DIALECTS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "responses": (MINI, "/responses", {"input": "Say hello.", "store": False}),
    "messages": (ANTHROPIC.model, "/messages", {"messages": HELLO, "max_tokens": 50}),
    "messages of another wire": (MINI, "/messages", {"messages": HELLO, "max_tokens": 50}),
    "responses of another wire": (GOOGLE.model, "/responses", {"input": "Say hello.", "store": False}),
}


@pytest.mark.parametrize(("model", "path", "body"), DIALECTS.values(), ids=DIALECTS.keys())
@pytest.mark.parametrize("streamed", [True, False], ids=["kept from a stream", "kept from a whole"])
def test_every_dialect_is_answered_from_what_is_kept(
    gateway: Gateway, providers: Fakes, model: str, path: str, body: dict[str, Any], streamed: bool
) -> None:
    def post(*, stream: bool) -> httpx.Response:
        asked = {"model": model, "temperature": 0, "stream": stream, **body}
        return httpx.post(gateway.base_url + path, json=asked, headers=gateway.headers, verify=PLAIN, timeout=10)

    assert post(stream=streamed).headers["x-syntra-cache"] == "miss"
    wait_for(lambda: kept(gateway))
    for stream in (True, False):
        reply = post(stream=stream)
        assert reply.status_code == 200
        assert reply.headers["x-syntra-cache"] == "hit"
        assert "Hello" in reply.text
        assert ("text/event-stream" in reply.headers["content-type"]) == stream
        if stream:
            assert "response.completed" in reply.text or "message_stop" in reply.text
    assert sum(len(fake.requests) for fake in providers.values()) == 1


NEVER = {
    "cut": Script(fault=Fault.RESET_MID),
    "ended without an end": Script(fault=Fault.EOF_MID),
    "failed in the middle": Script(fault=Fault.INBAND_MID),
    "stopped at its limit": Script(finish="length"),
    "stopped by a filter": Script(finish="content_filter"),
    "failed": Script(fault=Fault.SERVER_ERROR),
    "not readable": Script(fault=Fault.HTML_200),
}


@pytest.mark.parametrize("script", NEVER.values(), ids=NEVER.keys())
def test_what_is_not_a_whole_good_answer_is_never_kept(gateway: Gateway, providers: Fakes, script: Script) -> None:
    providers["openai"].says = script
    certain(gateway, stream=True)
    providers["openai"].says = Script(pieces=("Well", " now."))
    later = certain(gateway, stream=True)
    assert (cached(later), later.text) == ("miss", "Well now.")
    wait_for(lambda: kept(gateway))  # or it is kept when the next test has begun


def test_an_answer_whose_client_left_is_not_kept(gateway: Gateway, providers: Fakes) -> None:
    providers["openai"].script(pieces=("one ", "two ", "three "), delay=0.15)

    async def leaves() -> None:
        body = {"model": MINI, "messages": HELLO, "stream": True, "temperature": 0}
        async with Listener(gateway.port, gateway.key, body) as one:
            await one.hears(b"one")

    asyncio.run(leaves())
    wait_for(lambda: providers["openai"].last.closed_early)
    assert cached(certain(gateway, stream=True)) == "miss"
    wait_for(lambda: kept(gateway))


@pytest.mark.parametrize(
    "body", [{"temperature": None}, {"temperature": 0.3}, {"n": 2}, {"web_search_options": {}}], ids=str
)
def test_who_leaves_something_to_chance_or_to_the_day_is_asked_for_anew(
    gateway: Gateway, providers: Fakes, body: dict[str, Any]
) -> None:
    providers["openai"].script(more_choices=(("x",),) if "n" in body else ())
    assert [cached(certain(gateway, **body)) for _ in range(2)] == ["miss", "miss"]
    assert not kept(gateway)


def test_a_seed_or_a_word_about_age_leaves_nothing_to_chance(gateway: Gateway, providers: Fakes) -> None:
    for body in ({"temperature": 0.3, "seed": 7}, {"temperature": 0.3, "wish": "max-age=60"}):
        assert cached(certain(gateway, **body)) == "miss"
        wait_for(lambda: cached(certain(gateway, **body)) == "hit")  # noqa: B023


def test_no_store_is_not_kept_and_no_cache_is_kept_anew(gateway: Gateway, providers: Fakes) -> None:
    assert cached(certain(gateway, wish="no-store")) == "miss"
    providers["openai"].script(pieces=("first",))
    stays(gateway)
    providers["openai"].script(pieces=("second",))
    assert certain(gateway, wish="no-store").text == "second"
    assert certain(gateway).text == "first"
    assert certain(gateway, wish="no-cache").text == "second"
    wait_for(lambda: certain(gateway).text == "second")


def test_an_answer_older_than_is_wished_is_asked_for_anew(gateway: Gateway, providers: Fakes) -> None:
    stays(gateway)
    assert cached(certain(gateway, wish="max-age=60")) == "hit"
    time.sleep(2.1)
    assert cached(certain(gateway, wish="max-age=1")) == "miss"


def test_a_hit_costs_nothing_and_the_ledger_says_so(gateway: Gateway, providers: Fakes, database: str) -> None:
    stays(gateway)
    told = certain(gateway)
    query = "select * from syntra.ledger where request_id = %s order by attempt"
    with psycopg.connect(database, autocommit=True, row_factory=dict_row) as owner:
        final, attempt = wait_for(lambda: owner.execute(query, (told.headers["x-syntra-decision"],)).fetchall())
    for row in (final, attempt):
        assert (row["status"], row["cache"], row["cost"], row["input_tokens"], row["output_tokens"]) == (
            "answered",
            "hit",
            0,
            0,
            0,
        )


def test_what_is_kept_cannot_be_read_in_valkey(gateway: Gateway, providers: Fakes, nothing_kept: valkey.Valkey) -> None:
    stays(gateway)
    (name,) = nothing_kept.keys("syntra:answer:*")
    sealed = nothing_kept.get(name)
    assert b"Hello" not in sealed
    assert b"fake" not in sealed
    assert 0 < nothing_kept.pttl(name) <= 300_000
    nothing_kept.set(name, sealed[:-1] + bytes([sealed[-1] ^ 1]))
    assert cached(certain(gateway)) == "miss"


def test_another_gateway_on_the_same_stores_has_what_one_has_kept(
    start_gateway: StartGateway, gateway: Gateway, providers: Fakes, database: str
) -> None:
    secrets = {name: (gateway.data / file).read_text() for name, file in SECRETS.items()}
    other = start_gateway("openai", **{**gateway.stores, **secrets, "DATABASE_URL": database})
    other_key = {"authorization": f"Bearer {gateway.key}"}
    stays(gateway)
    asked = {"model": MINI, "messages": HELLO, "temperature": 0}
    reply = httpx.post(f"{other.base_url}/chat/completions", json=asked, headers=other_key, verify=PLAIN)
    assert (reply.status_code, reply.headers["x-syntra-cache"]) == (200, "hit")


SECRETS = {"SECRET_KEY": "secret", "ENCRYPTION_KEY": "encryption"}


def test_a_hit_takes_a_millisecond(gateway: Gateway, providers: Fakes) -> None:
    stays(gateway, stream=True)
    asked = {"model": MINI, "messages": HELLO, "stream": True, "temperature": 0}

    async def story() -> None:
        for lap in laps(within=0.004, clock=time.monotonic):  # with the way of any request
            async with Listener(gateway.port, gateway.key, asked) as one:
                await one.ends()
                assert one.headers["x-syntra-cache"] == "hit"
                lap.took = one.first_after

    asyncio.run(story())


def test_a_question_that_differs_in_a_word_is_another_question(gateway: Gateway, providers: Fakes) -> None:
    stays(gateway)
    for more in ({"max_tokens": 9}, {"messages": [{"role": "user", "content": "Say hello!"}]}, {"user": "x"}):
        assert cached(certain(gateway, **more)) == "miss"
    assert json.loads(providers["openai"].last.body)["user"] == "x"


def test_no_more_is_kept_than_there_is_room_for(gateway: Gateway) -> None:
    async def story() -> tuple[bool, bool, bool]:
        async with Valkey(place(gateway.stores["VALKEY_URL"])) as client:
            answers = Answers(client, b"x" * 32, most=3000)
            for key, seconds in ((b"1", 60.0), (b"2", 0.3), (b"3", 60.0)):
                answers.keep("org", key, Kept("id", 1, "text/plain", b"y" * 1200), seconds)
            await answers.close()
            third = (await answers.find("org", b"3")).kept
            await asyncio.sleep(0.4)
            answers.keep("org", b"4", Kept("id", 1, "text/plain", b"y" * 1200), 60)
            await answers.close()
            first, fourth = (await answers.find("org", b"1")).kept, (await answers.find("org", b"4")).kept
            return first is not None, third is not None, fourth is not None

    assert asyncio.run(story()) == (True, False, True)


@pytest.fixture(scope="module")
def lenient(start_gateway: StartGateway) -> Gateway:
    """A gateway whose documents let an answer do for a question that asks the same."""
    return shared_by(start_gateway("openai"), "near = 0.9")


CAPITAL = "What is the capital of France?"


def asks(gateway: Gateway, words: str, *before: dict[str, str], **body: Any) -> str:
    return cached(certain(gateway, messages=[*before, {"role": "user", "content": words}], **body))


def test_a_question_that_asks_the_same_is_answered_where_the_documents_say_so(
    lenient: Gateway, gateway: Gateway, providers: Fakes
) -> None:
    assert asks(lenient, CAPITAL) == "miss"
    wait_for(lambda: asks(lenient, "what's the capital of france") == "hit")
    assert asks(lenient, "what's the capital of france", stream=True) == "hit"
    assert asks(lenient, "What is the capital of Germany?") == "miss"
    assert asks(gateway, CAPITAL) == "miss"
    wait_for(lambda: asks(gateway, CAPITAL) == "hit")
    assert asks(gateway, "what's the capital of france") == "miss"


@pytest.mark.parametrize(
    "other",
    [
        {"before": ({"role": "system", "content": "Answer in French."},)},
        {"before": ({"role": "user", "content": "Of old?"}, {"role": "assistant", "content": "Yes."})},
        {"tools": TOOLS},
        {"max_tokens": 5},
        {"seed": 3},
    ],
    ids=["system prompt", "turns before", "tools", "limit", "seed"],
)
def test_it_is_not_where_anything_but_the_question_differs(
    lenient: Gateway, providers: Fakes, other: dict[str, Any]
) -> None:
    asks(lenient, CAPITAL)
    wait_for(lambda: asks(lenient, "what's the capital of france") == "hit")
    more = dict(other)
    assert asks(lenient, "what is the capital of France", *more.pop("before", ()), **more) == "miss"
