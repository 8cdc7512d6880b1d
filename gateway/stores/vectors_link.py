"""The connection of a worker to the process that holds the vectors."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from asyncio import StreamReader, StreamWriter
from collections import deque
from typing import Final

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
        self._writer: StreamWriter | None = None
        self._waiting: deque[asyncio.Future[talk.Reply]] = deque()
        self._told = False

    @property
    def is_linked(self) -> bool:
        """Whether it can be asked."""
        return self._writer is not None

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
        if self._writer is None or len(self._waiting) >= _MOST_WAITING:
            raise Unavailable("the store of vectors is away")
        asked = msgspec.msgpack.encode(request)
        answer: asyncio.Future[talk.Reply] = asyncio.get_running_loop().create_future()
        self._waiting.append(answer)
        self._writer.write(talk.LENGTH.pack(len(asked)) + asked)
        try:
            return await answer
        finally:
            del answer  # no circle where it has failed: core/let_go.py

    async def _stay(self) -> None:
        failures = 0
        while True:
            try:
                reader, writer = await asyncio.open_unix_connection(self._path)
                failures = 0
                await self._converse(reader, writer)
            except (OSError, asyncio.IncompleteReadError, msgspec.MsgspecError) as error:
                if not self._told:
                    log.warning("the store of vectors: %s; going on without it until it answers", type(error).__name__)
                self._told = True
            failures += 1
            longest = min(_MOST_PAUSE, _LEAST_PAUSE * 2 ** min(failures, 10))
            await asyncio.sleep(random.uniform(0, longest))  # noqa: S311  # workers shall not come all at once

    async def _converse(self, reader: StreamReader, writer: StreamWriter) -> None:
        """One connection, from its making to its end."""
        decoder: msgspec.msgpack.Decoder[talk.Reply] = msgspec.msgpack.Decoder(talk.Reply)
        if self._told:
            log.info("the store of vectors answers again")
        self._told = False
        self._writer = writer
        self._linked.set()
        try:
            while True:
                (length,) = talk.LENGTH.unpack(await reader.readexactly(talk.LENGTH.size))
                reply = decoder.decode(await reader.readexactly(length))
                answer = self._waiting.popleft()
                if not answer.done():
                    answer.set_result(reply)
        finally:
            self._writer = None
            for answer in self._waiting:
                if not answer.done():
                    answer.set_exception(Unavailable("the connection to the store of vectors broke"))
            self._waiting.clear()
            writer.close()
