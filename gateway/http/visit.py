"""One client's visit: its request comes in, its reply goes out, and whoever leaves is noticed at once."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from gateway.core.errors import Draining, Internal, SyntraError
from gateway.http.intake import Head, Left, read_head

if TYPE_CHECKING:
    from litestar.types import HTTPScope, Receive, Send

    from gateway.http.lounge import Lounge

log = logging.getLogger("syntra")

Headers = Sequence[tuple[bytes, bytes]]
JSON = (b"content-type", b"application/json")
_COMMON = ((b"cache-control", b"no-store"), (b"vary", b"Authorization"), (b"x-content-type-options", b"nosniff"))
_EVENTS = ((b"content-type", b"text/event-stream; charset=utf-8"), (b"x-accel-buffering", b"no"))
PING = b": ping\n"  # one line end: a blank line would end an event, and some clients then parse an empty one


class Visit:
    """The socket's side of one request; everything that is written to the client goes through here."""

    def __init__(self, scope: HTTPScope, receive: Receive, send: Send, lounge: Lounge) -> None:
        self.began = time.perf_counter()
        self.receive = receive
        self._scope = scope
        self._send = send
        self._lounge = lounge
        self._task: asyncio.Task[object] | None = None
        self._stopped: SyntraError | Left | None = None
        self._started = False
        self._streams = False
        self.sending_since = 0.0  # loop time at which a write began that has not ended
        self.last_write = 0.0
        self.request_id = b""

    async def run(self, serve: Callable[[Visit, Head], Awaitable[None]]) -> None:
        """Serve the request; every failure that can be told is told in OpenAI's shape."""
        try:
            head = read_head(self._scope)
            self.request_id = head.request_id.encode()
            if self._lounge.draining:
                raise Draining("This server is shutting down; please try again.")
            await serve(self, head)
        except Left:
            log.info("client left", extra={"request_id": self.request_id.decode()})
        except SyntraError as error:
            await self._fail(error)
        except Exception:
            log.exception("defect", extra={"request_id": self.request_id.decode()})
            await self._fail(Internal("Syntra failed on this request; the log has more under its request id."))

    @asynccontextmanager
    async def present(self) -> AsyncIterator[None]:
        """While this is open, a client that leaves, or a drain that ends, stops the work inside at once."""
        self._task = asyncio.current_task()
        watch = asyncio.get_running_loop().create_task(self._watch())
        self._lounge.enter(self)
        try:
            yield
        except asyncio.CancelledError:
            if self._stopped is None:
                raise
            if self._task is not None:
                self._task.uncancel()
            raise self._stopped from None
        finally:
            self._lounge.leave(self)
            self._task = None
            watch.cancel()

    async def _watch(self) -> None:
        """Wait until the client is gone; a body that goes on after its end is not expected."""
        while (await self.receive())["type"] != "http.disconnect":
            continue
        self.stop(Left())

    def stop(self, reason: SyntraError | Left) -> None:
        """End the work: the reply is cut, and told `reason` where somebody is left to hear it."""
        if self._task is not None and self._stopped is None:
            self._stopped = reason
            self._task.cancel()

    async def whole(self, status: int, headers: Headers, body: bytes) -> None:
        """A reply in one piece."""
        length = (b"content-length", str(len(body)).encode())
        await self._start(status, (*headers, length))
        await self._write(body, more=False)

    async def start_stream(self, headers: Headers) -> None:
        """The head of a stream; from here on a failure is told in band."""
        await self._start(200, (*_EVENTS, *headers))
        self._streams = True

    async def write(self, data: bytes) -> None:
        """A part of the stream; waits while the client is slow."""
        await self._write(data, more=True)

    async def end(self) -> None:
        """The stream's clean end."""
        await self._write(b"data: [DONE]\n\n", more=False)

    async def ping(self) -> None:
        """A comment that keeps idle connections open; never in the middle of a write."""
        if self._streams and not self.sending_since:
            await self._write(PING, more=True)

    @property
    def streams(self) -> bool:
        """Whether a stream's head has been written."""
        return self._streams

    async def _fail(self, error: SyntraError) -> None:
        """Tell a failure: as a status, or in band when the status is already out. Never followed by `[DONE]`."""
        if not self._started:
            await self.whole(error.status, (JSON, *error.headers), error.body())
        elif self._streams:
            await self._write(b"data: " + error.body() + b"\n\n", more=False)

    async def _start(self, status: int, headers: Headers) -> None:
        self._started = True
        own = (b"x-request-id", self.request_id)
        await self._send(
            {"type": "http.response.start", "status": status, "headers": [*headers, own, *_COMMON]},
        )

    async def _write(self, data: bytes, *, more: bool) -> None:
        loop = asyncio.get_running_loop()
        self.sending_since = loop.time()
        await self._send({"type": "http.response.body", "body": data, "more_body": more})
        self.sending_since = 0.0
        self.last_write = loop.time()


