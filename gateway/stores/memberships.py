"""People in organisations as PostgreSQL knows them: where somebody is a member, and as what, now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Protocol

import msgspec
from msgspec import Struct

from gateway.core.caller import Caller, Credential, Role
from gateway.core.limits import Limits
from gateway.stores.postgres import Postgres

_OF: Final = "select org_id, organisation, id, role from memberships(%s)"
_MEMBER: Final = """
    select m.id, m.email, m.role, o.name, o.operator, o.limits
    from member m join organisation o on o.id = m.org_id
    where m.id = %s and o.deleted_at is null
"""


class Membership(Struct, frozen=True):
    """A person's place in one organisation."""

    organisation: str  # its id
    name: str  # the organisation's
    id: str  # the member's
    role: Role


class Credentials(Protocol):
    """What knows the provider keys of organisations."""

    async def credentials(self, organisation: str) -> Mapping[str, Credential]:
        """The organisation's own provider keys, by provider."""


class Memberships:
    """Looks people up; what is looked up for a request waits 250 ms at most."""

    def __init__(self, postgres: Postgres, credentials: Credentials) -> None:
        self._postgres = postgres
        self._credentials = credentials

    async def of(self, email: str) -> list[Membership]:
        """Every place that somebody has, the oldest organisation first. Raises Unavailable."""
        rows = await self._postgres.soon(self._postgres.call(_OF, email))
        return [Membership(str(row["org_id"]), row["organisation"], str(row["id"]), row["role"]) for row in rows]

    async def find(self, organisation: str, member: str) -> Caller | None:
        """A member as a caller, None where there is no such member any more. Raises Unavailable."""
        return await self._postgres.soon(self._find(organisation, member))

    async def _find(self, organisation: str, member: str) -> Caller | None:
        async with self._postgres.tenant(organisation) as cursor:
            await cursor.execute(_MEMBER, (member,))
            row = await cursor.fetchone()
        if row is None:
            return None
        return _caller(organisation, row, await self._credentials.credentials(organisation))


def _caller(organisation: str, row: Mapping[str, Any], credentials: Mapping[str, Credential]) -> Caller:
    return Caller(
        organisation=organisation,
        name=row["name"],
        key_id=str(row["id"]),
        role=row["role"],
        user=row["email"].lower(),
        limits=msgspec.convert(row["limits"], Limits),
        credentials=credentials,
        operator=row["operator"],
    )
