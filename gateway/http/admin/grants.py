"""What a key may be given: no more than its giver has."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from msgspec import Struct
from sqlmodel import select

from gateway.core.caller import SURFACES, Role, Scopes
from gateway.core.errors import BadRequest, Forbidden
from gateway.core.limits import NO_LIMITS
from gateway.http.admin.desk import Desk
from gateway.stores.rows import KeyRow, Rows

_LATEST: Final = datetime(3000, 1, 1, tzinfo=UTC)


class Grant(Struct, frozen=True):
    """What a key would have."""

    role: Role | str
    scopes: Scopes
    expires_at: datetime | None


def check_end(expires_at: datetime | None) -> None:
    """Raise BadRequest for an end in the past, or one that is too far away for calendars to tell."""
    if expires_at is not None and not datetime.now(UTC) < expires_at < _LATEST:
        raise BadRequest(
            f"The end of a key lies in the future, before {_LATEST.date()}.", param="expires_at", code="invalid_value"
        )


async def check_grant(desk: Desk, rows: Rows, grant: Grant) -> None:
    """Raise Forbidden where the caller would give more than they have, BadRequest for what there is not."""
    if unknown := grant.scopes.unknown_endpoint():
        words = f"There is no endpoint '{unknown[:100]}'. There are {', '.join(SURFACES)}."
        raise BadRequest(words, param="scopes.endpoints", code="invalid_value")
    desk.check_gives(grant.role)
    if desk.caller.key_limits != NO_LIMITS:
        # Ten keys of five dollars are fifty dollars.
        raise Forbidden("A key that has limits of its own neither makes keys nor changes what they may.")
    _check_scopes(desk.caller.scopes, grant.scopes)
    ends = await _end_of(desk, rows)
    if ends is not None and (grant.expires_at is None or grant.expires_at > ends):
        raise Forbidden(f"Your key ends at {ends.isoformat()}; a key that it makes ends no later.")


def _check_scopes(own: Scopes, given: Scopes) -> None:
    for name in Scopes.__struct_fields__:
        has, gives = getattr(own, name), getattr(given, name)
        if has and not (gives and set(gives) <= set(has)):
            raise Forbidden(f"Your key is for some {name} only; a key that it makes is for no others.")


async def _end_of(desk: Desk, rows: Rows) -> datetime | None:
    """When the caller's own key ends."""
    if not desk.caller.key_id:
        return None
    try:
        key_id = UUID(desk.caller.key_id)
    except ValueError:  # a session, which has an end of its own and keys that do not depend on it
        return None
    own = await rows.first(select(KeyRow).where(KeyRow.org_id == desk.org_id, KeyRow.id == key_id))
    return None if own is None else own.expires_at
