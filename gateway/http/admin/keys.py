"""`/api/orgs/{org_id}/keys`: virtual keys. The whole of a key is in the reply that makes it and nowhere else."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from litestar import delete, get, patch, post
from litestar.di import NamedDependency
from litestar.openapi.spec import Example
from litestar.params import Body, FromPath
from msgspec import UNSET, Meta, Struct, UnsetType
from sqlalchemy import ColumnElement, and_, func, update
from sqlmodel import col, select

from gateway.core.apikey import PREFIX
from gateway.core.caller import EVERYTHING, Role, Scopes
from gateway.core.errors import Forbidden
from gateway.core.limits import NO_LIMITS, Limits
from gateway.core.memories import Mode
from gateway.core.owner import person_of
from gateway.http.admin.desk import Desk, cursor, id_of, missing
from gateway.http.admin.grants import Grant, check_end, check_grant
from gateway.http.admin.guard import may
from gateway.http.admin.paging import After, Deleted, Limit, Page, page
from gateway.stores.organisations import NewKey, add_key
from gateway.stores.rows import KeyRow, Rows

KeyName = Annotated[str, Meta(min_length=1, max_length=200, examples=["laptop"])]
Person = Annotated[str, Meta(max_length=254, description="Whose key it is; empty for one that is shared.")]
Expiry = Annotated[datetime, Meta(tz=True, description="With a time zone.")]
Memory = Annotated[Mode, Meta(description="What its requests may do with a user's memories at most.")]
_OWN: frozenset[str] = frozenset({"name", "persona", "memory"})  # what members change of their own keys


class KeyWish(Struct, frozen=True, forbid_unknown_fields=True):
    """What a key shall be."""

    name: KeyName
    role: Role = "member"
    person: Person = ""
    persona: bool = True
    memory: Memory = "read-write"
    scopes: Scopes = EVERYTHING
    limits: Limits = NO_LIMITS
    expires_at: Expiry | None = None


class KeyChange(Struct, frozen=True, forbid_unknown_fields=True):
    """What shall be otherwise."""

    name: KeyName | UnsetType = UNSET
    role: Role | UnsetType = UNSET
    person: Person | UnsetType = UNSET
    persona: bool | UnsetType = UNSET
    memory: Memory | UnsetType = UNSET
    scopes: Scopes | UnsetType = UNSET
    limits: Limits | UnsetType = UNSET
    expires_at: Expiry | UnsetType | None = UNSET


class Key(Struct, frozen=True, kw_only=True):
    """A key as it is shown: what may be seen of it is in `hint`."""

    id: str
    object: Literal["key"] = "key"
    name: str
    hint: str
    role: str
    person: str
    persona: bool
    memory: str
    scopes: Scopes
    limits: Limits
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_on: date | None
    created_at: datetime


class KeyMade(Key, frozen=True, kw_only=True):
    """A new key, whole."""

    key: str


@get("/", tags=["keys"], summary="List the keys", opt=may("member"))
async def listed(desk: NamedDependency[Desk], limit: Limit = 100, after: After = "") -> Page[Key]:
    """List keys in the order in which they were made, revoked ones too; members see their own."""
    wanted = select(KeyRow).where(_visible(desk)).order_by(col(KeyRow.id)).limit(limit + 1)
    if after:
        wanted = wanted.where(col(KeyRow.id) > cursor(after))
    async with desk.reading() as reading:
        return page(await reading.all(wanted), limit, _shown, lambda key: key.id)


@post("/", tags=["keys"], summary="Make a key", opt=may("member"))
async def make(
    data: Annotated[
        KeyWish,
        Body(
            examples=[
                Example(value={"name": "laptop", "limits": {"usd_per_day": 5}, "scopes": {"models": ["syntra*"]}})
            ]
        ),
    ],
    desk: NamedDependency[Desk],
) -> KeyMade:
    """Make a key that may no more than its maker; the reply holds all of it, and it cannot be shown again.

    Members make keys for themselves.
    """
    check_end(data.expires_at)
    wanted = NewKey(**msgspec.structs.asdict(data) | {"person": person_of(data.person)})
    if not desk.caller.is_at_least("admin"):
        wanted = msgspec.structs.replace(wanted, person=_member(desk, wanted.person))
    async with desk.acting() as acting:
        grant = Grant(wanted.role, wanted.scopes, wanted.expires_at)
        await check_grant(desk, acting, grant)
        key_id, key = await add_key(acting.cursor, desk.parts.pepper, desk.organisation, wanted, desk.actor)
        shown = _shown(await _row(acting, desk, UUID(key_id)))
    return KeyMade(**msgspec.structs.asdict(shown), key=key.reveal())


@get("/{key_id:str}", tags=["keys"], summary="Look a key up", opt=may("member"))
async def one(key_id: FromPath[str], desk: NamedDependency[Desk]) -> Key:
    """Look a key up; members theirs."""
    async with desk.reading() as reading:
        return _shown(await _row(reading, desk, id_of(key_id, "key")))


@patch("/{key_id:str}", tags=["keys"], summary="Change a key", opt=may("member"))
async def change(
    key_id: FromPath[str],
    data: Annotated[KeyChange, Body(examples=[Example(value={"limits": {"requests_per_minute": 60}})])],
    desk: NamedDependency[Desk],
) -> Key:
    """Change what a key is called and may; it is felt everywhere within two seconds. Members change the name."""
    wanted = {name: value for name in data.__struct_fields__ if (value := getattr(data, name)) is not UNSET}
    if data.person is not UNSET:
        wanted["person"] = person_of(data.person)
    if data.expires_at is not UNSET:
        check_end(data.expires_at)
    if not desk.caller.is_at_least("admin") and (more := sorted(wanted.keys() - _OWN)):
        raise Forbidden(f"This takes the role admin: {', '.join(more)} of a key.", code="role_too_low")
    async with desk.acting() as acting:
        row = await _row(acting, desk, id_of(key_id, "key"), lock=True)
        desk.check_gives(row.role)
        before = _shown(row)
        changed = {name: value for name, value in wanted.items() if value != getattr(before, name)}
        if not changed:
            return before
        if changed.keys() - _OWN:
            after = msgspec.structs.replace(before, **changed)
            await check_grant(desk, acting, Grant(after.role, after.scopes, after.expires_at))
        values: dict[str, Any] = {
            name: msgspec.to_builtins(value) if isinstance(value, Struct) else value for name, value in changed.items()
        }
        await acting.change(update(KeyRow).where(col(KeyRow.id) == row.id).values(**values))
        shown = _shown(await _row(acting, desk, row.id))
        await desk.tell(acting, "key.update", row.id, values)
        return shown


@delete("/{key_id:str}", tags=["keys"], summary="Revoke a key", opt=may("member"), status_code=200)
async def revoke(key_id: FromPath[str], desk: NamedDependency[Desk]) -> Deleted:
    """Revoke a key: it is refused everywhere within two seconds, and stays in the list as revoked."""
    async with desk.acting() as acting:
        row = await _row(acting, desk, id_of(key_id, "key"), lock=True)
        desk.check_gives(row.role)
        if row.revoked_at is None:
            await acting.change(update(KeyRow).where(col(KeyRow.id) == row.id).values(revoked_at=func.now()))
            await desk.tell(acting, "key.revoke", row.id, {"name": row.name})
    return Deleted(str(row.id), "key.deleted")


def _visible(desk: Desk) -> ColumnElement[bool]:
    """The keys that the caller may see: administrators all, members those that are theirs."""
    ours = col(KeyRow.org_id) == desk.org_id
    if desk.caller.is_at_least("admin"):
        return ours
    if desk.caller.user:
        return and_(ours, col(KeyRow.person) == desk.caller.user)
    return and_(ours, col(KeyRow.id) == id_of(desk.caller.key_id, "key"))


def _member(desk: Desk, person: str) -> str:
    """For whom a member makes a key: themselves."""
    if not desk.caller.user:
        raise Forbidden("This key is nobody's own, so it cannot make keys; an administrator can.", code="role_too_low")
    if person not in ("", desk.caller.user):
        raise Forbidden("Members make keys for themselves.", code="role_too_low")
    return desk.caller.user


async def _row(rows: Rows, desk: Desk, key_id: UUID, *, lock: bool = False) -> KeyRow:
    wanted = select(KeyRow).where(_visible(desk), KeyRow.id == key_id)
    found = await rows.first(wanted.with_for_update() if lock else wanted)
    if found is None:
        raise missing("key")
    return found


def _shown(row: KeyRow) -> Key:
    return Key(
        id=str(row.id),
        name=row.name,
        hint=f"{PREFIX}{row.public}-…",
        role=row.role,
        person=row.person,
        persona=row.persona,
        memory=row.memory,
        scopes=msgspec.convert(row.scopes, Scopes),
        limits=msgspec.convert(row.limits, Limits),
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        last_used_on=row.last_used_on,
        created_at=row.created_at,
    )
