"""The connection of a worker to the process that holds the vectors."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections import deque
from typing import Final, cast

import msgspec

from gateway.stores import vectors_talk as talk
from gateway.stores.breaker import Unavailable

log = logging.getLogger("syntra")

_FIRST_SECONDS: Final = 0.25  # what a start waits for the first connection
_LEAST_PAUSE, _MOST_PAUSE = 0.05, 2.0
_MOST_WAITING: Final = 1000


class Link:
    """Questions go out as they come, answers come back in their order; it connects by itself, again and again."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._task: asyncio.Task[None] | None = None
        self._linked = asyncio.Event()
        self._line: _Line | None = None
        self._told = False

    @property
    def is_linked(self) -> bool:
        """Whether it can be asked."""
        return self._line is not None

    async def start(self) -> None:
        """Connect in the background, for a quarter of a second in front of everybody."""
        self._task = asyncio.create_task(self._stay(), name="vectors")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_FIRST_SECONDS):
                await self._linked.wait()

    async def close(self) -> None:
        """Disconnect."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def ask(self, request: talk.Request) -> talk.Reply:
        """The answer to a question; one that is no longer waited for is read and thrown away."""
        if self._line is None or len(self._line.waiting) >= _MOST_WAITING:
            raise Unavailable("the store of vectors is away")
        answer = self._line.ask(request)
        try:
            return await answer
        finally:
            del answer  # no circle where it has failed: core/let_go.py

    async def _stay(self) -> None:
        loop, failures = asyncio.get_running_loop(), 0
        while True:
            try:
                _, line = await loop.create_unix_connection(_Line, self._path)
                failures = 0
                trouble = await self._converse(line)
            except OSError as error:
                trouble = type(error).__name__
            if not self._told:
                log.warning("the store of vectors: %s; going on without it until it answers", trouble)
            self._told = True
            failures += 1
            longest = min(_MOST_PAUSE, _LEAST_PAUSE * 2 ** min(failures, 10))
            await asyncio.sleep(random.uniform(0, longest))  # noqa: S311  # workers shall not come all at once

    async def _converse(self, line: _Line) -> str:
        """One connection, from its making to its end; why it ended."""
        if self._told:
            log.info("the store of vectors answers again")
        self._told = False
        self._line = line
        self._linked.set()
        try:
            return await line.over
        finally:
            self._line = None
            line.end("closed")


class _Line(asyncio.Protocol):
    """One connection: questions and their answers, in one order."""

    _transport: asyncio.WriteTransport

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._decode = msgspec.msgpack.Decoder(talk.Reply).decode
        self._frames = talk.Frames()
        self.waiting: deque[asyncio.Future[talk.Reply]] = deque()
        self.over: asyncio.Future[str] = self._loop.create_future()  # with the name of what ended it

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It begins."""
        self._transport = cast("asyncio.WriteTransport", transport)  # uvloop's is none by inheritance

    def data_received(self, data: bytes) -> None:
        """Answers, or parts of one."""
        try:
            for told in self._frames.cut(data):
                reply = self._decode(told)
                answer = self.waiting.popleft()
                if not answer.done():
                    answer.set_result(reply)
        except (msgspec.MsgspecError, ValueError, IndexError) as error:  # no engine of ours
            self.end(type(error).__name__)

    def connection_lost(self, exc: Exception | None) -> None:
        """It has ended."""
        self.end(type(exc or EOFError()).__name__)

    def ask(self, request: talk.Request) -> asyncio.Future[talk.Reply]:
        """The answer that will come."""
        answer: asyncio.Future[talk.Reply] = self._loop.create_future()
        self.waiting.append(answer)
        self._transport.write(talk.framed(msgspec.msgpack.encode(request)))
        return answer

    def end(self, why: str) -> None:
        """Nothing more is said here; who still waits hears that it broke."""
        if not self.over.done():
            self.over.set_result(why)
        for answer in self.waiting:
            if not answer.done():
                answer.set_exception(Unavailable("the connection to the store of vectors broke"))
        self.waiting.clear()
        self._transport.abort()
