"""Where one request is dealt with: who is asking, about which organisation, and the way to its rows."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from gateway.core.caller import ROLES, Caller, Role
from gateway.core.errors import BadRequest, Forbidden, Unknown
from gateway.http.admin.parts import Parts
from gateway.stores import rows
from gateway.stores.rows import Rows


class Desk:
    """One caller with one organisation's rows before them; every change is told to the audit trail or undone."""

    def __init__(self, parts: Parts, caller: Caller, organisation: str) -> None:
        self.parts = parts
        self.caller = caller
        self.organisation = organisation  # its id
        self.org_id = UUID(organisation)

    @property
    def actor(self) -> str:
        """The caller as the audit trail names them: the key, or the member of a session, and whose it is."""
        return f"{self.caller.key_id} {self.caller.user}".strip()

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Rows]:
        """The organisation's rows, to look at."""
        async with rows.reading(self.parts.postgres, self.organisation) as found:
            yield found

    @asynccontextmanager
    async def acting(self) -> AsyncIterator[Rows]:
        """The organisation's rows, to change."""
        async with rows.acting(self.parts.postgres, self.organisation) as found:
            yield found

    async def tell(self, acting: Rows, act: str, subject: object, detail: Mapping[str, Any]) -> None:
        """What was done, as the last thing in its transaction: to the trail of whom it was done to, and the doer's."""
        await acting.tell(self.actor, act, str(subject), detail)
        if self.organisation != self.caller.organisation:
            told = {"organisation": self.organisation, **detail}
            await acting.tell_elsewhere(self.caller.organisation, self.actor, act, str(subject), told)

    def check_gives(self, role: Role | str) -> None:
        """Raise Forbidden where the caller would give, or take from, a role that is above their own."""
        if role not in ROLES[: ROLES.index(self.caller.role) + 1]:
            raise Forbidden(f"The role {role} is above your key's, which is {self.caller.role}.", code="role_too_low")


def id_of(text: str, what: str) -> UUID:
    """An id in a path; what is none is as unknown as one that nothing has."""
    try:
        return UUID(text)
    except ValueError:
        raise missing(what) from None


def cursor(text: str) -> UUID:
    """The id after which a page begins. Raises BadRequest."""
    try:
        return UUID(text)
    except ValueError:
        raise BadRequest("This is the `last_id` of the page before.", param="after", code="invalid_value") from None


def missing(what: str) -> Unknown:
    """Nothing of this organisation's has the id."""
    return Unknown(f"This organisation has no such {what}.", code=f"{what.replace(' ', '_')}_not_found")
