"""Sets the database up: roles, tables, and what is changed later, under a lock, by whoever comes first."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Final, cast

import psycopg
from msgspec import Struct
from psycopg import sql
from psycopg.abc import Query

from gateway.core.secret import Secret
from gateway.stores.breaker import Unavailable
from gateway.stores.postgres import MAY_TOO_MUCH
from gateway.stores.postgres_place import SERVING, PostgresPlace

WHOLE: Final = Path(__file__).with_name("schema.sql")  # a link to the one at the top
CHANGES: Final = Path(__file__).with_name("changes")  # 0001-what-it-does.sql, …
_NAME: Final = re.compile(r"(\d{4})-[a-z0-9-]+\.sql")
_LOCK: Final = 0x73796E747261  # "syntra"
_OLDEST: Final = 150000  # PostgreSQL 15: `security_invoker`, `unique nulls`, and still mended


class SchemaError(Exception):
    """A database that cannot be used as it is; the message says what to do."""


class Change(Struct, frozen=True):
    """A numbered file."""

    number: int
    name: str
    text: str


def changes(folder: Path = CHANGES) -> list[Change]:
    """The numbered files, in their order. Raises SchemaError for a name without a number or a number twice."""
    found: dict[int, Change] = {}
    for path in sorted(folder.glob("*.sql")):
        match = _NAME.fullmatch(path.name)
        if match is None or int(match[1]) in found:
            raise SchemaError(f"{path}: a change is named like 0001-what-it-does.sql, each number once")
        found[int(match[1])] = Change(int(match[1]), path.name, path.read_text("utf-8"))
    return list(found.values())


def migrate(place: PostgresPlace, secret_check: bytes, folder: Path = CHANGES) -> list[str]:
    """Bring the database up to date, if the URL's user may; what was applied. Raises SchemaError or Unavailable.

    Blocks. Several may do it at once: each waits for the lock, and finds the work done.
    """
    try:
        if place.owner is None:
            applied: list[str] = []
        else:
            with _connected(place.owner) as owner:
                applied = _apply(owner, place, changes(folder))
        with _connected(place.serving) as serving:
            _check(serving, place, secret_check, changes(folder))
        return applied
    except psycopg.OperationalError as error:
        raise _trouble(place, error) from None


def pending(place: PostgresPlace, folder: Path = CHANGES) -> list[str]:
    """What `migrate` would apply. Raises SchemaError or Unavailable."""
    wanted = [change.name for change in changes(folder)]
    try:
        with _connected(place.owner or place.serving) as connection:
            if connection.execute("select to_regclass('syntra.change') is null").fetchone() == (True,):
                return [WHOLE.name, *wanted]
            done = {name for (name,) in connection.execute("select name from syntra.change")}
    except psycopg.OperationalError as error:
        raise _trouble(place, error) from None
    whole = [] if _digest() in done else [WHOLE.name]
    return whole + [name for name in wanted if name not in done]


def _trouble(place: PostgresPlace, error: psycopg.OperationalError) -> SchemaError | Unavailable:
    """What a failed connection means; libpq gives its words alone, and no code."""
    words = str(error)
    if any(known in words for known in ("authentication failed", "pg_hba.conf", "not permitted to log in")) or (
        "role " in words and "does not exist" in words
    ):
        return SchemaError(f"PostgreSQL at {place} refuses the user or the password of DATABASE_URL.")
    if "database " in words and "does not exist" in words:
        return SchemaError(f"PostgreSQL at {place} has no database of that name; make it, or name another.")
    return Unavailable(f"PostgreSQL at {place} does not answer")


def _digest() -> str:
    """What tells one schema.sql from another."""
    return hashlib.sha256(WHOLE.read_bytes()).hexdigest()


def _connected(where: Secret) -> psycopg.Connection[tuple[object, ...]]:
    return psycopg.connect(where.reveal(), autocommit=True)


def _apply(owner: psycopg.Connection[tuple[object, ...]], place: PostgresPlace, wanted: list[Change]) -> list[str]:
    if owner.info.server_version < _OLDEST:
        raise SchemaError(f"PostgreSQL at {place} is version {owner.info.server_version // 10000}; 15 is the oldest.")
    owner.execute("select pg_advisory_lock(%s)", (_LOCK,))
    try:
        with owner.transaction():
            _apply_whole(owner)
            done = {row[0] for row in owner.execute("select number from syntra.change")}
            applied = [change for change in wanted if change.number not in done]
            for change in applied:
                _run(owner, f"set role syntra_owner; set search_path = syntra; {change.text}; reset role")
                owner.execute("insert into syntra.change (number, name) values (%s, %s)", (change.number, change.name))
            password = sql.Literal(place.password.reveal())
            owner.execute(sql.SQL("alter role {} login password {}").format(sql.Identifier(SERVING), password))
            owner.execute(
                sql.SQL("grant connect on database {} to {}").format(
                    sql.Identifier(owner.info.dbname), sql.Identifier(SERVING)
                )
            )
    except psycopg.errors.InsufficientPrivilege as error:
        raise SchemaError(
            f"The user of DATABASE_URL may not set the database up ({error.diag.message_primary}). Run "
            "`syntra migrate` once with the URL of a user who may create roles; the gateway serves as syntra_app."
        ) from None
    finally:
        owner.execute("select pg_advisory_unlock(%s)", (_LOCK,))
    return [change.name for change in applied]


def _apply_whole(owner: psycopg.Connection[tuple[object, ...]]) -> None:
    """Apply schema.sql, unless this very text was the last that was: its locks would wait for whoever reads."""
    digest = _digest()
    known = owner.execute("select to_regclass('syntra.change') is not null").fetchone()
    if (
        known == (True,)
        and owner.execute("select from syntra.change where number = 0 and name = %s", (digest,)).rowcount
    ):
        return
    _run(owner, WHOLE.read_text("utf-8"))
    owner.execute(
        "insert into syntra.change (number, name) values (0, %s)"
        " on conflict (number) do update set name = excluded.name, applied_at = now()",
        (digest,),
    )


def _run(connection: psycopg.Connection[tuple[object, ...]], text: str) -> None:
    connection.execute(cast("Query", text.encode()))


def _check(
    serving: psycopg.Connection[tuple[object, ...]], place: PostgresPlace, secret_check: bytes, wanted: list[Change]
) -> None:
    """Who serves is humble, the tables are those of this version, and the SECRET_KEY is theirs."""
    try:
        row = serving.execute(MAY_TOO_MUCH).fetchone()
        done = {number for (number,) in serving.execute("select number from syntra.change")}
    except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName, psycopg.errors.InsufficientPrivilege):
        raise SchemaError(f"The database {place} is not set up: run `syntra migrate` with its owner's URL.") from None
    if row is None or row[0]:
        raise SchemaError(
            "The role syntra_app may do more than it should: it must be no superuser, have neither BYPASSRLS nor "
            "CREATEROLE, own nothing and truncate nothing. Take that from it, and start again."
        )
    if missing := [change.name for change in wanted if change.number not in done]:
        raise SchemaError(
            f"The database {place} lacks {', '.join(missing)}: run `syntra migrate` with its owner's URL."
        )
    serving.execute("insert into installation (secret_check) values (%s) on conflict do nothing", (secret_check,))
    kept = serving.execute("select secret_check from installation").fetchone()
    if kept is None or kept[0] != secret_check:
        raise SchemaError(
            f"The database {place} was set up with another SECRET_KEY: its keys would not be known here. Set "
            "SECRET_KEY to that of the other gateways (or copy the file `secret` of their data directory)."
        )
