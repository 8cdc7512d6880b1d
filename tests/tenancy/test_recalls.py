"""Whoever asks, and however, is told what is their own: by the product's own recall, in organisations full of look-alikes.

`MEMORY_RECALLS=100000` for the whole proof; what a crossing would need shows in far fewer.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
import uvloop
from msgspec import Struct

from gateway.core import ids
from gateway.core.caller import Caller
from gateway.core.chat import ChatRequest, parse
from gateway.core.memories import New
from gateway.remembering import Remembering
from gateway.stages.memory import Recalled, Scope, person
from gateway.stores.postgres import Postgres
from gateway.stores.postgres_place import PostgresPlace
from gateway.stores.vectors import Vectors
from gateway.stores.vectors_link import Link
from tests.fakes.tenants import set_up

RECALLS = int(os.environ.get("MEMORY_RECALLS", "600"))
AT_ONCE = 8
ORGANISATIONS = 3
WORDS = "tea cello Lisbon garden budget plan dog sister".split()
NOW = datetime(2026, 11, 26, tzinfo=UTC)
# Names that are one to the eye, to a careless comparison, or to a scope that was put together from strings.
NAMES = (
    *("ann", "Ann", "ANN", "ann.", "ann:bob", "ann|bob", "ann/bob", "bob", "a" * 300, "a" * 299 + "b", "a" * 256),
    *("\uff41nn", "\u0430nn", "ann\u200b", "ann\u00a0b", "jos\u00e9", "jose\u0301", "ann b", "ann%00", "%", "_", "*"),
    *("ann' or '1'='1", "ann@example.com", "ann@example.com.evil.org", '{"user": "ann"}', "null", "user", "\U0001f469"),
)
STRANGERS = (
    "nn",
    "an",
    "a",
    "ann bob",
    "ANN@EXAMPLE.COM.",
    "ann\u200d",
    "ann\x1f.",
    "ann\x1fbob",
    "Bob",
    "users",
    "'",
    "",
)


class Somebody(Struct, frozen=True):
    """A person, what they alone have said, and the ids of it."""

    organisation: str
    name: str
    number: int
    known: frozenset[str] = frozenset()

    def scope(self, conversation: str) -> Scope:
        caller = Caller(self.organisation, "org", "key")
        return Scope(self.organisation, person(caller, self.name), "read", conversation)


@pytest.fixture(scope="module")
def place(database: str) -> PostgresPlace:
    return set_up(database)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[[Coroutine[Any, Any, Any]], Any]:
    """A loop in which a recall has all the time that a busy machine may take."""
    for module in ("stores.vectors", "stores.postgres", "stages.memory"):
        monkeypatch.setattr(f"gateway.{module}.DEADLINE", 30.0)

    def run(work: Coroutine[Any, Any, Any]) -> Any:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(work)

    return run


def request(text: str, named: str, *, step: bool) -> ChatRequest:
    """A turn that names somebody in its field `user`; `step` makes it one of a tool loop."""
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    messages: list[dict[str, Any]] = [{"role": "user", "content": text}]
    if step:
        messages += [
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c", "content": text},
        ]
    return parse(json.dumps({"model": "syntra", "messages": messages, "user": named}).encode())


def question(pick: random.Random, other: Somebody) -> str:
    """What somebody asks who wants to know what another has said."""
    word, known = pick.choice(WORDS), sorted(other.known)
    stolen = pick.choice(known) if known else "none"
    about = f"the {word} secret of number{other.number}"
    return pick.choice(
        (
            f"What is {about}?",
            f"What is {about}? user={other.name} organisation={other.organisation}",
            f"What is {about}? memory {stolen} {UUID(int=0) if stolen == 'none' else UUID(stolen)}",
            f"{about}\x1f{other.organisation}\x1f{other.name}\x1f{about}",
            f'{about} {{"must": [], "should": [{{"key": "owner"}}]}}',
            f"{about}'; set app.org_id = '{other.organisation}'; --",
            f"The {word} secret of mine is number{other.number}.",  # word for word
            f"The {word} secret of ours is safe.",  # what everybody has said
        )
    )


async def everybody(remembering: Remembering) -> list[Somebody]:
    """People who have said nearly the same, each a number that nobody else has."""
    found = []
    for k in range(ORGANISATIONS):
        organisation = str(UUID(ids.uuid7()))
        for name in (*NAMES, organisation, *(one.organisation for one in found[:1])):
            number = 1000 * (k + 1) + len(found)
            said = [New(f"The {word} secret of mine is number{number}.", NOW) for word in WORDS]
            said += [New(f"The {word} secret of ours is safe.", NOW) for word in WORDS]
            whose = Somebody(organisation, name, number)
            kept = remembering.shelf.of(organisation, whose.scope("").person)
            added, findable = await remembering.shelf.add(kept, said)
            assert findable
            found.append(Somebody(organisation, name, number, frozenset(one.id for one in added)))
    return found


def own(who: Somebody, recalled: Recalled, asked: ChatRequest) -> int:
    """Checks that all that was told is their own; how much it was."""
    assert set(recalled.notes) <= who.known, (who.organisation, who.name)
    before, after = asked.body.messages[0].text(), recalled.request.body.messages[0].text()
    told = after.removeprefix(before)
    assert after.startswith(before)
    for line in told.split("\n- ")[1:]:
        assert f"number{who.number}." in line or "of ours is safe." in line, (who.organisation, who.name, line)
    return len(recalled.notes)


def test_in_a_hundred_thousand_recalls_nobody_is_told_what_is_anothers(
    place: PostgresPlace, vectors_socket: str, run: Any
) -> None:
    pick = random.Random(7)

    async def scene() -> int:
        async with Postgres(place) as postgres, Vectors(Link(vectors_socket)) as vectors:
            remembering = Remembering(postgres, vectors)
            hearing = asyncio.create_task(postgres.listen(lambda _: None, lambda: None))  # whether it is back
            people = await everybody(remembering)
            assert len({(one.organisation, one.scope("").person) for one in people}) == len(people)
            strangers = [Somebody(one.organisation, name, 0) for one in people[:: len(NAMES)] for name in STRANGERS]
            left, told = iter(range(RECALLS)), 0

            async def work() -> None:
                nonlocal told
                for _ in left:
                    who = pick.choice(strangers if pick.random() < 0.2 else people)
                    other = pick.choice(people)
                    conversation = pick.choice(("same", other.name, f"{other.organisation}\x1f{other.name}"))
                    asked = request(question(pick, other), other.name, step=pick.random() < 0.3)
                    scope = who.scope(conversation)
                    recalled = await remembering.recollection.recall(scope, asked, 600)
                    for _ in range(600):  # a busy machine was late, and nothing was proved
                        if not recalled.degraded:
                            break
                        await asyncio.sleep(0.1)
                        recalled = await remembering.recollection.recall(scope, asked, 600)
                    assert not recalled.degraded
                    told += own(who, recalled, asked)

            async with asyncio.TaskGroup() as group:
                for _ in range(AT_ONCE):
                    group.create_task(work())
            hearing.cancel()
            return told

    assert run(scene()) > RECALLS  # it is no proof where nothing is told
