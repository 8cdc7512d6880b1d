"""`/api/orgs/{org_id}/usage`: what an organisation has used and spent."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Final, Literal, cast

from litestar import get
from litestar.di import NamedDependency
from litestar.openapi.spec import Example
from litestar.params import QueryParameter
from msgspec import Struct, field

from gateway.core.errors import BadRequest
from gateway.http.admin.desk import Desk
from gateway.http.admin.guard import may
from gateway.records.usage import GROUPS, Group, Used, used

_USUAL: Final = timedelta(days=30)
_FIRST: Final = datetime.min.replace(tzinfo=UTC)

GroupBy = Annotated[
    str,
    QueryParameter(
        description=f"How to sum up: some of {', '.join(GROUPS)}, separated by commas; nothing for one sum of all.",
        examples=[Example(value="day,model")],
    ),
]
From = Annotated[
    str,
    QueryParameter(
        name="from",
        description="From this day (UTC) or moment on; 30 days ago unless said.",
        examples=[Example(value="2026-11-01")],
    ),
]
To = Annotated[
    str,
    QueryParameter(
        name="to",
        description="Until before this day (UTC) or moment; now unless said.",
        examples=[Example(value="2026-12-01")],
    ),
]


class Usage(Struct, frozen=True, kw_only=True):
    """What was used between two moments, group by group; all groups together are the whole."""

    since: datetime = field(name="from")
    until: datetime = field(name="to")
    group_by: Sequence[str]
    data: Sequence[Used]
    object: Literal["list"] = "list"
    has_more: bool = False


@get("/", tags=["usage"], summary="Sum up the usage", opt=may("viewer"))
async def summed(desk: NamedDependency[Desk], group_by: GroupBy = "", since: From = "", until: To = "") -> Usage:
    """Sum up requests, tokens and money from the ledger; money is in US dollars and, exactly, in picodollars."""
    end = _moment(until, "to") or datetime.now(UTC)
    begin = _moment(since, "from") or end - min(_USUAL, end - _FIRST)
    if begin >= end:
        raise BadRequest("`from` lies before `to`.", param="from", code="invalid_value")
    groups = _groups(group_by)
    data = await used(desk.parts.postgres, desk.organisation, groups, begin, end)
    return Usage(since=begin, until=end, group_by=groups, data=data)


def _groups(text: str) -> list[Group]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    if wrong := [name for name in names if name not in GROUPS]:
        known = ", ".join(GROUPS)
        raise BadRequest(f"One groups by {known}, not by {wrong[0][:100]!r}.", param="group_by", code="invalid_value")
    return cast("list[Group]", list(dict.fromkeys(names)))


def _moment(text: str, param: str) -> datetime | None:
    """A day's begin or a moment; what names no time zone is UTC."""
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        told = f"'{param}' is a day like {date(2026, 11, 1)} or a moment like 2026-11-01T12:00:00Z."
        raise BadRequest(told, param=param, code="invalid_value") from None
