"""Calls that several requests hear: what a provider says once is read by each of them at its own speed.

Nothing reads ahead: the passenger that has heard everything and wants more reads for all. So a call goes as fast as its
fastest passenger, costs one that flies alone next to nothing, and goes on when whoever began it has left.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from gateway.core.errors import SyntraError
from gateway.core.ids import uuid7
from gateway.core.kept import Replayed
from gateway.core.let_go import let_go
from gateway.upstream.count import Counted
from gateway.upstream.incoming import JOINED, MISS, Cache, Incoming, Progress

_MOST_HELD: Final = 1024 * 1024  # bytes of one call that wait for its slowest passenger; then the others wait too

Dial = Callable[["Flight"], Awaitable[Incoming]]


class Flight:
    """One call and those who hear it; others may come on board until `until`, loop time."""

    # Most calls need none of these; what stands here costs them nothing.
    cache: Cache = MISS
    billed = True  # to this worker's passengers
    out = False  # as an attempt's, of the call
    dial: Dial | None = None
    keep: Callable[[bytes], None] | None = None  # takes the bytes of a whole answer
    after: Callable[[], None] | None = None  # called when nothing more is read of the reply
    led: Callable[[Flight], None] | None = None  # told of the end, where other workers know of the call
    most_kept = 0  # bytes of an answer that is worth keeping
    replayed: Replayed | None = None
    payer: Passenger | None = None
    final: Counted | None = None
    incoming: Incoming | None = None
    failure: Exception | None = None
    over = False
    end = 0  # blocks that have come
    _id = ""
    _size = 0  # bytes of the blocks
    _dropped = 0  # blocks that everybody has heard and nobody else will
    _reading = False
    _given_back = False
    _task: asyncio.Task[None] | None = None

    def __init__(self, until: float, gone: Callable[[Flight], None]) -> None:
        self.created = int(time.time())
        self.until = until
        self._gone = gone
        self._loop = asyncio.get_running_loop()
        self._passengers: list[Passenger] = []
        self._blocks: list[bytes] = []
        self._waiting: list[asyncio.Future[None]] = []

    @property
    def id(self) -> str:
        """The answer's, for everybody who hears it; made for the first who wants to know."""
        if not self._id:
            self._id = f"chatcmpl-{uuid7()}"
        return self._id

    def answers_as(self, name: str, created: int) -> None:
        """It is another's answer, under the id that it has there."""
        self._id, self.created = name, created

    # From the first passenger to the last.

    def start(self, dial: Dial) -> None:
        """Make the call, which takes more than one to make: it is nobody's, so that nobody's leaving ends it."""
        self.dial = dial
        self._task = self._loop.create_task(self._open(dial))

    async def _open(self, dial: Dial) -> None:
        """Make the call, or go on with one whose head was waited for by who has left."""
        self._reading = True
        try:
            if self.incoming is None:
                self.incoming = await dial(self)
            await self.incoming.head()
            self.out = self.out and self.incoming.status == 200  # with any other the provider did not do the work
        except Exception as error:  # noqa: BLE001  # whatever it is, each passenger is told, and the log by them
            self.failure = error
        finally:
            self._reading = False
            self._wake()

    @property
    def joinable(self) -> bool:
        """Whether somebody who comes now hears the whole answer."""
        if self.failure is not None or self._dropped or self.final is not None:
            return False
        return self._loop.time() < self.until and (self.incoming is None or self.incoming.status in (0, 200))

    def board(self, sent: Progress, inherits: Callable[[], None] | None = None) -> Passenger:
        """A new passenger; the first pays. One that stands for others is told when it is to pay: it `inherits`."""
        passenger = Passenger(self, sent, MISS if self.payer is None else JOINED, inherits)
        if self.payer is None:
            self.payer = passenger
        self._passengers.append(passenger)
        return passenger

    async def opened(self) -> Incoming:
        """Wait for the reply's head: one passenger for all, and the next where that one leaves."""
        while self.incoming is None or not self.incoming.status:
            if self.failure is not None:
                self.raise_failure()
            if self._reading or self._task is not None or self.dial is None:
                await self._news()
            else:
                await self._open(self.dial)
        return self.incoming

    def pass_on(self, leaving: Passenger) -> bool:
        """Let another pay in place of one that leaves before the end, if there is one."""
        others = [other for other in self._passengers if other is not leaving]
        if not others:
            return False
        self.payer = next((other for other in others if other.inherits is None), others[0])
        if self.payer.inherits is not None:
            self.payer.inherits()
        return True

    def leave(self, passenger: Passenger) -> None:
        """One passenger less; the last one ends the call."""
        self._passengers.remove(passenger)
        if self._passengers:
            self._trim()
            self._wake()
            return
        self._gone(self)
        if self.led is not None:
            self.led(self)
        let_go(self.failure)
        self.payer = self.failure = self.keep = self.led = self.dial = None  # no circles
        if self.incoming is not None:
            self._give_back()
        elif self._task is not None:
            self._task.cancel()

    def raise_failure(self) -> None:
        """Raise what the call failed with; each passenger has an error of its own, since what is told differs."""
        if self.failure is not None:
            raise _again(self.failure) if isinstance(self.failure, SyntraError) else self.failure

    # The reply's body.

    async def more(self) -> None:
        """Read for all, or wait until another has."""
        if self._reading or self.incoming is None or (self._size > _MOST_HELD and self._is_held()):
            await self._news()
            return
        self._reading = True
        try:
            block = await self.incoming.read()
        except Exception as error:  # noqa: BLE001  # as above
            self.failure = error
        else:
            if block:
                self._blocks.append(block)
                self._size += len(block)
                self.end += 1
            if not block or self.incoming.complete:
                self.arrived()
        finally:
            self._reading = False
            if self._waiting:
                self._wake()

    def since(self, at: int) -> bytes:
        """Everything from a block on."""
        blocks = self._blocks[at - self._dropped :] if at > self._dropped else self._blocks
        return blocks[0] if len(blocks) == 1 else b"".join(blocks)

    def heard(self) -> None:
        """A passenger has read on: what nobody needs any more is dropped."""
        if self._blocks and not self._holds():
            self._trim()

    def arrived(self) -> None:
        """The answer is over: what its provider may still send is nobody's."""
        if self.over:
            return
        self.over = True
        if not self._reading:
            self._give_back()
        if self._waiting:
            self._wake()

    def _give_back(self) -> None:
        if self.incoming is not None and not self._given_back:
            self._given_back = True
            self.incoming.close()
            if self.after is not None:
                self.after()
                self.after = None

    def whole(self, counted: Counted, *, well: bool) -> None:
        """Somebody has heard the answer to its end."""
        if self.final is None:
            self.final = counted
            if well and self.keep is not None and not self._dropped and self._size <= self.most_kept:
                self.keep(b"".join(self._blocks))

    def _holds(self) -> bool:
        """Whether blocks that everybody has heard are needed still: by who comes late, or to be kept."""
        if self._size > _MOST_HELD:
            return False
        return self._size <= self.most_kept or self._loop.time() < self.until

    def _is_held(self) -> bool:
        """Whether there is too much that only the slowest has not heard."""
        self._trim()
        return self._size > _MOST_HELD

    def _trim(self) -> None:
        if self._holds():
            return
        heard = min(passenger.at for passenger in self._passengers) - self._dropped
        if heard > 0:
            self._size -= sum(map(len, self._blocks[:heard]))
            del self._blocks[:heard]
            self._dropped += heard
            self._wake()

    async def _news(self) -> None:
        """Wait until anything has changed."""
        news = self._loop.create_future()
        self._waiting.append(news)
        await news

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            if not one.done():
                one.set_result(None)


def _again(error: SyntraError) -> SyntraError:
    """The same error, for somebody else; without its making, which some want more for than their words."""
    other = type(error).__new__(type(error), *error.args)
    other.__dict__.update(error.__dict__)
    return other


class Passenger:
    """One request's reading of a call; an `Incoming` and its `Share`."""

    at = 0  # blocks heard
    status = 0
    headers: Mapping[str, str] = {}
    _pays: bool | None = None
    _closed = False

    def __init__(
        self, flight: Flight, sent: Progress, cache: Cache, inherits: Callable[[], None] | None = None
    ) -> None:
        self.inherits = inherits
        self.cache = cache
        self._flight = flight
        self._sent = sent

    async def head(self) -> None:
        """Wait for status and headers."""
        try:
            incoming = await self._flight.opened()
        finally:
            if self._flight.cache != MISS:
                self.cache = self._flight.cache
            self._sent.cache = self.cache
        self.status, self.headers = incoming.status, incoming.headers

    @property
    def replayed(self) -> Replayed | None:
        """What is kept, where this is that."""
        return self._flight.replayed

    @property
    def id(self) -> str:
        """The answer's, the same for everybody who gets it."""
        return self._flight.id

    @property
    def created(self) -> int:
        """When it was begun."""
        return self._flight.created

    async def read(self) -> bytes:
        """All that has come and was not heard yet; empty at the end."""
        flight = self._flight
        while self.at == flight.end:
            if flight.failure is not None:
                flight.raise_failure()
            if flight.over:
                return b""
            await flight.more()
        block = flight.since(self.at)
        self.at = flight.end
        flight.heard()
        return block

    async def body(self) -> bytes:
        """The whole body."""
        blocks = [await self.read()]
        while not self.complete:
            blocks.append(await self.read())
        return blocks[0] if len(blocks) == 1 else b"".join(blocks)

    def expect(self, seconds: float) -> None:
        """The next event must come within `seconds` from now; who is behind has no say."""
        flight = self._flight
        if self.at == flight.end and flight.incoming is not None and not flight.over:
            flight.incoming.expect(seconds)

    @property
    def complete(self) -> bool:
        """Whether all of the body has been read."""
        return self._flight.over and self.at == self._flight.end

    @property
    def ended(self) -> bool:
        """Whether the terminal event was seen."""
        return self._flight.over

    @ended.setter
    def ended(self, seen: bool) -> None:
        if seen and self._flight.incoming is not None and not self._flight.over:
            self._flight.incoming.ended = True
            self._flight.arrived()

    def whole(self, counted: Counted, *, well: bool) -> None:
        """The answer was heard to its end."""
        self._flight.whole(counted, well=well)

    def counted(self) -> Counted | None:
        """What the whole answer came to."""
        return self._flight.final

    def pays(self) -> bool:
        """Whether the call is billed to this one: to the first that stays, and to one alone."""
        if self._pays is None:
            flight = self._flight
            mine = flight.payer is self
            early = flight.final is None and flight.failure is None
            self._pays = mine and not (early and flight.pass_on(self)) and flight.billed
        return self._pays

    def close(self) -> None:
        """Leave."""
        if not self._closed:
            self._closed = True
            self._sent.out = self.pays() and self._flight.out
            self._flight.leave(self)
