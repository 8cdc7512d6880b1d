"""Organisations and the keys that they are given: what the first start, the command line and the API all do.

Functions that take a cursor belong into a transaction of `Postgres.tenant`; the others open one. Each writes its row of
the audit trail in the transaction of what it tells about, so there is never one without the other.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec
from msgspec import Struct
from psycopg import AsyncCursor
from psycopg.rows import DictRow

from gateway.core.apikey import ApiKey, Pepper, make
from gateway.core.caller import EVERYTHING, Role, Scopes
from gateway.core.ids import uuid7
from gateway.core.limits import NO_LIMITS, Limits
from gateway.core.memories import Mode
from gateway.stores.postgres import Postgres, Row

FIRST: Final = "local"  # the operator: the organisation of the first start
STARTED: Final = "start"  # who does what a start does
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
_UUID: Final = re.compile(r"[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}")

Cursor = AsyncCursor[DictRow]


class Organisation(Struct, frozen=True):
    """An organisation as it is looked up."""

    id: str  # with dashes, as every id that the database gives
    name: str
    operator: bool = False
    limits: Limits = NO_LIMITS


class NewKey(Struct, frozen=True):
    """What a key shall be; the key itself is made here."""

    name: str
    role: Role = "member"
    person: str = ""
    persona: bool = True
    memory: Mode = "read-write"
    scopes: Scopes = EVERYTHING
    limits: Limits = NO_LIMITS
    expires_at: datetime | None = None


def is_name(text: str) -> bool:
    """Whether an organisation may be called so: never like an id, since a path takes either."""
    return _NAME.fullmatch(text) is not None and _UUID.fullmatch(text) is None


async def audit(cursor: Cursor, actor: str, act: str, subject: str, detail: Mapping[str, Any]) -> None:
    """Add a row to the audit trail of the organisation that is set; `detail` must hold no secret."""
    await cursor.execute(
        "select audit_add(%s, %s, %s, %s::jsonb)", (actor, act, subject, msgspec.json.encode(detail).decode())
    )


async def organisation_named(postgres: Postgres, name: str) -> Organisation | None:
    """The organisation that is called so, unless it is deleted."""
    rows = await postgres.call("select id, operator, limits from organisation_named(%s)", name)
    return next((Organisation(str(row["id"]), name, row["operator"], _limits(row["limits"])) for row in rows), None)


async def create_organisation(
    postgres: Postgres, name: str, actor: str, limits: Limits = NO_LIMITS, *, operator: bool = False
) -> Organisation | None:
    """Make an organisation; None where the name is taken, if only by one that is deleted."""
    fresh = str(UUID(uuid7()))
    async with postgres.tenant(fresh) as cursor:
        return await add_organisation(cursor, Organisation(fresh, name, operator, limits), actor)


async def add_organisation(cursor: Cursor, made: Organisation, actor: str) -> Organisation | None:
    """Make an organisation in its own transaction; None where the name is taken."""
    limits = msgspec.to_builtins(made.limits)
    text = msgspec.json.encode(limits).decode()
    await cursor.execute(
        """
        insert into organisation (id, name, operator, limits, ceiling) values (%s, %s, %s, %s::jsonb, %s::jsonb)
        on conflict do nothing
        """,
        (made.id, made.name, made.operator, text, text),
    )
    if not cursor.rowcount:
        return None
    await audit(cursor, actor, "organisation.create", made.id, {"name": made.name, "limits": limits})
    return made


async def create_key(
    postgres: Postgres, pepper: Pepper, organisation: str, wanted: NewKey, actor: str
) -> tuple[str, ApiKey]:
    """Make a key of an organisation; its id, and the key, which nobody can show again."""
    async with postgres.tenant(organisation) as cursor:
        return await add_key(cursor, pepper, organisation, wanted, actor)


async def add_key(cursor: Cursor, pepper: Pepper, organisation: str, wanted: NewKey, actor: str) -> tuple[str, ApiKey]:
    """Make a key in the transaction of its organisation."""
    key = make()
    key_id = await _insert_key(cursor, pepper, organisation, key, wanted, actor)
    if key_id is None:
        raise RuntimeError("48 random bits were drawn twice")
    return key_id, key


async def keys_of(cursor: Cursor) -> list[Row]:
    """The keys of the organisation that is set, in the order in which they were made."""
    await cursor.execute(
        """
        select id, public, name, role, person, scopes, limits, expires_at, revoked_at, last_used_on, created_at,
               coalesce(expires_at <= now(), false) as is_over
        from api_key order by id
        """
    )
    return await cursor.fetchall()


async def revoke_key(cursor: Cursor, named: str, actor: str) -> str | None:
    """Revoke the key of this id or public part; its id, or None where there is none that is not revoked."""
    await cursor.execute(
        """
        update api_key set revoked_at = now() where revoked_at is null and (id::text = %s or public = %s)
        returning id, name
        """,
        (named, named),
    )
    row = await cursor.fetchone()
    if row is None:
        return None
    await audit(cursor, actor, "key.revoke", str(row["id"]), {"name": row["name"]})
    return str(row["id"])


async def ensure_first(postgres: Postgres, key: ApiKey, pepper: Pepper) -> Organisation:
    """The operator's organisation, and in it the key of the key file as an owner's; does nothing where they are.

    Several workers may do it at once. A key that was revoked stays revoked.
    """
    first = await organisation_named(postgres, FIRST)
    if first is None:
        first = await create_organisation(postgres, FIRST, STARTED, operator=True)
    if first is None:  # another worker was faster: its row is there now
        first = await organisation_named(postgres, FIRST)
    if first is None:
        raise RuntimeError(f"the organisation '{FIRST}' is deleted")
    wanted = NewKey("the first start's key", role="owner")
    async with postgres.tenant(first.id) as cursor:
        await _insert_key(cursor, pepper, first.id, key, wanted, STARTED)
    return first


async def _insert_key(
    cursor: Cursor, pepper: Pepper, organisation: str, key: ApiKey, wanted: NewKey, actor: str
) -> str | None:
    """The id of the new key; None where its public part is there already."""
    key_id = str(UUID(uuid7()))
    told: dict[str, Any] = msgspec.to_builtins(wanted)
    await cursor.execute(
        """
        insert into api_key
            (org_id, id, public, digest, name, role, person, persona, memory, scopes, limits, expires_at)
        values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s::jsonb, %s::jsonb, %s) on conflict (org_id, public) do nothing
        """,
        (
            organisation,
            key_id,
            key.public,
            pepper.digest(key),
            wanted.name,
            wanted.role,
            wanted.person,
            wanted.persona,
            wanted.memory,
            msgspec.json.encode(wanted.scopes).decode(),
            msgspec.json.encode(wanted.limits).decode(),
            wanted.expires_at,
        ),
    )
    if not cursor.rowcount:
        return None
    await audit(cursor, actor, "key.create", key_id, told)
    return key_id


def _limits(found: object) -> Limits:
    return msgspec.convert(found, Limits)
