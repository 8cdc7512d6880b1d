"""Usage, decisions and the audit trail, as an organisation reads them."""

from __future__ import annotations

import asyncio
import json
import time
from datetime import UTC, datetime
from uuid import UUID

import psycopg
import pytest
from sqlalchemy import update

from gateway.core.ids import uuid7
from gateway.http.admin.parts import Parts
from gateway.stores import postgres_place
from gateway.stores.postgres import Postgres
from gateway.stores.rows import OrganisationRow, SilentAct, acting
from tests.fakes.tenants import PEPPER
from tests.tenancy.office import PROVIDERS, Office, verify

_LEDGER = """
    insert into syntra.ledger (org_id, request_id, attempt, at, key_id, surface, asked, model, intent, status,
                               input_tokens, output_tokens, cost)
    values (%s, %s, %s, %s, 'k1', 'chat', 'syntra', %s, 'coding', 'answered', 100, 10, %s)
"""


def spend(database: str, organisation: str, day: int, model: str, cost: int) -> None:
    """A request with one attempt, as the ledger keeps it."""
    at, request = datetime(2026, 11, day, 12, tzinfo=UTC), UUID(uuid7())
    with psycopg.connect(database) as connection:
        for attempt in (0, 1):
            connection.execute(_LEDGER, (organisation, request, attempt, at, model, cost))


def test_usage_is_summed_up_by_what_is_asked_for(office: Office, database: str) -> None:
    viewer, beside = office.key("acme", "viewer"), office.key("globex")
    ids = [office.ok("GET", f"/{name}", key)["id"] for name, key in (("acme", viewer), ("globex", beside))]
    for day, model, cost in ((3, "openai/a", 5_000_000), (3, "openai/b", 7_000_000), (4, "openai/a", 1_000_000)):
        spend(database, ids[0], day, model, cost)
    spend(database, ids[1], 3, "openai/a", 9)
    found = office.ok("GET", "/acme/usage?group_by=day,model&from=2026-11-01&to=2026-12-01", viewer)
    assert found["group_by"] == ["day", "model"]
    rows = [(one["day"], one["model"], one["requests"], one["cost"]) for one in found["data"]]
    assert rows == [
        ("2026-11-03", "openai/a", 1, 5_000_000),
        ("2026-11-03", "openai/b", 1, 7_000_000),
        ("2026-11-04", "openai/a", 1, 1_000_000),
    ]
    (whole,) = office.ok("GET", "/acme/usage?from=2026-11-01&to=2026-12-01T00:00:00%2B01:00", viewer)["data"]
    assert (whole["requests"], whole["cost"], whole["cost_usd"], whole["input_tokens"]) == (
        3,
        13_000_000,
        "0.000013",
        300,
    )
    for query in (
        "group_by=person",
        "from=yesterday",
        "to=0001-01-01T00:00:00%2B14:00",
        "from=2026-12-01&to=2026-11-01",
    ):
        error = office.refused(400, "GET", f"/acme/usage?{query}", viewer)
        assert error["param"] == query.partition("=")[0]


def test_decisions_come_newest_first_and_are_one_organisations(office: Office, database: str) -> None:
    viewer, beside = office.key("acme", "viewer"), office.key("globex")
    ids = [office.ok("GET", f"/{name}", key)["id"] for name, key in (("acme", viewer), ("globex", beside))]
    made = [uuid7() for _ in range(5)]
    with psycopg.connect(database) as connection:
        for decision in made:
            record = {"id": decision, "organisation": ids[0], "key_id": "k1", "asked": "syntra", "document": "7c1f"}
            connection.execute(
                "insert into syntra.decision (org_id, id, at, record) values (%s, %s, now(), %s)",
                (ids[0], decision, json.dumps(record)),
            )
        connection.execute(
            'insert into syntra.decision (org_id, id, at, record) values (%s, %s, now(), \'{"from": "elsewhen"}\')',
            (ids[1], uuid7()),
        )
    first = office.ok("GET", "/acme/decisions?limit=3", viewer)
    rest = office.ok("GET", f"/acme/decisions?limit=3&after={first['last_id']}", viewer)
    assert [one["id"] for one in first["data"] + rest["data"]] == sorted(
        made, reverse=True
    )  # in one millisecond it is chance
    assert (first["has_more"], rest["has_more"]) == (True, False)
    assert (first["data"][0]["model"], first["data"][0]["object"]) == ("syntra", "decision")
    (odd,) = office.ok("GET", "/globex/decisions", beside)["data"]
    assert odd["from"] == "elsewhen"


def test_every_act_is_told_with_who_did_it(office: Office) -> None:
    owner = office.key("told", person="ada@example.com")
    key_id = office.ok("GET", "/told/keys", owner)["data"][0]["id"]
    key = office.ok("POST", "/told/keys", owner, json={"name": "k"})["id"]
    person = office.ok("POST", "/told/members", owner, json={"email": "b@x.org"})["id"]
    sealed = office.ok("POST", "/told/provider-keys", owner, json={"provider": "kimi", "api_key": "sk-12345678"})["id"]
    for method, path, body in (
        ("PATCH", f"/told/keys/{key}", {"name": "l"}),
        ("DELETE", f"/told/keys/{key}", None),
        ("PATCH", f"/told/members/{person}", {"role": "viewer"}),
        ("DELETE", f"/told/members/{person}", None),
        ("PUT", f"/told/provider-keys/{sealed}", {"is_active": False}),
        ("DELETE", f"/told/provider-keys/{sealed}", None),
        ("PUT", "/told/limits", {"concurrency": 5}),
        ("PATCH", "/told", {"limits": {}}),
    ):
        office.ok(method, path, owner, **({} if body is None else {"json": body}))
    acts = office.ok("GET", "/told/audit?after=2", owner)
    assert [act["act"] for act in acts["data"]] == [
        *("key.create", "member.create", "provider_key.create", "key.update", "key.revoke", "member.update"),
        *("member.delete", "provider_key.update", "provider_key.delete", "limits.update", "organisation.update"),
    ]
    assert {act["actor"] for act in acts["data"]} == {f"{key_id} ada@example.com"}
    assert [act["prev"] for act in acts["data"]][1:] == [act["hash"] for act in acts["data"]][:-1]
    assert acts["last_id"] == str(acts["data"][-1]["seq"])


def test_a_change_that_is_not_told_is_undone(office: Office) -> None:
    owner = office.key("silent")
    made = office.ok("GET", "/silent", owner)

    async def change() -> None:
        async with acting(office.postgres, made["id"]) as rows:
            assert await rows.change(update(OrganisationRow).values(limits={"concurrency": 1})) == 1

    with pytest.raises(SilentAct):
        office.run(change())
    assert office.ok("GET", "/silent/limits", owner) == {}


def test_a_database_that_is_away_is_a_503_at_once(office: Office) -> None:
    owner = office.key("acme")
    office.ok("GET", "/acme/limits", owner)
    nowhere = Postgres(postgres_place.place("postgresql://u:p@127.0.0.1:9/nowhere"))
    there, office.administration._parts = (
        office.administration._parts,
        Parts(nowhere, PEPPER, office.vault, verify, PROVIDERS),
    )
    try:
        began = time.monotonic()
        assert office.refused(503, "GET", "/acme/limits", owner)["code"] == "store_unavailable"
        assert time.monotonic() - began < 0.5
    finally:
        office.administration._parts = there


def test_a_deadlock_is_no_reason_to_go_on_without_the_database(office: Office) -> None:
    ids = [office.ok("GET", f"/{name}", office.key(name))["id"] for name in ("acme", "globex")]
    lock_it = "update syntra.organisation set limits = limits where id = %s"

    async def lock(first: str, second: str, both: asyncio.Barrier) -> None:
        async with office.postgres.tenant(first) as cursor:
            await cursor.execute(lock_it, (first,))
            await both.wait()
            await cursor.execute("select set_config('app.org_id', %s, true)", (second,))
            await cursor.execute(lock_it, (second,))

    async def lock_both() -> list[BaseException | None]:
        both = asyncio.Barrier(2)
        return await asyncio.gather(lock(*ids, both), lock(*ids[::-1], both), return_exceptions=True)

    told = [str(error) for error in office.run(lock_both()) if error is not None]
    assert told == ["PostgreSQL gave up: DeadlockDetected"]
    assert office.postgres.state == "ok"
