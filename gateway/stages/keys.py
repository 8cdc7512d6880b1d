"""Who is asking: from the bearer to a caller, out of memory nearly always.

What is known is fresh for a minute and good for ten while PostgreSQL is away; a change is heard of within a second. A
key that nobody knows while nobody can be asked is no wrong key: that is a 503, never a 401.
"""

from __future__ import annotations

import asyncio
import hmac
import math
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Final

from msgspec import Struct, structs

from gateway.core import apikey
from gateway.core.apikey import Pepper
from gateway.core.caller import Caller
from gateway.core.errors import BadKey, StoreAway
from gateway.stores.breaker import Unavailable
from gateway.stores.identities import Identities, Identity

FRESH: Final = 60.0  # s
STALE: Final = 600.0  # s; how long a known key is good while nobody can be asked
_UNKNOWN: Final = 2.0  # s for which a key that is not known is not asked for again
_MOST: Final = 20_000  # keys that are remembered

_NO_KEY = (
    "You did not provide an API key. Send it as `Authorization: Bearer …`; `syntra key create` makes one, and that "
    "of the first start is in the file `key` of Syntra's data directory and in the banner."
)
_BAD_KEY = "The API key is not known here, has expired or was revoked."
_AWAY = "The store of keys does not answer, so this key could not be looked up. It may well be valid; please try again."


class _Known(Struct):
    """What was found for a bearer; no caller where nobody has such a key."""

    caller: Caller | None
    organisation: str
    checked: float
    ends: float = math.inf
    fresh: bool = True  # nothing was heard that could have changed it
    changed: bool = False  # something was heard: it must be looked at again before it is believed


class Keys:
    """Knows callers by their bearers; a bearer is remembered by a keyed digest of all of it."""

    def __init__(
        self,
        identities: Identities,
        pepper: Pepper,
        *,
        people: Callable[[str], Awaitable[Caller]] | None = None,
        persona: bool = True,
    ) -> None:
        self._identities = identities
        self._pepper = pepper
        self._people = people
        self._persona = persona
        self._known: OrderedDict[bytes, _Known] = OrderedDict()
        self._looking: dict[bytes, asyncio.Task[_Known]] = {}
        self._heard = 0  # changes; what was looked up while one came may be from before it

    async def identify(self, bearer: str | None) -> Caller:
        """The caller behind a bearer; raises BadKey, or StoreAway where that cannot be told."""
        if not bearer:
            raise BadKey(_NO_KEY)
        digest = self._pepper.of(bearer)
        known = self._known.get(digest)
        now = time.monotonic()
        if known is not None and known.fresh and now - known.checked < (FRESH if known.caller else _UNKNOWN):
            return _caller(known, now)
        if self._people is not None and bearer.count(".") == 2:
            return await self._people(bearer)
        key = apikey.parse(bearer)
        if key is None:
            raise BadKey(_BAD_KEY)
        try:
            return _caller(await self._look(digest, key), time.monotonic())
        except Unavailable:
            if known is None or known.caller is None or known.changed or now - known.checked > STALE:
                raise StoreAway(_AWAY) from None
            return structs.replace(_caller(known, now), degraded=("keys",))

    def heard(self, organisation: str) -> None:
        """Something of an organisation has changed: its keys are looked at again before they are believed."""
        self._heard += 1
        for known in self._known.values():
            if known.organisation in (organisation, ""):  # a key that was not known may be one now
                known.fresh, known.changed = False, True

    def deaf(self) -> None:
        """Changes are not heard of for the moment: every key is looked at again as soon as somebody can be asked."""
        for known in self._known.values():
            known.fresh = False

    async def _look(self, digest: bytes, key: apikey.ApiKey) -> _Known:
        """Look a key up; requests that come with the same one meanwhile wait for the same answer."""
        task = self._looking.get(digest)
        if task is None:
            task = self._looking[digest] = asyncio.ensure_future(self._find(digest, key))
            task.add_done_callback(lambda _: self._looking.pop(digest, None))
        return await asyncio.shield(task)

    async def _find(self, digest: bytes, key: apikey.ApiKey) -> _Known:
        asked, heard = time.monotonic(), self._heard
        identity = await self._identities.find(key.public)
        known = self._judged(identity, key, asked)
        known.fresh = heard == self._heard
        self._known.pop(digest, None)
        if len(self._known) >= _MOST:
            self._known.popitem(last=False)
        self._known[digest] = known
        return known

    def _judged(self, identity: Identity | None, key: apikey.ApiKey, now: float) -> _Known:
        """Whether the secret is the right one; a key that nobody has costs the same comparison."""
        stored = identity.digest if identity is not None else bytes(32)
        right = hmac.compare_digest(stored, self._pepper.digest(key))
        if identity is None or not right:
            return _Known(None, "", now)
        caller = identity.caller
        if not self._persona:
            caller = structs.replace(caller, persona=False)
        left = identity.seconds_left
        return _Known(caller, caller.organisation, now, math.inf if left is None else now + left)


def _caller(known: _Known, now: float) -> Caller:
    if known.caller is None or now >= known.ends:
        raise BadKey(_BAD_KEY)
    return known.caller
