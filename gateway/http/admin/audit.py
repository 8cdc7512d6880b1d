"""`/api/orgs/{org_id}/audit`: what was done to an organisation, by whom, in the order of its chain."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

from litestar import get
from litestar.di import NamedDependency
from litestar.params import QueryParameter
from msgspec import Struct
from sqlmodel import col, select

from gateway.http.admin.desk import Desk
from gateway.http.admin.guard import may
from gateway.http.admin.paging import Limit, Page, page
from gateway.stores.rows import AuditRow

AfterSeq = Annotated[int, QueryParameter(ge=0, le=2**62, description="The `seq` of the last act of the page before.")]


class Act(Struct, frozen=True, kw_only=True):
    """One act; `hash` is that of this row and of all before it."""

    seq: int
    at: datetime
    actor: str
    act: str
    subject: str
    detail: Mapping[str, Any]
    prev: str
    hash: str


@get("/", tags=["audit"], summary="Read the audit trail", opt=may("admin"))
async def listed(desk: NamedDependency[Desk], limit: Limit = 100, after: AfterSeq = 0) -> Page[Act]:
    """Read the acts of the organisation, oldest first; `syntra audit verify` recomputes the chain of hashes."""
    wanted = select(AuditRow).where(AuditRow.org_id == desk.org_id, col(AuditRow.seq) > after)
    async with desk.reading() as reading:
        found = await reading.all(wanted.order_by(col(AuditRow.seq)).limit(limit + 1))
    return page(found, limit, _shown, lambda act: act.seq)


def _shown(row: AuditRow) -> Act:
    return Act(
        seq=row.seq,
        at=row.at,
        actor=row.actor,
        act=row.act,
        subject=row.subject,
        detail=row.detail,
        prev=row.prev.hex(),
        hash=row.hash.hex(),
    )
