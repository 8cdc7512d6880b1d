"""What the wire's tests share: a wire, what is asked of it, and small servers in the test's own loop."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

from gateway.core.deadline import Deadline, Patience
from gateway.upstream.answer import header_lines
from gateway.upstream.egress import Egress, Origin
from gateway.upstream.wire import Exchange, Wire
from tests.fakes.server import Reply

T = TypeVar("T")
Run = Callable[[Coroutine[Any, Any, T]], T]

TLS = Path(__file__).parent / "tls"
PATIENCE = Patience(connect=2, first_event=2, idle=2, total=5)
OK = b"HTTP/1.1 200 OK\r\n"


class Resolved(Egress):
    """A real guard for a name that no resolver knows: its addresses are given."""

    def __init__(self, base_url: str, *addresses: str) -> None:
        super().__init__([base_url], private=True)
        self._given = list(addresses)

    async def addresses(self, origin: Origin) -> list[str]:
        self.admit(origin)
        return self._given


def wire_to(*origins: str, patience: Patience = PATIENCE, **settings: str) -> Wire:
    return Wire(Egress(list(origins), private=True), patience, **settings)


async def post(wire: Wire, url: str, *, seconds: float = 5, first_event: float = 2, body: bytes = b"{}") -> Exchange:
    return await wire.post(url, header_lines([("x-test", "1")]), body, Deadline(seconds), first_event=first_event)


async def fetch(wire: Wire, url: str, **how: Any) -> bytes:
    """One whole exchange."""
    exchange = await post(wire, url, **how)
    try:
        return await exchange.body()
    finally:
        exchange.close()


def peer(reply: Reply) -> int:
    """The client's port: the same for every request on one connection."""
    port: int = reply._writer.get_extra_info("peername")[1]
    return port


async def settle(condition: Callable[[], object], seconds: float = 2.0) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "not in time"
        await asyncio.sleep(0.002)


async def answer_ok(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A provider in ten lines: every request is answered with its own Host header."""
    try:
        while head := await reader.readuntil(b"\r\n\r\n"):
            await reader.readexactly(2)
            host = next(line for line in head.split(b"\r\n") if line.startswith(b"host: "))
            writer.write(OK + b"content-length: %d\r\n\r\n%b" % (len(host), host))
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


Accepted = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def listening(accepted: Accepted, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """A server in this very loop; what it serves ends with it."""
    tasks: set[asyncio.Task[None]] = set()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await accepted(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort()
            tasks.discard(task)

    server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tuple(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0.01)


def provider_tls() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(TLS / "provider.pem")
    return context
