"""How each fault is acted out, in bytes. Wire-independent: the wire only says what its frames are."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from tests.fakes.script import PROSE, Failure, Fault, Frame, Script, dumps

if TYPE_CHECKING:
    from tests.fakes.provider import Provider
    from tests.fakes.server import Reply, Request

GIANT = 2 * 1024 * 1024
DRIP_SECONDS = 0.05
HTML = f"<html><head><title>502 Bad Gateway</title></head><body><h1>{PROSE}</h1></body></html>".encode()
Act = Callable[["Provider", Script, "Request", "Reply"], Awaitable[None]]
ACTS: dict[Fault, Act] = {}


async def act(fault: Fault, wire: Provider, script: Script, request: Request, reply: Reply) -> None:
    if fault in STATUSES:
        await status(fault, wire, script, reply)
    else:
        await ACTS[fault](wire, script, request, reply)


# faults that are a status

STATUSES: dict[Fault, tuple[int, str]] = {
    Fault.RATE_LIMITED: (429, "rate_limit_error"),
    Fault.SERVER_ERROR: (500, "api_error"),
    Fault.UNAVAILABLE: (503, "api_error"),
    Fault.OVERLOADED: (529, "overloaded_error"),
    Fault.FORBIDDEN: (403, "permission_error"),
    Fault.SPENT: (402, "billing_error"),
    Fault.BAD_REQUEST: (400, "invalid_request_error"),
    Fault.NO_SUCH_MODEL: (404, "not_found_error"),
    Fault.UNAUTHORIZED: (401, "authentication_error"),
    Fault.CONTEXT_LENGTH: (400, "invalid_request_error"),
}


async def status(fault: Fault, wire: Provider, script: Script, reply: Reply) -> None:
    code, kind = STATUSES[fault]
    failure = Failure(code, kind, PROSE, "model_not_found" if code == 404 else None)
    if fault is Fault.UNAUTHORIZED:
        failure = wire.key_error()
    if fault is Fault.CONTEXT_LENGTH:
        failure = wire.context_length()
    more = [("retry-after", script.retry_after)] if script.retry_after is not None else []
    await wire.fail(reply, failure, *more)


# faults of the connection


def playing(fault: Fault) -> Callable[[Act], Act]:
    def put(acting: Act) -> Act:
        ACTS[fault] = acting
        return acting

    return put


@playing(Fault.RESET_BEFORE)
async def reset_before(wire: Provider, script: Script, request: Request, reply: Reply) -> None:
    await reply.reset()


@playing(Fault.EMPTY)
async def empty(wire: Provider, script: Script, request: Request, reply: Reply) -> None:
    await reply.cut()


@playing(Fault.HANG_BEFORE)
async def hang_before(wire: Provider, script: Script, request: Request, reply: Reply) -> None:
    await reply.silence()


@playing(Fault.HANG_HEAD)
async def hang_head(wire: Provider, script: Script, request: Request, reply: Reply) -> None:
    await reply.head(200, headers(wire, request))
    await reply.silence()


@playing(Fault.RESET_MID)
async def reset_mid(wire: Provider, script: Script, request: Request, reply: Reply) -> None:
    await begin(wire, script, request, reply)
    await settle()
    await reply.reset()


@playing(Fault.RESET_MID_UNFRAMED)
async def reset_mid_unframed(wire: Provider, script: Script, request: Request, reply: Reply) -> None:
    await begin(wire, script, request, reply, unframed=True)
    await settle()
    await reply.reset()


@playing(Fault.EOF_MID)
async def eof_mid(wire: Provider, script: Script, request: Request, reply: Reply) -> None:
    await begin(wire, script, request, reply)
    await reply.end()


@playing(Fault.EOF_MID_UNFRAMED)
async def eof_mid_unframed(wire: Provider, script: Script, request: Request, reply: Reply) -> None:
    await begin(wire, script, request, reply, unframed=True)


@playing(Fault.EOF_MID_CHUNKED)
async def eof_mid_chunked(wire: Provider, script: Script, request: Request, reply: Reply) -> None:
    await begin(wire, script, request, reply)
    await reply.cut()


@playing(Fault.HANG_MID)
async def hang_mid(wire: Provider, script: Script, request: Request, reply: Reply) -> None:
    await begin(wire, script, request, reply)
    await reply.silence()


@playing(Fault.DRIP)
async def drip(wire: Provider, script: Script, request: Request, reply: Reply) -> None:
    """Never silent for long, never done: only a deadline over the whole ends it."""
    opening, rest = split(answer(wire, script, request), script.after)
    await reply.head(200, headers(wire, request))
    await wire.send(reply, script, opening)
    frame = next(frame for frame in rest if frame.part == "delta")
    while True:
        for byte in frame.data:
            await asyncio.sleep(DRIP_SECONDS)
            await reply.chunk(bytes([byte]))


@playing(Fault.SHORT_BODY)
async def short_body(wire: Provider, script: Script, request: Request, reply: Reply) -> None:
    body = b"".join(frame.data for frame in split(answer(wire, script, request), script.after)[0])
    await reply.head(200, headers(wire, request), length=len(body) + 500)
    await reply.raw(body)
    await reply.cut()


# faults of the content


@playing(Fault.HALF_FRAME)
async def half_frame(wire: Provider, script: Script, request: Request, reply: Reply) -> None:
    rest = await begin(wire, script, request, reply)
    await reply.chunk(rest[0].data[: len(rest[0].data) // 2])
    await reply.end()


@playing(Fault.BAD_GATEWAY_HTML)
async def bad_gateway_html(wire: Provider, script: Script, request: Request, reply: Reply) -> None:
    await reply.whole(502, HTML, ("content-type", "text/html"))


@playing(Fault.HTML_200)
async def html_200(wire: Provider, script: Script, request: Request, reply: Reply) -> None:
    await reply.whole(200, HTML, ("content-type", "text/html; charset=utf-8"))


@playing(Fault.INBAND_FIRST)
async def inband_first(wire: Provider, script: Script, request: Request, reply: Reply) -> None:
    await reply.head(200, headers(wire, request))
    whole = dumps(wire.failure(Failure(500, "server_error", PROSE)))
    await reply.chunk(wire.inband() if wire.wants_stream(request) else whole)
    await reply.end()


@playing(Fault.INBAND_MID)
async def inband_mid(wire: Provider, script: Script, request: Request, reply: Reply) -> None:
    await begin(wire, script, request, reply)
    await reply.chunk(wire.inband())
    await reply.end()


@playing(Fault.MALFORMED)
async def malformed(wire: Provider, script: Script, request: Request, reply: Reply) -> None:
    rest = await begin(wire, script, request, reply)
    await reply.chunk(rest[0].data.replace(b'":', b'";', 1))
    await wire.send(reply, script, rest)
    await reply.end()


@playing(Fault.BAD_UTF8)
async def bad_utf8(wire: Provider, script: Script, request: Request, reply: Reply) -> None:
    """Damages the text of the next frame, not its JSON: a decoder that replaces would not notice."""
    rest = await begin(wire, script, request, reply)
    spoilt = wire.frames(script.but(pieces=("SPOILT",)), request.json)
    frame = next(frame for frame in spoilt if b"SPOILT" in frame.data)
    await reply.chunk(frame.data.replace(b"SPOILT", b"SP\xff\xc3\x28T"))
    await wire.send(reply, script, rest)
    await reply.end()


@playing(Fault.GIANT_FRAME)
async def giant_frame(wire: Provider, script: Script, request: Request, reply: Reply) -> None:
    rest = await begin(wire, script, request, reply)
    giant = wire.frames(script.but(pieces=("x" * GIANT,)), request.json)
    await wire.send(reply, script, [frame for frame in giant if frame.part == "delta"])
    await wire.send(reply, script, rest)
    await reply.end()


@playing(Fault.NO_DONE)
async def no_done(wire: Provider, script: Script, request: Request, reply: Reply) -> None:
    await only(wire, script, request, reply, without={"done"})


@playing(Fault.NO_END)
async def no_end(wire: Provider, script: Script, request: Request, reply: Reply) -> None:
    await only(wire, script, request, reply, without={"finish", "usage", "done"})


@playing(Fault.DONE_WITHOUT_FINISH)
async def done_without_finish(wire: Provider, script: Script, request: Request, reply: Reply) -> None:
    await only(wire, script, request, reply, without={"finish"})


@playing(Fault.DOUBLE_DONE)
async def double_done(wire: Provider, script: Script, request: Request, reply: Reply) -> None:
    await reply.head(200, headers(wire, request))
    await wire.send(reply, script, answer(wire, script, request))
    await wire.send(reply, script, wire.text_after_the_end(request.json))
    await reply.end()


@playing(Fault.GZIP)
async def gzipped(wire: Provider, script: Script, request: Request, reply: Reply) -> None:
    body = gzip.compress(b"".join(frame.data for frame in answer(wire, script, request)))
    await reply.whole(200, body, *headers(wire, request), ("content-encoding", "gzip"))


@playing(Fault.REDIRECT)
async def redirect(wire: Provider, script: Script, request: Request, reply: Reply) -> None:
    """Points at ourselves, so that a client that follows would find a good answer."""
    if "redirected" in request.query:
        await reply.head(200, headers(wire, request))
        await wire.send(reply, script, answer(wire, script, request))
        await reply.end()
        return
    mark = "&" if request.query else "?"
    await reply.whole(307, b"", ("location", f"{wire.origin}{request.target}{mark}redirected"))


# their parts


def answer(wire: Provider, script: Script, request: Request) -> list[Frame]:
    """The frames of a stream; of a whole answer its JSON in pieces, so that the same faults strike both."""
    if wire.wants_stream(request):
        return wire.frames(script, request.json)
    body = dumps(wire.whole(script, request.json))
    third = len(body) // 3
    return [Frame(body[:third], "delta"), Frame(body[third:-third], "delta"), Frame(body[-third:], "finish")]


def headers(wire: Provider, request: Request) -> list[tuple[str, str]]:
    return wire.stream_headers() if wire.wants_stream(request) else wire.json_headers()


def split(frames: list[Frame], after: int) -> tuple[list[Frame], list[Frame]]:
    """The frames up to and with the `after`th delta, and the rest."""
    deltas = [index for index, frame in enumerate(frames) if frame.part == "delta"]
    at = deltas[min(after, len(deltas) - 1) - 1] + 1
    return frames[:at], frames[at:]


async def begin(
    wire: Provider, script: Script, request: Request, reply: Reply, *, unframed: bool = False
) -> list[Frame]:
    """Sends a good beginning; gives what would have come next."""
    opening, rest = split(answer(wire, script, request), script.after)
    if unframed:
        await reply.until_close_head(200, headers(wire, request))
    else:
        await reply.head(200, headers(wire, request))
    await wire.send(reply, script, opening)
    return rest


async def only(wire: Provider, script: Script, request: Request, reply: Reply, without: set[str]) -> None:
    await reply.head(200, headers(wire, request))
    kept = [frame for frame in answer(wire, script, request) if frame.part not in without]
    await wire.send(reply, script, kept)
    await reply.end()


async def settle() -> None:
    """Lets what was sent be read before a RST throws it away."""
    await asyncio.sleep(0.05)
