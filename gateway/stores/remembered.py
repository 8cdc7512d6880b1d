"""What a store said is remembered: fresh for a minute, good for ten while it is away, doubted when it has changed."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import Final, Generic, TypeVar

from msgspec import Struct

from gateway.stores.breaker import Unavailable

FRESH: Final = 60.0  # s
STALE: Final = 600.0  # s; how long what is known is good while nobody can be asked
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

    def __init__(self, most: int) -> None:
        self._most = most
        self._answers: OrderedDict[Name, Answer[Found]] = OrderedDict()
        self._asking: dict[Name, asyncio.Task[Answer[Found]]] = {}
        self._heard = 0  # changes; what was asked while one came may be from before it

    def fresh(self, name: Name) -> Answer[Found] | None:
        """The answer that needs no asking, None where there is none."""
        answer = self._answers.get(name)
        if answer is None or not answer.fresh:
            return None
        age = time.monotonic() - answer.asked
        return answer if age < (_UNKNOWN if answer.found is None else FRESH) else None

    async def ask(self, name: Name, find: Callable[[], Awaitable[Found | None]]) -> tuple[Found | None, bool]:
        """What the store says now, and whether it was the store: else it is away, and this is what it said before.

        Raises Unavailable where nobody can say.
        """
        task = self._asking.get(name)
        if task is None:
            task = self._asking[name] = asyncio.ensure_future(self._ask(name, find))
            task.add_done_callback(lambda _: self._asking.pop(name, None))
        try:
            return (await asyncio.shield(task)).found, True
        except Unavailable:
            known = self._answers.get(name)
            if known is None or known.found is None or known.changed or time.monotonic() - known.asked > STALE:
                raise
            return known.found, False

    def heard(self, concerns: Callable[[Name, Found | None], bool]) -> None:
        """Something has changed: the store must say again what this concerns before it is believed."""
        self._heard += 1
        for name, answer in self._answers.items():
            if concerns(name, answer.found):
                answer.fresh, answer.changed = False, True

    def deaf(self) -> None:
        """Changes are not heard of for the moment: everything is asked for again as soon as the store can be asked."""
        for answer in self._answers.values():
            answer.fresh = False

    async def _ask(self, name: Name, find: Callable[[], Awaitable[Found | None]]) -> Answer[Found]:
        asked, heard = time.monotonic(), self._heard
        found = await find()
        self._answers.pop(name, None)
        if len(self._answers) >= self._most:
            self._answers.popitem(last=False)
        answer = self._answers[name] = Answer(found, asked, fresh=heard == self._heard)
        return answer
