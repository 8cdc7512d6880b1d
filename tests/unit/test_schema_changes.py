"""The database is set up once, whoever comes first, and later changes are applied in their order."""

from __future__ import annotations

import asyncio
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from gateway.core.ids import uuid7
from gateway.core.limits import Limits
from gateway.stores import organisations, postgres_place, schema
from gateway.stores.breaker import Unavailable
from gateway.stores.organisations import NewKey
from gateway.stores.postgres import Postgres
from gateway.stores.schema import SchemaError
from tests.fakes.engines import PostgresEngine
from tests.fakes.tenants import FILL, PEPPER

CHECK = PEPPER.check


@pytest.fixture
def url(postgres_engine: PostgresEngine) -> str:
    with postgres_engine.database() as conninfo:
        yield conninfo  # type: ignore[misc]


def test_eight_workers_at_once_set_up_once(url: str, tmp_path: Path) -> None:
    (tmp_path / "0001-a-note.sql").write_text("create table note (text text not null);")
    place = postgres_place.place(url)
    with ThreadPoolExecutor(8) as pool:
        applied = list(pool.map(lambda _: schema.migrate(place, CHECK, tmp_path), range(8)))
    assert sorted(map(len, applied)) == [0] * 7 + [1]


def test_changes_are_applied_in_order_once_and_by_the_owner_of_the_tables(url: str, tmp_path: Path) -> None:
    place = postgres_place.place(url)
    (tmp_path / "0001-a-note.sql").write_text("create table note (text text not null);")
    (tmp_path / "0002-first.sql").write_text("insert into note values ('x');")
    assert schema.migrate(place, CHECK, tmp_path) == ["0001-a-note.sql", "0002-first.sql"]
    (tmp_path / "0003-second.sql").write_text("insert into note select text || 'y' from note;")
    assert schema.migrate(place, CHECK, tmp_path) == ["0003-second.sql"]
    assert schema.migrate(place, CHECK, tmp_path) == []
    with psycopg.connect(url) as connection:
        assert connection.execute("select text from syntra.note order by 1").fetchall() == [("x",), ("xy",)]
        owner = connection.execute("select tableowner from pg_tables where tablename = 'note'").fetchone()
    assert owner == ("syntra_owner",)


def fill(place: postgres_place.PostgresPlace, limits: Limits) -> organisations.Organisation:
    """A row in every table that an organisation has."""

    async def rows() -> organisations.Organisation:
        async with Postgres(place) as postgres:
            made = await organisations.create_organisation(postgres, "acme", "test", limits)
            assert made is not None
            await organisations.create_key(postgres, PEPPER, made.id, NewKey("laptop", limits=limits), "test")
            async with postgres.tenant(made.id) as cursor:
                await cursor.execute(FILL, {"org": made.id, "id": uuid7()})
            return made

    return asyncio.run(rows())


def kept(url: str) -> dict[str, list[tuple[str]]]:
    """Every row of every table as JSON, but which changes were applied, and when."""
    with psycopg.connect(url) as connection:
        connection.execute("set search_path = syntra")
        names = [name for (name,) in connection.execute("select tablename from pg_tables where schemaname = 'syntra'")]
        return {
            name: connection.execute(
                sql.SQL("select to_jsonb(t)::text from {} t order by 1").format(sql.Identifier(name))
            ).fetchall()
            for name in names
            if name != "change"
        }


def test_the_schema_is_applied_again_over_rows_and_loses_none(url: str) -> None:
    place = postgres_place.place(url)
    schema.migrate(place, CHECK)
    fill(place, Limits(usd_per_day=5.0))
    before = kept(url)
    assert all(before.values()), [name for name, found in before.items() if not found]
    with psycopg.connect(url, autocommit=True) as connection:  # as if another text had been the last
        connection.execute("update syntra.change set name = 'another' where number = 0")
    assert schema.pending(place) == ["schema.sql"]
    schema.migrate(place, CHECK)
    assert schema.pending(place) == []
    assert kept(url) == before
    with psycopg.connect(url, autocommit=True) as connection:  # and by hand, as a whole, with nothing asked
        for _ in range(2):
            connection.execute(schema.WHOLE.read_text("utf-8").encode())
    assert kept(url) == before


def test_the_database_of_an_older_version_keeps_its_rows_and_its_limits(url: str, tmp_path: Path) -> None:
    place = postgres_place.place(url)
    schema.migrate(place, CHECK)
    made = fill(place, Limits(usd_per_day=5.0))
    with psycopg.connect(url, autocommit=True) as connection:  # before the first change
        connection.execute("alter table syntra.organisation drop column ceiling")
        connection.execute("delete from syntra.change where number > 0")
        connection.execute("update syntra.change set name = 'older' where number = 0")
    before = kept(url)
    assert schema.pending(place) == ["schema.sql", *(change.name for change in schema.changes())]
    assert schema.migrate(place, CHECK) == [change.name for change in schema.changes()]
    after = kept(url)
    with psycopg.connect(url) as connection:
        row = connection.execute("select id, limits, ceiling from syntra.organisation").fetchone()
        forced = connection.execute(
            "select relforcerowsecurity from pg_class where oid = 'syntra.organisation'::regclass"
        ).fetchone()
    assert row is not None
    assert (str(row[0]), *row[1:]) == (made.id, {"usd_per_day": 5.0}, {"usd_per_day": 5.0})
    assert forced == (True,)
    assert after | {"organisation": before["organisation"]} == before
    (tmp_path / "9999-later.sql").write_text("alter table member add column note text not null default 'none';")
    assert schema.migrate(place, CHECK, tmp_path) == ["9999-later.sql"]
    assert len(kept(url)["member"]) == 1


def test_a_change_that_fails_leaves_nothing_behind(url: str, tmp_path: Path) -> None:
    (tmp_path / "0001-good.sql").write_text("create table note (text text);")
    (tmp_path / "0002-bad.sql").write_text("create table more (text text); select 1 / 0;")
    with pytest.raises(psycopg.errors.DivisionByZero):
        schema.migrate(postgres_place.place(url), CHECK, tmp_path)
    with psycopg.connect(url) as connection:
        assert connection.execute("select to_regclass('syntra.note'), to_regclass('syntra.more')").fetchone() == (
            None,
            None,
        )


@pytest.mark.parametrize("names", [["1-a.sql"], ["0001-a.sql", "0001-b.sql"], ["0001_A.sql"]])
def test_a_change_has_a_number_of_its_own(names: list[str], tmp_path: Path) -> None:
    for name in names:
        (tmp_path / name).write_text("select 1")
    with pytest.raises(SchemaError, match="0001-what-it-does"):
        schema.changes(tmp_path)


def test_the_changes_that_we_ship_can_be_read() -> None:
    assert [change.number for change in schema.changes()] == sorted(change.number for change in schema.changes())
    assert schema.WHOLE.read_text("utf-8").startswith("-- Everything that Syntra keeps")


def test_another_secret_key_is_refused_before_anybody_is_told_that_his_key_is_unknown(url: str) -> None:
    place = postgres_place.place(url)
    schema.migrate(place, CHECK)
    with pytest.raises(SchemaError, match="SECRET_KEY"):
        schema.migrate(place, b"another")
    schema.migrate(place, CHECK)


@pytest.mark.parametrize("more", ["bypassrls", "createrole", "superuser"])
def test_who_serves_may_not_do_more_than_serve(more: str, url: str) -> None:
    place = postgres_place.place(url)
    schema.migrate(place, CHECK)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(sql.SQL("alter role syntra_app {}").format(sql.SQL(more)))  # type: ignore[arg-type]
        try:
            with pytest.raises(SchemaError, match="more than it should"):
                schema.migrate(place, CHECK)
        finally:
            connection.execute(sql.SQL("alter role syntra_app no{}").format(sql.SQL(more)))  # type: ignore[arg-type]


def test_who_may_not_set_up_is_told_who_may(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("drop role if exists nobody_much")
        connection.execute(sql.SQL("create role nobody_much login password {}").format(connection.info.password or "x"))
    weak = url.replace("user=postgres", "user=nobody_much")
    with pytest.raises(SchemaError, match="syntra migrate"):
        schema.migrate(postgres_place.place(weak), CHECK)


def test_a_database_that_is_not_set_up_is_told_how(url: str) -> None:
    place = postgres_place.place(url)
    schema.migrate(place, CHECK)  # so that the role is there
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("drop schema syntra cascade")
    with pytest.raises(SchemaError, match="syntra migrate"):
        schema.migrate(postgres_place.place(place.serving.reveal()), CHECK)


def test_a_user_or_a_database_that_is_not_there_is_a_mistake_and_not_waited_for(url: str) -> None:
    nobody = url.replace("user=postgres", "user=never_made")
    with pytest.raises(SchemaError, match="refuses the user or the password"):
        schema.migrate(postgres_place.place(nobody), CHECK)
    nowhere = re.sub(r"dbname=\S+", "dbname=never_made", url)
    with pytest.raises(SchemaError, match="no database of that name"):
        schema.migrate(postgres_place.place(nowhere), CHECK)


def test_nobody_there_is_nobodys_mistake() -> None:
    with pytest.raises(Unavailable):
        schema.migrate(postgres_place.place("postgresql://u:p@127.0.0.1:9/d"), CHECK)
