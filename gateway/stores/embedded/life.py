"""The life of one engine: started, started again when it dies, stopped."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final, Protocol

from gateway.stores.embedded.child import Child, Children, Launch
from gateway.stores.embedded.words import Cannot

_LEAST, _MOST = 0.1, 10.0  # s before an engine that died is started again
_WELL: Final = 60.0  # s of life after which a death counts as the first
_TRIES: Final = 3  # of a first start; what is left of an earlier life may need a moment to be gone
_GLANCE: Final = 0.005  # s between looks whether it is ready


class Engine(Protocol):
    """What an engine must say of itself."""

    title: str
    version: str

    @property
    def place(self) -> str:
        """Where those who use it find it."""

    @property
    def news(self) -> str:
        """What its start is going to do, where that takes a while."""

    async def prepare(self, children: Children) -> None:
        """Do what must be done before each start; raises Cannot."""

    def launch(self) -> Launch:
        """How its process is started."""

    def is_ready(self, pid: int) -> bool:
        """Whether it can be used."""


class Life:
    """Keeps one engine running from `begin` to `end`."""

    def __init__(self, engine: Engine, children: Children, warn: Callable[[str], None]) -> None:
        self.engine = engine
        self._children = children
        self._warn = warn
        self._task: asyncio.Task[None] | None = None
        self._first: asyncio.Future[None]

    async def begin(self) -> None:
        """Start it if it is not, and wait until it was ready once; raises Cannot."""
        if self._task is None or self._task.done():
            self._first = asyncio.get_running_loop().create_future()
            self._task = asyncio.create_task(self._live(), name=self.engine.title)
        await asyncio.shield(self._first)

    async def end(self) -> None:
        """Stop it, in order."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _live(self) -> None:
        pause, tries = _LEAST, 0
        while True:
            began = time.monotonic()
            try:
                await self._once()
            except Cannot as trouble:
                tries += 1
                if not self._first.done() and (trouble.final or tries == _TRIES):
                    self._first.set_exception(trouble)
                    return
                if time.monotonic() - began > _WELL:
                    pause = _LEAST
                if self._first.done():
                    self._warn(f"{trouble}; it is started again in {pause:.1f} s")
            await asyncio.sleep(pause)
            pause = min(_MOST, pause * 2)

    async def _once(self) -> None:
        """From one start to the end that follows; that is always a trouble."""
        try:
            await self.engine.prepare(self._children)
        except OSError as error:
            where = f" ({error.filename})" if error.filename else ""
            hint = "See to the data directory, or set SYNTRA_DATA_DIR elsewhere."
            raise Cannot(f"{self.engine.title}: {error.strerror}{where}. {hint}", final=False) from None
        child = self._children.start(self.engine.launch())
        try:
            while not self.engine.is_ready(child.process.pid):
                if child.ended.done():
                    raise Cannot(child.trouble(), final=False)
                await asyncio.sleep(_GLANCE)
            self._well(child)
            await asyncio.shield(child.ended)
            raise Cannot(child.trouble(), final=False)
        finally:
            await child.stop()

    def _well(self, child: Child) -> None:
        if self._first.done():
            self._warn(f"{self.engine.title} runs again (process {child.process.pid})")
        else:
            self._first.set_result(None)
