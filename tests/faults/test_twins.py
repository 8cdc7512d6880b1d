"""`Idempotency-Key`: a request that comes twice is made once. Row C9 of the fault table."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import httpx
import psycopg
import pytest

from gateway.core.errors import Conflict, TwinDiffers
from gateway.core.ids import uuid7
from gateway.stores import twins as module
from gateway.stores.breaker import Unavailable
from gateway.stores.twins import Held, Kept, Twins
from gateway.stores.valkey import Valkey
from gateway.stores.valkey_place import place
from tests.conftest import StartGateway
from tests.fakes.caller import Told, ask
from tests.fakes.gateway import OPENAI, Gateway
from tests.fakes.provider import Provider
from tests.fakes.script import Fault
from tests.fakes.server import wait_for
from tests.fakes.valkey import Engine
from tests.unit.wire_rig import Run

Fakes = Mapping[str, Provider]
PIECES = ("one ", "two ", "three.")
KEPT = Kept(200, [(b"content-type", b"application/json")], b"{}")


@pytest.fixture(scope="module")
def engine(shared_engine: Engine) -> Engine:
    return shared_engine


@pytest.fixture(scope="module")
def gateway(start_gateway: StartGateway, engine: Engine) -> Gateway:
    return start_gateway("openai", "--workers", "2", VALKEY_URL=engine.url)


def same(gateway: Gateway, key: str, **body: Any) -> Told:
    """One request with this Idempotency-Key."""
    return ask(gateway, OPENAI.model, headers={"idempotency-key": key}, **body)


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "stream"])
def test_the_same_request_is_answered_once_and_told_twice(streamed: bool, gateway: Gateway, providers: Fakes) -> None:
    fake, key = providers["openai"], uuid7()
    fake.script(pieces=PIECES)
    first = same(gateway, key, stream=streamed)
    again = [wait_for(lambda: (told := same(gateway, key, stream=streamed)).status == 200 and told) for _ in range(4)]
    assert len(fake.requests) == 1
    for told in again:  # by whichever worker
        assert told.body == first.body
        assert told.headers["idempotent-replayed"] == "true"
        assert told.headers["content-type"] == first.headers["content-type"]
        assert told.headers["x-syntra-decision"] == first.headers["x-syntra-decision"]
        assert told.headers["x-request-id"] != first.headers["x-request-id"]
    assert "idempotent-replayed" not in first.headers
    with psycopg.connect(gateway.stores["DATABASE_URL"], autocommit=True) as connection:
        query = "select count(*) from syntra.ledger where attempt > 0 and request_id = %s"
        decision = first.headers["x-syntra-decision"]
        wait_for(lambda: connection.execute(query, (decision,)).fetchone() == (1,))  # and paid once


def test_without_a_key_or_with_another_it_is_another_request(gateway: Gateway, providers: Fakes) -> None:
    for key in (uuid7(), uuid7()):
        assert same(gateway, key).status == 200
    assert ask(gateway, OPENAI.model).status == 200
    assert ask(gateway, OPENAI.model).status == 200
    assert len(providers["openai"].requests) == 4


def test_a_twin_that_comes_meanwhile_is_told_to_come_back(gateway: Gateway, providers: Fakes) -> None:
    fake, key = providers["openai"], uuid7()
    fake.script(delay=0.6)
    with ThreadPoolExecutor(8) as pool:
        told = list(pool.map(lambda _: same(gateway, key), range(8)))
    statuses = Counter(one.status for one in told)
    assert statuses == {200: 1, 409: 7}
    for one in told:
        if one.status == 409:
            assert one.json["error"]["code"] == "idempotency_key_in_use"
            assert one.headers["retry-after"] == "1"  # on which OpenAI's libraries come back by themselves
    assert wait_for(lambda: same(gateway, key).status == 200)
    assert len(fake.requests) == 1


def test_openais_own_library_gets_the_answer_of_its_twin(gateway: Gateway, providers: Fakes) -> None:
    fake, key = providers["openai"], uuid7()
    fake.script(pieces=PIECES, delay=0.5)
    first = threading.Thread(target=lambda: same(gateway, key, messages=[{"role": "user", "content": "x"}]))
    first.start()
    wait_for(lambda: fake.requests)
    with gateway.client().with_options(max_retries=5) as client:
        told = client.chat.completions.create(
            model=OPENAI.model,
            messages=[{"role": "user", "content": "x"}],
            extra_headers={"idempotency-key": key},
        )
    first.join()
    assert told.choices[0].message.content == "".join(PIECES)


def test_the_same_key_for_another_request_is_refused(gateway: Gateway, providers: Fakes) -> None:
    key = uuid7()
    assert same(gateway, key).status == 200
    for body in ({"max_tokens": 7}, {"messages": [{"role": "user", "content": "Something else."}]}, {"stream": True}):
        told = same(gateway, key, **body)
        assert (told.status, told.json["error"]["code"]) == (422, "idempotency_key_reused")
    assert len(providers["openai"].requests) == 1


def test_another_organisation_has_keys_of_its_own(gateway: Gateway, providers: Fakes) -> None:
    key = uuid7()
    made = httpx.post(f"{gateway.origin}/api/orgs", headers=gateway.headers, json={"name": f"o{key[:8]}"}).json()
    mine = same(gateway, key)
    bearer = {"authorization": f"Bearer {made['key']}", "idempotency-key": key}
    theirs = ask(gateway, OPENAI.model, headers=bearer)
    assert (mine.status, theirs.status) == (200, 200)
    assert len(providers["openai"].requests) == 2
    assert "idempotent-replayed" not in theirs.headers


def test_the_answer_of_one_is_never_anothers(gateway: Gateway, providers: Fakes) -> None:
    fake, key = providers["openai"], uuid7()
    ann = {"idempotency-key": key, "x-syntra-user": "ann"}
    first = ask(gateway, OPENAI.model, headers=ann)
    assert first.status == 200
    keys = f"{gateway.origin}/api/orgs/local/keys"
    colleague = httpx.post(keys, headers=gateway.headers, json={"name": f"k{key[-8:]}"}).json()["key"]
    others = ({"x-syntra-user": "bob"}, {"x-syntra-user": ""}, {"authorization": f"Bearer {colleague}"})
    for other in others:
        told = ask(gateway, OPENAI.model, headers={**ann, **other})
        assert (told.status, told.json["error"]["code"]) == (422, "idempotency_key_reused")
    assert ask(gateway, OPENAI.model, headers=ann).headers["idempotent-replayed"] == "true"
    assert len(fake.requests) == 1


WISHES = {
    "x-syntra-policy": "cheapest",
    "x-syntra-persona": "off",
    "x-syntra-memory": "off",
    "x-syntra-debug": "on",
    "x-syntra-max-cost-usd": "0.5",
    "x-syntra-max-ttft-ms": "9000",
    "x-syntra-cache-control": "no-cache",
    "x-session-id": "s1",
    "anthropic-beta": "a-beta",
}


def test_a_request_that_wishes_something_else_is_another_request(gateway: Gateway, providers: Fakes) -> None:
    key = uuid7()
    assert same(gateway, key).status == 200
    for name, value in WISHES.items():
        told = ask(gateway, OPENAI.model, headers={"idempotency-key": key, name: value})
        assert (name, told.status) == (name, 422)
    again = ask(gateway, OPENAI.model, headers={"idempotency-key": key, "x-request-id": "another-try"})
    assert again.headers["idempotent-replayed"] == "true"
    assert len(providers["openai"].requests) == 1


BEGUN = [Fault.RESET_BEFORE, Fault.HTML_200, Fault.EOF_MID]
NOT_BEGUN = [Fault.RATE_LIMITED, Fault.SERVER_ERROR, Fault.BAD_REQUEST]


@pytest.mark.parametrize("fault", BEGUN, ids=lambda fault: fault.name.lower())
def test_what_the_provider_may_have_done_is_not_done_again(fault: Fault, gateway: Gateway, providers: Fakes) -> None:
    fake, key = providers["openai"], uuid7()
    fake.script(fault=fault)
    first = same(gateway, key, stream=fault is Fault.EOF_MID)
    calls = len(fake.requests)
    fake.script()
    again = wait_for(lambda: (told := same(gateway, key, stream=fault is Fault.EOF_MID)).status != 409 and told)
    assert (again.status, again.body) == (first.status, first.body)
    assert not again.done
    assert len(fake.requests) == calls


@pytest.mark.parametrize("fault", NOT_BEGUN, ids=lambda fault: fault.name.lower())
def test_what_nobody_began_may_be_tried_again_with_the_same_key(
    fault: Fault, gateway: Gateway, providers: Fakes
) -> None:
    fake, key = providers["openai"], uuid7()
    fake.script(fault=fault)
    assert same(gateway, key).status >= 400
    fake.script()
    assert wait_for(lambda: (told := same(gateway, key)).status != 409 and told).status == 200
    bad = uuid7()
    assert same(gateway, bad, max_tokens=-1).status == 400
    assert same(gateway, bad).status in (200, 409)


def test_who_leaves_has_not_been_answered(gateway: Gateway, providers: Fakes) -> None:
    fake, key = providers["openai"], uuid7()
    fake.script(fault=Fault.HANG_BEFORE)
    with suppress(httpx.ReadTimeout):
        body = {"model": OPENAI.model, "messages": [{"role": "user", "content": "Say hello."}]}
        headers = {**gateway.headers, "idempotency-key": key}
        httpx.post(f"{gateway.base_url}/chat/completions", json=body, headers=headers, timeout=1.0)
    wait_for(lambda: fake.requests and fake.last.closed_early)
    fake.script()
    assert wait_for(lambda: (told := same(gateway, key)).status != 409 and told).status == 200


@pytest.mark.parametrize("key", ["x" * 256, "caf\u00e9".encode("latin-1").decode("latin-1")])
def test_what_is_no_key_is_a_400(key: str, gateway: Gateway, providers: Fakes) -> None:
    body = {"model": OPENAI.model, "messages": [{"role": "user", "content": "x"}]}
    headers = [
        *((k.encode(), v.encode()) for k, v in gateway.headers.items()),
        (b"idempotency-key", key.encode("latin-1")),
    ]
    told = httpx.post(f"{gateway.base_url}/chat/completions", json=body, headers=headers)
    assert (told.status_code, told.json()["error"]["param"]) == (400, "Idempotency-Key")


def test_without_valkey_it_is_answered_and_said_that_nobody_remembers(
    gateway: Gateway, engine: Engine, providers: Fakes
) -> None:
    engine.kill()
    try:
        time.sleep(0.2)
        told = same(gateway, uuid7())
        assert told.status == 200
        assert "idempotency" in told.headers["x-syntra-degraded"]
    finally:
        engine.start()
    key = uuid7()
    wait_for(lambda: "idempotency" not in same(gateway, uuid7()).headers.get("x-syntra-degraded", ""), 10)
    assert same(gateway, key).status == 200


# The store.


def test_nothing_of_an_answer_can_be_read_in_valkey(run: Run[Any], engine: Engine) -> None:
    async def story() -> None:
        async with Valkey(place(engine.url)) as valkey:
            twins = Twins(valkey, bytes(32))
            held = await twins.begin("acme", "a-key", b"a request")
            assert isinstance(held, Held)
            twins.keep(held, Kept(200, [], b"what nobody may read"))
            async with asyncio.timeout(5):
                while not isinstance(await again(twins), Kept):  # noqa: ASYNC110  # another process tells
                    await asyncio.sleep(0.01)
            raw = await valkey.run("GET", held.name)
            assert b"nobody may read" not in raw
            assert b"a-key" not in held.name.encode()
            assert 80_000_000 < await valkey.run("PTTL", held.name) <= 86_400_000
            with pytest.raises(TwinDiffers):  # sealed with another SECRET_KEY: not to be read, and not to be replaced
                await Twins(valkey, bytes([1]) * 32).begin("acme", "a-key", b"a request")
            await twins.close()

    async def again(twins: Twins) -> Kept | Held | None:
        try:
            return await twins.begin("acme", "a-key", b"a request")
        except Conflict:
            return None

    run(story())


def test_a_worker_that_was_killed_leaves_the_key_free_and_one_that_lives_keeps_it(
    run: Run[Any], engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LEASE_SECONDS", 0.6)

    async def story() -> None:
        async with Valkey(place(engine.url)) as valkey:
            one, other = Twins(valkey, bytes(32)), Twins(valkey, bytes(32))
            key = uuid7()
            await one.begin("acme", key, b"r")
            await asyncio.sleep(1.5)
            with pytest.raises(Conflict):
                await other.begin("acme", key, b"r")
            await one.close()  # as if it had been killed: nothing is given back
            await asyncio.sleep(0.8)
            assert isinstance(await other.begin("acme", key, b"r"), Held)
            await other.close()

    run(story())


def test_without_a_valkey_it_is_unavailable(run: Run[Any]) -> None:
    with pytest.raises(Unavailable):
        run(Twins(None, bytes(32)).begin("acme", "k", b"r"))
