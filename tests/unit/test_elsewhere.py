"""Calls between workers: however their words overtake each other, who claims a call first makes it, and the only one."""

from __future__ import annotations

import asyncio
from typing import Any

from gateway.core.kept import Call, Found, Kept, Word
from gateway.core.likeness import Near
from gateway.upstream.dialect import Outbound
from gateway.upstream.elsewhere import NO, WANT, YES, Elsewhere
from gateway.upstream.flights import JOINED, MISS, Cache, Flight, Incoming
from gateway.upstream.share import Circle, Replay, Sharing
from tests.unit.wire_rig import Run

CIRCLE = Circle("org", "me", joins_s=5.0)
OUTBOUND = Outbound("https://there/v1", [], b"{}")
WORDS = b"data: hello\n\n"


class Store:
    """Knows who makes a call; what it has to say to one worker may be slow to arrive."""

    def __init__(self) -> None:
        self.calls: dict[bytes, Call] = {}
        self.slow: dict[str, asyncio.Event] = {}  # by worker
        self.claimed = asyncio.Event()

    async def find(
        self, organisation: str, key: bytes | None, call: bytes | None = None, mine: Call | None = None, ms: int = 0
    ) -> Found:
        assert call is not None
        assert mine is not None
        first = self.calls.setdefault(call, mine)
        self.claimed.set()
        if mine.worker in self.slow:
            await self.slow[mine.worker].wait()
        return Found(None, None if first is mine else first)

    def over(self, organisation: str, call: bytes) -> None:
        self.calls.pop(call, None)

    def keep(self, organisation: str, key: bytes, kept: Kept, seconds: float) -> None:
        raise AssertionError("nothing is kept here")

    async def near(self, organisation: str, group: bytes, near: Near) -> bytes | None:
        raise AssertionError("nothing is kept here")

    def keep_near(self, organisation: str, group: bytes, near: Near, key: bytes, seconds: float) -> None:
        raise AssertionError("nothing is kept here")


class Street:
    """Where workers hear each other; a word arrives at once."""

    def __init__(self) -> None:
        self.workers: dict[str, Elsewhere] = {}
        self.said: list[str] = []
        self.answered = asyncio.Event()


class Bus:
    def __init__(self, me: str, street: Street) -> None:
        self.me, self.meets, self._street = me, True, street

    async def say(self, to: str, word: Word) -> bool:
        self._street.said.append(word.kind)
        if word.kind in (YES, NO):
            self._street.answered.set()
        self._street.workers[to].heard(word)
        return True


class Forms:
    def whole(self) -> Outbound:
        return OUTBOUND

    def beginning(self) -> Outbound:
        return OUTBOUND


class Sent:
    out = False
    cache: Cache = MISS


class Worker:
    """One process."""

    def __init__(self, name: str, store: Store, street: Street) -> None:
        self.elsewhere = street.workers[name] = Elsewhere(Bus(name, street))
        self.sharing = Sharing()
        self.sharing.through(store, self.elsewhere)
        self.dialled = 0

    async def _dial(self, _: Flight) -> Incoming:
        self.dialled += 1
        return Replay(Kept("id", 0, "text/event-stream", WORDS))

    async def ask(self) -> tuple[bytes, Cache]:
        passenger = await self.sharing.board(CIRCLE, OUTBOUND, Forms(), self._dial, Sent())
        try:
            return await passenger.body(), passenger.cache
        finally:
            passenger.close()


def test_who_asks_before_the_claim_is_confirmed_hears_the_call_all_the_same(run: Run[Any]) -> None:
    async def story() -> None:
        store, street = Store(), Street()
        one, other = Worker("one", store, street), Worker("other", store, street)
        store.slow["one"] = asyncio.Event()
        first = asyncio.create_task(one.ask())
        await store.claimed.wait()
        second = asyncio.create_task(other.ask())
        async with asyncio.timeout(10):
            await street.answered.wait()
        store.slow["one"].set()
        assert await first == (WORDS, MISS)
        assert await second == (WORDS, JOINED)
        assert (one.dialled, other.dialled) == (1, 0)
        await one.elsewhere.told()
        await one.elsewhere.close()
        await other.elsewhere.close()

    run(story())


def test_a_call_that_nobody_makes_any_more_is_not_promised(run: Run[Any]) -> None:
    async def story() -> None:
        store, street = Store(), Street()
        one, other = Worker("one", store, street), Worker("other", store, street)
        store.slow["one"] = asyncio.Event()
        first = asyncio.create_task(one.ask())
        await store.claimed.wait()
        first.cancel()
        await asyncio.wait([first])
        assert await other.ask() == (WORDS, MISS)
        assert street.said[:2] == [WANT, NO]
        assert (one.dialled, other.dialled) == (0, 1)
        await one.elsewhere.close()
        await other.elsewhere.close()

    run(story())
