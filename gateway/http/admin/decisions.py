"""`/api/orgs/{org_id}/decisions`: why requests went where they went, the newest first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from litestar import get
from litestar.di import NamedDependency
from sqlmodel import col, select

from gateway.http.admin.desk import Desk, cursor
from gateway.http.admin.guard import may
from gateway.http.admin.paging import After, Limit, Page, page
from gateway.records.decision import Decision, view
from gateway.stores.rows import DecisionRow


@get("/", tags=["decisions"], summary="List the decisions", opt=may("viewer"))
async def listed(desk: NamedDependency[Desk], limit: Limit = 100, after: After = "") -> Page[Mapping[str, Any]]:
    """List the decisions of the last week as `GET /api/decisions/{id}` tells each; they hold no word of a prompt."""
    wanted = select(DecisionRow).where(DecisionRow.org_id == desk.org_id)
    wanted = wanted.order_by(col(DecisionRow.id).desc()).limit(limit + 1)
    if after:
        wanted = wanted.where(col(DecisionRow.id) < cursor(after))
    async with desk.reading() as reading:
        return page(await reading.all(wanted), limit, _shown, lambda decision: decision["id"])


def _shown(row: DecisionRow) -> Mapping[str, Any]:
    """The decision as people read it; one that another version of Syntra has written, as it was written."""
    try:
        return {**view(msgspec.json.decode(row.record, type=Decision)), "at": row.at}
    except msgspec.ValidationError:
        return {**msgspec.json.decode(row.record), "id": row.id.hex, "at": row.at}
