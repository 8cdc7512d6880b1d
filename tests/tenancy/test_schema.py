"""The database itself keeps organisations apart: read from its catalogue, and tried."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.rows import dict_row

from gateway.core.ids import uuid7
from gateway.stores import organisations, postgres_place, schema
from gateway.stores.organisations import NewKey
from gateway.stores.postgres import Postgres
from gateway.stores.postgres_place import PostgresPlace
from gateway.stores.rows import SQLModel
from gateway.stores.schema import SchemaError
from tests.fakes.tenants import FILL, PEPPER, set_up

# Tables that belong to no organisation, each with its reason.
EVERYBODYS = {
    "installation": "one row, a digest that only the right SECRET_KEY gives",
    "change": "the numbered files that have been applied",
}
# Constraints of an organisation's tables that do not begin with it, each with its reason.
EXCEPTIONS = {
    "organisation_pkey": "the organisation's id is what the others begin with",
    "organisation_name_key": "a name stands in a path for the id, so it means one organisation; only the operator, who "
    "sees all names, gives names, so nobody learns from it that another exists",
}
ACME, GLOBEX = "acme", "globex"


@pytest.fixture(scope="module")
def place(database: str) -> PostgresPlace:
    place = set_up(database)

    async def fill() -> None:
        async with Postgres(place) as postgres:
            for name in (ACME, GLOBEX):
                made = await organisations.create_organisation(postgres, name, "test")
                assert made is not None
                await organisations.create_key(postgres, PEPPER, made.id, NewKey("laptop"), "test")
                async with postgres.tenant(made.id) as cursor:
                    await cursor.execute(FILL, {"org": made.id, "id": uuid7()})

    asyncio.run(fill())
    return place


@pytest.fixture
def owner(database: str, place: PostgresPlace) -> Iterator[psycopg.Connection[dict[str, Any]]]:
    with psycopg.connect(database, row_factory=dict_row, autocommit=True) as connection:
        connection.execute("set search_path = syntra")
        yield connection


@pytest.fixture
def serving(place: PostgresPlace) -> Iterator[psycopg.Connection[dict[str, Any]]]:
    with psycopg.connect(place.serving.reveal(), row_factory=dict_row, autocommit=True) as connection:
        yield connection


def rows(connection: psycopg.Connection[dict[str, Any]], query: str, *values: object) -> list[dict[str, Any]]:
    return connection.execute(query, values).fetchall()  # type: ignore[arg-type]


def tenants(owner: psycopg.Connection[dict[str, Any]]) -> list[str]:
    """The tables that hold what is an organisation's."""
    found = rows(
        owner,
        """
        select c.relname from pg_class c
        where c.relnamespace = 'syntra'::regnamespace and c.relkind in ('r', 'p', 'm', 'v', 'f') and (
            c.relname = 'organisation' or exists (
                select from pg_attribute a where a.attrelid = c.oid and a.attname = 'org_id' and not a.attisdropped))
        """,
    )
    return [row["relname"] for row in found]


def test_every_table_is_an_organisations_or_named_here(owner: psycopg.Connection[dict[str, Any]]) -> None:
    every = rows(
        owner,
        "select relname, relkind from pg_class "
        "where relnamespace = 'syntra'::regnamespace and relkind not in ('i', 'I', 'S', 'c')",
    )
    assert {row["relname"] for row in every} == set(tenants(owner)) | set(EVERYBODYS)
    assert {row["relkind"] for row in every} == {"r"}  # a view would pass the policies of its tables by


def test_row_level_security_is_on_and_forced_with_one_policy_for_who_serves(
    owner: psycopg.Connection[dict[str, Any]],
) -> None:
    for name in tenants(owner):
        (table,) = rows(
            owner, "select relrowsecurity, relforcerowsecurity from pg_class where oid = %s::regclass", name
        )
        assert table == {"relrowsecurity": True, "relforcerowsecurity": True}, name
        policies = rows(owner, "select * from pg_policies where schemaname = 'syntra' and tablename = %s", name)
        tenant = "id" if name == "organisation" else "org_id"
        expected = f"({tenant} = (current_setting('app.org_id'::text))::uuid)"  # an error where none is set
        (ours,) = [one for one in policies if one["roles"] != ["syntra_door"]]
        assert (ours["roles"], ours["cmd"], ours["permissive"]) == (["syntra_app"], "ALL", "PERMISSIVE"), name
        assert (ours["qual"], ours["with_check"]) == (expected, expected), name


def test_the_door_looks_and_does_not_touch(owner: psycopg.Connection[dict[str, Any]]) -> None:
    granted = rows(
        owner,
        "select table_name, privilege_type from information_schema.role_table_grants "
        "where grantee = 'syntra_door' and table_schema = 'syntra' and privilege_type <> 'SELECT'",
    )
    assert {(row["table_name"], row["privilege_type"]) for row in granted} == {
        ("decision", "DELETE"),  # what is older than a week; the policy says so
        ("response", "DELETE"),  # what is older than 30 days
        ("audit", "INSERT"),
        ("audit_head", "INSERT"),
        ("audit_head", "UPDATE"),
    }
    functions = rows(
        owner,
        "select p.oid::regprocedure::text as name, r.rolname, p.proconfig, p.proacl::text from pg_proc p "
        "join pg_roles r on r.oid = p.proowner where p.pronamespace = 'syntra'::regnamespace and p.prosecdef",
    )
    assert functions
    for one in functions:
        assert one["rolname"] == "syntra_door", one
        assert one["proconfig"] == ["search_path=syntra, pg_temp"], one
        assert "=X/" not in one["proacl"].replace("syntra_door=X/", "").replace("syntra_app=X/", ""), one


def test_every_key_and_constraint_of_an_organisations_table_begins_with_it(
    owner: psycopg.Connection[dict[str, Any]],
) -> None:
    unique = rows(
        owner,
        """
        select i.indexrelid::regclass::text as name, a.attname as first from pg_index i
        join pg_class c on c.oid = i.indrelid and c.relnamespace = 'syntra'::regnamespace
        join pg_attribute a on a.attrelid = c.oid and a.attnum = i.indkey[0]
        where i.indisunique and c.relname = any(%s)
        """,
        tenants(owner),
    )
    assert {row["name"] for row in unique if row["first"] != "org_id"} == set(EXCEPTIONS)
    foreign = rows(
        owner,
        """
        select k.conname, a.attname as first from pg_constraint k
        join pg_attribute a on a.attrelid = k.conrelid and a.attnum = k.conkey[1]
        where k.contype = 'f' and k.connamespace = 'syntra'::regnamespace
        """,
    )
    assert foreign
    assert {row["first"] for row in foreign} == {"org_id"}


def test_who_serves_is_humble(owner: psycopg.Connection[dict[str, Any]]) -> None:
    for role in ("syntra_app", "syntra_door", "syntra_owner"):
        (found,) = rows(owner, "select * from pg_roles where rolname = %s", role)
        for power in ("rolsuper", "rolbypassrls", "rolcreaterole", "rolcreatedb", "rolreplication"):
            assert not found[power], (role, power)
        assert found["rolcanlogin"] == (role == "syntra_app")
    assert rows(owner, "select from pg_class where relowner = 'syntra_app'::regrole") == []
    assert rows(owner, "select from pg_proc where proowner = 'syntra_app'::regrole") == []
    assert rows(owner, "select from pg_auth_members where member = 'syntra_app'::regrole") == []
    assert not rows(owner, "select has_schema_privilege('syntra_app', 'syntra', 'create') as may")[0]["may"]
    granted = rows(
        owner,
        "select table_name, privilege_type from information_schema.role_table_grants "
        "where grantee in ('syntra_app', 'PUBLIC') and table_schema = 'syntra'",
    )
    powers = {row["privilege_type"] for row in granted}
    assert powers <= {"SELECT", "INSERT", "UPDATE", "DELETE"}
    kept = {row["table_name"] for row in granted if row["privilege_type"] in ("UPDATE", "DELETE")}
    kept_for_users = {"memory", "memory_gone", "memory_owed", "memory_choice", "thread", "message"}
    assert kept == {"organisation", "member", "api_key", "provider_key", "response", "response_item"} | kept_for_users


def test_forgetting_the_organisation_is_an_error_at_first_and_after_anothers_turn(
    serving: psycopg.Connection[dict[str, Any]], owner: psycopg.Connection[dict[str, Any]]
) -> None:
    names = tenants(owner)
    (acme,) = rows(owner, "select id from organisation where name = %s", ACME)
    for _ in ("a fresh connection", "after another's turn"):
        for name in names:
            query = sql.SQL("select * from {}").format(sql.Identifier(name))
            with pytest.raises(psycopg.Error, match=r"app\.org_id|invalid input syntax for type uuid"):
                serving.execute(query)
        with serving.transaction():
            serving.execute("select set_config('app.org_id', %s, true)", (str(acme["id"]),))
            assert len(rows(serving, "select * from api_key")) == 1


def test_another_organisations_rows_are_not_there(
    serving: psycopg.Connection[dict[str, Any]], owner: psycopg.Connection[dict[str, Any]]
) -> None:
    ids = {row["name"]: str(row["id"]) for row in rows(owner, "select id, name from organisation")}
    for name in tenants(owner):
        tenant = sql.Identifier("id" if name == "organisation" else "org_id")
        select = sql.SQL("select * from {} where {} = %s").format(sql.Identifier(name), tenant)
        for mine, theirs in ((ACME, GLOBEX), (GLOBEX, ACME)):
            with serving.transaction():
                serving.execute("select set_config('app.org_id', %s, true)", (ids[mine],))
                assert serving.execute(select, (ids[mine],)).fetchall(), name
                assert serving.execute(select, (ids[theirs],)).fetchall() == [], name


def test_nothing_can_be_written_for_another_organisation(
    serving: psycopg.Connection[dict[str, Any]], owner: psycopg.Connection[dict[str, Any]]
) -> None:
    ids = {row["name"]: str(row["id"]) for row in rows(owner, "select id, name from organisation")}
    attempts = (
        "insert into member (org_id, id, email, role) values (%s, gen_random_uuid(), 'm@x.org', 'owner')",
        "update member set org_id = %s",
        "insert into organisation (id, name) select %s, 'third'",
        "insert into decision (org_id, id, at, record) values (%s, gen_random_uuid(), now(), '{}')",
    )
    for attempt in attempts:
        with serving.transaction(force_rollback=True):
            serving.execute("select set_config('app.org_id', %s, true)", (ids[ACME],))
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match="row-level security"):
                serving.execute(attempt, (ids[GLOBEX],))  # type: ignore[arg-type]
    with serving.transaction():
        serving.execute("select set_config('app.org_id', %s, true)", (ids[ACME],))
        assert serving.execute("delete from member where org_id = %s", (ids[GLOBEX],)).rowcount == 0


@pytest.mark.parametrize("name", ["ledger", "audit", "api_key", "organisation"])
def test_nobody_who_serves_truncates(name: str, serving: psycopg.Connection[dict[str, Any]]) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        serving.execute(sql.SQL("truncate {}").format(sql.Identifier(name)))


def test_a_start_as_somebody_who_may_pass_the_policies_by_is_refused(
    database: str, owner: psycopg.Connection[dict[str, Any]]
) -> None:
    place = postgres_place.place(database)
    owner.execute("alter role syntra_app bypassrls")
    try:
        with pytest.raises(SchemaError, match="BYPASSRLS"):
            schema.migrate(place, PEPPER.check)
    finally:
        owner.execute("alter role syntra_app nobypassrls")
    owner.execute("grant truncate on syntra.ledger to syntra_app")
    try:
        with pytest.raises(SchemaError, match="truncate"):
            schema.migrate(place, PEPPER.check)
    finally:
        owner.execute("revoke truncate on syntra.ledger from syntra_app")
    schema.migrate(place, PEPPER.check)


def test_the_classes_have_the_columns_of_the_tables(owner: psycopg.Connection[dict[str, Any]]) -> None:
    for name, table in SQLModel.metadata.tables.items():
        found = rows(
            owner,
            "select column_name, is_nullable from information_schema.columns "
            "where table_schema = 'syntra' and table_name = %s",
            name,
        )
        assert {row["column_name"] for row in found} == {column.name for column in table.columns}, name
        nullable = {row["column_name"] for row in found if row["is_nullable"] == "YES"}
        assert nullable == {column.name for column in table.columns if column.nullable}, name
    kept_for_users = {"memory", "memory_gone", "memory_owed", "memory_choice", "thread", "message"}
    others = {"audit_head", "response", "response_item"} | kept_for_users
    assert set(SQLModel.metadata.tables) == set(tenants(owner)) - others
