"""A tunnel through the operator's outbound proxy (HTTP CONNECT)."""

from __future__ import annotations

import asyncio
import base64
from urllib.parse import unquote, urlsplit

from msgspec import Struct

from gateway.core.errors import UpstreamUnreachable
from gateway.upstream.egress import Origin

_HEAD_LIMIT = 16 * 1024  # bytes of a proxy's answer


class Proxy(Struct, frozen=True):
    """Where the proxy is, and the header line that it wants to see."""

    host: str
    port: int
    credential: bytes

    @classmethod
    def at(cls, url: str) -> Proxy:
        """The proxy at `http://user:password@host:port`; raises ValueError for any other form."""
        parts = urlsplit(url)
        if parts.scheme != "http" or not parts.hostname:
            raise ValueError("an outbound proxy is given as http://user:password@host:port")
        credential = b""
        if parts.username:
            pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            credential = b"proxy-authorization: Basic %b\r\n" % base64.b64encode(pair.encode())
        return cls(parts.hostname, parts.port or 3128, credential)

    async def tunnel(self, origin: Origin) -> asyncio.Transport:
        """A connection that leads to `origin`; it is cut if it does not come about."""
        loop = asyncio.get_running_loop()
        try:
            transport, answer = await loop.create_connection(lambda: _Answer(loop), self.host, self.port)
        except OSError:
            raise UpstreamUnreachable("The outbound proxy cannot be reached.") from None
        host = f"[{origin.host}]" if ":" in origin.host else origin.host
        there = f"{host}:{origin.port}".encode("ascii")
        transport.write(b"CONNECT %b HTTP/1.1\r\nhost: %b\r\n%b\r\n" % (there, there, self.credential))
        try:
            if await answer.status != b"200":
                raise UpstreamUnreachable("The outbound proxy refused the connection.")
        except BaseException:
            transport.abort()
            raise
        return transport


class _Answer(asyncio.Protocol):
    """Waits for the proxy's word; nothing may follow it before we speak."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.status: asyncio.Future[bytes] = loop.create_future()
        self._head = b""

    def data_received(self, data: bytes) -> None:
        self._head += data
        if self.status.done():
            return
        if self._head.endswith(b"\r\n\r\n"):
            self.status.set_result(self._head.split(b" ", 2)[1] if b" " in self._head else b"")
        elif b"\r\n\r\n" in self._head or len(self._head) > _HEAD_LIMIT:
            self.status.set_result(b"")

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.status.done():
            self.status.set_exception(UpstreamUnreachable("The outbound proxy closed the connection."))
            self.status.exception()  # looked at, should nobody be waiting any more
