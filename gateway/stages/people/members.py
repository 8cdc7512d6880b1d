"""Members as they are remembered: fresh for a minute, good for ten while PostgreSQL is away, gone when it says so."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from typing import Final

from msgspec import Struct, structs

from gateway.core.caller import Caller
from gateway.stores.breaker import Unavailable
from gateway.stores.memberships import Memberships

FRESH: Final = 60.0  # s
STALE: Final = 600.0  # s; how long a known member is good while nobody can be asked
_UNKNOWN: Final = 2.0  # s for which somebody who is no member is not asked for again
_MOST: Final = 5_000

Place = tuple[str, str]  # organisation and member


class _Known(Struct):
    """What was found; no caller where there is no such member."""

    caller: Caller | None
    checked: float
    fresh: bool  # nothing was heard that could have changed it
    changed: bool = False  # something was heard: it must be looked at again before it is believed


class Members:
    """Looks members up, once for all requests that come meanwhile."""

    def __init__(self, memberships: Memberships) -> None:
        self._memberships = memberships
        self._known: OrderedDict[Place, _Known] = OrderedDict()
        self._looking: dict[Place, asyncio.Task[_Known]] = {}
        self._heard = 0  # changes; what was looked up while one came may be from before it

    async def find(self, organisation: str, member: str) -> Caller | None:
        """The member as a caller, None where there is none. Raises Unavailable where that cannot be told."""
        place = organisation, member
        known = self._known.get(place)
        now = time.monotonic()
        if known is not None and known.fresh and now - known.checked < (FRESH if known.caller else _UNKNOWN):
            return known.caller
        try:
            return (await self._look(place)).caller
        except Unavailable:
            if known is None or known.caller is None or known.changed or now - known.checked > STALE:
                raise
            return structs.replace(known.caller, degraded=("keys",))

    def heard(self, organisation: str) -> None:
        """Something of an organisation has changed: its members are looked at again before they are believed."""
        self._heard += 1
        for place, known in self._known.items():
            if place[0] == organisation:
                known.fresh, known.changed = False, True

    def deaf(self) -> None:
        """Changes are not heard of for the moment: every member is looked at again as soon as somebody can be asked."""
        for known in self._known.values():
            known.fresh = False

    async def _look(self, place: Place) -> _Known:
        task = self._looking.get(place)
        if task is None:
            task = self._looking[place] = asyncio.ensure_future(self._find(place))
            task.add_done_callback(lambda _: self._looking.pop(place, None))
        return await asyncio.shield(task)

    async def _find(self, place: Place) -> _Known:
        asked, heard = time.monotonic(), self._heard
        caller = await self._memberships.find(*place)
        self._known.pop(place, None)
        if len(self._known) >= _MOST:
            self._known.popitem(last=False)
        known = self._known[place] = _Known(caller, asked, fresh=heard == self._heard)
        return known
