"""Keeps to the pace that a provider bears: who may ask now, who waits, in which order, and who is told to go elsewhere.

    syntra:pace:{<provider>:<credential>}:due    when the next request is due
    syntra:pace:{<provider>:<credential>}:run    those that run, each leased

A pace that somebody has set is one for all workers, kept in Valkey by one script; without Valkey each worker has its
share. Where none is set, nothing is asked. What is learned (a 429, a provider's own headers) every worker learns by
itself: the provider tells all of them. Who waits is let through organisation by organisation, so that nobody's crowd
stands before another's single request.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Coroutine, Mapping
from typing import Final, Self

from gateway.core.deadline import Deadline
from gateway.core.errors import Paced
from gateway.core.health import Key
from gateway.core.ids import uuid7
from gateway.core.tempo import SAYS, Gate, Learned, held_for
from gateway.stores.breaker import Unavailable
from gateway.stores.script import Scripts
from gateway.stores.valkey import BACKGROUND_DEADLINE, Command, Refused, Unheard, Valkey
from policies.documents import Tempo

LEASE_SECONDS: Final = 30.0  # what a worker that was killed holds comes back after this
_MOST_WAITING = 1_000  # behind one lane; more is no queue but a crowd
_MOST_LEARNED = 2_000
_LONGEST_NAP = 0.25  # s; a place that another worker gives back is seen after this
_ENVIRONMENT = "env"

Release = Callable[[], None]


def _nothing() -> None:
    """Nothing was taken."""


class _Lane:
    """One provider with one key, and who waits for it."""

    def __init__(self, pacer: Pacer, name: str, tempo: Tempo, workers: int) -> None:
        self.tempo = tempo
        self.keys = (f"syntra:pace:{{{name}}}:due", f"syntra:pace:{{{name}}}:run")
        self.gate = Gate(tempo.rps / workers, tempo.whole_burst / workers, tempo.concurrency / workers)
        self.held: set[str] = set()  # ids of this worker's requests that run
        self._pacer = pacer
        self._queue: OrderedDict[str, deque[asyncio.Future[Release]]] = OrderedDict()  # by organisation
        self._freed = asyncio.Event()
        self._pump: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> int:
        return sum(map(len, self._queue.values()))

    async def enter(self, organisation: str, seconds: float) -> Release:
        """Let one request through, within so many seconds; raises TimeoutError, with the wait as its argument."""
        wait = 0.0
        if not self._queue:
            place = await self.ask()
            if not isinstance(place, float):
                return place
            wait = place
        if wait > seconds or self.waiting >= _MOST_WAITING:
            raise TimeoutError(wait)
        turn: asyncio.Future[Release] = asyncio.get_running_loop().create_future()
        self._queue.setdefault(organisation, deque()).append(turn)
        if self._pump is None or self._pump.done():
            self._pump = asyncio.create_task(self._let_through(), name="pacer")
        try:
            async with asyncio.timeout(seconds):
                return await turn
        except TimeoutError:
            raise TimeoutError(max(wait, self._expected())) from None
        finally:
            self._forget(organisation, turn)

    def _expected(self) -> float:
        """Seconds until those who still wait are through, by the rate alone."""
        return (self.waiting + 1) / self.tempo.rps if self.tempo.rps else 1.0

    def _forget(self, organisation: str, turn: asyncio.Future[Release]) -> None:
        """Who has gone stands in nobody's way, and what came to them in that moment is given back."""
        if turn.done() and not turn.cancelled():
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                turn.result()()
            return
        if (line := self._queue.get(organisation)) is not None:
            with contextlib.suppress(ValueError):
                line.remove(turn)
            if not line:
                self._queue.pop(organisation, None)

    async def _let_through(self) -> None:
        """Let those who wait through, one organisation after the other, until nobody waits."""
        while self._queue:
            self._freed.clear()
            place = await self.ask()
            if isinstance(place, float):
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(min(place, _LONGEST_NAP)):
                        await self._freed.wait()
                continue
            if (turn := self._next()) is None:
                place()
            else:
                turn.set_result(place)

    def _next(self) -> asyncio.Future[Release] | None:
        """Whose turn it is: the first of the organisation that was served longest ago."""
        while self._queue:
            organisation, line = self._queue.popitem(last=False)
            turn = line.popleft()
            if line:
                self._queue[organisation] = line
            if not turn.done():
                return turn
        return None

    async def ask(self) -> Release | float:
        """A place, or the seconds until it is worth asking again."""
        name = uuid7()
        wait = await self._pacer.ask(self, name)
        if wait is None:
            wait = self.gate.take(time.monotonic())
            return wait or self._leave_gate
        if wait:
            return wait
        if not self.tempo.concurrency:
            return _nothing
        self.held.add(name)
        return lambda: self._leave(name)

    def _leave_gate(self) -> None:
        self.gate.leave()
        self._freed.set()

    def _leave(self, name: str) -> None:
        self.held.discard(name)
        self._freed.set()
        self._pacer.left(self, name)


class Pacer:
    """The lanes of one worker; `tempos` are the environment's for its own keys, `documented` those of the documents."""

    def __init__(
        self,
        tempos: Mapping[str, Tempo],
        documented: Callable[[], Mapping[str, Tempo]],
        valkey: Valkey | None,
        *,
        workers: int,
    ) -> None:
        self._tempos = tempos
        self._documented = documented
        self._valkey = valkey
        self._workers = workers
        self._scripts = Scripts({"pace": ("pacer.lua",)})
        self._lanes: dict[tuple[str, str], _Lane] = {}
        self._learned: OrderedDict[Key, Learned] = OrderedDict()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def start(self) -> None:
        """Begin to renew what is held; needs the running loop."""
        if self._valkey is not None:
            self._spawn(self._renew(self._valkey))

    async def close(self) -> None:
        """Stop; places that are still held are given back by the end of their leases."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def enter(self, key: Key, organisation: str, deadline: Deadline, *, last: bool = True) -> Release:
        """Wait for a place, a bounded time, in fair order; raises Paced. What is returned gives the place back.

        Who is not the `last` that can be asked is also held to what is only guessed of its pace.
        """
        now = time.monotonic()
        learned = self._learned.get(key)
        if learned is None:
            learned = self._learned[key] = Learned(now)
            if len(self._learned) > _MOST_LEARNED:
                self._learned.popitem(last=False)
        lane = self._lane(key)
        if lane is None and not learned.holds:
            learned.asked(now)
            return _nothing
        tempo = Tempo() if lane is None else lane.tempo
        release: Release = _nothing
        try:
            if not last and not learned.lets(now):
                raise TimeoutError(1.0)
            await _until_free(learned, deadline.left(tempo.wait))
            if lane is not None:
                release = await lane.enter(organisation, deadline.left(tempo.wait))
        except TimeoutError as error:
            wait = max(1, math.ceil(error.args[0])) if error.args else 1
            words = f"Syntra keeps to {key[0]}'s pace, and others wait for it already; try again in {wait} s."
            raise Paced(words, retry_after=wait, provider=key[0]) from None
        learned.asked(time.monotonic())
        return release

    def heard(self, key: Key, headers: Mapping[str, str]) -> None:
        """The headers of a reply: where they say that nothing is left, the next request waits for as long."""
        seconds = held_for(headers, time.time()) if not SAYS.isdisjoint(headers) else 0.0
        if seconds and (learned := self._learned.get(key)) is not None:
            learned.hold(time.monotonic() + seconds)

    def limited(self, key: Key, seconds: float) -> None:
        """A 429: from the end of its wait on it is asked less, and by and by more again."""
        if (learned := self._learned.get(key)) is not None:
            learned.limited(time.monotonic(), seconds)

    def _lane(self, key: Key) -> _Lane | None:
        provider, credential, _ = key
        tempo = self._tempos.get(provider) if credential == _ENVIRONMENT else None
        if tempo is None and (tempo := self._documented().get(provider)) is None:
            return None
        lane = self._lanes.get(key[:2])
        if lane is None or lane.tempo != tempo:
            lane = self._lanes[key[:2]] = _Lane(self, f"{provider}:{credential}", tempo, self._workers)
        return lane

    async def ask(self, lane: _Lane, name: str) -> float | None:
        """What Valkey says to one request: seconds to wait, 0 for none; None where it cannot be asked."""
        if self._valkey is None:
            return None
        tempo, lease = lane.tempo, round(LEASE_SECONDS * 1e3)
        call = self._scripts.call(
            "pace", lane.keys, repr(tempo.rps), repr(tempo.whole_burst), tempo.concurrency, name, lease
        )
        try:
            (reply,) = await self._scripts.pipeline(self._valkey, [call])
        except Unheard:
            self.left(lane, name)  # it may have been taken all the same
            return None
        except asyncio.CancelledError:
            self.left(lane, name)
            raise
        except Unavailable:
            return None
        return None if isinstance(reply, Refused) else reply / 1e3

    def left(self, lane: _Lane, name: str) -> None:
        """Give a place back, in the background."""
        if self._valkey is not None and lane.tempo.concurrency:
            self._spawn(self._tell(self._valkey, [("ZREM", lane.keys[1], name)]))

    async def _tell(self, valkey: Valkey, commands: list[Command]) -> None:
        with contextlib.suppress(Unavailable):  # then the lease's end does it
            await valkey.pipeline(commands, BACKGROUND_DEADLINE)

    async def _renew(self, valkey: Valkey) -> None:
        """Renew the leases of all that run, for ever; what Valkey has lost is there again."""
        while True:
            await asyncio.sleep(LEASE_SECONDS / 3)
            lanes = [lane for lane in self._lanes.values() if lane.held]
            if not lanes:
                continue
            try:
                seconds, micro = await valkey.run("TIME", within=BACKGROUND_DEADLINE)
            except Unavailable:
                continue
            end = round(int(seconds) * 1e3 + int(micro) / 1e3 + LEASE_SECONDS * 1e3)
            commands: list[Command] = []
            for lane in lanes:
                ends = [part for name in lane.held for part in (end, name)]
                commands += [
                    ("ZADD", lane.keys[1], *ends),
                    ("PEXPIRE", lane.keys[1], round(2 * LEASE_SECONDS * 1e3)),
                ]
            await self._tell(valkey, commands)

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _until_free(learned: Learned, seconds: float) -> None:
    """Wait for what a provider has said; raises TimeoutError with the wait where that is longer than may be."""
    if wait := learned.held(time.monotonic()):
        if wait > seconds:
            raise TimeoutError(wait)
        await asyncio.sleep(wait)
