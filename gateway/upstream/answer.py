"""One attempt at one provider: a request goes out, batches of chunks come in, and nothing half passes for whole."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from functools import partial
from typing import Any, Protocol

import msgspec
from msgspec import Struct

from gateway.core.chat import ChatRequest
from gateway.core.deadline import Deadline, Patience
from gateway.core.errors import SyntraError, UpstreamBroken, UpstreamError
from gateway.core.events import Chunk
from gateway.core.shape import Shape
from gateway.upstream.count import Count, Counted
from gateway.upstream.dialect import Outbound, Provider
from gateway.upstream.flights import Flight
from gateway.upstream.incoming import ALONE, HIT, MISS, Cache, Incoming, Share
from gateway.upstream.share import Circle, Sharing
from gateway.upstream.sse import Frames
from gateway.upstream.wire import Exchange, Wire

log = logging.getLogger("syntra")

_STREAMS = frozenset({"stream", "stream_options"})
_FAULT_BODY_LIMIT = 64 * 1024  # bytes read of a failure's body


class _NoSuchRoute(Exception):
    """The server does not speak its provider's dialect."""


Entry = Callable[
    [], Awaitable[Callable[[], None]]
]  # waits for a place among those that ask; what it gives gives it back


def _nothing() -> None:
    """Nothing was taken."""


async def at_once() -> Callable[[], None]:
    """Who asks waits for nobody."""
    return _nothing


class Sent(Struct):
    """How far the request of an attempt has come."""

    out: bool = False  # the provider has it and has not refused it: it may be at work, and may bill it
    cache: Cache = MISS  # where the answer comes from


class Answer(Protocol):
    """An answer while it comes in."""

    async def next(self) -> Sequence[Chunk]:
        """What has come since the last call, at least one chunk; empty when the answer is whole and over.

        The last chunk of an answer has no choices and holds the usage. Raises UpstreamError when the answer breaks.
        """

    def counted(self) -> Counted:
        """The tokens of all that has come so far; final when the last chunk is there."""


class Opened(Struct, frozen=True):
    """An answer that has begun to come in; `close` cuts it where it is not over."""

    answer: Answer
    close: Callable[[], None]
    dropped: tuple[str, ...] = ()  # the client's fields that this wire cannot carry
    share: Share = ALONE
    headers: Mapping[str, str] = {}  # of the provider's reply


class StreamedAnswer:
    """An answer that arrives as server-sent events."""

    def __init__(self, exchange: Incoming, count: Count, share: Share, *, provider: str, idle: float) -> None:
        self._provider = provider
        self._exchange = exchange
        self._share = share
        self._count = count
        self._decoder = count.decoder
        self._frames = Frames(count.decoder.frame_limit)
        self._shape = count.shape
        self._idle = idle
        self._failure: SyntraError | None = None
        self._over = False

    async def next(self) -> Sequence[Chunk]:
        """The chunks of the next events."""
        if self._failure is not None:
            raise self._failure
        while not self._over:
            block = await self._exchange.read()
            if not block:
                return self._end()
            seen = self._frames.seen
            batch = self._decode(block)
            if batch:
                return batch
            if self._failure is not None:
                raise self._failure
            if self._frames.seen != seen:
                self._exchange.expect(self._idle)
        return ()

    def _decode(self, block: bytes) -> list[Chunk]:
        """The chunks in a block; a failure behind good ones waits for the next call, so that no text is lost."""
        batch: list[Chunk] = []
        form, decoder = self._shape.form, self._decoder
        try:
            for data in self._frames.feed(block):
                for chunk in decoder.frame(data):
                    batch += form(chunk)
                if decoder.ended:
                    self._exchange.ended = True
                    batch.extend(self._end())
                    break
        except SyntraError as error:
            self._failure = self._named(error)
        if self._failure is None and self._frames.failure is not None:
            self._failure = self._named(self._frames.failure)
        if batch:
            self._exchange.expect(self._idle)
        return batch

    def _end(self) -> Sequence[Chunk]:
        """The body or the answer is over: whole, or an error."""
        self._over = True
        try:
            self._check_end()
        except UpstreamBroken as error:
            self._failure = self._named(error)
            raise
        last = self._count.close()
        self._share.whole(self._count.counted(), well=self._shape.well)
        return (last,)

    def counted(self) -> Counted:
        """The provider's own count of an answer that is whole, else an estimate."""
        return self._share.counted() or self._count.counted()

    def _named(self, error: SyntraError) -> SyntraError:
        """A failure knows whose it is, for the log."""
        if isinstance(error, UpstreamError):
            error.provider = self._provider
        return error

    def _check_end(self) -> None:
        if not self._decoder.ended and self._frames.rest.strip():
            raise UpstreamBroken("The provider's answer was cut inside an event.")
        self._shape.close(terminal=self._decoder.ended)


class WholeAnswer:
    """An answer that arrived in one piece."""

    def __init__(self, chunks: Sequence[Chunk], count: Count) -> None:
        self._chunks = chunks
        self._count = count

    async def next(self) -> Sequence[Chunk]:
        """Everything, then nothing."""
        chunks, self._chunks = self._chunks, ()
        return chunks

    def counted(self) -> Counted:
        """The count of the whole."""
        return self._count.counted()


class Remote:
    """Calls providers over the wire."""

    def __init__(self, wire: Wire, patience: Patience, sharing: Sharing | None = None) -> None:
        self._wire = wire
        self._patience = patience
        self._sharing = sharing or Sharing()
        self._chat_only: set[str] = set()  # base URLs that do not speak the dialect that their provider does

    def ask(
        self,
        provider: Provider,
        model: str,
        request: ChatRequest,
        deadline: Deadline,
        sent: Sent,
        circle: Circle | None = None,
        entry: Entry = at_once,
    ) -> Coroutine[Any, Any, Opened]:
        """Send the request and wait for the reply's head; the caller closes what it gets.

        It is said in the client's own dialect where the provider speaks that, else as chat completions. Within a
        `circle` the answer may be one that others have asked for; a call of its own waits at the `entry`.
        """
        native = request.native
        if native is None or native.dialect != provider.dialect.native or provider.base_url in self._chat_only:
            return self._ask(provider, model, request.plain(provider.name), deadline, sent, circle, entry)

        def said(request: ChatRequest) -> Coroutine[Any, Any, Opened]:
            return self._ask(provider, model, request, deadline, sent, circle, entry)

        return self._ask_natively(provider, request, said)

    async def _ask_natively(
        self, provider: Provider, request: ChatRequest, said: Callable[[ChatRequest], Awaitable[Opened]]
    ) -> Opened:
        """Ask in the client's own dialect; in chat completions where the provider turns out not to speak it."""
        try:
            return await said(request)
        except _NoSuchRoute:
            opened = await said(request.plain(provider.name))
        # Only now: a provider that is out of order says 404 to everything.
        log.info("%s at %s speaks only chat completions", provider.name, provider.base_url)
        self._chat_only.add(provider.base_url)
        return opened

    async def _ask(
        self,
        provider: Provider,
        model: str,
        request: ChatRequest,
        deadline: Deadline,
        sent: Sent,
        circle: Circle | None,
        entry: Entry,
    ) -> Opened:
        outbound = provider.dialect.encode(provider, model, request)
        first = self._patience.first_event if request.body.stream else self._patience.total
        exchange: Incoming
        share: Share = ALONE
        if circle is None:
            exchange = await post(self._wire, outbound, deadline, first, sent, entry)
        else:
            forms = _Forms(provider, model, request, outbound)
            dial = partial(send, self._wire, outbound, deadline, first, entry=entry)
            exchange = share = await self._sharing.board(circle, outbound, forms, dial, sent)
        try:
            answer = await self._open(exchange, share, provider, model, request)
        except BaseException:
            exchange.close()
            raise
        dropped = outbound.dropped if request.native is not None else (*outbound.dropped, *request.lost)
        return Opened(answer, exchange.close, dropped, share, exchange.headers)

    async def _open(
        self, exchange: Incoming, share: Share, provider: Provider, model: str, request: ChatRequest
    ) -> Answer:
        if exchange.status != 200 or "content-encoding" in exchange.headers:
            if request.native is not None:
                await _refuse_route(exchange, provider)
            await refuse_failure(exchange, provider)
        decoder = provider.dialect.decoder(model, request)
        streamed = bool(request.body.stream)
        shape = Shape(request.body.n or 1, streamed=streamed)
        count = Count(request, decoder, shape)
        if (streamed or share.cache == HIT) and _media_type(exchange) == "text/event-stream":
            return StreamedAnswer(exchange, count, share, provider=provider.name, idle=self._patience.idle)
        body = await _json_body(exchange)
        chunks = [formed for chunk in decoder.whole(body) for formed in shape.form(chunk)]
        shape.close(terminal=True)
        last = count.close()
        share.whole(count.counted(), well=shape.well)
        return WholeAnswer([*chunks, last], count)


class _Forms:
    """A request in other forms."""

    def __init__(self, provider: Provider, model: str, request: ChatRequest, outbound: Outbound) -> None:
        self._provider, self._model = provider, model
        self._request, self._outbound = request, outbound

    def whole(self) -> Outbound:
        """Not streamed."""
        whole = self._whole()
        return self._outbound if whole is self._request else self._said(whole)

    def beginning(self) -> Outbound:
        """Not streamed, and its last message silent."""
        return self._said(self._whole().with_last(""))

    def _whole(self) -> ChatRequest:
        whole, _ = self._request.without(_STREAMS)
        if whole.native is not None and not _STREAMS.isdisjoint(whole.native.fields):
            whole = msgspec.structs.replace(whole, native=whole.native.without(_STREAMS))
        return whole

    def _said(self, request: ChatRequest) -> Outbound:
        return self._provider.dialect.encode(self._provider, self._model, request)


async def post(
    wire: Wire, outbound: Outbound, deadline: Deadline, first_event: float, sent: Sent | Flight, entry: Entry = at_once
) -> Exchange:
    """Send a request once `entry` lets it through and wait for the reply's head; `sent` is told how far it has come."""
    exchange = await send(wire, outbound, deadline, first_event, sent, entry)
    await exchange.replied()
    sent.out = exchange.status == 200  # with any other it has said that it did not do the work
    return exchange


async def send(
    wire: Wire, outbound: Outbound, deadline: Deadline, first_event: float, sent: Sent | Flight, entry: Entry = at_once
) -> Exchange:
    """The first half of `post`."""

    def out() -> None:
        sent.out = True

    headers = header_lines(outbound.headers)
    release = await entry()
    try:
        exchange = await wire.send(outbound.url, headers, outbound.body, deadline, first_event=first_event, sent=out)
    except BaseException:
        release()
        raise
    exchange.after = release
    return exchange


async def checked_body(exchange: Incoming, provider: Provider) -> bytes:
    """The JSON body of a reply that is not streamed; raises what its status means."""
    await refuse_failure(exchange, provider)
    return await _json_body(exchange)


async def _refuse_route(exchange: Incoming, provider: Provider) -> None:
    """Another server than the provider's own, behind the same settings, may not have this route; the model it has."""
    if exchange.status in (404, 405):
        body = await _some(exchange)
        if b"model" not in body.lower():
            raise _NoSuchRoute
        raise provider.dialect.fault(provider, exchange.status, exchange.headers, body)


async def refuse_failure(exchange: Incoming, provider: Provider) -> None:
    """A status other than 200 (a redirect too), or a body in an encoding that was not asked for (a bomb, perhaps)."""
    if exchange.status != 200:
        raise provider.dialect.fault(provider, exchange.status, exchange.headers, await _some(exchange))
    if exchange.headers.get("content-encoding", "identity") != "identity":
        raise UpstreamBroken("The provider sent an encoding that was not asked for.")


def _media_type(exchange: Incoming) -> str:
    return exchange.headers.get("content-type", "").partition(";")[0].strip().lower()


async def _json_body(exchange: Incoming) -> bytes:
    if _media_type(exchange) != "application/json":
        raise UpstreamBroken("The provider's reply is not of the type that was asked for.")
    return await exchange.body()


async def _some(exchange: Incoming) -> bytes:
    """The start of a failure's body; what it lacks is not worth waiting for."""
    body = b""
    while len(body) < _FAULT_BODY_LIMIT and (block := await exchange.read()):
        body += block
    return body


def header_lines(headers: Sequence[tuple[str, str]]) -> bytes:
    """Header lines; a value that could begin another line is a defect, not a request."""
    text = "".join(f"{name}: {value}\r\n" for name, value in headers)
    if text.count("\n") != len(headers) or text.count("\r") != len(headers):
        raise UpstreamBroken("A header for the provider has a line break in it.")
    return text.encode("latin-1")
