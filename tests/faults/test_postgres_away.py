"""PostgreSQL down, slow, late: who is known goes on, who is not is told so honestly, and all heals by itself."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator, Mapping

import httpx
import pytest

from gateway.core import apikey
from gateway.core.errors import BadKey, StoreAway
from gateway.core.ids import uuid7
from gateway.stores.breaker import Unavailable
from gateway.stores.organisations import revoke_key
from tests.conftest import StartGateway
from tests.fakes.caller import ask
from tests.fakes.gateway import Gateway
from tests.fakes.postgres import Postgres, postgres
from tests.fakes.provider import Provider
from tests.fakes.tenants import Tenants, set_up, tenants

OTHER = {"authorization": "Bearer sk-syn-000000000000-" + "0" * 48}


@pytest.fixture(scope="module")
def engine() -> Iterator[Postgres]:
    with postgres() as running:
        yield running


@pytest.fixture
def gateway(engine: Postgres, start_gateway: StartGateway, providers: Mapping[str, Provider]) -> Gateway:
    return start_gateway("openai", DATABASE_URL=engine.database(f"d{uuid7()}"))


def ready(gateway: Gateway) -> bool:
    return httpx.get(f"{gateway.origin}/health/ready").status_code == 200


def until(holds: Callable[[], bool], seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)


def hello(gateway: Gateway, **headers: str) -> tuple[int, float]:
    began = time.monotonic()
    status = ask(gateway, "openai/gpt-4o-mini", headers=headers).status
    return status, time.monotonic() - began


@pytest.mark.parametrize("trouble", ["down", "slow"])
def test_a_known_key_is_served_and_an_unknown_one_is_told_503_and_never_401(
    trouble: str, engine: Postgres, gateway: Gateway
) -> None:
    until(lambda: ready(gateway))
    assert hello(gateway)[0] == 200
    hurt, mend = (engine.kill, engine.start) if trouble == "down" else (engine.pause, engine.resume)
    hurt()
    try:
        end = time.monotonic() + 4
        took = []
        while time.monotonic() < end:
            status, seconds = hello(gateway)
            assert status == 200
            took.append(seconds)
            told = httpx.get(f"{gateway.base_url}/models", headers=OTHER)
            assert (told.status_code, told.json()["error"]["code"]) == (503, "store_unavailable")
            assert told.headers["retry-after"]
        assert sorted(took)[len(took) // 2] < 0.1
        assert ready(gateway)  # it serves: to be taken out of the balancer would make it worse
        assert httpx.get(f"{gateway.origin}/health").json()["stores"]["postgres"] in ("away", "slow")
        assert "keys" in ask(gateway, "openai/gpt-4o-mini").headers.get("x-syntra-degraded", "")
    finally:
        mend()
    until(lambda: httpx.get(f"{gateway.base_url}/models", headers=OTHER).status_code == 401)
    assert "x-syntra-degraded" not in ask(gateway, "openai/gpt-4o-mini").headers


def test_a_key_goes_on_when_postgresql_stops_after_others_of_its_organisation_have_been_made(
    engine: Postgres, gateway: Gateway
) -> None:
    until(lambda: ready(gateway))
    keys = f"{gateway.origin}/api/orgs/local/keys"
    made = httpx.post(keys, headers=gateway.headers, json={"name": "one"}).json()
    mine = {"authorization": f"Bearer {made['key']}"}
    assert hello(gateway, **mine)[0] == 200
    for name in ("two", "three"):
        assert httpx.post(keys, headers=gateway.headers, json={"name": name}).status_code == 201
    time.sleep(1.0)  # the word of it has come to every worker
    engine.pause()
    try:
        end = time.monotonic() + 4
        while time.monotonic() < end:
            assert hello(gateway, **mine)[0] == 200
        assert "keys" in ask(gateway, "openai/gpt-4o-mini", headers=mine).headers["x-syntra-degraded"]
    finally:
        engine.resume()


def test_a_key_of_whose_change_was_heard_is_never_served_from_memory(engine: Postgres) -> None:
    place = set_up(engine.database(f"d{uuid7()}".replace("-", "")))

    async def served(here: Tenants, bearer: str) -> bool:
        with contextlib.suppress(StoreAway, BadKey):
            return bool(await here.keys.identify(bearer))
        return False

    async def story() -> None:
        async with tenants(place) as here:
            owner = await here.organisation("acme")
            (revoked, gone), (_, other) = await here.key(), await here.key()
            assert await served(here, gone)
            assert await served(here, other)
            async with here.postgres.tenant(owner.id) as cursor:
                await revoke_key(cursor, revoked, "test")
            await asyncio.sleep(1.0)
            engine.pause()
            try:
                here.keys.deaf()
                assert await served(here, other)  # it has been asked for again while that could be
                for _ in range(30):  # longer than a key is known not to be one
                    assert not await served(here, gone)
                    await asyncio.sleep(0.1)
                here.keys.heard(owner.id)
                assert not await served(here, other)  # nobody can say what has become of it
            finally:
                engine.resume()
            async with asyncio.timeout(10):
                while not await served(here, other):  # noqa: ASYNC110  # another process resumes
                    await asyncio.sleep(0.05)
            assert not await served(here, gone)

    asyncio.run(story())


def test_a_gateway_that_starts_first_is_not_ready_and_heals_by_itself(
    engine: Postgres, start_gateway: StartGateway
) -> None:
    url = engine.database(f"d{uuid7()}")
    engine.kill()
    try:
        gateway = start_gateway("openai", DATABASE_URL=url)
        assert not ready(gateway)
        assert hello(gateway)[0] == 503
    finally:
        engine.start()
    until(lambda: ready(gateway))
    until(lambda: hello(gateway)[0] == 200)


def test_who_is_known_does_not_wait_for_a_database_that_has_just_stopped_and_of_the_others_only_the_first(
    engine: Postgres,
) -> None:
    place = set_up(engine.database(f"d{uuid7()}".replace("-", "")))

    async def took(here: Tenants, bearer: str) -> float:
        began = time.monotonic()
        with contextlib.suppress(StoreAway):
            assert (await here.keys.identify(bearer)).degraded == ("keys",)
        return time.monotonic() - began

    async def story() -> None:
        async with tenants(place) as here:
            _, key = await here.key()
            assert (await here.keys.identify(key)).degraded == ()
            engine.pause()
            try:
                here.keys.deaf()  # as after a minute, or after PostgreSQL was gone for a moment
                known = [await took(here, key) for _ in range(20)]
                assert sorted(known)[-2] < 0.02  # one of them has asked
                assert max(known) < 0.1
                unknown = [await took(here, apikey.make().reveal()) for _ in range(20)]
                assert sorted(unknown)[-2] < 0.02
                assert here.postgres.state in ("slow", "away")
            finally:
                engine.resume()

    asyncio.run(story())


def test_a_slow_query_alone_makes_nobody_else_wait_and_nobody_go_without(engine: Postgres) -> None:
    place = set_up(engine.database(f"d{uuid7()}".replace("-", "")))

    async def story() -> None:
        async with tenants(place) as here:
            _, key = await here.key()
            with pytest.raises(Unavailable):
                await here.postgres.soon(here.postgres.call("select pg_sleep(0.5)"))
            assert here.postgres.state == "slow"  # until it has given a sign of life
            await asyncio.sleep(0.1)
            assert here.postgres.state == "ok"
            assert (await here.keys.identify(key)).degraded == ()

    asyncio.run(story())
