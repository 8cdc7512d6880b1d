"""An answer is shared within one person's or one key's requests, and with nobody else, however alike the bytes are."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping

import pytest
import valkey

from gateway.core.apikey import Pepper
from gateway.core.limits import Limits
from gateway.core.secret import Secret
from gateway.stores import organisations, postgres_place
from gateway.stores.organisations import NewKey
from gateway.stores.postgres import Postgres
from tests.conftest import StartGateway
from tests.fakes.caller import HELLO
from tests.fakes.gateway import Gateway
from tests.fakes.kept import Client
from tests.fakes.provider import Provider
from tests.fakes.server import wait_for

Fakes = Mapping[str, Provider]
# Whose key each is: organisation, and the person whose it alone is.
WHOSE = (("acme", ""), ("acme", ""), ("acme", "ada"), ("acme", "bob"), ("globex", ""), ("globex", "ada"))


@pytest.fixture(scope="module")
def gateway(start_gateway: StartGateway) -> Gateway:
    return start_gateway("openai")


@pytest.fixture(scope="module")
def keys(gateway: Gateway) -> list[str]:
    return asyncio.run(made(gateway))


async def made(gateway: Gateway) -> list[str]:
    pepper = Pepper(Secret((gateway.data / "secret").read_text().strip()))
    found: dict[str, str] = {}
    keys: list[str] = []
    async with Postgres(postgres_place.place(gateway.stores["DATABASE_URL"])) as postgres:
        for name, person in WHOSE:
            if name not in found:
                organisation = await organisations.create_organisation(postgres, name, "test", Limits())
                assert organisation is not None
                found[name] = organisation.id
            _, key = await organisations.create_key(postgres, pepper, found[name], NewKey("k", person=person), "test")
            keys.append(key.reveal())
        # a second key of the same person's
        _, key = await organisations.create_key(postgres, pepper, found["acme"], NewKey("k", person="ada"), "test")
        keys.append(key.reveal())
    return keys


def body(*, stream: bool, **more: object) -> bytes:
    return json.dumps({"model": "openai/gpt-4o-mini", "messages": HELLO, "stream": stream, **more}).encode()


async def ask(gateway: Gateway, key: str, said: bytes) -> str:
    async with Client(gateway.port) as client:
        status, headers, _ = await client.post("/v1/chat/completions", key, said)
        assert status == 200
        return headers["x-syntra-cache"]


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
def test_calls_under_way_are_joined_by_the_same_person_or_key_alone(
    gateway: Gateway, keys: list[str], providers: Fakes, stream: bool
) -> None:
    providers["openai"].script(delay=0.15)

    async def story() -> list[str]:
        return await asyncio.gather(*(ask(gateway, key, body(stream=stream)) for key in keys for _ in range(3)))

    told = asyncio.run(story())
    assert len(providers["openai"].requests) == len(WHOSE)  # the last key is a person's that has one already
    assert told.count("miss") == len(WHOSE)


def test_answers_that_are_kept_are_given_to_the_same_person_or_key_alone(
    gateway: Gateway, keys: list[str], providers: Fakes
) -> None:
    with valkey.Valkey.from_url(gateway.stores["VALKEY_URL"]) as client:
        for number, key in enumerate(keys[:-1], 1):
            assert asyncio.run(ask(gateway, key, body(stream=True, temperature=0))) == "miss"
            wait_for(lambda: len(client.keys("syntra:answer:*")) == number)  # noqa: B023
        for key in keys:
            assert asyncio.run(ask(gateway, key, body(stream=True, temperature=0))) == "hit"
        assert len(providers["openai"].requests) == len(WHOSE)
        # What one organisation has kept does not open under another's name, were it ever put there.
        names = sorted(client.keys("syntra:answer:*"))
        values = [client.get(name) for name in names]
        for name, value in zip(names, [*values[1:], values[0]], strict=True):
            client.set(name, value)
    for key in keys[:-1]:
        assert asyncio.run(ask(gateway, key, body(stream=True, temperature=0))) == "miss"
