"""A thread is one user's: of another user's, key's or organisation's nobody learns that there is one."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID

import psycopg
import pytest

from gateway.core.ids import uuid7
from gateway.core.summary import HEAD
from gateway.stores import threads
from gateway.stores.postgres import Postgres
from gateway.stores.threads import Answer
from tests.conftest import StartGateway
from tests.fakes.engines import PostgresEngine
from tests.fakes.gateway import ROOT, Gateway
from tests.fakes.provider import Provider
from tests.fakes.server import wait_for
from tests.fakes.tenants import set_up
from tests.fakes.threads import FrontEnd

Fakes = Mapping[str, Provider]
SAY = {"content": "Hello.", "model": "openai/gpt-4o-mini"}
# Every route; {t} is a thread, {m} an answer of it, {q} its question.
ROUTES: list[tuple[str, str, Any]] = [
    ("GET", "/{t}", None),
    ("PATCH", "/{t}", {"title": "mine now"}),
    ("DELETE", "/{t}", None),
    ("GET", "/{t}/messages", None),
    ("POST", "/{t}/messages", SAY),
    ("POST", "/{t}/messages/stream", SAY),
    ("GET", "/{t}/messages/{m}", None),
    ("PATCH", "/{t}/messages/{q}", {"content": "other words"}),
    ("POST", "/{t}/messages/{m}/regenerate", {}),
    ("POST", "/{t}/messages/{m}/regenerate/stream", {}),
]
EVERY = [("POST", "", {}), ("GET", "", None), *ROUTES, ("GET", "/{t}/messages/stream", None)]


@pytest.fixture(scope="module")
def shared(postgres_engine: PostgresEngine) -> Iterator[str]:
    with postgres_engine.database() as url:
        yield url


@pytest.fixture(scope="module")
def home(shared: str, start_gateway: StartGateway) -> Gateway:
    return start_gateway("openai", DATABASE_URL=shared)


@pytest.fixture(scope="module")
def key(shared: str, home: Gateway) -> Any:
    """Makes keys."""

    def made(*wanted: str, organisation: str = "local") -> str:
        command = [sys.executable, "-m", "gateway", "key", "create", "--org", organisation, "--name", "k", *wanted]
        env = {"PATH": os.environ["PATH"], "DATABASE_URL": shared, "SYNTRA_DATA_DIR": str(home.data)}
        done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    return made


@pytest.fixture(scope="module")
def strangers(home: Gateway, key: Any) -> dict[str, FrontEnd]:
    """Everybody whose Ada's threads are not."""
    return {
        "another user of the same key": FrontEnd(home, user="grace@example.com"),
        "the same key without a user": FrontEnd(home),
        "another key without a user": FrontEnd(home, key=key()),
        "a person of the organisation": FrontEnd(home, key=key("--person", "grace@example.com")),
        "an owner of the organisation": FrontEnd(home, key=key("--role", "owner")),
        "the same name elsewhere": FrontEnd(home, key=key(organisation="globex"), user="ada@example.com"),
    }


class Kept:
    """Ada's thread, with an answer in it."""

    def __init__(self, home: Gateway) -> None:
        self.ada = FrontEnd(home, user="ada@example.com")
        self.thread = self.ada.thread(title="hers")
        told = self.ada.stream(self.thread, "Hello.")
        self.last_event = told.events[0].id
        self.message = str(told.of("done")[0]["message_id"])
        self.question = str(self.ada.ok("GET", f"/{self.thread}/messages")["data"][0]["id"])

    def at(self, path: str, thread: str = "") -> str:
        return path.format(t=thread or self.thread, m=self.message, q=self.question)


@pytest.fixture
def kept(home: Gateway, providers: Fakes) -> Kept:
    return Kept(home)


def test_anothers_thread_is_as_unknown_as_one_that_never_was(kept: Kept, strangers: dict[str, FrontEnd]) -> None:
    for who, stranger in strangers.items():
        for method, path, body in ROUTES:
            told = [stranger.ask(method, kept.at(path, thread), body) for thread in (kept.thread, uuid7())]
            assert [one.status_code for one in told] == [404, 404], (who, method, path)
            assert told[0].content == told[1].content, (who, path)
        stream = f"/{kept.thread}/messages/stream"
        assert stranger.ask("GET", stream, last_event_id=kept.last_event).status_code == 404, who
        assert stranger.ask("POST", stream, SAY, last_event_id=kept.last_event).status_code == 404, who
        assert kept.thread not in [one["id"] for one in stranger.ok("GET", "?limit=200")["data"]], who
    assert kept.ada.ok("GET", f"/{kept.thread}")["title"] == "hers"
    assert kept.ada.listed(kept.thread) == [("user", "Hello."), ("assistant", "Hello from the fake.")]


def test_a_message_of_another_thread_is_not_in_this_one(kept: Kept) -> None:
    other = kept.ada.thread()
    for method, path, body in ROUTES:
        if "{m}" in path or "{q}" in path:
            assert kept.ada.refused(404, method, kept.at(path, other), body)["code"] == "message_not_found", path


def test_who_has_a_persons_key_has_that_persons_threads(kept: Kept, home: Gateway, key: Any) -> None:
    own = key("--person", "Ada@Example.com")
    assert FrontEnd(home, key=own).ok("GET", f"/{kept.thread}")["title"] == "hers"
    assert FrontEnd(home, key=own, user="ADA@example.com").ok("GET", f"/{kept.thread}")["title"] == "hers"
    error = FrontEnd(home, key=own, user="grace@example.com").refused(403, "GET", "")
    assert error["code"] == "wrong_user"


@pytest.mark.parametrize(("method", "path", "body"), EVERY)
def test_every_route_needs_a_key_of_a_member(
    method: str, path: str, body: Any, kept: Kept, home: Gateway, key: Any
) -> None:
    path = kept.at(path)
    stranger = FrontEnd(home, key=f"sk-syn-{'0' * 12}-{'0' * 48}")
    assert stranger.refused(401, method, path, body)["code"] == "invalid_api_key"
    viewer = FrontEnd(home, key=key("--role", "viewer", "--person", "ada@example.com"))
    assert viewer.refused(403, method, path, body)["code"] == "not_allowed"
    elsewhere = FrontEnd(home, user="ada@example.com")
    assert elsewhere.refused(403, method, path, body, x_org_id="globex")["code"] == "wrong_organisation"


@pytest.mark.parametrize("name", ["x" * 257, "a\tb"])
def test_a_user_is_named_plainly(name: str, home: Gateway, providers: Fakes) -> None:
    assert FrontEnd(home, user=name).refused(400, "GET", "")["code"] == "invalid_header"


def test_the_ledger_names_the_user(kept: Kept, shared: str) -> None:
    def named() -> set[str]:
        with psycopg.connect(shared) as owner:
            wanted = "select distinct person from syntra.ledger where surface = 'threads'"
            return {row[0] for row in owner.execute(wanted)}

    wait_for(lambda: "ada@example.com" in named(), 10)


@pytest.mark.parametrize(("turns", "summarised"), [(900, 0), (1500, 1002)])
def test_a_model_is_given_all_of_a_thread_or_a_summary_in_its_place_that_says_so(
    turns: int, summarised: int, kept: Kept, shared: str, providers: Fakes
) -> None:
    ada = kept.ada
    thread = ada.thread()
    ada.say(thread, "1")
    more = """
        insert into syntra.message (org_id, id, thread_id, turn, role, content)
        select org_id, gen_random_uuid(), thread_id, number, role, to_json(number::text)
        from syntra.message, generate_series(2, %s) as number where thread_id = %s
    """
    with psycopg.connect(shared) as owner:
        owner.execute(more, (turns, thread))
        owner.execute("update syntra.thread set turns = %s where id = %s", (turns, thread))
    reply = ada.ask("POST", f"/{thread}/messages", {"content": "And now?", "model": SAY["model"]})
    assert reply.status_code == 200, reply.text
    whole = 2 * turns + 1
    said = [one["content"] for one in providers["openai"].last.json["messages"] if one["role"] != "system"]
    if summarised:
        assert reply.headers["x-syntra-context"] == f"{summarised} of {whole} messages summarised"
        assert said.pop(0).startswith(HEAD)
    else:
        assert "x-syntra-context" not in reply.headers
        assert said[0] == "1"
    assert said[-3:] == [str(turns), str(turns), "And now?"]
    assert len(said) == whole - summarised


def test_of_a_thread_that_is_too_large_to_be_read_whole_turns_go_and_seldom(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threads, "MOST_BYTES", 4000)
    monkeypatch.setattr("gateway.stores.postgres.DEADLINE", 20.0)
    place = set_up(database)

    async def firsts() -> list[int]:
        async with Postgres(place) as postgres:
            shelf = threads.Shelf(postgres, str(UUID(uuid7())), "user ann")
            thread = (await shelf.make("", {})).id
            found = []
            for number in range(40):
                asked = await shelf.ask(thread, json.dumps("x" * 198).encode(), "m", "")
                assert asked is not None
                turns = [one.turn for one in asked.before]
                assert turns == sorted([*range(turns[0], number + 1)] * 2 + [number + 1])
                assert 2400 <= 200 * len(turns) <= 4000 or turns[0] == 1
                found.append(turns[0])
                answer = Answer(UUID(uuid7()), "y" * 198, "complete", "m", "", "stop", None)
                assert await shelf.answered(asked, answer)
        return found

    found = asyncio.run(firsts())
    assert found[:10] == [1] * 10
    assert len(set(found)) < 16


def test_what_is_forgotten_is_gone_from_the_tables(kept: Kept, shared: str) -> None:
    kept.ada.ok("DELETE", f"/{kept.thread}")
    with psycopg.connect(shared) as owner:
        for table in ("thread where id", "message where thread_id"):
            assert owner.execute(f"select from syntra.{table} = %s", (kept.thread,)).rowcount == 0  # type: ignore[arg-type]
