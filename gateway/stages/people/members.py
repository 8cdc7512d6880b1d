"""Members as they are remembered: who is removed or demoted feels it within two seconds."""

from __future__ import annotations

from functools import partial
from typing import Final

from msgspec import structs

from gateway.core.caller import Caller
from gateway.stores.memberships import Memberships
from gateway.stores.remembered import Remembered

_MOST: Final = 5_000

Place = tuple[str, str]  # organisation and member


class Members:
    """Looks members up, once for all requests that come meanwhile."""

    def __init__(self, memberships: Memberships) -> None:
        self._memberships = memberships
        self._known: Remembered[Place, Caller] = Remembered(_MOST, lambda place, _: memberships.find(*place))
        self.deaf = self._known.deaf

    async def find(self, organisation: str, member: str) -> Caller | None:
        """The member as a caller, None where there is none. Raises Unavailable where that cannot be told."""
        place = organisation, member
        answer = self._known.fresh(place)
        if answer is not None:
            return answer.found
        caller, asked = await self._known.ask(place, partial(self._memberships.find, organisation, member))
        return caller if asked or caller is None else structs.replace(caller, degraded=("keys",))

    def heard(self, organisation: str) -> None:
        """Something of an organisation has changed: its members are looked at again before they are believed."""
        self._known.heard(lambda place, _: place[0] == organisation)
