"""SuperMemory as a second store: it finds what is true, for whom it is, and can neither slow nor break a request."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import pytest

from tests.conftest import StartGateway
from tests.fakes.gateway import Gateway
from tests.fakes.provider import Provider
from tests.fakes.supermemory import KEY, Supermemory, result
from tests.fakes.users import OPENAI, User, said, wait_for

Fakes = Mapping[str, Provider]
CELLO = "On Fridays I practise the cello."
ASKED = "Which instrument?"  # no word that our own search would be sure about


@pytest.fixture(scope="module")
def far() -> Iterator[Supermemory]:
    with Supermemory() as fake:
        yield fake


@pytest.fixture(scope="module")
def home(start_gateway: StartGateway, far: Supermemory) -> Gateway:
    return start_gateway(
        "openai",
        SUPERMEMORY_API_KEY=KEY,
        SUPERMEMORY_API_BASE_URL=far.origin,
        SYNTRA_ALLOW_PRIVATE_UPSTREAMS="1",
    )


@pytest.fixture
def ann(home: Gateway, far: Supermemory, providers: Fakes) -> Iterator[User]:
    yield User(home)
    assert far.failures == []
    far.extra, far.seconds, far.broken = [], 0.0, None


def add(user: User, text: str) -> dict[str, Any]:
    """Keeps a memory; a busy machine may be late with its vectors."""
    reply = user.memories(method="POST", json={"text": text})
    assert reply.status_code == 201
    return dict(reply.json())


def ask(user: User, text: str) -> httpx.Response:
    """Asks until SuperMemory was in time."""
    for _ in range(20):
        reply = user.chat(text, headers={"x-syntra-debug": "1"})
        if "x-syntra-degraded" not in reply.headers:
            return reply
        time.sleep(0.2)
    raise AssertionError(reply.headers)


def once(user: User, text: str) -> httpx.Response:
    """Asks once, whoever is late."""
    body = {"model": OPENAI, "messages": [{"role": "user", "content": text}]}
    return httpx.post(f"{user.gateway.base_url}/chat/completions", json=body, headers=user.headers, timeout=30)


def receipt(user: User, reply: httpx.Response) -> dict[str, Any]:
    name = reply.headers["x-syntra-decision"]
    url = f"{user.gateway.origin}/api/decisions/{name}"
    return dict(httpx.get(url, headers=user.headers, timeout=30).json())


def test_what_it_alone_finds_is_told_in_the_users_own_words_and_named(
    ann: User, far: Supermemory, providers: Fakes
) -> None:
    note = add(ann, CELLO)
    wait_for(lambda: CELLO in far.texts, lambda: far.texts)
    reply = ask(ann, ASKED)
    told = said(providers["openai"])
    assert CELLO in told
    assert "The user says" not in told
    assert receipt(ann, reply)["notes"] == [note["id"]]
    assert receipt(ann, reply)["supermemory"] == [note["id"]]


def test_what_is_corrected_or_forgotten_here_is_so_there(ann: User, far: Supermemory, providers: Fakes) -> None:
    note = add(ann, "My violin teacher is Olga Baranova.")
    wait_for(lambda: any("Olga" in text for text in far.texts), lambda: far.texts)
    changed = ann.memories(f"/{note['id']}", "PATCH", json={"text": "My violin teacher is Petra Novak."})
    assert changed.status_code == 200
    wait_for(lambda: any("Petra" in text for text in far.texts), lambda: far.texts, 20)
    assert not any("Olga" in text for text in far.texts)
    ask(ann, "Some instrument teacher?")
    assert "Olga" not in said(providers["openai"])
    assert ann.memories(f"/{note['id']}?cascade=true", "DELETE").status_code == 200
    assert ask(ann, "Some instrument teacher?").status_code == 200  # at once, whatever it has heard
    assert said(providers["openai"]) == "Some instrument teacher?"
    wait_for(lambda: not any("Petra" in text for text in far.texts), lambda: far.texts, 20)


def test_it_hears_later_of_what_was_forgotten_while_it_was_away(ann: User, far: Supermemory, providers: Fakes) -> None:
    note = add(ann, "I keep a tortoise called Hugo.")
    wait_for(lambda: any("Hugo" in text for text in far.texts), lambda: far.texts, 20)
    far.broken = (503, b"{}")
    assert ann.memories(f"/{note['id']}", "DELETE").status_code == 200
    later = add(ann, "I keep a parrot called Otto.")
    far.broken = None
    wait_for(lambda: any("Otto" in text for text in far.texts), lambda: far.texts, 30)
    wait_for(lambda: not any("Hugo" in text for text in far.texts), lambda: far.texts, 30)
    assert ann.memories(f"/{later['id']}", "DELETE").status_code == 200


def test_nobody_is_told_what_it_gives_of_others_or_of_nobody(ann: User, far: Supermemory, providers: Fakes) -> None:
    bob = User(ann.gateway)
    note = add(bob, "My doctor is Zelda Quint.")
    wait_for(lambda: any("Zelda" in text for text in far.texts), lambda: far.texts, 20)
    (document,) = [one for kept in far.kept.values() for one in kept.values() if "Zelda" in one["content"]]
    scope = document["metadata"]["syntra_scope"]
    far.extra = [
        result("a", "Zelda", document["metadata"], 0.9),  # another's, as it is
        result("b", "Mallory was here.", {}, 0.99),  # nobody's
        result("c", "Mallory", {"syntra_scope": scope, "syntra_memory": "no such id"}, 0.99),
        {"similarity": "very"},
    ]
    ask(ann, "Which physician is it?")
    assert said(providers["openai"]) == "Which physician is it?"
    assert ann.memories(f"/{note['id']}").status_code == 404
    own = [one for one in far.kept if any("Zelda" in document["content"] for document in far.kept[one].values())]
    assert own == [scope]
    assert bob.name not in str(far.kept)  # it is told nobody's name


@pytest.mark.parametrize(
    "broken",
    [(500, b"{}"), (401, b"no"), (200, b"<html>"), (200, b'{"results": 7}'), (200, b"[]"), (302, b"")],
    ids=str,
)
def test_an_answer_does_without_it(ann: User, far: Supermemory, providers: Fakes, broken: tuple[int, bytes]) -> None:
    far.broken = broken
    reply = ann.chat("Hello there, which instrument is it?", model=OPENAI)
    assert reply.status_code == 200
    assert said(providers["openai"]) == "Hello there, which instrument is it?"


def test_it_is_not_waited_for_and_soon_not_asked(
    start_gateway: StartGateway, far: Supermemory, providers: Fakes
) -> None:
    gateway = start_gateway(
        "openai",
        SUPERMEMORY_API_KEY=KEY,
        SUPERMEMORY_API_BASE_URL=far.origin,
        SYNTRA_ALLOW_PRIVATE_UPSTREAMS="1",
    )
    bob = User(gateway)
    far.seconds = 5.0
    try:
        for number in range(8):
            began = time.monotonic()
            reply = once(bob, f"Which instrument is number {number}?")
            assert "supermemory" in reply.headers["x-syntra-degraded"]
            assert time.monotonic() - began < 4.0
        began = len(far.requests)
        assert "supermemory" in once(bob, "Which instrument?").headers["x-syntra-degraded"]
        assert len(far.requests) == began
        stores = httpx.get(f"{gateway.origin}/health", timeout=10).json()["stores"]
        assert stores["supermemory"] == "slow"
    finally:
        far.seconds = 0.0


def test_without_a_key_nothing_is_told_it(gateway: Gateway, far: Supermemory, providers: Fakes) -> None:
    before = len(far.requests)
    ann = User(gateway)
    ann.add("My favourite number is nine.")
    assert "supermemory" not in ann.chat("Which number is my favourite?").headers.get("x-syntra-degraded", "")
    assert len(far.requests) == before
