"""The answers in the making of this worker, and those that are just over."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Coroutine
from typing import Final
from uuid import UUID

from gateway.core.errors import Draining, StreamGone
from gateway.http.threads.run import Order, Run
from gateway.http.threads.summarise import summarise
from gateway.stores import streams
from gateway.stores.breaker import Unavailable
from gateway.stores.streams import END, Streams

log = logging.getLogger("syntra")

MOST_ALONE: Final = 64  # answers that nobody follows; the oldest gives way
MOST_OVER: Final = 256  # that are held when they are over, ...
MOST_OVER_BYTES: Final = 32 * 1024 * 1024  # ... and their events
_TOGETHER: Final = 0.25  # s; events of that time are given to other workers together
_LEAVING: Final = 5.0  # s that a worker that ends waits for answers that nobody follows


class Runs:
    """Starts answers and finds them again; who is lost is found by nobody but their own user."""

    def __init__(self, shared: Streams) -> None:
        self._shared = shared
        self._open: dict[str, Run] = {}
        self._over: OrderedDict[str, Run] = OrderedDict()
        self._alone: OrderedDict[str, Run] = OrderedDict()
        self._tasks: set[asyncio.Task[None]] = set()
        self._summaries: set[asyncio.Task[None]] = set()
        self._summarising: set[UUID] = set()

    def start(self, order: Order) -> Run:
        """Begin an answer."""
        run = Run(order)
        self._open[run.id] = run
        run.start()
        self._spawn(self._tasks, self._see_off(run))
        return run

    def find(self, answer: str, organisation: str, owner: str, thread: str) -> Run | None:
        """The answer of this id, in this thread of this owner's."""
        run = self._open.get(answer) or self._over.get(answer)
        if run is None:
            return None
        place = run.order.caller.organisation, run.order.owner, run.order.asked.thread.hex
        return run if place == (organisation, owner, thread) else None

    def follow(self, run: Run) -> None:
        """Somebody listens."""
        run.followers += 1
        self._alone.pop(run.id, None)

    def leave(self, run: Run) -> None:
        """They do not any more; the answer goes on, as far as there is room for such."""
        run.followers -= 1
        if run.followers or run.over:
            return
        self._alone[run.id] = run
        if len(self._alone) > MOST_ALONE:
            _, oldest = self._alone.popitem(last=False)
            oldest.stop(Draining("Too many answers are being written that nobody waits for."))

    async def close(self) -> None:
        """Let what is being written come to its end for some seconds, and keep the rest as it is then."""
        for task in tuple(self._summaries):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_LEAVING)
        for run in tuple(self._open.values()):
            run.stop(Draining("This server is shutting down and could not finish the answer in time."))
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_LEAVING)

    async def _summarise(self, run: Run) -> None:
        """One summary at a time for a thread: the next answer may come while it is being made."""
        thread = run.order.asked.thread
        if thread not in self._summarising:
            self._summarising.add(thread)
            try:
                await summarise(run)
            finally:
                self._summarising.discard(thread)

    def _spawn(self, tasks: set[asyncio.Task[None]], work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    async def _see_off(self, run: Run) -> None:
        """Give the events to other workers as they come, and hold the answer for a while when it is over."""
        try:
            await self._share(run)
        except (Unavailable, StreamGone) as error:
            log.debug("an answer is not shared: %s", error)
        await run.ended()
        self._open.pop(run.id, None)
        self._alone.pop(run.id, None)
        self._over[run.id] = run
        self._spawn(self._summaries, self._summarise(run))
        while len(self._over) > MOST_OVER or sum(one.size for one in self._over.values()) > MOST_OVER_BYTES:
            self._over.popitem(last=False)

    async def _share(self, run: Run) -> None:
        if self._shared.away:
            return
        key = streams.key(run.order.caller.organisation, run.order.asked.thread.hex, run.id)
        number = 0
        while events := await run.after(number):
            if run.trimmed:  # too long to be held for anybody
                await self._shared.forget(key)
                return
            await self._shared.add(key, events)
            number += len(events)
            await asyncio.sleep(_TOGETHER)
        await self._shared.add(key, [END])
