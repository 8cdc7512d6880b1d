"""One attempt at one provider: a request goes out, batches of chunks come in, and nothing half passes for whole."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from msgspec import Struct

from gateway.core.chat import ChatRequest
from gateway.core.deadline import Deadline, Patience
from gateway.core.errors import SyntraError, UpstreamBroken, UpstreamError
from gateway.core.events import Chunk
from gateway.core.shape import Shape
from gateway.upstream.count import Count, Counted
from gateway.upstream.dialect import Outbound, Provider
from gateway.upstream.sse import Frames
from gateway.upstream.wire import Exchange, Wire

log = logging.getLogger("syntra")

_FAULT_BODY_LIMIT = 64 * 1024  # bytes read of a failure's body


class _NoSuchRoute(Exception):
    """The server does not speak its provider's dialect."""


class Sent(Struct):
    """How far the request of an attempt has come."""

    out: bool = False  # the provider has it and has not refused it: it may be at work, and may bill it


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
    headers: Mapping[str, str] = {}  # of the provider's reply


class StreamedAnswer:
    """An answer that arrives as server-sent events."""

    def __init__(self, exchange: Exchange, count: Count, *, provider: str, idle: float) -> None:
        self._provider = provider
        self._exchange = exchange
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
        form = self._shape.form
        try:
            for data in self._frames.feed(block):
                for chunk in self._decoder.frame(data):
                    batch.extend(form(chunk))
                if self._decoder.ended:
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
        return (self._count.close(),)

    def counted(self) -> Counted:
        """The provider's own count of an answer that is whole, else an estimate."""
        return self._count.counted()

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

    def __init__(self, wire: Wire, patience: Patience) -> None:
        self._wire = wire
        self._patience = patience
        self._chat_only: set[str] = set()  # base URLs that do not speak the dialect that their provider does

    async def ask(self, provider: Provider, model: str, request: ChatRequest, deadline: Deadline, sent: Sent) -> Opened:
        """Send the request and wait for the reply's head; the caller closes what it gets.

        It is said in the client's own dialect where the provider speaks that, else as chat completions.
        """
        native = request.native
        if native is None or native.dialect != provider.dialect.native or provider.base_url in self._chat_only:
            return await self._ask(provider, model, request.plain(provider.name), deadline, sent)
        try:
            return await self._ask(provider, model, request, deadline, sent)
        except _NoSuchRoute:
            log.info("%s at %s speaks only chat completions", provider.name, provider.base_url)
            self._chat_only.add(provider.base_url)
            return await self._ask(provider, model, request.plain(provider.name), deadline, sent)

    async def _ask(
        self, provider: Provider, model: str, request: ChatRequest, deadline: Deadline, sent: Sent
    ) -> Opened:
        outbound = provider.dialect.encode(provider, model, request)
        first = self._patience.first_event if request.body.stream else self._patience.total
        exchange = await post(self._wire, outbound, deadline, first, sent)
        try:
            answer = await self._open(exchange, provider, model, request)
        except BaseException:
            exchange.close()
            raise
        lost = request.lost if request.native is None else ()
        return Opened(answer, exchange.close, (*outbound.dropped, *lost), exchange.headers)

    async def _open(self, exchange: Exchange, provider: Provider, model: str, request: ChatRequest) -> Answer:
        if request.native is not None:
            await _refuse_route(exchange, provider)
        await _refuse_failure(exchange, provider)
        decoder = provider.dialect.decoder(model, request)
        streamed = bool(request.body.stream)
        shape = Shape(request.body.n or 1, streamed=streamed)
        count = Count(request, decoder, shape)
        if streamed and _media_type(exchange) == "text/event-stream":
            return StreamedAnswer(exchange, count, provider=provider.name, idle=self._patience.idle)
        body = await _json_body(exchange)
        chunks = [formed for chunk in decoder.whole(body) for formed in shape.form(chunk)]
        shape.close(terminal=True)
        return WholeAnswer([*chunks, count.close()], count)


async def post(wire: Wire, outbound: Outbound, deadline: Deadline, first_event: float, sent: Sent) -> Exchange:
    """Send a request and wait for the reply's head; `sent` is told how far it has come."""

    def out() -> None:
        sent.out = True

    headers = header_lines(outbound.headers)
    exchange = await wire.post(outbound.url, headers, outbound.body, deadline, first_event=first_event, sent=out)
    sent.out = exchange.status == 200  # with any other it has said that it did not do the work
    return exchange


async def checked(exchange: Exchange, provider: Provider) -> None:
    """Raise what the status of a reply means, unless that is 200."""
    await _refuse_failure(exchange, provider)


async def checked_body(exchange: Exchange, provider: Provider) -> bytes:
    """The JSON body of a reply that is not streamed; raises what its status means."""
    await checked(exchange, provider)
    return await _json_body(exchange)


async def _refuse_route(exchange: Exchange, provider: Provider) -> None:
    """Another server than the provider's own, behind the same settings, may not have this route; the model it has."""
    if exchange.status in (404, 405):
        body = await _some(exchange)
        if b"model" not in body.lower():
            raise _NoSuchRoute
        raise provider.dialect.fault(provider, exchange.status, exchange.headers, body)


async def _refuse_failure(exchange: Exchange, provider: Provider) -> None:
    """A status other than 200 (a redirect too), or a body in an encoding that was not asked for (a bomb, perhaps)."""
    if exchange.status != 200:
        raise provider.dialect.fault(provider, exchange.status, exchange.headers, await _some(exchange))
    if exchange.headers.get("content-encoding", "identity") != "identity":
        raise UpstreamBroken("The provider sent an encoding that was not asked for.")


def _media_type(exchange: Exchange) -> str:
    return exchange.headers.get("content-type", "").partition(";")[0].strip().lower()


async def _json_body(exchange: Exchange) -> bytes:
    if _media_type(exchange) != "application/json":
        raise UpstreamBroken("The provider's reply is not of the type that was asked for.")
    return await exchange.body()


async def _some(exchange: Exchange) -> bytes:
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
