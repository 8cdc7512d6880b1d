"""`/api/orgs/{org_id}/limits`: what all keys of an organisation may use together, within what the operator has set."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import get, put
from litestar.di import NamedDependency
from litestar.openapi.spec import Example
from litestar.params import Body
from sqlalchemy import update
from sqlmodel import col, select

from gateway.core.errors import Forbidden
from gateway.core.limits import Limits, above, completed
from gateway.http.admin.desk import Desk
from gateway.http.admin.guard import may, operates, unknown
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
    """Set all limits of the organisation, none of them higher than the operator's; the reply has those in force.

    What is left out, or null, is as the operator has set it, and not limited where the operator has set nothing.
    """
    async with desk.acting() as acting:
        here = col(OrganisationRow.id) == desk.org_id
        row = await acting.first(select(OrganisationRow).where(here).with_for_update())
        if row is None:
            raise unknown()
        changed = changes(desk, row, data)
        await acting.change(update(OrganisationRow).where(here).values(**changed))
        await desk.tell(acting, "limits.update", desk.org_id, changed["limits"])
    return msgspec.convert(changed["limits"], Limits)


def changes(desk: Desk, row: OrganisationRow, wanted: Limits) -> dict[str, Any]:
    """What becomes of an organisation's row; raises Forbidden for a limit that is higher than the operator's.

    The operator's own word is both: the limits, and how high the organisation's own may be from now on.
    """
    if operates(desk.caller):
        limits = msgspec.to_builtins(wanted)
        return {"limits": limits, "ceiling": limits}
    ceiling = msgspec.convert(row.ceiling, Limits)
    if higher := above(wanted, completed(ceiling, desk.parts.defaults)):
        raise Forbidden(
            f"The operator of this installation has set a lower limit: {', '.join(higher)}.",
            param=higher[0],
            code="above_ceiling",
        )
    return {"limits": msgspec.to_builtins(completed(wanted, ceiling))}
