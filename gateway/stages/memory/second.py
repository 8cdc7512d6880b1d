"""A second store of memories, in which they are found in another way; PostgreSQL says what is true of what it finds.

What it has not heard yet is owed to it in the database, from the moment in which a memory changes; so nothing is lost
while it is away, and what is forgotten here is forgotten there.
"""

from __future__ import annotations

import asyncio
import logging
import random
import re
import time
from collections.abc import Sequence
from typing import Final, Protocol

from psycopg import Error

from gateway.core.memories import Memory
from gateway.stores.breaker import Respite, Unavailable
from gateway.stores.memories import Kept, Memories

log = logging.getLogger("syntra")

DEADLINE: Final = 0.120  # s; what a request waits for, beside the search in our own
_FOUND: Final = 8  # memories that it may add
_READ: Final = 1000  # characters of what is asked
_BATCH: Final = 20
_PAUSE: Final = 5.0  # s between two looks at what is owed
_ID: Final = re.compile(r"[0-9a-f]{32}")


class Store(Protocol):
    """Where they are found; everything raises Unavailable."""

    @property
    def state(self) -> str:
        """For `/health`: ok or away."""

    async def close(self) -> None:
        """Disconnect."""

    async def search(self, organisation: str, person: str, text: str, limit: int) -> list[str]:
        """The ids of memories that may be about a text, the likeliest first."""

    async def put(self, organisation: str, person: str, memory: Memory) -> None:
        """Keep a memory."""

    async def drop(self, organisation: str, person: str, ids: Sequence[str]) -> None:
        """Forget memories, and all that was made of them."""


class Second:
    """Finds in the store, and tells it what has changed."""

    def __init__(self, store: Store, memories: Memories) -> None:
        self._store = store
        self._respite = Respite("The second store of memories")
        self._memories = memories

    async def search(self, kept: Kept, text: str) -> list[Memory] | None:
        """What it finds that is true, the likeliest first; None where it did not answer. Raises nothing."""
        try:
            found = await self._asked(kept, text[:_READ])
            known = await kept.find([one for one in found if _ID.fullmatch(one)]) if found else {}
        except (Unavailable, Error) as error:
            log.debug("nothing was found in the second store: %s", error)
            return None
        return [known[one] for one in found if one in known]

    async def _asked(self, kept: Kept, text: str) -> list[str]:
        """What it answers in time; where it was late again and again it is not asked for a while."""
        began = time.monotonic()
        if not self._respite.allows(began):
            raise Unavailable("the second store of memories is slow")
        try:
            async with asyncio.timeout(DEADLINE):
                found = await self._store.search(kept.organisation, kept.person, text, _FOUND)
        except TimeoutError:
            self._respite.failed(time.monotonic(), began)
            raise Unavailable(f"no answer from the second store within {DEADLINE * 1000:.0f} ms") from None
        except Unavailable:
            self._respite.failed(time.monotonic(), began)
            raise
        self._respite.succeeded()
        return found

    async def follow(self) -> None:
        """Tell it what it has not heard, for ever."""
        while True:
            try:
                await self.catch_up()
            except (Unavailable, Error) as error:
                log.debug("the second store has not heard everything: %s", error)
            await asyncio.sleep(_PAUSE * random.uniform(0.5, 1.5))  # noqa: S311  # workers spread

    async def catch_up(self) -> None:
        """Tell it all that is owed; raises Unavailable where it does not listen."""
        while owing := await self._memories.owing():
            for organisation, person in owing:
                await self._pay(self._memories.of(organisation, person))

    async def _pay(self, kept: Kept) -> None:
        """What is owed of one person: what changed is forgotten first, since to say it again would add to it."""
        owed = await kept.owed(_BATCH)
        whose = kept.organisation, kept.person
        known = [one.id for one in owed if one.known]
        if known:
            await self._store.drop(*whose, known)
        for one in owed:
            if one.memory is not None and one.memory.kind == "statement":  # a fact is a part of one
                await self._store.put(*whose, one.memory)
        await kept.paid(owed)

    @property
    def state(self) -> str:
        """For `/health`: ok, slow or away."""
        return "slow" if self._respite.is_open else self._store.state

    async def close(self) -> None:
        """Disconnect."""
        await self._store.close()
