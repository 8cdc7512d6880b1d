"""What a store has said is believed until something is heard of it, and then only when it has said it again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine

import pytest

from gateway.stores.breaker import Unavailable
from gateway.stores.remembered import Remembered

Find = Callable[[], Awaitable[str | None]]


class Store:
    """Holds one thing for everybody; `before` is done between its reading and its answer."""

    def __init__(self) -> None:
        self.holds: str | None = "old"
        self.asked: list[str] = []
        self.away = False
        self.before: list[Callable[[], object]] = []
        self.slow = 0.0
        self.known: Remembered[str, str] = Remembered(100, lambda name, _: self._say(name))

    def find(self, name: str) -> Find:
        return lambda: self._say(name)

    async def ask(self, name: str = "one") -> tuple[str | None, bool]:
        return await self.known.ask(name, self.find(name))

    async def _say(self, name: str) -> str | None:
        self.asked.append(name)
        if self.away:
            raise Unavailable("away")
        read = self.holds
        await asyncio.sleep(self.slow)
        if self.before:
            self.before.pop()()
        return read

    async def gone(self) -> tuple[str | None, bool]:
        """What is believed where it cannot be asked any more, nor be heard of."""
        self.away = True
        self.known.deaf()
        return await self.ask()

    def change(self, holds: str | None = "new") -> None:
        self.holds = holds
        self.known.heard(lambda _, __: True)


def play(scene: Callable[[Store], Coroutine[None, None, None]]) -> None:
    async def run() -> None:
        await scene(Store())

    asyncio.run(run())


async def settle() -> None:
    await asyncio.sleep(0.05)


def test_what_has_changed_is_asked_for_again_by_itself_and_is_good_when_the_store_goes_then() -> None:
    async def scene(store: Store) -> None:
        for name in ("one", "two", "three"):
            await store.ask(name)
        store.change()
        await settle()
        assert store.asked == ["one", "two", "three", "three", "two", "one"]  # the latest first
        assert await store.gone() == ("new", False)

    play(scene)


def test_what_could_not_be_asked_for_again_is_not_believed() -> None:
    async def scene(store: Store) -> None:
        for name in ("one", "two", "three"):
            await store.ask(name)
        store.away = True
        store.change(None)
        await settle()
        assert len(store.asked) == 4  # one has learned for all that the store is away
        for name in ("one", "two", "three"):
            with pytest.raises(Unavailable):
                await store.ask(name)
        store.away = False
        assert await store.ask() == (None, True)

    play(scene)


def test_an_answer_from_before_a_change_is_not_given_to_who_waits_for_it() -> None:
    async def scene(store: Store) -> None:
        store.before = [store.change]
        assert await store.ask() == ("new", True)
        assert await store.gone() == ("new", False)

    play(scene)


def test_an_answer_that_changed_each_time_it_was_asked_for_is_not_believed_later() -> None:
    async def scene(store: Store) -> None:
        store.before = [store.change] * 3
        await store.ask()
        store.away = True
        with pytest.raises(Unavailable):
            await store.ask()

    play(scene)


def test_who_waits_for_a_slow_store_is_not_served_what_was_doubted_meanwhile() -> None:
    async def scene(store: Store) -> None:
        await store.ask()
        store.known.deaf()
        store.slow = 0.1
        asking = asyncio.ensure_future(store.ask())
        await asyncio.sleep(0.02)
        store.change(None)
        assert await asking == (None, True)

    play(scene)


def test_a_store_that_stands_still_is_waited_for_once_and_not_by_everybody_who_comes() -> None:
    async def scene(store: Store) -> None:
        assert await store.ask() == ("old", True)
        store.slow, store.holds = 0.8, "new"
        store.known.deaf()
        took = []
        for _ in range(5):
            began = time.monotonic()
            assert await store.ask() == ("old", False)
            took.append(time.monotonic() - began)
            await asyncio.sleep(0.08)  # beyond what the first waited
        assert took[0] >= 0.05
        assert max(took[1:]) < 0.03
        await asyncio.sleep(0.8)
        assert store.asked == ["one", "one"]  # it was asked in the background, once
        answer = store.known.fresh("one")
        assert answer is not None
        assert answer.found == "new"

    play(scene)
