"""Memory on bad days: an answer never fails for it, never waits long for it, and says that it went without."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.core.memories import New
from gateway.remembering import Remembering
from gateway.stages.memory import DEADLINE
from gateway.stores.breaker import Unavailable
from gateway.stores.postgres import Postgres
from gateway.stores.vectors import Vectors
from gateway.stores.vectors_talk import Refused, Reply, Request
from tests.conftest import StartGateway
from tests.fakes.gateway import PLAIN, Gateway
from tests.fakes.provider import Provider
from tests.fakes.tenants import set_up
from tests.fakes.users import OPENAI, User, said

Fakes = Mapping[str, Provider]
ORGANISATION = "0199f0c1-b2a4-7d3e-8f60-718293a4b5c6"
HELLO = [{"role": "user", "content": "Which tea is my favourite?"}]


@pytest.fixture(scope="module")
def silent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A store of vectors that takes every connection and answers nothing."""
    path: Path = tmp_path_factory.mktemp("v") / "silent.sock"
    held: list[socket.socket] = []
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()

        def take() -> None:
            while True:
                try:
                    held.append(listening.accept()[0])
                except OSError:
                    return

        threading.Thread(target=take, daemon=True).start()
        yield str(path)
        listening.shutdown(socket.SHUT_RDWR)
        for one in held:
            one.close()


@pytest.fixture(scope="module", params=["away", "silent"])
def without(request: pytest.FixtureRequest, start_gateway: StartGateway, silent: str) -> Gateway:
    where = silent if request.param == "silent" else "/nowhere/vectors.sock"
    return start_gateway("openai", SYNTRA_VECTORS_SOCKET=where)


def took(user: User) -> float:
    began = time.monotonic()
    url = f"{user.gateway.base_url}/chat/completions"
    reply = httpx.post(url, json={"model": OPENAI, "messages": HELLO}, headers=user.headers, timeout=30, verify=PLAIN)
    assert reply.status_code == 200
    assert reply.headers.get("x-syntra-degraded") == ("memory" if "x-syntra-user" in user.headers else None)
    return time.monotonic() - began


def test_an_answer_goes_without_notes_and_says_so_and_only_the_first_has_waited_for_them(
    without: Gateway, providers: Fakes
) -> None:
    ann, nobody = User(without), User(without)
    del nobody.headers["x-syntra-user"]
    assert took(ann) < 3
    assert said(providers["openai"]) == HELLO[0]["content"]
    assert min(took(ann) for _ in range(9)) < min(took(nobody) for _ in range(9)) + DEADLINE / 2


def test_what_is_said_meanwhile_is_kept_and_listed_and_only_a_search_has_to_wait(
    without: Gateway, providers: Fakes
) -> None:
    ann = User(without)
    reply = ann.memories(method="POST", json={"text": "My favourite tea is Darjeeling."})
    assert reply.status_code == 201
    assert reply.headers["x-syntra-degraded"] == "memory"
    assert set(ann.texts()) == {"My favourite tea is Darjeeling.", "My favourite tea is Darjeeling"}
    assert ann.memories("?query=tea").status_code == 503
    assert ann.memories(f"/{reply.json()['id']}", "DELETE").status_code == 200
    assert ann.texts() == []


def test_who_is_nobody_does_not_notice(without: Gateway, providers: Fakes) -> None:
    ann = User(without)
    ann.headers.pop("x-syntra-user")
    assert "x-syntra-degraded" not in ann.chat("Hello.").headers


class OtherDimensions:
    """A collection that was made for vectors of another length."""

    is_linked = True

    async def start(self) -> None:
        return

    async def close(self) -> None:
        return

    async def ask(self, request: Request) -> Reply:
        return Refused("Wrong input: Vector dimension error: expected dim: 384, got 256")


def test_a_collection_of_other_dimensions_is_as_good_as_none(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.stores.postgres.DEADLINE", 20.0)

    async def scene() -> Any:
        async with Postgres(set_up(database)) as postgres, Vectors(OtherDimensions()) as vectors:
            shelf = Remembering(postgres, vectors).shelf
            ann = shelf.of(ORGANISATION, "ann")
            added, findable = await shelf.add(ann, [New("I play the cello.", datetime.now(UTC))])
            assert not findable
            with pytest.raises(Unavailable, match="dimension"):
                await shelf.search(ann, "cello", 5)
            return [one.text for one in await ann.page(None, 5)], [one.text for one in added]

    assert asyncio.run(scene()) == (["I play the cello."], ["I play the cello."])
