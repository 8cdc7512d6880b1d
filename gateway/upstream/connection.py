"""One HTTP/1.1 connection to a provider: bytes out, a status and blocks of body in.

An asyncio.Protocol on httptools, because it is the fastest way there is in CPython and because it lets us do what
client libraries do not: wait for an event and not for a read, count every byte, and close at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import lru_cache
from typing import cast

import httptools

from gateway.core.errors import UpstreamBroken, UpstreamError, UpstreamSilent

BODY_LIMIT = 32 * 1024 * 1024  # bytes of one reply
_HIGH_WATER = 256 * 1024  # bytes that may wait here before the provider is asked to pause
_RELOOK_SECONDS = 1.0
_LINGER_SECONDS = 1.0  # for the last chunk behind a terminal event; without it every stream would cost a new connection
_FRAMING = frozenset({"content-length", "transfer-encoding"})
_LONG_NAME = 64  # bytes of a header's name that is not remembered


@lru_cache(maxsize=1024)
def _name(raw: bytes) -> str:
    """A header's name; every reply of a provider has the same twenty."""
    return raw.lower().decode("latin-1")


class Connection(asyncio.Protocol):
    """A connection that carries one exchange at a time; `reusable` says whether it can carry another."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0  # loop time
        self.idle_since = 0.0
        self.closed = False
        self._parser = httptools.HttpResponseParser(self)  # one for all replies: it begins anew behind each
        self._reset()

    def _reset(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.received = 0
        self._framed = False  # by length or chunks, so that an early end can be told from the end
        self._complete = False
        self._keep_alive = False
        self._waiting = False  # an exchange is under way
        self._blocks: list[bytes] = []
        self._buffered = 0
        self._paused = False
        self._failure: tuple[type[UpstreamError], str] | None = None  # raised anew: an error holds who has raised it
        self._on_end: Callable[[], None] | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._due = 0.0

    # What the exchange calls.

    def send(self, request: bytes, seconds: float) -> None:
        """Begin an exchange; its head must come within `seconds`."""
        self._reset()
        self._waiting = True
        self.expect(seconds)
        if self._transport is not None and not self.closed:
            self._transport.write(request)
        else:
            self._fail(UpstreamBroken, "The connection to the provider was closed.")

    def expect(self, seconds: float) -> None:
        """The next event must come within `seconds`; costs nothing while that lies behind the running timer."""
        self._due = self._loop.time() + seconds
        if self._timer is None or self._timer_at > self._due:
            self._arm()

    async def head(self) -> None:
        """Wait for status and headers."""
        while not self.status:
            await self._more()

    async def read(self) -> bytes:
        """All of the body that has come since the last read; empty at its end."""
        while not self._blocks:
            if self._complete:
                return b""
            await self._more()
        block = self._blocks[0] if len(self._blocks) == 1 else b"".join(self._blocks)
        self._blocks = []
        self._buffered = 0
        if self._paused and self._transport is not None and not self.closed:
            self._paused = False
            self._transport.resume_reading()
        return block

    @property
    def complete(self) -> bool:
        """Whether the reply is over and all of it has been read."""
        return self._complete and not self._blocks

    @property
    def reusable(self) -> bool:
        """Whether the exchange ended cleanly and the provider keeps the connection open."""
        return self._keep_alive and not self.closed and not self._blocks

    @property
    def unfinished(self) -> bool:
        """Whether the end of the reply is still to come."""
        return not self._complete and not self.closed

    def linger(self, then: Callable[[], None]) -> None:
        """The answer is over but its last bytes are still under way: call `then` when they are in, or close."""
        self._on_end = then
        self.expect(_LINGER_SECONDS)

    def rest(self) -> None:
        """The exchange is over; the connection waits for another. The timer runs on, for the next one to use."""
        self._waiting = False
        self.idle_since = self._loop.time()

    def abort(self) -> None:
        """Close at once: the provider sees it now, not after a linger."""
        self._waiting = False
        self._disarm()
        self.closed = True
        if self._transport is not None:
            self._transport.abort()

    async def _more(self) -> None:
        """Wait until something has come; what came before a failure is read first."""
        self._raise_failure()
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None
        if not self._blocks:
            self._raise_failure()

    def _raise_failure(self) -> None:
        if self._failure is not None:
            kind, words = self._failure
            raise kind(words)

    # The timer: one for all waits, armed again only when it fires too early.

    def _arm(self) -> None:
        self._disarm()
        self._timer_at = self._due
        self._timer = self._loop.call_at(self._due, self._on_timer)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _on_timer(self) -> None:
        self._timer = None
        if not self._waiting or self._complete:
            return
        if self._blocks:
            self._due = self._loop.time() + _RELOOK_SECONDS  # it is not the provider who is slow
        if self._loop.time() < self._due - 0.001:
            self._arm()
            return
        self._fail(UpstreamSilent, "The provider did not answer in time.")
        self.abort()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _fail(self, kind: type[UpstreamError], words: str) -> None:
        if self._failure is None and not self._complete:
            self._failure = kind, words
        self._wake()

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by inheritance

    def data_received(self, data: bytes) -> None:
        self.received += len(data)
        if not self._waiting or self._complete:
            self.abort()  # bytes that nobody asked for: the connection cannot be trusted with another exchange
            return
        if self.received > BODY_LIMIT:
            self._fail(UpstreamBroken, "The provider's reply is larger than 32 MiB.")
            self.abort()
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._fail(UpstreamBroken, "The provider's reply is not valid HTTP.")
            self.abort()
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        if self._waiting and not self._complete:
            if exc is None and self.status and not self._framed:
                self._complete = True  # a body that ends with the connection ends here
            else:
                self._fail(UpstreamBroken, "The provider closed the connection before its reply was complete.")
        self._disarm()
        self._wake()
        self._transport = None
        del self._parser  # no circles

    # What the parser calls.

    def on_header(self, name: bytes, value: bytes) -> None:
        plain = _name(name) if len(name) < _LONG_NAME else name.lower().decode("latin-1")
        if plain in _FRAMING:
            self._framed = True
        self.headers[plain] = value.decode("latin-1").strip()

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status < 200:  # an interim reply (100, 103) promises another one
            self.headers, self._framed = {}, False
            return
        self.status = status

    def on_body(self, body: bytes) -> None:
        if self._on_end is not None:
            self.abort()  # text behind the end of an answer
            return
        self._blocks.append(body)
        self._buffered += len(body)
        if self._buffered > _HIGH_WATER and not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()

    def on_message_complete(self) -> None:
        if self.status:
            self._complete = True
            self._keep_alive = self._parser.should_keep_alive()
            if self._on_end is not None:
                self._loop.call_soon(self._on_end)  # the parser may not be left while it runs
