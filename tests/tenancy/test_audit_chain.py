"""Whoever changes the audit trail is found out, and nobody who serves can even try."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import psycopg
import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.commands.audit import audit as command
from gateway.core.ids import uuid7
from gateway.stores import audit_chain, organisations
from gateway.stores.audit_chain import Chain, End
from gateway.stores.postgres import Postgres
from gateway.stores.postgres_place import PostgresPlace
from tests.fakes.tenants import set_up

T = TypeVar("T")
SECRET_KEY = "a secret key of the tests, of 32 characters"  # that of tests.fakes.tenants
ACTS = 6


@pytest.fixture(scope="module")
def place(database: str) -> PostgresPlace:
    return set_up(database)


def using(place: PostgresPlace, work: Callable[[Postgres], Awaitable[T]]) -> T:
    async def used() -> T:
        async with Postgres(place) as postgres:
            return await work(postgres)

    return asyncio.run(used())


def fill(place: PostgresPlace, name: str, details: list[dict[str, Any]] | None = None) -> str:
    """An organisation with some acts in its trail; its id."""

    async def work(postgres: Postgres) -> str:
        made = await organisations.create_organisation(postgres, name, "test")
        assert made is not None
        for number, detail in enumerate(details or [{"number": number} for number in range(1, ACTS)]):
            async with postgres.tenant(made.id) as cursor:
                await organisations.audit(cursor, "key:1 ada@example.com", "limits.update", str(number), detail)
        return made.id

    return using(place, work)


def verified(place: PostgresPlace, organisation: str, expected: End | None = None) -> Chain:
    return using(place, lambda postgres: audit_chain.verify(postgres, organisation, expected))


def tamper(database: str, *statements: str, organisation: str) -> None:
    """Do as whoever may do everything in the database."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("set search_path = syntra")
        connection.execute("alter table audit disable trigger append_only")
        for statement in statements:
            assert connection.execute(statement, {"org": organisation}).rowcount == 1, statement  # type: ignore[arg-type]
        connection.execute("alter table audit enable trigger append_only")


TAMPERED = {
    "a detail": (["update audit set detail = '{\"number\": 7}' where org_id = %(org)s and seq = 3"], 3, "was changed"),
    "who did it": (["update audit set actor = 'somebody else' where org_id = %(org)s and seq = 1"], 1, "was changed"),
    "when": (["update audit set at = at + interval '1 us' where org_id = %(org)s and seq = 6"], 6, "was changed"),
    "a hash": (["update audit set hash = sha256('x') where org_id = %(org)s and seq = 2"], 2, "was changed"),
    "a link": (["update audit set prev = sha256('x') where org_id = %(org)s and seq = 4"], 4, "does not follow"),
    "a row gone": (["delete from audit where org_id = %(org)s and seq = 3"], 3, "missing"),
    "the first gone": (["delete from audit where org_id = %(org)s and seq = 1"], 1, "missing"),
    "the end cut": (["delete from audit where org_id = %(org)s and seq = 6"], 6, "missing"),
    "a row put in front": (
        [
            "insert into audit select org_id, 0, at, actor, act, subject, detail, '', hash from audit where org_id = %(org)s and seq = 1"
        ],
        0,
        "before the first",
    ),
    "a row put behind": (
        [
            "insert into audit select org_id, 7, at, actor, act, subject, detail, hash, hash from audit where org_id = %(org)s and seq = 6"
        ],
        7,
        "was changed",
    ),
    "a changed row with its own right hash": (
        [
            "update audit set act = 'nothing' where org_id = %(org)s and seq = 4",
            "update audit a set hash = sha256(a.prev || convert_to(audit_text(a), 'UTF8')) where org_id = %(org)s and seq = 4",
        ],
        5,
        "does not follow",
    ),
    "the last row with its own right hash": (
        [
            "update audit set act = 'nothing' where org_id = %(org)s and seq = 6",
            "update audit a set hash = sha256(a.prev || convert_to(audit_text(a), 'UTF8')) where org_id = %(org)s and seq = 6",
        ],
        6,
        "is not the end",
    ),
    "the head gone": (["delete from audit_head where org_id = %(org)s"], 1, "behind the end"),
    "the head set back": (["update audit_head set seq = 5 where org_id = %(org)s"], 6, "behind the end"),
    "the head set on": (["update audit_head set seq = 9 where org_id = %(org)s"], 7, "missing"),
}


@pytest.mark.parametrize("name", TAMPERED)
def test_what_was_changed_is_found(name: str, place: PostgresPlace, database: str) -> None:
    statements, seq, what = TAMPERED[name]
    organisation = fill(place, name.replace(" ", "-"))
    assert verified(place, organisation).broken is None
    tamper(database, *statements, organisation=organisation)
    broken = verified(place, organisation).broken
    assert broken is not None
    assert broken.seq == seq
    assert what in broken.what


def test_an_end_that_was_noted_elsewhere_finds_a_chain_that_was_written_anew(
    place: PostgresPlace, database: str
) -> None:
    organisation = fill(place, "noted")
    end = verified(place, organisation).end
    assert end.seq == ACTS
    assert verified(place, organisation, end).broken is None
    tamper(
        database,
        "delete from audit where org_id = %(org)s and seq = 6",
        "update audit_head h set seq = 5, hash = a.hash from audit a"
        " where h.org_id = %(org)s and a.org_id = h.org_id and a.seq = 5",
        organisation=organisation,
    )
    assert verified(place, organisation).broken is None  # nothing in the database tells
    assert verified(place, organisation, end).broken is not None
    using(place, lambda postgres: _act(postgres, organisation))  # and another sixth row in its place
    broken = verified(place, organisation, end).broken
    assert broken is not None
    assert (broken.seq, broken.what) == (6, "is not the row whose hash was noted")


async def _act(postgres: Postgres, organisation: str) -> None:
    async with postgres.tenant(organisation) as cursor:
        await organisations.audit(cursor, "x", "y", "z", {})


def test_long_chains_are_read_in_parts(place: PostgresPlace, monkeypatch: pytest.MonkeyPatch) -> None:
    organisation = fill(place, "long", [{"number": number} for number in range(30)])
    monkeypatch.setattr(audit_chain, "_BATCH", 7)
    chain = verified(place, organisation)
    assert (chain.rows, chain.broken) == (31, None)


def test_chains_that_grow_meanwhile_and_empty_ones_are_whole(place: PostgresPlace) -> None:
    organisation = fill(place, "growing")

    async def work(postgres: Postgres) -> list[Chain]:
        async def grow() -> None:
            for _ in range(20):
                await _act(postgres, organisation)

        growing = asyncio.create_task(grow())
        found = [await audit_chain.verify(postgres, organisation) for _ in range(20)]
        await growing
        return found

    assert {chain.broken for chain in using(place, work)} == {None}
    assert verified(place, "00000000-0000-7000-8000-000000000000") == Chain(0, End(0, b""), None)


@settings(max_examples=80)
@given(
    actor=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
    detail=st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")), inner, max_size=3
            )
        ),
        max_leaves=6,
    ),
)
def test_we_write_a_row_as_the_database_does(actor: str, detail: object, place: PostgresPlace) -> None:
    with psycopg.connect(place.serving.reveal(), row_factory=psycopg.rows.dict_row) as connection:
        row = connection.execute(
            """
            select a.org_id, a.seq, a.at, a.actor, a.act, a.subject, a.detail::text, audit_text(a) as told
            from (select (gen_random_uuid(), 7, clock_timestamp(), %s, 'a', 'b', %s::jsonb, '', '')::audit as a) as one,
                 lateral (select (a).*) as a
            """,
            (actor, json.dumps(detail)),
        ).fetchone()
    assert row is not None
    assert audit_chain.text(row) == row["told"]


@pytest.mark.parametrize(
    "statement",
    [
        "update audit set actor = 'x'",
        "delete from audit",
        "truncate audit",
        "insert into audit select * from audit",
        "update audit_head set seq = 0",
        "delete from audit_head",
        "insert into audit_head values (gen_random_uuid(), 0, '')",
        "alter table audit disable trigger append_only",
    ],
)
def test_nobody_who_serves_touches_the_trail(statement: str, place: PostgresPlace) -> None:
    organisation = fill(place, f"untouched-{uuid7()[-12:]}")
    with psycopg.connect(place.serving.reveal()) as connection:
        connection.execute("select set_config('app.org_id', %s, true)", (organisation,))
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(statement)  # type: ignore[arg-type]


@pytest.mark.parametrize("statement", ["update audit set actor = 'x'", "delete from audit", "truncate audit"])
def test_even_its_owner_is_refused_by_the_trigger(statement: str, place: PostgresPlace, database: str) -> None:
    with psycopg.connect(database) as connection:
        connection.execute("set search_path = syntra")
        with pytest.raises(psycopg.errors.RaiseException, match="append-only"):
            connection.execute(statement)  # type: ignore[arg-type]


def run(database: str, folder: Path, *arguments: str) -> Result:
    env = {"DATABASE_URL": database, "SECRET_KEY": SECRET_KEY, "SYNTRA_DATA_DIR": str(folder)}
    return CliRunner().invoke(command, list(arguments), env=env)


def test_the_command_says_which_row_and_exits_so(place: PostgresPlace, database: str, tmp_path: Path) -> None:
    organisation, other = fill(place, "told"), fill(place, "whole")
    end = verified(place, other).end
    whole = run(database, tmp_path, "verify", "--org", "whole")
    assert (whole.exit_code, str(end) in whole.stdout.replace("\n", "")) == (0, True)
    assert run(database, tmp_path, "verify", "--org", "whole", "--expect", str(end)).exit_code == 0
    assert run(database, tmp_path, "verify", "--org", "whole", "--expect", f"3:{'0' * 64}").exit_code == 1
    tamper(database, "delete from audit where org_id = %(org)s and seq = 3", organisation=organisation)
    found = run(database, tmp_path, "verify", "--org", "told")
    assert found.exit_code == 1
    assert "row 3 missing: 3" in found.stdout
    every = run(database, tmp_path, "verify")
    assert every.exit_code == 1
    assert "whole" in every.stdout
    nobody = run(database, tmp_path, "verify", "--org", "nobody")
    assert (nobody.exit_code, "There is no organisation" in nobody.stderr) == (1, True)
    for wrong in (["--expect", str(end)], ["--org", "whole", "--expect", "x"]):
        assert run(database, tmp_path, "verify", *wrong).exit_code == 2
    shown = run(database, tmp_path, "show", "--org", "whole", "--last", "2")
    assert shown.exit_code == 0
    assert shown.stdout.count("limits.update") == 2
