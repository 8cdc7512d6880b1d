"""Calls that other workers make or hear: a passenger for each that hears one of ours, a reply for each of theirs.

Nothing is told that nobody has asked for. A worker that wants to hear says so to the one that makes the call, which
then tells it what was said and what is said from then on, and hears from it when its last passenger has left.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final, Protocol

import msgspec
from msgspec import Struct

from gateway.core.errors import UpstreamBroken, UpstreamError, UpstreamSilent, UpstreamUnreachable
from gateway.core.kept import Call, Word
from gateway.upstream.flights import Flight, Passenger
from gateway.upstream.incoming import JOINED, Cache

WANT, LEFT = "want", "left"  # said by who hears
YES, NO, HEAD, BLOCK, END, FAILED, PAY, STILL = "yes", "no", "head", "block", "end", "failed", "pay", "still"

_ANSWER_SECONDS: Final = 0.1  # that a worker may take to say yes
_HELD_UP: Final = 0.005  # s; a timer that is later than this tells of a loop of ours that was busy with something else
_GRACE: Final = 0.01  # s; time enough to read what has come meanwhile
_STILL_SECONDS: Final = 1.0  # between two signs of life
_DEAD_SECONDS: Final = 4.0  # without one
_MOST_HELD: Final = 32 * 1024 * 1024  # bytes that wait for who hears here: more than a reply has
_FAILURES: Final[Mapping[str, type[UpstreamError]]] = {
    "upstream_timeout": UpstreamSilent,
    "upstream_unreachable": UpstreamUnreachable,
}
_encode = msgspec.msgpack.Encoder().encode
_head = msgspec.msgpack.Decoder(tuple[int, dict[str, str]]).decode
_failure = msgspec.msgpack.Decoder(tuple[str, str]).decode


class Bus(Protocol):
    """Carries words between workers."""

    me: str

    @property
    def meets(self) -> bool:
        """Whether others can be heard, and there may be some."""

    async def say(self, to: str, word: Word) -> bool:
        """Say a word to a worker; whether it was there."""


class _Unasked(Struct):
    """The progress of a passenger that is another worker's: nobody here asks for it."""

    out: bool = False
    cache: Cache = JOINED


class Theirs:
    """The reply to another worker's call; an `Incoming`."""

    def __init__(self, pays: Callable[[], None], leave: Callable[[], None]) -> None:
        self.status = 0
        self.headers: Mapping[str, str] = {}
        self.ended = False
        self._pays = pays
        self._leave = leave
        self._loop = asyncio.get_running_loop()
        self._blocks: deque[bytes] = deque()
        self._size = 0
        self._over = False
        self._failure: UpstreamError | None = None
        self._last = self._loop.time()
        self._news = asyncio.Event()
        self.answer: asyncio.Future[bool] = self._loop.create_future()  # yes or no

    def take(self, word: Word) -> None:
        """What the other worker says."""
        self._last = self._loop.time()
        match word.kind:
            case "head":
                self.status, self.headers = _head(word.data)
            case "block":
                self._blocks.append(word.data)
                self._size += len(word.data)
            case "end":
                self._over = True
            case "failed":
                kind, words = _failure(word.data)
                self._failure = _FAILURES.get(kind, UpstreamBroken)(words)
            case "pay":
                self._pays()
        if not self.answer.done() and word.kind in (YES, NO):
            self.answer.set_result(word.kind == YES)
        if self._size > _MOST_HELD:
            self.lose()
        self._news.set()

    def lose(self) -> None:
        """Words may have been missed: what comes now cannot be trusted to be all."""
        self._failure = self._failure or UpstreamBroken("Another worker's call could not be heard to its end.")
        self._news.set()

    async def answered(self, seconds: float) -> bool:
        """Whether the other worker says yes, in time."""
        due = self._loop.time() + seconds
        await asyncio.wait([self.answer], timeout=seconds)
        if not self.answer.done() and self._loop.time() > due + _HELD_UP:
            await asyncio.wait([self.answer], timeout=_GRACE)
        return self.answer.done() and self.answer.result()

    @property
    def complete(self) -> bool:
        """Whether all of the body has been read."""
        return self._over and not self._blocks

    async def head(self) -> None:
        """Wait for status and headers."""
        while not self.status:
            await self._more()

    async def read(self) -> bytes:
        """All that has come since the last read; empty at the end."""
        while not self._blocks:
            if self._over:
                return b""
            await self._more()
        block = b"".join(self._blocks)
        self._blocks.clear()
        self._size = 0
        return block

    async def body(self) -> bytes:
        """The whole body."""
        blocks = []
        while block := await self.read():
            blocks.append(block)
        return b"".join(blocks)

    async def _more(self) -> None:
        if self._failure is not None:
            raise self._failure
        self._news.clear()
        try:
            async with asyncio.timeout_at(self._last + _DEAD_SECONDS):
                await self._news.wait()
        except TimeoutError:
            if self._loop.time() >= self._last + _DEAD_SECONDS:
                self.lose()

    def expect(self, seconds: float) -> None:
        """The other worker sees to that."""

    def close(self) -> None:
        """Hear no more."""
        self._leave()


class Elsewhere:
    """What one worker makes for others, and hears of them."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._ours: dict[str, tuple[bytes, Flight]] = {}
        self._theirs: dict[str, Theirs] = {}
        self._telling: dict[tuple[str, str], asyncio.Task[object]] = {}  # by call and worker
        self._tasks: set[asyncio.Task[object]] = set()

    @property
    def me(self) -> str:
        """The worker's name, where there may be others, else nothing."""
        return self._bus.me if self._bus.meets else ""

    def lead(self, key: bytes, flight: Flight) -> None:
        """Others may hear this call from now on, if they know its key; to be said before they can know of it."""
        self._ours[flight.id] = key, flight

    def over(self, call: str) -> None:
        """The call that we made under this id is over."""
        self._ours.pop(call, None)

    async def hear(self, call: Call, key: bytes, pays: Callable[[], None]) -> Theirs | None:
        """The reply to another worker's call, once its head is there; None where it cannot be heard."""
        if call.worker == self._bus.me or call.id in self._theirs:
            return None
        theirs = Theirs(pays, lambda: self._leave(call))
        self._theirs[call.id] = theirs
        heard = False
        try:
            if not await self._bus.say(call.worker, Word(self._bus.me, call.id, WANT, key)):
                return None
            heard = await theirs.answered(_ANSWER_SECONDS)
            if not heard:
                return None
            await theirs.head()
        except BaseException:
            self._leave(call)
            raise
        finally:
            if not heard:
                self._theirs.pop(call.id, None)
        return theirs

    def _leave(self, call: Call) -> None:
        if self._theirs.pop(call.id, None) is not None:
            self._say(call.worker, call.id, LEFT)

    def heard(self, word: Word) -> None:
        """A word from another worker."""
        if word.kind == WANT:
            self._wanted(word)
        elif word.kind == LEFT:
            telling = self._telling.pop((word.call, word.by), None)
            if telling is not None:
                telling.cancel()
        elif (theirs := self._theirs.get(word.call)) is not None:
            theirs.take(word)

    def deaf(self) -> None:
        """Words may have been missed."""
        for theirs in self._theirs.values():
            theirs.lose()

    def _wanted(self, word: Word) -> None:
        """Another worker wants to hear a call of ours; it must know what the call is made of."""
        key, flight = self._ours.get(word.call, (b"", None))
        if flight is None or key != word.data or not flight.joinable or (word.call, word.by) in self._telling:
            self._say(word.by, word.call, NO)
            return
        passenger = flight.board(_Unasked(), inherits=lambda: self._say(word.by, word.call, PAY))
        self._telling[word.call, word.by] = self._keep(self._tell(passenger, word.by, word.call))

    async def _tell(self, passenger: Passenger, to: str, call: str) -> None:
        """Tell a call from its first word to its last, or until nobody hears."""
        telling = asyncio.ensure_future(self._read(passenger, to, call))
        try:
            while not telling.done():
                await asyncio.wait([telling], timeout=_STILL_SECONDS)
                if not telling.done() and not await self._bus.say(to, Word(self._bus.me, call, STILL)):
                    break
        finally:
            telling.cancel()
            self._telling.pop((call, to), None)
            passenger.close()

    async def _read(self, passenger: Passenger, to: str, call: str) -> None:
        async def say(kind: str, data: bytes = b"") -> bool:
            return await self._bus.say(to, Word(self._bus.me, call, kind, data))

        try:
            there = await say(YES)
            await passenger.head()
            there = there and await say(HEAD, _encode((passenger.status, dict(passenger.headers))))
            while there and (block := await passenger.read()):
                there = await say(BLOCK, block)
            await say(END)
        except UpstreamError as error:
            await say(FAILED, _encode((error.kind, error.message)))

    def _say(self, to: str, call: str, kind: str) -> None:
        self._keep(self._bus.say(to, Word(self._bus.me, call, kind)))

    def _keep(self, work: Coroutine[Any, Any, object]) -> asyncio.Task[object]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def told(self) -> None:
        """Wait until nobody hears a call of ours any more."""
        while self._telling:
            await asyncio.wait(self._telling.values())

    async def close(self) -> None:
        """Tell nobody any more, and those who still hear that this was not the end."""
        cut = _encode(("upstream_broken", "The worker that made the call has stopped."))
        for call, to in tuple(self._telling):
            await self._bus.say(to, Word(self._bus.me, call, FAILED, cut))
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
