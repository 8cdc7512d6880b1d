"""The one place that dials out: connections kept per origin, and exchanges on them."""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from functools import lru_cache, partial
from typing import Protocol, Self

import certifi

from gateway.core.deadline import Deadline, Patience
from gateway.core.errors import UpstreamBroken, UpstreamSilent, UpstreamUnreachable
from gateway.upstream.connection import Connection
from gateway.upstream.egress import Egress, Origin, split
from gateway.upstream.proxy import Proxy

_MOST_IDLE_SECONDS = 20.0  # below what servers and load balancers commonly keep (60 s and more)
_MOST_IDLE_CONNECTIONS = 512  # per origin


class GiveBack(Protocol):
    """Takes a connection back; `ended` says that the answer on it is over."""

    def __call__(self, connection: Connection, *, ended: bool) -> None: ...


class Exchange:
    """One request that is out, and its reply; whoever has it closes it."""

    status = 0
    headers: Mapping[str, str] = {}
    ended = False  # set by the reader at the terminal event: what follows is only the end of the body
    after: Callable[[], None] | None = None  # called when it is closed

    def __init__(
        self,
        connection: Connection,
        deadline: Deadline,
        give_back: GiveBack,
        again: Callable[[], Awaitable[Connection]] | None,
    ) -> None:
        self._connection = connection
        self._deadline = deadline
        self._give_back = give_back
        self._again = again  # sends it once more, on another connection
        self.read = connection.read

    @property
    def complete(self) -> bool:
        """Whether all of the body has been read."""
        return self._connection.complete

    async def head(self) -> None:
        """Wait for status and headers; who is interrupted leaves it to the next who asks."""
        try:
            await self._connection.head()
        except UpstreamBroken:
            # A kept connection that ends without a single byte was closed before it saw the request.
            if self._again is None or self._connection.received:
                raise
            self._connection, self._again = await self._again(), None
            self.read = self._connection.read
            await self._connection.head()
        self.status, self.headers = self._connection.status, self._connection.headers

    async def replied(self) -> Self:
        """Wait for the head; where it does not come, the exchange is closed."""
        try:
            await self.head()
        except BaseException:
            self.close()
            raise
        return self

    def expect(self, seconds: float) -> None:
        """The next event must come within `seconds` from now."""
        self._connection.expect(self._deadline.left(seconds))

    async def body(self) -> bytes:
        """The whole body."""
        blocks = []
        while block := await self.read():
            blocks.append(block)
        return b"".join(blocks)

    def close(self) -> None:
        """Give the connection back, or cut it where the reply is not over; once, for then it may be another's."""
        give_back, self._give_back = self._give_back, _given_back
        give_back(self._connection, ended=self.ended)
        if self.after is not None:
            self.after()
            self.after = None


class Wire:
    """Keeps connections to providers open and lends them for one exchange at a time."""

    def __init__(self, egress: Egress, patience: Patience, *, ca_bundle: str = "", proxy: str = "") -> None:
        self._egress = egress
        self._patience = patience
        self._idle: dict[Origin, deque[Connection]] = {}
        self._lingering: set[Connection] = set()
        self._proxy = Proxy.at(proxy) if proxy else None
        self._tls = ssl.create_default_context(cafile=ca_bundle or certifi.where())
        self._tls.set_alpn_protocols(["http/1.1"])

    async def post(
        self,
        url: str,
        headers: bytes,
        body: bytes,
        deadline: Deadline,
        *,
        first_event: float,
        sent: Callable[[], None] | None = None,
    ) -> Exchange:
        """POST `body` and wait, at most `first_event` seconds, for the reply's head; the caller closes the exchange.

        `headers` are whole lines, each with its CRLF. `sent` is called as soon as the request is out. Redirects are
        not followed and bodies not decompressed: both are for the caller to refuse.
        """
        exchange = await self.send(url, headers, body, deadline, first_event=first_event, sent=sent)
        return await exchange.replied()

    def send(
        self,
        url: str,
        headers: bytes,
        body: bytes,
        deadline: Deadline,
        *,
        first_event: float,
        sent: Callable[[], None] | None = None,
    ) -> Awaitable[Exchange]:
        """The first half of `post`: the head of the reply is still to be waited for."""
        length = b"content-length: %d\r\n" % len(body)
        return self._ask(b"POST", url, length + headers, body, deadline, first_event, sent)

    async def get(self, url: str, deadline: Deadline, *, first_event: float, headers: bytes = b"") -> Exchange:
        """GET, under the same rules as `post`."""
        exchange = await self._ask(b"GET", url, headers, b"", deadline, first_event)
        return await exchange.replied()

    async def _ask(
        self,
        method: bytes,
        url: str,
        headers: bytes,
        body: bytes,
        deadline: Deadline,
        first_event: float,
        sent: Callable[[], None] | None = None,
    ) -> Exchange:
        if not deadline.left(first_event):
            raise UpstreamSilent("No time was left to ask the provider.")
        origin, head = _head(method, url)
        request = b"%b%b\r\n%b" % (head, headers, body)
        connection = self._take(origin, asyncio.get_running_loop().time())
        if connection is None:
            connection, again = await self._dial(origin, deadline), None
        else:
            again = partial(self._send_anew, origin, request, deadline, first_event)
        connection.send(request, deadline.left(first_event))
        if sent is not None:
            sent()
        return Exchange(connection, deadline, partial(self._take_back, origin), again)

    async def _send_anew(self, origin: Origin, request: bytes, deadline: Deadline, seconds: float) -> Connection:
        connection = await self._dial(origin, deadline)
        connection.send(request, deadline.left(seconds))
        return connection

    def _take(self, origin: Origin, now: float) -> Connection | None:
        """The connection that was used last, if one is fresh enough."""
        idle = self._idle.get(origin)
        while idle:
            connection = idle.pop()
            if not connection.closed and now - connection.idle_since < _MOST_IDLE_SECONDS:
                return connection
            connection.abort()
        return None

    def _take_back(self, origin: Origin, connection: Connection, *, ended: bool) -> None:
        """Keep the connection, or wait a moment for the last bytes behind a terminal event, or cut it at once."""
        self._lingering.discard(connection)
        if connection.reusable:
            self._keep(origin, connection)
        elif ended and connection.unfinished:
            self._lingering.add(connection)
            connection.linger(partial(self._take_back, origin, connection, ended=False))
        else:
            connection.abort()

    def _keep(self, origin: Origin, connection: Connection) -> None:
        idle = self._idle.setdefault(origin, deque())
        connection.rest()
        idle.append(connection)
        while idle and (
            len(idle) > _MOST_IDLE_CONNECTIONS or connection.idle_since - idle[0].idle_since > _MOST_IDLE_SECONDS
        ):
            idle.popleft().abort()

    async def _dial(self, origin: Origin, deadline: Deadline) -> Connection:
        """A new connection to the first address that takes one."""
        try:
            async with asyncio.timeout(deadline.left(self._patience.connect)):
                if self._proxy is not None:
                    return await self._dial_through(self._proxy, origin)
                addresses = await self._egress.addresses(origin)
                return await self._dial_first(origin, addresses)
        except TimeoutError:
            raise UpstreamSilent("The provider could not be connected to in time.") from None

    async def _dial_first(self, origin: Origin, addresses: list[str]) -> Connection:
        loop = asyncio.get_running_loop()
        tls = self._tls if origin.scheme == "https" else None
        name = origin.host if tls else None
        for address in addresses:
            try:
                _, connection = await loop.create_connection(
                    lambda: Connection(loop), address, origin.port, ssl=tls, server_hostname=name
                )
            except OSError:  # refused, unreachable, or a certificate that does not hold: the next address may do
                continue
            return connection
        raise _refused()

    async def _dial_through(self, proxy: Proxy, origin: Origin) -> Connection:
        """A connection inside the proxy's tunnel; the proxy is the operator's and resolves the name itself."""
        self._egress.admit(origin)
        transport = await proxy.tunnel(origin)
        loop = asyncio.get_running_loop()
        connection = Connection(loop)
        transport.set_protocol(connection)
        connection.connection_made(transport)
        if origin.scheme == "https":
            try:
                secure = await loop.start_tls(transport, connection, self._tls, server_hostname=origin.host)
            except BaseException as error:
                transport.abort()
                if isinstance(error, OSError):  # a certificate that does not hold, or an end in the handshake
                    raise _refused() from None
                raise
            if secure is None:
                raise _refused()
            connection.connection_made(secure)
        return connection

    def close(self) -> None:
        """Close every connection that no exchange is using."""
        for connections in (self._lingering, *self._idle.values()):
            for connection in connections:
                connection.abort()
        self._lingering.clear()
        self._idle.clear()


@lru_cache(maxsize=4096)
def _head(method: bytes, url: str) -> tuple[Origin, bytes]:
    """Where a request goes, and the lines that all of its kind begin with."""
    origin, path = split(url)
    line = f"{method.decode()} {path} HTTP/1.1\r\nhost: {origin.authority}\r\naccept-encoding: identity\r\n"
    return origin, line.encode("ascii")


def _given_back(connection: Connection, *, ended: bool) -> None:
    """It has been already."""


def _refused() -> UpstreamUnreachable:
    return UpstreamUnreachable("The provider refused the connection, or its certificate does not hold.")
