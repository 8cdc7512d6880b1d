"""Who is asking: from the bearer to a caller, out of memory nearly always.

What is known is fresh for a minute and good for ten while PostgreSQL is away; a change is heard of within a second. A
key that nobody knows while nobody can be asked is no wrong key: that is a 503, never a 401.
"""

from __future__ import annotations

import hmac
import math
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

from msgspec import Struct, structs

from gateway.core import apikey
from gateway.core.apikey import Pepper
from gateway.core.caller import Caller
from gateway.core.errors import BadKey, StoreAway
from gateway.stores.breaker import Unavailable
from gateway.stores.identities import Identities
from gateway.stores.remembered import Remembered

_MOST: Final = 20_000  # keys that are remembered

_NO_KEY = (
    "You did not provide an API key. Send it as `Authorization: Bearer …`; `syntra key create` makes one, and that "
    "of the first start is in the file `key` of Syntra's data directory and in the banner."
)
_BAD_KEY = "The API key is not known here, has expired or was revoked."
_AWAY = "The store of keys does not answer, so this key could not be looked up. It may well be valid; please try again."


class _Holder(Struct, frozen=True):
    """Who holds a key, until it ends, and what of the key is enough to look it up again."""

    caller: Caller
    public: str
    digest: bytes  # the keyed digest of its secret, as it is stored
    ends: float = math.inf


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
        self._known: Remembered[bytes, _Holder] = Remembered(
            _MOST, lambda _, holder: self._find(holder.public, holder.digest)
        )
        self.deaf = self._known.deaf

    async def identify(self, bearer: str | None) -> Caller:
        """The caller behind a bearer; raises BadKey, or StoreAway where that cannot be told."""
        if not bearer:
            raise BadKey(_NO_KEY)
        digest = self._pepper.of(bearer)
        answer = self._known.fresh(digest)
        if answer is not None:
            return _caller(answer.found)
        if self._people is not None and bearer.count(".") == 2:
            return await self._people(bearer)
        key = apikey.parse(bearer)
        if key is None:
            raise BadKey(_BAD_KEY)
        try:
            holder, asked = await self._known.ask(digest, partial(self._find, key.public, self._pepper.digest(key)))
        except Unavailable:
            raise StoreAway(_AWAY) from None
        caller = _caller(holder)
        return caller if asked else structs.replace(caller, degraded=("keys",))

    def heard(self, organisation: str) -> None:
        """Something of an organisation has changed: its keys are looked at again before they are believed."""
        # A key that was not known may be one now.
        self._known.heard(lambda _, holder: holder is None or holder.caller.organisation == organisation)

    async def _find(self, public: str, digest: bytes) -> _Holder | None:
        """Who holds a key, if anybody does; a key that nobody has costs the same comparison."""
        now = time.monotonic()
        identity = await self._identities.find(public)
        stored = identity.digest if identity is not None else bytes(32)
        right = hmac.compare_digest(stored, digest)
        if identity is None or not right:
            return None
        caller = identity.caller
        if not self._persona:
            caller = structs.replace(caller, persona=False)
        left = identity.seconds_left
        return _Holder(caller, public, digest, math.inf if left is None else now + left)


def _caller(holder: _Holder | None) -> Caller:
    if holder is None or time.monotonic() >= holder.ends:
        raise BadKey(_BAD_KEY)
    return holder.caller
