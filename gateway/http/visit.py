"""One client's visit: its request comes in, its reply goes out, and whoever leaves is noticed at once."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

from gateway.core.errors import BadRequest, Draining, Internal, Overloaded, SyntraError, UpstreamError
from gateway.core.let_go import let_go
from gateway.core.telling import InBand, Telling, as_chat
from gateway.http.intake import Head, Left, named, read_body, read_head
from gateway.http.twin import DEGRADED, REPLAYED, Again, Twin
from gateway.records.log import About, about

if TYPE_CHECKING:
    from litestar.types import HTTPScope, Receive, Send

    from gateway.http.lounge import Lounge

log = logging.getLogger("syntra")

Headers = Sequence[tuple[bytes, bytes]]
JSON = (b"content-type", b"application/json")
_COMMON = ((b"cache-control", b"no-store"), (b"vary", b"Authorization"), (b"x-content-type-options", b"nosniff"))
_EVENTS = ((b"content-type", b"text/event-stream; charset=utf-8"), (b"x-accel-buffering", b"no"))
_LAST_WORDS = 0.1  # s for an error to be on the wire before the stream is cut behind it: the cut discards what is not
PING = b": ping\n"  # one line end: a blank line would end an event, and some clients then parse an empty one


class Visit:
    """The socket's side of one request; everything that is written to the client goes through here."""

    status = 0  # as sent; 499 for a client that left, as nginx has it
    sending_since = 0.0  # loop time at which a write began that has not ended
    last_write = 0.0
    must_have_body_at = 0.0  # loop time, 0 when the body is there
    request_id = b""
    model = ""  # provider/model of who answered
    decision = ""
    twin: Twin | None = None  # of a request that may be asked twice
    failed = ""  # the kind of the error that was told
    _task: asyncio.Task[object] | None = None
    _stopped: SyntraError | Left | None = None
    _watch: asyncio.Task[None] | None = None
    _started = False
    _told = False  # everything, to the last event
    _in_band: InBand | None = None  # of a stream whose head is out

    def __init__(
        self, scope: HTTPScope, receive: Receive, send: Send, lounge: Lounge, telling: Telling = as_chat
    ) -> None:
        self.began = time.perf_counter()
        self._loop = asyncio.get_running_loop()
        self._receive = receive
        self._scope = scope
        self._send = send
        self._lounge = lounge
        self._telling = telling
        self.about = About()  # what log lines of this request say of it

    @property
    def method(self) -> str:
        """The request's method."""
        return self._scope["method"]

    @property
    def path(self) -> str:
        """The request's path; never a URL built from the Host header, which may lie (CVE-2026-48710)."""
        return self._scope["path"]

    @property
    def whole_path(self) -> str:
        """The path as it was asked for, also where a mount has cut its own part off `path`."""
        raw: bytes = self._scope.get("raw_path") or self.path.encode()
        return unquote_to_bytes(raw.partition(b"?")[0]).decode("utf-8", "replace")

    @property
    def query(self) -> bytes:
        """What stands behind the question mark."""
        return self._scope["query_string"]

    def header(self, name: bytes) -> str:
        """A header that one surface alone reads; several of its name are one list."""
        return ",".join(value.decode("latin-1").strip() for found, value in self._scope["headers"] if found == name)

    async def run(self, serve: Callable[[Visit, Head], Awaitable[None]]) -> None:
        """Serve the request; every failure that can be told is told in the surface's shape."""
        self._lounge.enter(self)
        try:
            await self._serve(serve)
            self._over(None)
        except Again as again:
            kept = again.kept
            await self._start(kept.status, (*kept.headers, REPLAYED))
            await self._write(kept.body, more=False)
        except Left as left:
            self._over(left)
            self.status = 499
            log.debug("the client left")
        except UpstreamError as error:
            # Who failed is for the operator; our words about it are in the reply, the provider's are nowhere.
            log.warning("%s: %s", error.provider, error.message)
            await self._fail(error)
        except SyntraError as error:
            await self._fail(error)
        except Exception:
            log.exception("a defect")
            await self._fail(Internal("Syntra failed on this request; the log has more under its request id."))
        finally:
            self._over(Left())  # where it has not been said already
            self._lounge.leave(self)

    async def _serve(self, serve: Callable[[Visit, Head], Awaitable[None]]) -> None:
        """Serve until done, or until somebody stops the visit."""
        self._task = asyncio.current_task()
        try:
            head = read_head(self._scope)
            self.request_id = head.request_id.encode()
            self.about.request_id = head.request_id
            about.set(self.about)
            if self._lounge.draining:
                raise Draining("This server is shutting down; please try again.")
            if self._lounge.overloaded:
                raise Overloaded("This server has more to do than it can; please try again.")
            await serve(self, head)
        except asyncio.CancelledError:
            if self._stopped is None or self._task is None:
                raise
            self._task.uncancel()
            raise self._stopped from None
        finally:
            self._task = None
            if self._watch is not None:
                self._watch.cancel()
                self._watch = None

    def answered(self, model: str, decision: str) -> None:
        """Who has begun to answer, for the log."""
        self.model, self.decision = model, decision

    async def body(self, head: Head, seconds: float, *, forms: bool = False) -> bytes:
        """The request's body; from its end on, a client that leaves stops the work."""
        self.must_have_body_at = self._loop.time() + seconds
        try:
            body = await read_body(head, self._receive, forms=forms)
        except Left:  # or its chunks cannot be read: then somebody is there to hear it, and Granian would say 500
            raise BadRequest("The body broke off, or is not what its head has said.") from None
        self.must_have_body_at = 0.0
        self._lounge.watch_soon(self)
        if self.twin is not None:
            await self.twin.begin(body)
        return body

    def watch(self) -> None:
        """Begin to wait for the client's leaving, unless the visit is over."""
        if self._task is not None and self._watch is None:
            self._watch = self._loop.create_task(self._wait_for_leaving())

    async def _wait_for_leaving(self) -> None:
        """Wait until the client is gone; a body that goes on after its end is not expected."""
        while (await self._receive())["type"] != "http.disconnect":
            continue
        if not self._told:
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

    async def start_stream(self, headers: Headers, in_band: InBand) -> None:
        """The head of a stream; from here on a failure is told `in_band`."""
        await self._start(200, (*_EVENTS, *headers))
        self._in_band = in_band

    async def write(self, data: bytes) -> None:
        """A part of the stream; waits while the client is slow."""
        await self._write(data, more=True)

    async def end(self, last: bytes) -> None:
        """The stream's clean end, with its `last` event; who leaves on reading that has heard everything."""
        self._told = True
        await self._write(last, more=False)

    async def ping(self) -> None:
        """A comment that keeps idle connections open; never in the middle of a write."""
        if self.streams and not self.sending_since:
            await self._write(PING, more=True)

    @property
    def streams(self) -> bool:
        """Whether a stream's head has been written."""
        return self._in_band is not None

    async def _fail(self, error: SyntraError) -> None:
        """Tell a failure: as a status, or in band when the status is already out. Never followed by a clean end."""
        self.failed = error.kind
        self.request_id = self.request_id or named(self._scope).encode()  # its other headers cannot be read
        if not self._started:
            told = self._telling(error, self.request_id.decode())
            await self.whole(told.status, (JSON, *told.headers, *error.headers, *error.told), told.body)
        elif self._in_band is not None:
            await self._write(self._in_band(error), more=True)
            await asyncio.sleep(_LAST_WORDS)
        self._over(error)

    def _over(self, failure: BaseException | None) -> None:
        """The reply is out, or nobody is there to hear it."""
        if self.twin is not None:
            self.twin.end(failure)
            self.twin = None
        let_go(failure)

    async def _start(self, status: int, headers: Headers) -> None:
        self._started = True
        self.status = status
        own = [(b"x-request-id", self.request_id)]
        if self.twin is not None:
            self.twin.start(status, headers)
            own += [DEGRADED] if self.twin.degraded else []
        await self._send(
            {"type": "http.response.start", "status": status, "headers": [*headers, *own, *_COMMON]},
        )

    async def _write(self, data: bytes, *, more: bool) -> None:
        self.sending_since = self._loop.time()
        if self.twin is not None and data is not PING:
            self.twin.add(data)
        await self._send({"type": "http.response.body", "body": data, "more_body": more})
        self.sending_since = 0.0
        if more and not self.last_write:
            os.sched_yield()  # on one core Granian would have the first words only when the loop has nothing more to do
        self.last_write = self._loop.time()
