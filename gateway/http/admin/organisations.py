"""`/api/orgs`: organisations."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from litestar import delete, get, patch, post
from litestar.di import NamedDependency
from litestar.openapi.spec import Example
from litestar.params import Body
from msgspec import UNSET, Meta, Struct, UnsetType
from psycopg.errors import UniqueViolation
from sqlalchemy import func, update
from sqlmodel import col, select

from gateway.core.errors import BadRequest, Conflict, Forbidden
from gateway.core.ids import uuid7
from gateway.core.limits import NO_LIMITS, Limits
from gateway.http.admin.desk import Desk, cursor
from gateway.http.admin.guard import may, operates, unknown
from gateway.http.admin.limits import changes
from gateway.http.admin.paging import After, Deleted, Limit, Page, page
from gateway.stores.organisations import NewKey, add_key, add_organisation, is_name
from gateway.stores.organisations import Organisation as Made
from gateway.stores.rows import OrganisationRow, Rows

Name = Annotated[
    str, Meta(max_length=63, description="Lower-case letters, digits, '.', '_' and '-'; not an id.", examples=["acme"])
]


class NewOrganisation(Struct, frozen=True, forbid_unknown_fields=True):
    """What an organisation shall be."""

    name: Name
    limits: Limits = NO_LIMITS


class OrganisationChange(Struct, frozen=True, forbid_unknown_fields=True):
    """What shall be otherwise."""

    name: Name | UnsetType = UNSET  # the operator's to change: policy documents know an organisation by it
    limits: Limits | UnsetType = UNSET


class Organisation(Struct, frozen=True, kw_only=True):
    """An organisation."""

    id: str
    object: Literal["organisation"] = "organisation"
    name: str
    operator: bool
    created_at: datetime


class OrganisationDetail(Organisation, frozen=True, kw_only=True):
    """An organisation with its limits."""

    limits: Limits
    ceiling: Annotated[Limits, Meta(description="What the operator has set; the organisation's own go no higher.")]


class OrganisationMade(OrganisationDetail, frozen=True, kw_only=True):
    """A new organisation with its first owner's key, which is shown this once."""

    key_id: str
    key: str


@post("/", tags=["organisations"], summary="Make an organisation", opt=may("owner", operator=True))
async def make(
    data: Annotated[
        NewOrganisation,
        Body(examples=[Example(value={"name": "acme", "limits": {"requests_per_minute": 600, "usd_per_month": 500}})]),
    ],
    desk: NamedDependency[Desk],
) -> OrganisationMade:
    """Make an organisation, and the key of its first owner; for owners of the organisation that operates Syntra."""
    _check_name(data.name)
    made = Desk(desk.parts, desk.caller, str(UUID(uuid7())))
    async with made.acting() as acting:
        wanted = Made(made.organisation, data.name, limits=data.limits)
        if await add_organisation(acting.cursor, wanted, made.actor) is None:
            raise _taken(data.name)
        owner = NewKey("first owner", role="owner")
        key_id, key = await add_key(acting.cursor, desk.parts.pepper, made.organisation, owner, made.actor)
        shown = _detail(await _row(acting, made))
        detail = {"name": data.name, "limits": msgspec.to_builtins(data.limits)}
        await acting.tell_elsewhere(desk.organisation, made.actor, "organisation.create", made.organisation, detail)
    return OrganisationMade(**msgspec.structs.asdict(shown), key_id=key_id, key=key.reveal())


@get("/", tags=["organisations"], summary="List organisations", opt=may("viewer"))
async def listed(desk: NamedDependency[Desk], limit: Limit = 100, after: After = "") -> Page[Organisation]:
    """List every organisation for the operator's owners, and for everybody else their own."""
    last = str(cursor(after)) if after else ""
    if operates(desk.caller):
        found = await desk.parts.postgres.call(
            """
            select id, name, operator, created_at from organisations() o
            where %s = '' or o.name > (select a.name from organisations() a where a.id::text = %s)
            order by o.name limit %s
            """,
            last,
            last,
            limit + 1,
        )
    else:
        async with desk.reading() as reading:
            found = [] if after else [(await _row(reading, desk)).model_dump()]
    return page(found, limit, _shown, lambda organisation: organisation.id)


@get("/", tags=["organisations"], summary="Look an organisation up", opt=may("viewer", reaches=True))
async def one(desk: NamedDependency[Desk]) -> OrganisationDetail:
    """Look an organisation up, by its id or its name."""
    async with desk.reading() as reading:
        return _detail(await _row(reading, desk))


@patch("/", tags=["organisations"], summary="Change an organisation", opt=may("owner", reaches=True))
async def change(
    data: Annotated[OrganisationChange, Body(examples=[Example(value={"limits": {"usd_per_day": 50}})])],
    desk: NamedDependency[Desk],
) -> OrganisationDetail:
    """Change an organisation's limits; its name is the operator's to change, for policy documents know it by that.

    Its own owners set no limit higher than the operator's; the operator's word replaces what they have set.
    """
    changed: dict[str, Any] = {}
    if data.name is not UNSET:
        if not operates(desk.caller):
            raise Forbidden("Only the organisation that operates this installation renames.", code="not_operator")
        _check_name(data.name)
        changed["name"] = data.name
    if not changed and data.limits is UNSET:
        async with desk.reading() as reading:
            return _detail(await _row(reading, desk))
    try:
        async with desk.acting() as acting:
            row = await _row(acting, desk, lock=True)
            if data.limits is not UNSET:
                changed |= changes(desk, row, data.limits)
            await acting.change(update(OrganisationRow).where(col(OrganisationRow.id) == row.id).values(**changed))
            shown = _detail(await _row(acting, desk))
            changed.pop("ceiling", None)  # it is the same as the limits, where there is one
            await desk.tell(acting, "organisation.update", row.id, changed)
            return shown
    except UniqueViolation:
        raise _taken(changed["name"]) from None


@delete(
    "/",
    tags=["organisations"],
    summary="Delete an organisation",
    opt=may("owner", reaches=True),
    status_code=200,
)
async def end(desk: NamedDependency[Desk]) -> Deleted:
    """Delete an organisation: its keys stop at once, its rows and its audit trail stay, its name is not used again."""
    async with desk.acting() as acting:
        row = await _row(acting, desk)
        if row.operator:
            raise Conflict("The organisation that operates this installation cannot be deleted.", param="org_id")
        await acting.change(
            update(OrganisationRow).where(col(OrganisationRow.id) == row.id).values(deleted_at=func.now())
        )
        await desk.tell(acting, "organisation.delete", row.id, {"name": row.name})
    return Deleted(str(row.id), "organisation.deleted")


async def _row(rows: Rows, desk: Desk, *, lock: bool = False) -> OrganisationRow:
    """The organisation itself; it can have been deleted a moment ago."""
    wanted = select(OrganisationRow).where(OrganisationRow.id == desk.org_id, col(OrganisationRow.deleted_at).is_(None))
    found = await rows.first(wanted.with_for_update() if lock else wanted)
    if found is None:
        raise unknown()
    return found


def _shown(row: Mapping[str, Any]) -> Organisation:
    return Organisation(id=str(row["id"]), name=row["name"], operator=row["operator"], created_at=row["created_at"])


def _detail(row: OrganisationRow) -> OrganisationDetail:
    return OrganisationDetail(
        id=str(row.id),
        name=row.name,
        operator=row.operator,
        created_at=row.created_at,
        limits=msgspec.convert(row.limits, Limits),
        ceiling=msgspec.convert(row.ceiling, Limits),
    )


def _check_name(name: str) -> None:
    if not is_name(name):
        raise BadRequest(
            "An organisation's name has lower-case letters, digits, '.', '_' and '-', begins with a letter or a digit, "
            "has 63 characters at most, and does not look like an id.",
            param="name",
            code="invalid_value",
        )


def _taken(name: str) -> Conflict:
    return Conflict(f"The name '{name}' is taken, if only by an organisation that was deleted.", param="name")
