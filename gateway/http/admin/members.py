"""`/api/orgs/{org_id}/members`: the people of an organisation and what each may do."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from litestar import delete, get, patch, post
from litestar.di import NamedDependency
from litestar.openapi.spec import Example
from litestar.params import Body, FromPath
from msgspec import UNSET, Meta, Struct, UnsetType
from psycopg.errors import UniqueViolation
from sqlalchemy import ColumnElement, and_, func, insert, update
from sqlalchemy import delete as removal
from sqlmodel import col, select

from gateway.core.caller import ROLES, Role
from gateway.core.errors import Conflict, Forbidden
from gateway.core.ids import uuid7
from gateway.http.admin.desk import Desk, cursor, id_of, missing
from gateway.http.admin.guard import may
from gateway.http.admin.paging import After, Deleted, Limit, Page, page
from gateway.stores.rows import KeyRow, MemberRow, Rows

Email = Annotated[str, Meta(max_length=254, pattern=r"^[^@\s]+@[^@\s]+$", examples=["ada@example.com"])]
PersonName = Annotated[str, Meta(max_length=200, examples=["Ada"])]


class NewMember(Struct, frozen=True, forbid_unknown_fields=True):
    """Who shall belong to the organisation."""

    email: Email
    role: Role = "member"
    name: PersonName = ""


class MemberChange(Struct, frozen=True, forbid_unknown_fields=True):
    """What shall be otherwise."""

    role: Role | UnsetType = UNSET
    name: PersonName | UnsetType = UNSET


class Member(Struct, frozen=True, kw_only=True):
    """A person in an organisation."""

    id: str
    object: Literal["member"] = "member"
    email: str
    name: str
    role: str
    created_at: datetime


@get("/", tags=["members"], summary="List the members", opt=may("viewer"))
async def listed(desk: NamedDependency[Desk], limit: Limit = 100, after: After = "") -> Page[Member]:
    """List the people of the organisation, in the order in which they came."""
    wanted = select(MemberRow).where(MemberRow.org_id == desk.org_id).order_by(col(MemberRow.id)).limit(limit + 1)
    if after:
        wanted = wanted.where(col(MemberRow.id) > cursor(after))
    async with desk.reading() as reading:
        return page(await reading.all(wanted), limit, _shown, lambda member: member.id)


@post("/", tags=["members"], summary="Add a member", opt=may("admin"))
async def add(
    data: Annotated[
        NewMember, Body(examples=[Example(value={"email": "ada@example.com", "role": "admin", "name": "Ada"})])
    ],
    desk: NamedDependency[Desk],
) -> Member:
    """Add a person by the e-mail address that their identity provider vouches for; no role above one's own."""
    desk.check_gives(data.role)
    email = data.email.lower()
    fresh = UUID(uuid7())
    values = {"org_id": desk.org_id, "id": fresh, "email": email, "name": data.name, "role": data.role}
    try:
        async with desk.acting() as acting:
            await acting.change(insert(MemberRow).values(**values))
            shown = _shown(await _row(acting, desk, fresh))
            await desk.tell(acting, "member.create", fresh, {"email": email, "name": data.name, "role": data.role})
            return shown
    except UniqueViolation:
        raise Conflict(f"{email} is a member already.", param="email") from None


@patch("/{member_id:str}", tags=["members"], summary="Change a member", opt=may("admin"))
async def change(
    member_id: FromPath[str],
    data: Annotated[MemberChange, Body(examples=[Example(value={"role": "viewer"})])],
    desk: NamedDependency[Desk],
) -> Member:
    """Change a member's name, or as an owner the role: the member's own keys are brought down to it."""
    wanted = {name: value for name in ("role", "name") if (value := getattr(data, name)) is not UNSET}
    async with desk.acting() as acting:
        owners = await _owners(acting, desk)
        row = await _row(acting, desk, id_of(member_id, "member"), lock=True)
        desk.check_gives(row.role)
        changed = {name: value for name, value in wanted.items() if value != getattr(row, name)}
        if "role" in changed:
            if not desk.caller.is_at_least("owner"):
                raise Forbidden("This takes the role owner: members' roles are the owners' to change.")
            _check_stays(row, owners)
            above = update(KeyRow).where(_theirs(row), col(KeyRow.role).in_(ROLES[ROLES.index(changed["role"]) + 1 :]))
            lowered = await acting.change(above.values(role=changed["role"]))
        if not changed:
            return _shown(row)
        await acting.change(update(MemberRow).where(col(MemberRow.id) == row.id).values(**changed))
        shown = _shown(await _row(acting, desk, row.id))
        detail: dict[str, Any] = {"email": row.email, **changed}
        if "role" in changed:
            detail |= {"role_before": row.role, "keys_lowered": lowered}
        await desk.tell(acting, "member.update", row.id, detail)
        return shown


@delete("/{member_id:str}", tags=["members"], summary="Remove a member", opt=may("admin"), status_code=200)
async def remove(member_id: FromPath[str], desk: NamedDependency[Desk]) -> Deleted:
    """Remove a person; the keys that are theirs are revoked with it. The last owner stays."""
    async with desk.acting() as acting:
        owners = await _owners(acting, desk)
        row = await _row(acting, desk, id_of(member_id, "member"), lock=True)
        desk.check_gives(row.role)
        _check_stays(row, owners)
        theirs = update(KeyRow).where(_theirs(row), col(KeyRow.revoked_at).is_(None))
        revoked = await acting.change(theirs.values(revoked_at=func.now()))
        await acting.change(removal(MemberRow).where(col(MemberRow.id) == row.id))
        detail = {"email": row.email, "role": row.role, "keys_revoked": revoked}
        await desk.tell(acting, "member.delete", row.id, detail)
    return Deleted(str(row.id), "member.deleted")


async def _row(rows: Rows, desk: Desk, member_id: UUID, *, lock: bool = False) -> MemberRow:
    wanted = select(MemberRow).where(MemberRow.org_id == desk.org_id, MemberRow.id == member_id)
    found = await rows.first(wanted.with_for_update() if lock else wanted)
    if found is None:
        raise missing("member")
    return found


async def _owners(acting: Rows, desk: Desk) -> int:
    """How many owners there are; their rows are locked first and in order, so that two cannot both go at once."""
    owners = select(MemberRow).where(MemberRow.org_id == desk.org_id, MemberRow.role == "owner")
    return len(await acting.all(owners.order_by(col(MemberRow.id)).with_for_update()))


def _check_stays(leaving: MemberRow, owners: int) -> None:
    """Raise Conflict where the last owner would go."""
    if leaving.role == "owner" and owners < 2:
        raise Conflict("The last owner of an organisation stays; make another one first.", code="last_owner")


def _theirs(row: MemberRow) -> ColumnElement[bool]:
    """The keys that are one person's, by address or by id."""
    return and_(col(KeyRow.org_id) == row.org_id, func.lower(col(KeyRow.person)).in_([row.email.lower(), str(row.id)]))


def _shown(row: MemberRow) -> Member:
    return Member(id=str(row.id), email=row.email, name=row.name, role=row.role, created_at=row.created_at)
