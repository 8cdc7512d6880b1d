"""A tiny HTTP/1.1 server on raw sockets, in a thread of its own, that can misbehave at every byte."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator

REASONS = {200: "OK", 307: "Temporary Redirect", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found"}
MAX_HEAD = 64 * 1024
MAX_BODY = 64 * 1024 * 1024
T = TypeVar("T")


@dataclass
class Request:
    """What one client sent, and whether it stayed for the answer."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    came: float = field(default_factory=time.monotonic)
    closed_early: float | None = None  # when the client left before the answer was whole
    accepted: bool = False  # a provider takes it, key and all, and what it will say is chosen
    answered: bool = False

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        return self.target.partition("?")[2]

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Reply:
    """The answering end of one request: head, chunks, end, or something worse."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self._chunked = False
        self.keep_alive = True

    async def head(self, status: int, headers: Iterable[tuple[str, str]] = (), *, length: int | None = None) -> None:
        """Sends the head; the body is chunked unless a length is promised (which nobody checks)."""
        lines = [f"HTTP/1.1 {status} {REASONS.get(status, 'Status')}", *(f"{k}: {v}" for k, v in headers)]
        self._chunked = length is None
        lines.append("transfer-encoding: chunked" if length is None else f"content-length: {length}")
        await self.raw("\r\n".join([*lines, "", ""]).encode())

    async def until_close_head(self, status: int, headers: Iterable[tuple[str, str]] = ()) -> None:
        """Sends a head whose body ends where the connection ends."""
        lines = [f"HTTP/1.1 {status} OK", *(f"{k}: {v}" for k, v in headers), "connection: close", "", ""]
        self.keep_alive = False
        await self.raw("\r\n".join(lines).encode())

    async def chunk(self, data: bytes) -> None:
        if data:
            await self.raw(b"%x\r\n%b\r\n" % (len(data), data) if self._chunked else data)

    async def end(self) -> None:
        if self._chunked:
            await self.raw(b"0\r\n\r\n")

    async def whole(self, status: int, body: bytes, *headers: tuple[str, str]) -> None:
        await self.head(status, headers, length=len(body))
        await self.raw(body)

    async def raw(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def silence(self) -> None:
        """Says nothing until the client gives up (its leaving cancels the handler)."""
        await asyncio.Event().wait()

    async def cut(self) -> None:
        """Ends the connection politely (FIN), whatever was promised."""
        self.keep_alive = False

    async def reset(self) -> None:
        """Ends the connection rudely (RST)."""
        self.keep_alive = False
        sock = self._writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()


Handler = Callable[[Request, Reply], Awaitable[None]]


class Server:
    """Use as a context manager: `with Server(handler) as server: server.origin`."""

    def __init__(self, handler: Handler) -> None:
        self.handler = handler
        self.requests: list[Request] = []
        self.failures: list[BaseException] = []  # what went wrong in the fake itself
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fake", daemon=True)
        self._listener: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[Any]] = set()

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def open_connections(self) -> int:
        return len(self._tasks)

    def __enter__(self) -> Self:
        self._thread.start()
        self._run(self._listen())
        return self

    def __exit__(self, *_: object) -> None:
        self._run(self._unlisten())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @contextmanager
    def refusing(self) -> Iterator[None]:
        """Nobody listens on the port while this lasts, and idle connections are gone."""
        self._run(self._unlisten())
        try:
            yield
        finally:
            self._run(self._listen())

    def wait_for(self, condition: Callable[[], T], seconds: float = 5.0) -> T:
        """Waits until a condition about this server holds, and gives what it returned."""
        return wait_for(condition, seconds)

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _listen(self) -> None:
        self._listener = await asyncio.start_server(self._connected, "127.0.0.1", self.port, limit=MAX_HEAD)
        self.port = self._listener.sockets[0].getsockname()[1]

    async def _unlisten(self) -> None:
        assert self._listener is not None
        self._listener.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.sleep(0)  # lets the transports that were aborted close their sockets

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            while await self._one(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            writer.transport.abort()
        except Exception as error:  # not HTTP, or not as we read it: the test shall hear of it
            self.failures.append(error)
            writer.transport.abort()
        finally:
            self._tasks.discard(task)
            writer.close()
            with suppress(ConnectionError, asyncio.CancelledError):
                await writer.wait_closed()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answers one request; true if the connection may carry another."""
        request = await read_request(reader)
        if request is None:
            return False
        self.requests.append(request)
        reply = Reply(writer)
        answering = asyncio.ensure_future(self.handler(request, reply))
        leaving = asyncio.ensure_future(reader.read(1))
        try:
            await asyncio.wait({answering, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if not answering.done():
                request.closed_early = time.monotonic()
                return False
            try:
                answering.result()
            except ConnectionError:
                request.closed_early = request.closed_early or time.monotonic()
                return False
            except Exception as error:
                self.failures.append(error)
                raise ConnectionAbortedError from error
            request.answered = True
            return reply.keep_alive and request.headers.get("connection") != "close" and not leaving.done()
        finally:
            for part in (answering, leaving):
                part.cancel()
            await asyncio.gather(answering, leaving, return_exceptions=True)


async def read_request(reader: asyncio.StreamReader) -> Request | None:
    """Reads one request, or None if the client left between two."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    method, target, version = first.split(" ")
    assert version == "HTTP/1.1", version
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = b""
    if headers.get("transfer-encoding", "").lower() == "chunked":
        while size := int(await reader.readuntil(b"\r\n"), 16):
            body += (await reader.readexactly(size + 2))[:-2]
        await reader.readuntil(b"\r\n")
    elif length := int(headers.get("content-length", "0")):
        assert length <= MAX_BODY
        body = await reader.readexactly(length)
    return Request(method, target, headers, body)


def wait_for(condition: Callable[[], T], seconds: float = 5.0) -> T:
    """Polls a condition every 2 ms until it holds, and gives what it returned."""
    until = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > until:
            raise AssertionError(f"not within {seconds} s: {condition}")
        time.sleep(0.002)
    return found
