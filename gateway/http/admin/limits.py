"""`/api/orgs/{org_id}/limits`: what all keys of an organisation may use together."""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar import get, put
from litestar.di import NamedDependency
from litestar.openapi.spec import Example
from litestar.params import Body
from sqlalchemy import update
from sqlmodel import col, select

from gateway.core.limits import Limits
from gateway.http.admin.desk import Desk
from gateway.http.admin.guard import may, unknown
from gateway.stores.rows import OrganisationRow


@get("/", tags=["limits"], summary="Look at the limits", opt=may("viewer"))
async def look(desk: NamedDependency[Desk]) -> Limits:
    """Look at the organisation's limits; what is not named is not limited here."""
    async with desk.reading() as reading:
        row = await reading.first(select(OrganisationRow).where(OrganisationRow.id == desk.org_id))
    if row is None:
        raise unknown()
    return msgspec.convert(row.limits, Limits)


@put("/", tags=["limits"], summary="Set the limits", opt=may("admin"))
async def put_limits(
    data: Annotated[
        Limits,
        Body(examples=[Example(value={"requests_per_minute": 600, "tokens_per_day": 5000000, "usd_per_month": 500})]),
    ],
    desk: NamedDependency[Desk],
) -> Limits:
    """Set all limits of the organisation; what is left out, or null, is not limited any more."""
    limits = msgspec.to_builtins(data)
    async with desk.acting() as acting:
        here = update(OrganisationRow).where(col(OrganisationRow.id) == desk.org_id)
        if not await acting.change(here.values(limits=limits)):
            raise unknown()
        await desk.tell(acting, "limits.update", desk.org_id, limits)
    return data
