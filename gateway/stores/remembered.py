"""What a store said is remembered: fresh for a minute, good for ten while it is away, doubted when it has changed.

A store that takes its time is not waited for where something is known: it is asked in the background, once for
everybody, and what was known is good until it has answered.

What was heard to have changed is asked for again at once, while the store is there: it may be gone when somebody comes
who needs it. What could not be asked for again is not believed until it is.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from functools import partial
from typing import Final, Generic, TypeVar

from msgspec import Struct

from gateway.stores.breaker import Unavailable

FRESH: Final = 60.0  # s
STALE: Final = 600.0  # s; how long what is known is good while nobody can be asked
_PATIENCE: Final = 0.05  # s, from the asking on, that what is known waits for what is newer
_TRIES: Final = 3  # to get an answer during which nothing was heard
_UNKNOWN: Final = 2.0  # s for which what was not found is not asked for again

Name = TypeVar("Name", bound=Hashable)
Found = TypeVar("Found")


class Answer(Struct, Generic[Found]):
    """What the store said; `found` is None where there is no such thing."""

    found: Found | None
    asked: float
    fresh: bool  # nothing was heard that could have changed it
    changed: bool = False  # something was heard: the store must say it again before it is believed


class Remembered(Generic[Name, Found]):
    """Answers by what was asked for, no more than `most`; many who ask for one thing meanwhile ask once."""

    def __init__(self, most: int, again: Callable[[Name, Found], Awaitable[Found | None]]) -> None:
        """`again` asks for what is known already; raises Unavailable."""
        self._most = most
        self._again = again
        self._answers: OrderedDict[Name, Answer[Found]] = OrderedDict()
        self._asking: dict[Name, tuple[asyncio.Task[Answer[Found]], float]] = {}  # and since when
        self._heard = 0  # changes; what was asked while one came may be from before it
        self._doubted: dict[Name, None] = {}  # what is to be asked for again, in the order in which it was asked
        self._renewing: asyncio.Task[None] | None = None

    def fresh(self, name: Name) -> Answer[Found] | None:
        """The answer that needs no asking, None where there is none."""
        answer = self._answers.get(name)
        if answer is None or not answer.fresh:
            return None
        age = time.monotonic() - answer.asked
        return answer if age < (_UNKNOWN if answer.found is None else FRESH) else None

    async def ask(self, name: Name, find: Callable[[], Awaitable[Found | None]]) -> tuple[Found | None, bool]:
        """What the store says now, and whether it was the store: else it is away or slow, and has said this before.

        Raises Unavailable where nobody can say.
        """
        now = time.monotonic()
        task, began = self._asking.get(name, (None, now))
        if task is None:
            task = asyncio.ensure_future(self._ask(name, find))
            self._asking[name] = task, began
            task.add_done_callback(partial(self._asked, name))
        known = self._good(name, now)
        if known is not None:
            left = began + _PATIENCE - now
            if left > 0:
                await asyncio.wait([task], timeout=left)
                known = self._good(name, time.monotonic())  # something may have been heard meanwhile
            if not task.done() and known is not None:
                return known, False
        try:
            return (await asyncio.shield(task)).found, True
        except Unavailable:
            known = self._good(name, time.monotonic())
            if known is None:
                raise
            return known, False
        finally:
            del task  # no circle where it has failed: core/let_go.py

    def _good(self, name: Name, now: float) -> Found | None:
        """What is good where the store does not say."""
        known = self._answers.get(name)
        if known is None or known.changed or now - known.asked > STALE:
            return None
        return known.found

    def _asked(self, name: Name, task: asyncio.Task[Answer[Found]]) -> None:
        del self._asking[name]
        if not task.cancelled():
            task.exception()  # who has waited was told; where nobody has, the next one asks again

    def heard(self, concerns: Callable[[Name, Found | None], bool]) -> None:
        """Something has changed: the store must say again what this concerns before it is believed; needs the loop."""
        self._heard += 1
        for name, answer in self._answers.items():
            if concerns(name, answer.found):
                answer.fresh, answer.changed = False, True
                self._doubted[name] = None
        if self._doubted and (self._renewing is None or self._renewing.done()):
            self._renewing = asyncio.ensure_future(self._renew())

    async def _renew(self) -> None:
        """Ask for what is in doubt, the latest first, one at a time: requests shall find connections meanwhile."""
        while self._doubted:
            name, _ = self._doubted.popitem()
            answer = self._answers.get(name)
            if answer is None or answer.found is None or not answer.changed:
                continue  # somebody has asked meanwhile, or nobody would be served by it
            try:
                await self.ask(name, partial(self._again, name, answer.found))
            except Unavailable:  # the rest would fail as well; who comes asks for itself
                self._doubted.clear()

    def deaf(self) -> None:
        """Changes are not heard of for the moment: everything is asked for again as soon as the store can be asked."""
        for answer in self._answers.values():
            answer.fresh = False

    async def _ask(self, name: Name, find: Callable[[], Awaitable[Found | None]]) -> Answer[Found]:
        for _ in range(_TRIES):
            asked, heard = time.monotonic(), self._heard
            found = await find()
            sure = heard == self._heard
            if sure:
                break
        self._answers.pop(name, None)
        if len(self._answers) >= self._most:
            self._answers.popitem(last=False)
        answer = self._answers[name] = Answer(found, asked, fresh=sure, changed=not sure)
        return answer
