"""Decisions: found by who was answered, before and after they are in PostgreSQL, and gone after a week."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest

from gateway.core.caller import Caller
from gateway.core.errors import BadKey, StoreAway
from gateway.core.events import Usage
from gateway.core.ids import uuid7
from gateway.core.money import Picodollars
from gateway.http.decisions import DecisionLookup
from gateway.http.door import Door
from gateway.http.lounge import Lounge
from gateway.records import decisions as file
from gateway.records import journal as journal_file
from gateway.records.decision import Attempt, Decision, Outcome, view
from gateway.records.decisions import Decisions
from gateway.records.journal import Journal
from gateway.records.ledger import Ledger
from gateway.stores import postgres as postgres_file
from gateway.stores import postgres_place
from gateway.stores.postgres import Postgres
from gateway.stores.postgres_place import PostgresPlace
from policies.engine import Plan, Scored
from policies.facts import Facts, Live
from tests.fakes.doors import NO_TWINS
from tests.ledger.conftest import Organise
from tests.ledger.rig import keep, level, row
from tests.unit.wire_rig import Run

KEY = "sk-syn-0123456789ab-00112233445566778899aabbccddeeff00112233"
DAY = 86_400_000  # ms


def id_at(ms: int) -> str:
    """A uuid7 of another time."""
    return f"{ms:012x}{uuid7()[12:]}"


def now() -> int:
    return time.time_ns() // 1_000_000


@asynccontextmanager
async def decisions_at(place: PostgresPlace, folder: Path) -> AsyncIterator[tuple[Ledger, Decisions]]:
    async with Postgres(place) as postgres:
        ledger = Ledger(Journal(folder), postgres, refused=lambda _: None)
        ledger.start()
        try:
            yield ledger, Decisions(ledger, postgres)
        finally:
            await ledger.close()


def said(record: bytes | None) -> Any:
    return None if record is None else json.loads(record)["said"]


def test_it_is_found_before_it_is_written_and_after_and_by_any_worker(
    place: PostgresPlace, organise: Organise, run: Run[Any], tmp_path: Path
) -> None:
    mine, other = organise(), organise()

    async def work() -> None:
        async with (
            decisions_at(place, tmp_path / "one") as (ledger, decisions),
            decisions_at(place, tmp_path / "another machine") as (_, elsewhere),
        ):
            one = keep(ledger, mine, "first")
            assert said(await decisions.find(one, mine)) == "first"
            assert await decisions.find(one, other) is None
            await level(ledger)
            for asked in (decisions, elsewhere):
                assert said(await asked.find(one, mine)) == "first"
                assert await asked.find(one, other) is None

    run(work())


@pytest.mark.parametrize(
    "decision_id",
    [
        "",
        "x",
        "../../key",
        "0" * 32,
        "é" * 32,
        uuid7().upper(),
        uuid7()[:-1],
        f"{uuid7()}0",
        f"{uuid7()}\n",
        f"{uuid7()[:12]}4{uuid7()[13:]}",
        id_at(now() - 8 * DAY),
        id_at(now() + DAY),
        "f" * 12 + uuid7()[12:],
    ],
    ids="nothing word path zeros accents upper short long newline version old future last".split(),
)
def test_an_id_that_cannot_be_kept_costs_no_look_anywhere(decision_id: str, run: Run[Any]) -> None:
    nowhere: Any = None
    assert run(Decisions(nowhere, nowhere).find(decision_id, uuid7())) is None


def test_without_postgresql_it_is_not_called_unknown(
    run: Run[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_file, "BACKGROUND_DEADLINE", 0.1)

    async def work() -> None:
        away = postgres_place.place("postgresql://nobody@/none?host=/nowhere")
        async with decisions_at(away, tmp_path) as (ledger, decisions):
            mine = uuid7()
            one = keep(ledger, mine)
            assert said(await decisions.find(one, mine)) == "x"
            with pytest.raises(StoreAway) as told:
                await decisions.find(uuid7(), mine)
            assert told.value.status == 503

    run(work())


def test_what_is_older_than_a_week_is_dropped_and_what_is_younger_stays(
    place: PostgresPlace,
    database: str,
    organise: Organise,
    run: Run[Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mine = organise()
    ids = [id_at(now() - days * DAY + 60_000) for days in (9, 8, 7, 1, 0)]
    monkeypatch.setattr(file, "_MINUTE", 0.01)

    async def work() -> None:
        async with decisions_at(place, tmp_path) as (ledger, decisions):
            for one in ids:
                ledger.keep(mine, one, row(one).at, [row(one)], Attempt(one))
            await level(ledger)
            workers = [asyncio.create_task(decisions.sweep()) for _ in range(3)]
            await asyncio.sleep(0.3)
            for worker in workers:
                worker.cancel()

    run(work())
    with psycopg.connect(database) as owner:
        left = owner.execute("select id from syntra.decision where org_id = %s", (mine,)).fetchall()
        rows = owner.execute("select count(*) from syntra.ledger where org_id = %s", (mine,)).fetchone()
    assert {one.hex for (one,) in left} == set(ids[2:])
    assert rows == (5,)  # money is not forgotten


def test_a_line_is_found_wherever_the_blocks_of_the_search_end(
    run: Run[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = b"".join(b'\n{"id":"%03d"}\n' % k for k in range(300))
    (tmp_path / f"{uuid7()}.jsonl").write_bytes(text)
    for size in (12, 13, 16, 17, 31, 64, 1000, 10_000):
        monkeypatch.setattr(journal_file, "_SEARCH_BYTES", size)
        journal = Journal(tmp_path)
        for k in (0, 1, 7, 150, 298, 299):
            assert journal.find(b'{"id":"%03d"' % k) == b'{"id":"%03d"}' % k
        assert journal.find(b'{"id":"300"') is None
        assert journal.find(b'"id":"007"') is None


# The route.


async def asked_for(decisions: Decisions, path: str, organisation: str, key: str = KEY) -> tuple[int, dict[str, Any]]:
    """The status and body of a GET at the route."""
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    async def identify(bearer: str | None) -> Caller:
        if bearer != KEY:
            raise BadKey("no")
        return Caller(organisation, "acme", "laptop")

    door = Door(identify, Lounge(1.0), lambda surface, status: None, NO_TWINS)
    headers = [(b"authorization", f"Bearer {key}".encode())]
    scope: Any = {"type": "http", "method": "GET", "path": path, "headers": headers}
    await door.route("GET", "decisions", "viewer", DecisionLookup(decisions).serve)(scope, receive, send)
    return sent[0]["status"], json.loads(b"".join(message["body"] for message in sent[1:]))


def test_the_route_shows_the_callers_decision_as_it_was(
    place: PostgresPlace, organise: Organise, run: Run[Any], tmp_path: Path
) -> None:
    mine, other = organise(), organise()
    chosen, second = (
        Scored("openai/gpt-4o", 0.9, 0.8, 12_000_000, 300.0, rank=1),
        Scored("google/gemini-2.5-flash", 0.5),
    )
    usage, cost = Usage(10, 20, 30), Picodollars(7)
    decision = Decision(
        uuid7(),
        mine,
        "0123456789ab",
        "syntra",
        facts=Facts(needs=("tools",), qualities={"openai/gpt-4o": 0.7}),
        plan=Plan("balanced", 0.6, (chosen,), (chosen, second)),
        live={"openai/gpt-4o": Live(300.0, 80.0, 0.0)},
        attempts=[Attempt("openai/gpt-4o", ttft_ms=312.0, usage=usage, cost=cost)],
        outcome=Outcome("answered", "openai/gpt-4o", usage, cost, False, 312.0, 900.0),
    )

    async def work() -> None:
        path = f"/api/decisions/{decision.id}"
        async with decisions_at(place, tmp_path) as (ledger, decisions):
            ledger.keep(mine, decision.id, row(decision.id).at, [row(decision.id)], decision)
            for _ in range(2):  # from the journal, from PostgreSQL
                status, told = await asked_for(decisions, path, mine)
                assert (status, told) == (200, json.loads(msgspec.json.encode(view(decision))))
                assert [line["model"] for line in told["candidates"]] == ["openai/gpt-4o", "google/gemini-2.5-flash"]
                assert (await asked_for(decisions, path, other))[0] == 404
                await level(ledger)

    run(work())


def test_the_route_shows_what_another_version_wrote(
    place: PostgresPlace, organise: Organise, run: Run[Any], tmp_path: Path
) -> None:
    mine = organise()

    async def work() -> None:
        async with decisions_at(place, tmp_path) as (ledger, decisions):
            one = keep(ledger, mine)
            told = await asked_for(decisions, f"/api/decisions/{one}", mine)
            assert told == (200, {"id": one, "said": "x"})

    run(work())


@pytest.mark.parametrize("path", ["", "/", "/x", f"/{uuid7()}", "/a/b"], ids="nothing root word id path".split())
def test_the_route_knows_no_other(
    path: str, place: PostgresPlace, organise: Organise, run: Run[Any], tmp_path: Path
) -> None:
    async def work() -> None:
        async with decisions_at(place, tmp_path) as (_, decisions):
            status, told = await asked_for(decisions, f"/api/decisions{path}", organise())
            assert (status, told["error"]["code"]) == (404, "decision_not_found")
            assert (await asked_for(decisions, f"/api/decisions{path}", organise(), "sk-other"))[0] == 401

    run(work())


def test_the_route_says_503_while_postgresql_is_away(
    run: Run[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_file, "BACKGROUND_DEADLINE", 0.1)

    async def work() -> None:
        away = postgres_place.place("postgresql://nobody@/none?host=/nowhere")
        async with decisions_at(away, tmp_path) as (_, decisions):
            status, told = await asked_for(decisions, f"/api/decisions/{uuid7()}", uuid7())
            assert (status, told["error"]["code"]) == (503, "store_unavailable")

    run(work())
