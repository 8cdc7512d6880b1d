"""Everybody who waits for a reply: who is kept awake by heartbeats, who is too slow, and how all leave at shutdown."""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import signal
import time
from collections.abc import Awaitable, Callable, Coroutine

from gateway.core.errors import BodyTooSlow, Draining
from gateway.core.rolling import Rolling, turn_away
from gateway.http.intake import Left
from gateway.http.visit import Visit

_PARTING = 0.5  # s in which who has just come gets to ask
_GLANCE = 0.1  # s until a visit is watched for leaving: most are over by then, and a watch costs a task
_TICK = 0.5  # s between two looks around; one for all visits, so that a stream costs no timer of its own
_QUIET = 15.0  # s without a byte before a heartbeat; below every proxy's idle limit that we know of
_LATE = 0.25  # s by which a glance may come late; a loop that is later than this is not keeping up
_OFTEN = 3  # such glances in a row: one alone is a hiccup, not a state
_MOST_OVERLAP = 20.0  # s that a worker stays for its successor; Granian's clock runs already
_MOST_WRITE = 60.0  # s that one write may wait for a client that does not read


class Lounge:
    """The visits of this process that are being served."""

    def __init__(
        self,
        drain_seconds: float,
        elsewhere: Callable[[], Awaitable[None]] | None = None,
        rolling: Rolling | None = None,
    ) -> None:
        self.draining = False
        self._rolling = rolling or Rolling(None)
        self._leaving = False
        self._ends = 0.0  # of the drain; loop time
        self._elsewhere = elsewhere  # returns when nobody elsewhere hears what is said here
        self._drain_seconds = drain_seconds
        server = multiprocessing.parent_process()  # as it was when we began: it may be gone by now
        self._parent = server.pid if server is not None else os.getppid()
        self._visits: set[Visit] = set()
        self._unwatched: set[Visit] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._late = 0  # glances in a row that came late
        self._empty: asyncio.Event | None = None  # while somebody waits for it

    def enter(self, visit: Visit) -> None:
        """A visit begins to be served."""
        self._visits.add(visit)

    @property
    def size(self) -> int:
        """How many are being served."""
        return len(self._visits)

    @property
    def overloaded(self) -> bool:
        """Whether the loop has been late for a while: who comes now would only make it later for all."""
        return self._late >= _OFTEN

    def leave(self, visit: Visit) -> None:
        """It has its reply, or has gone; nothing holds it from now on, so that the next is made of warm memory."""
        self._visits.discard(visit)
        self._unwatched.discard(visit)
        if self._empty is not None and not self._visits:
            self._empty.set()

    def watch_soon(self, visit: Visit) -> None:
        """From the next glance on, the visit is watched."""
        self._unwatched.add(visit)

    def open(self) -> None:
        """Begin to look after the visits, and to listen for the end; needs the running loop."""
        self._spawn(self._tend())
        self._spawn(self._glance())
        loop = asyncio.get_running_loop()
        # Granian's worker stops on SIGTERM and on SIGINT. The first becomes ours: drain, then hand it the second.
        loop.add_signal_handler(signal.SIGTERM, lambda: self._spawn(self._leave()))

    def serves(self) -> None:
        """All is ready: an older worker may go; who comes in this moment waits in the queue that all workers share."""
        self._rolling.serves()

    def close(self) -> None:
        """Stop looking after visits."""
        for task in self._tasks:
            task.cancel()

    async def gone(self) -> None:
        """Wait until nobody elsewhere hears what is said here, for as long as a drain may take."""
        if self._elsewhere is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(self._ends or asyncio.get_running_loop().time() + self._drain_seconds):
                    await self._elsewhere()

    async def _leave(self) -> None:
        """Go; where another worker takes over, once it is there, and nobody is refused meanwhile."""
        if not self._rolling.under_way:
            await self._drain(_hand_over)
            return
        if self._leaving:
            return
        self._leaving = True
        until = time.monotonic() + _MOST_OVERLAP
        while not self._rolling.followed and time.monotonic() < until:  # noqa: ASYNC110
            await asyncio.sleep(_GLANCE)  # another process says so, in a file
        turn_away()
        await asyncio.sleep(_PARTING)
        _hand_over()  # Granian waits for the connections that are there; one that has not asked yet it would cut
        await self._finish()

    async def _finish(self) -> None:
        """Let who is here finish, tell the rest that it is over."""
        self._ends = asyncio.get_running_loop().time() + self._drain_seconds
        try:
            async with asyncio.timeout_at(self._ends):
                await self._nobody()
                if self._elsewhere is not None:
                    await self._elsewhere()
        except TimeoutError:
            for visit in tuple(self._visits):
                visit.stop(Draining("This server is shutting down and could not finish the answer in time."))
            await self._nobody()

    async def _nobody(self) -> None:
        """Wait until nobody is being served."""
        self._empty = asyncio.Event()
        while self._visits:
            self._empty.clear()
            await self._empty.wait()

    async def _drain(self, then: Callable[[], None]) -> None:
        """Take nobody new until all have gone."""
        if self.draining:
            return
        self.draining = True
        await self._finish()
        then()

    async def _glance(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + _GLANCE
            await asyncio.sleep(_GLANCE)
            self._late = self._late + 1 if loop.time() - due > _LATE else 0
            for visit in self._unwatched:
                visit.watch()
            self._unwatched.clear()

    async def _tend(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(_TICK)
            if os.getppid() != self._parent and not self.draining:
                self._spawn(self._drain(_hand_over))  # a server that was killed could not tell its workers to leave
            now = loop.time()
            for visit in tuple(self._visits):
                if visit.sending_since and now - visit.sending_since > _MOST_WRITE:
                    visit.stop(Left())
                elif visit.must_have_body_at and now > visit.must_have_body_at:
                    visit.stop(BodyTooSlow("The body did not arrive in time."))
                elif visit.streams and not visit.sending_since and now - visit.last_write > _QUIET:
                    self._spawn(visit.ping())

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _hand_over() -> None:
    signal.raise_signal(signal.SIGINT)
