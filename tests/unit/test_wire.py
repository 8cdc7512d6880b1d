"""Our own wire, against small real servers: what is kept, what is cut, what is refused, and when."""

from __future__ import annotations

import asyncio
import gc
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest
import uvloop

from gateway.core.deadline import Deadline, Patience
from gateway.core.errors import SyntraError, UpstreamBroken, UpstreamSilent, UpstreamUnreachable
from gateway.upstream.answer import header_lines
from gateway.upstream.egress import Egress, Origin
from gateway.upstream.wire import Exchange, Wire
from tests.fakes.server import Reply, Request, Server, wait_for

T = TypeVar("T")
Run = Callable[[Coroutine[Any, Any, T]], T]

TLS = Path(__file__).parent / "tls"
PATIENCE = Patience(connect=2, first_event=2, idle=2, total=5)


@pytest.fixture
def run() -> Iterator[Run[Any]]:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:  # what the gateway runs on
        yield runner.run
        runner.run(asyncio.sleep(0))
    gc.collect(1)  # a transport that was forgotten speaks up here, not in another test


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


# what is sent, and what is kept


def test_a_request_is_sent_whole(run: Run[Any]) -> None:
    async def serve(request: Request, reply: Reply) -> None:
        await reply.whole(200, request.body, ("X-Mixed-Case", "a B"))

    async def scene(origin: str) -> None:
        wire = wire_to(origin)
        exchange = await post(wire, f"{origin}/v1/x?y=z", body="é\u2028".encode())
        assert exchange.status == 200
        assert exchange.headers["x-mixed-case"] == "a B"
        assert await exchange.body() == "é\u2028".encode()
        exchange.close()
        wire.close()

    with Server(serve) as server:
        run(scene(server.origin))
        (request,) = server.requests
        assert (request.method, request.target) == ("POST", "/v1/x?y=z")
        assert request.headers == {
            "host": f"127.0.0.1:{server.port}",
            "content-length": "5",
            "accept-encoding": "identity",
            "x-test": "1",
        }
        assert server.failures == []


def test_blanks_around_a_headers_value_are_not_part_of_it(run: Run[Any]) -> None:
    async def serve(request: Request, reply: Reply) -> None:
        await reply.whole(200, b"x", ("content-encoding", "\t identity \t "))

    async def scene(origin: str) -> None:
        wire = wire_to(origin)
        exchange = await post(wire, f"{origin}/")
        assert exchange.headers["content-encoding"] == "identity"
        exchange.close()
        wire.close()

    with Server(serve) as server:
        run(scene(server.origin))


def test_one_connection_serves_one_request_after_another(run: Run[Any]) -> None:
    peers: list[int] = []

    async def serve(request: Request, reply: Reply) -> None:
        peers.append(peer(reply))
        if len(peers) % 2:
            await reply.whole(200, b"x" * 100_000)
        else:
            await reply.head(200)
            await reply.chunk(b"x" * 100_000)
            await reply.end()

    async def scene(origin: str) -> None:
        wire = wire_to(origin)
        for _ in range(6):
            assert len(await fetch(wire, f"{origin}/")) == 100_000
        wire.close()

    with Server(serve) as server:
        run(scene(server.origin))
    assert len(peers) == 6
    assert len(set(peers)) == 1


def test_requests_at_the_same_time_do_not_share_a_connection(run: Run[Any]) -> None:
    async def serve(request: Request, reply: Reply) -> None:
        await asyncio.sleep(0.05)
        await reply.whole(200, request.body)

    async def scene(origin: str) -> None:
        wire = wire_to(origin)
        bodies = [str(k).encode() for k in range(20)]
        assert await asyncio.gather(*(fetch(wire, f"{origin}/", body=body) for body in bodies)) == bodies
        wire.close()

    with Server(serve) as server:
        run(scene(server.origin))


def test_a_provider_that_closes_is_not_kept(run: Run[Any]) -> None:
    peers: list[int] = []

    async def serve(request: Request, reply: Reply) -> None:
        peers.append(peer(reply))
        await reply.whole(200, b"x", ("connection", "close"))

    async def scene(origin: str) -> None:
        wire = wire_to(origin)
        for _ in range(3):
            assert await fetch(wire, f"{origin}/") == b"x"
        wire.close()

    with Server(serve) as server:
        run(scene(server.origin))
    assert len(set(peers)) == 3


def test_a_connection_that_rested_too_long_is_not_used_again(run: Run[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.upstream.wire._MOST_IDLE_SECONDS", 0.03)
    peers: list[int] = []

    async def serve(request: Request, reply: Reply) -> None:
        peers.append(peer(reply))
        await reply.whole(200, b"x")

    async def scene(origin: str) -> None:
        wire = wire_to(origin)
        await fetch(wire, f"{origin}/")
        await asyncio.sleep(0.06)
        await fetch(wire, f"{origin}/")
        wire.close()

    with Server(serve) as server:
        run(scene(server.origin))
    assert len(set(peers)) == 2


def test_closing_the_wire_closes_what_it_kept(run: Run[Any]) -> None:
    async def serve(request: Request, reply: Reply) -> None:
        await reply.whole(200, b"x")

    async def scene(server: Server) -> None:
        wire = wire_to(server.origin)
        await asyncio.gather(*(fetch(wire, f"{server.origin}/") for _ in range(3)))
        assert server.open_connections > 0
        wire.close()
        await settle(lambda: server.open_connections == 0)

    with Server(serve) as server:
        run(scene(server))


# a kept connection that was closed meanwhile


@dataclass(frozen=True)
class Stale:
    """What the provider does on a kept connection, how often it is asked in all, and whether that ends well."""

    name: str
    on_second: str
    on_third: str
    requests: int
    well: bool

    def __str__(self) -> str:
        return self.name


@pytest.mark.parametrize(
    "stale",
    [
        Stale("closed without a byte", "cut", "answer", requests=3, well=True),
        Stale("reset without a byte", "reset", "answer", requests=3, well=True),
        Stale("closed twice", "cut", "cut", requests=3, well=False),
        Stale("closed after a byte", "byte", "answer", requests=2, well=False),
    ],
    ids=str,
)
def test_a_stale_connection_is_dialled_again_once_and_only_before_any_byte(run: Run[Any], stale: Stale) -> None:
    asked = 0

    async def serve(request: Request, reply: Reply) -> None:
        nonlocal asked
        asked += 1
        act = {2: stale.on_second, 3: stale.on_third}.get(asked, "answer")
        if act == "answer":
            await reply.whole(200, b"x")
        elif act == "byte":
            await reply.raw(b"H")
            await reply.cut()
        else:
            await (reply.cut() if act == "cut" else reply.reset())

    async def scene(origin: str) -> None:
        wire = wire_to(origin)
        await fetch(wire, f"{origin}/")
        if stale.well:
            assert await fetch(wire, f"{origin}/") == b"x"
        else:
            with pytest.raises(UpstreamBroken):
                await fetch(wire, f"{origin}/")
        wire.close()

    with Server(serve) as server:
        run(scene(server.origin))
    assert asked == stale.requests


def test_a_new_connection_that_ends_without_a_byte_is_not_dialled_again(run: Run[Any]) -> None:
    async def serve(request: Request, reply: Reply) -> None:
        await reply.cut()

    async def scene(origin: str) -> None:
        wire = wire_to(origin)
        with pytest.raises(UpstreamBroken):
            await fetch(wire, f"{origin}/")

    with Server(serve) as server:
        run(scene(server.origin))
        assert len(server.requests) == 1


def test_a_silent_kept_connection_is_not_asked_twice(run: Run[Any]) -> None:
    async def serve(request: Request, reply: Reply) -> None:
        if request.body == b"quick":
            await reply.whole(200, b"x")
        else:
            await reply.silence()

    async def scene(origin: str) -> None:
        wire = wire_to(origin)
        await fetch(wire, f"{origin}/", body=b"quick")
        with pytest.raises(UpstreamSilent):
            await fetch(wire, f"{origin}/", first_event=0.05)

    with Server(serve) as server:
        run(scene(server.origin))
        assert len(server.requests) == 2


def test_words_that_nobody_asked_for_cost_the_connection(run: Run[Any]) -> None:
    peers: list[int] = []

    async def serve(request: Request, reply: Reply) -> None:
        peers.append(peer(reply))
        await reply.whole(200, b"x")
        if len(peers) == 1:
            await asyncio.sleep(0.03)
            await reply.raw(b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nforged")
            await asyncio.sleep(0.03)

    async def scene(origin: str) -> None:
        wire = wire_to(origin)
        assert await fetch(wire, f"{origin}/") == b"x"
        await asyncio.sleep(0.1)
        assert await fetch(wire, f"{origin}/") == b"x"
        wire.close()

    with Server(serve) as server:
        run(scene(server.origin))
    assert len(set(peers)) == 2


# how bodies end


@dataclass(frozen=True)
class Bytes:
    """What comes from a provider, byte for byte, and what is read of it; None where it is not whole."""

    name: str
    raw: bytes
    body: bytes | None
    reset: bool = False
    status: int = 200

    def __str__(self) -> str:
        return self.name


OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"transfer-encoding: chunked\r\n\r\n"

BYTES = (
    Bytes("a length", OK + b"content-length: 3\r\n\r\nabc", b"abc"),
    Bytes("no body", OK + b"content-length: 0\r\n\r\n", b""),
    Bytes("chunks", CHUNKED + b"1\r\na\r\n2;x=y\r\nbc\r\n0\r\n\r\n", b"abc"),
    Bytes("chunks and trailers", CHUNKED + b"3\r\nabc\r\n0\r\nx-sum: 1\r\n\r\n", b"abc"),
    Bytes("until it closes", OK + b"\r\nabc", b"abc"),
    Bytes("until it closes, nothing", OK + b"\r\n", b""),
    Bytes("until it is reset", OK + b"\r\nabc", None, reset=True),
    Bytes("a length, cut", OK + b"content-length: 9\r\n\r\nabc", None),
    Bytes("chunks, cut inside one", CHUNKED + b"9\r\nabc", None),
    Bytes("chunks, cut between two", CHUNKED + b"3\r\nabc\r\n", None),
    Bytes("chunks, cut before the last line", CHUNKED + b"3\r\nabc\r\n0\r\n", None),
    Bytes("chunks, reset", CHUNKED + b"3\r\nabc\r\n", None, reset=True),
    Bytes("a bad chunk", CHUNKED + b"zz\r\nabc\r\n0\r\n\r\n", None),
    Bytes("a head, cut", OK + b"content-le", None),
    Bytes("no HTTP", b"SSH-2.0-OpenSSH_9.6\r\n", None),
    Bytes("HTTP/2's preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", None),
    Bytes("HTTP/0.9", b"<html>hello</html>", None),
    Bytes("two lengths", OK + b"content-length: 3\r\ncontent-length: 4\r\n\r\nabc", None),
    Bytes(
        "a length and chunks",
        OK + b"content-length: 3\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        None,
    ),
    Bytes("a header without a colon", OK + b"oops\r\n\r\n", None),
    Bytes("103 first", b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" + OK + b"content-length: 3\r\n\r\nabc", b"abc"),
    Bytes("100 twice first", b"HTTP/1.1 100 Continue\r\n\r\n" * 2 + OK + b"content-length: 3\r\n\r\nabc", b"abc"),
    Bytes("103 and nothing", b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n", None),
    Bytes("101", b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\nabc", None),
    Bytes(
        "a redirect",
        b"HTTP/1.1 307 No\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 2\r\n\r\nno",
        b"no",
        status=307,
    ),
    Bytes("a failure", b"HTTP/1.1 503 No\r\ncontent-length: 2\r\n\r\nno", b"no", status=503),
    Bytes(
        "gzip, which nobody asked for",
        OK + b"content-encoding: gzip\r\ncontent-length: 3\r\n\r\n\x1f\x8b\x08",
        b"\x1f\x8b\x08",
    ),
)


@pytest.mark.parametrize("sent", BYTES, ids=str)
def test_a_body_ends_where_it_was_said_to_or_is_broken(run: Run[Any], sent: Bytes) -> None:
    async def serve(request: Request, reply: Reply) -> None:
        for k in range(0, len(sent.raw), 40):
            await reply.raw(sent.raw[k : k + 40])
            await asyncio.sleep(0)
        await asyncio.sleep(0.02)
        await (reply.reset() if sent.reset else reply.cut())

    async def scene(origin: str) -> None:
        wire = wire_to(origin)
        if sent.body is None:
            with pytest.raises(UpstreamBroken):
                await fetch(wire, f"{origin}/")
        else:
            exchange = await post(wire, f"{origin}/")
            assert exchange.status == sent.status
            assert "link" not in exchange.headers
            assert await exchange.body() == sent.body
            exchange.close()
        wire.close()

    with Server(serve) as server:
        run(scene(server.origin))
        assert len(server.requests) == 1  # a redirect is not followed, a failure not asked again


def test_what_came_before_a_cut_is_read_first(run: Run[Any]) -> None:
    async def serve(request: Request, reply: Reply) -> None:
        await reply.head(200)
        await reply.chunk(b"good")
        await reply.cut()

    async def scene(origin: str) -> None:
        wire = wire_to(origin)
        exchange = await post(wire, f"{origin}/")
        await asyncio.sleep(0.05)
        assert await exchange.read() == b"good"
        with pytest.raises(UpstreamBroken):
            await exchange.read()
        exchange.close()

    with Server(serve) as server:
        run(scene(server.origin))


def test_a_body_over_32_mib_is_broken_and_cut(run: Run[Any]) -> None:
    sent = 0

    async def serve(request: Request, reply: Reply) -> None:
        nonlocal sent
        await reply.head(200)
        while True:
            await reply.chunk(b"x" * 262_144)
            sent += 262_144

    async def scene(server: Server) -> None:
        wire = wire_to(server.origin)
        exchange = await post(wire, f"{server.origin}/")
        read = 0
        with pytest.raises(UpstreamBroken) as caught:  # noqa: PT012
            while block := await exchange.read():
                read += len(block)
        assert "32 MiB" in caught.value.message
        assert 30 * 2**20 < read <= 32 * 2**20
        exchange.close()
        await settle(lambda: server.open_connections == 0)

    with Server(serve) as server:
        run(scene(server))
    assert sent < 48 * 2**20


def test_a_body_of_31_mib_is_whole(run: Run[Any]) -> None:
    size = 31 * 2**20

    async def serve(request: Request, reply: Reply) -> None:
        await reply.whole(200, b"x" * size)

    async def scene(origin: str) -> None:
        wire = wire_to(origin)
        assert len(await fetch(wire, f"{origin}/")) == size
        wire.close()

    with Server(serve) as server:
        run(scene(server.origin))


# deadlines


@dataclass(frozen=True)
class Slow:
    """A provider that is slow somewhere, and how we wait for it."""

    name: str
    head: float = 0.0  # s before the head
    event: float = 0.0  # s before each event
    events: int = 1
    first_event: float = 2.0
    idle: float = 2.0
    total: float = 2.0
    patient: bool = False

    def __str__(self) -> str:
        return self.name


@pytest.mark.parametrize(
    "slow",
    [
        Slow("the head comes late", head=5, first_event=0.1),
        Slow("an event comes late", event=5, idle=0.1),
        Slow("events in time, but no end", event=0.02, events=1000, idle=0.1, total=0.2),
        Slow("the total ends the wait for the head", head=5, total=0.1),
        Slow("the total ends the wait for an event", event=5, total=0.1),
        Slow("slow but in time", head=0.08, event=0.08, events=4, first_event=0.2, idle=0.2, patient=True),
        Slow("more patience for events than for the head", event=0.15, first_event=0.1, idle=0.5, patient=True),
    ],
    ids=str,
)
def test_every_wait_ends(run: Run[Any], slow: Slow) -> None:
    async def serve(request: Request, reply: Reply) -> None:
        await asyncio.sleep(slow.head)
        await reply.head(200)
        for _ in range(slow.events):
            await asyncio.sleep(slow.event)
            await reply.chunk(b"x")
        await reply.end()

    async def scene(server: Server) -> None:
        wire = wire_to(server.origin)
        exchange = None
        began = time.monotonic()
        try:
            exchange = await post(wire, f"{server.origin}/", seconds=slow.total, first_event=slow.first_event)
            exchange.expect(slow.idle)
            while await exchange.read():
                exchange.expect(slow.idle)
        except UpstreamSilent:
            assert not slow.patient
            assert time.monotonic() - began < 0.6
            await settle(lambda: server.open_connections == 0, 0.5)
        else:
            assert slow.patient
        finally:
            if exchange is not None:
                exchange.close()
            wire.close()

    with Server(serve) as server:
        run(scene(server))


def test_a_head_that_drips_is_not_waited_for(run: Run[Any]) -> None:
    async def serve(request: Request, reply: Reply) -> None:
        while True:
            await reply.raw(b"H" if request.answered else b"HTTP/1.1 200 OK\r\nx: y"[:1])
            await asyncio.sleep(0.03)

    async def scene(origin: str) -> None:
        wire = wire_to(origin)
        began = time.monotonic()
        with pytest.raises(SyntraError):
            await post(wire, f"{origin}/", first_event=0.15)
        assert time.monotonic() - began < 0.5

    with Server(serve) as server:
        run(scene(server.origin))


def test_no_time_left_is_no_request(run: Run[Any]) -> None:
    async def serve(request: Request, reply: Reply) -> None:
        await reply.silence()

    async def scene(origin: str) -> None:
        wire = wire_to(origin)
        with pytest.raises(UpstreamSilent):
            await post(wire, f"{origin}/", seconds=0)

    with Server(serve) as server:
        run(scene(server.origin))


def test_a_reader_that_pauses_does_not_make_the_provider_silent(run: Run[Any]) -> None:
    size = 2 * 2**20

    async def serve(request: Request, reply: Reply) -> None:
        await reply.head(200)
        for _ in range(size // 65_536):
            await reply.chunk(b"x" * 65_536)
        await reply.end()

    async def scene(origin: str) -> None:
        wire = wire_to(origin)
        exchange = await post(wire, f"{origin}/")
        exchange.expect(0.1)
        read = len(await exchange.read())
        await asyncio.sleep(0.3)  # our client is slow; what the provider has said waits here
        while block := await exchange.read():
            exchange.expect(0.1)
            read += len(block)
        assert read == size
        exchange.close()
        wire.close()

    with Server(serve) as server:
        run(scene(server.origin))


# leaving, and holding back


def test_closing_in_the_midst_of_a_reply_closes_the_connection_at_once(run: Run[Any]) -> None:
    async def serve(request: Request, reply: Reply) -> None:
        await reply.head(200)
        await reply.chunk(b"x")
        await reply.silence()

    async def scene(server: Server) -> float:
        wire = wire_to(server.origin)
        exchange = await post(wire, f"{server.origin}/")
        assert await exchange.read() == b"x"
        left = time.monotonic()
        exchange.close()
        await settle(lambda: server.requests[0].closed_early)
        return left

    with Server(serve) as server:
        left = run(scene(server))
        closed = server.requests[0].closed_early
        assert closed is not None
        assert closed - left < 0.1


def test_a_cancelled_wait_for_the_head_closes_the_connection_at_once(run: Run[Any]) -> None:
    async def serve(request: Request, reply: Reply) -> None:
        await reply.silence()

    async def scene(server: Server) -> float:
        wire = wire_to(server.origin)
        task = asyncio.ensure_future(post(wire, f"{server.origin}/"))
        await settle(lambda: server.requests)
        left = time.monotonic()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await settle(lambda: server.requests[0].closed_early)
        return left

    with Server(serve) as server:
        left = run(scene(server))
        closed = server.requests[0].closed_early
        assert closed is not None
        assert closed - left < 0.1


def test_a_reader_that_does_not_read_holds_the_provider_back(run: Run[Any]) -> None:
    size, sent = 28 * 2**20, 0

    async def serve(request: Request, reply: Reply) -> None:
        nonlocal sent
        reply._writer.transport.set_write_buffer_limits(high=65_536)
        await reply.head(200)
        for _ in range(size // 65_536):
            await reply.chunk(b"x" * 65_536)
            sent += 65_536
        await reply.end()

    async def scene(origin: str) -> None:
        wire = wire_to(origin)
        exchange = await post(wire, f"{origin}/")
        await asyncio.sleep(0.15)
        held = sent
        assert held < size // 2
        await asyncio.sleep(0.1)
        assert sent == held
        assert exchange._connection._buffered < 2**20
        read = 0
        while block := await exchange.read():
            read += len(block)
            assert len(block) < 2**20
        assert read == size
        exchange.close()
        wire.close()

    with Server(serve) as server:
        run(scene(server.origin))


# behind the terminal event

END = b"data: [DONE]\n\n"


@dataclass(frozen=True)
class Behind:
    """What comes behind the terminal event and when it is closed here; whether the connection serves again."""

    name: str
    more: bytes
    ends: bool
    before_close: float
    again: bool

    def __str__(self) -> str:
        return self.name


@pytest.mark.parametrize(
    "behind",
    [
        Behind("the end of the body, soon", b"", ends=True, before_close=0, again=True),
        Behind("the end of the body, before we close", b"", ends=True, before_close=0.08, again=True),
        Behind("no end", b"", ends=False, before_close=0, again=False),
        Behind("text, soon", b"data: more\n\n", ends=True, before_close=0, again=False),
        Behind("text, before we close", b"data: more\n\n", ends=True, before_close=0.08, again=False),
        Behind("text without an end", b"data: more\n\n", ends=False, before_close=0, again=False),
    ],
    ids=str,
)
def test_only_a_clean_end_behind_the_terminal_event_returns_the_connection(
    run: Run[Any], behind: Behind, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.upstream.connection._LINGER_SECONDS", 0.15)
    peers: list[int] = []

    async def serve(request: Request, reply: Reply) -> None:
        peers.append(peer(reply))
        await reply.head(200)
        await reply.chunk(END)
        await asyncio.sleep(0.03)
        await reply.chunk(behind.more)
        if behind.ends:
            await reply.end()
        else:
            await reply.silence()

    async def scene(server: Server) -> None:
        wire = wire_to(server.origin)
        exchange = await post(wire, f"{server.origin}/")
        assert await exchange.read() == END
        exchange.ended = True
        await asyncio.sleep(behind.before_close)
        exchange.close()
        if behind.again:
            await asyncio.sleep(0.06)
        else:
            await settle(lambda: server.open_connections == 0, 0.5)
        exchange = await post(wire, f"{server.origin}/")
        exchange.close()
        wire.close()

    with Server(serve) as server:
        run(scene(server))
    assert len(peers) == 2
    assert (len(set(peers)) == 1) is behind.again


# headers


@pytest.mark.parametrize(
    "header",
    [("x", "a\r\nhost: evil"), ("x", "a\nb"), ("x", "a\rb"), ("x\r\ny", "a"), ("x", "\r\n\r\nGET / HTTP/1.1")],
    ids=repr,
)
def test_a_header_that_begins_another_line_is_refused(header: tuple[str, str]) -> None:
    with pytest.raises(UpstreamBroken):
        header_lines([("authorization", "Bearer x"), header])


def test_headers_are_lines() -> None:
    assert header_lines([("a", "1"), ("b", "é")]) == b"a: 1\r\nb: \xe9\r\n"
    assert header_lines([]) == b""


# names and addresses


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


def test_the_address_that_was_resolved_is_the_one_that_is_dialled(run: Run[Any]) -> None:
    async def scene() -> None:
        async with listening(answer_ok) as port:
            url = f"http://provider.invalid:{port}"
            wire = Wire(Resolved(url, "127.0.0.1"), PATIENCE)
            assert await fetch(wire, f"{url}/v1") == f"host: provider.invalid:{port}".encode()
            wire.close()

    run(scene())


def test_the_next_address_is_dialled_where_one_refuses(run: Run[Any]) -> None:
    async def scene() -> None:
        async with listening(answer_ok) as port:
            url = f"http://provider.invalid:{port}"
            wire = Wire(Resolved(url, "127.0.0.2", "127.0.0.1"), PATIENCE)
            assert await fetch(wire, f"{url}/v1")
            wire.close()

    run(scene())


def test_a_provider_that_nobody_listens_for_is_unreachable(run: Run[Any]) -> None:
    async def scene() -> None:
        async with listening(answer_ok) as port:
            pass
        url = f"http://127.0.0.1:{port}"
        with pytest.raises(UpstreamUnreachable):
            await fetch(wire_to(url), url)

    run(scene())


def test_a_host_of_no_provider_is_never_dialled(run: Run[Any]) -> None:
    async def scene(server: Server) -> None:
        with pytest.raises(UpstreamUnreachable):
            await fetch(wire_to("https://api.openai.com/v1"), server.origin)

    async def serve(request: Request, reply: Reply) -> None:
        await reply.whole(200, b"x")

    with Server(serve) as server:
        run(scene(server))
        assert server.requests == []


# TLS


def provider_tls() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(TLS / "provider.pem")
    return context


@dataclass(frozen=True)
class Trust:
    """A host name, whose certificates are trusted, and whether the provider is believed."""

    name: str
    host: str
    ca_bundle: str
    believed: bool

    def __str__(self) -> str:
        return self.name


@pytest.mark.parametrize(
    "trust",
    [
        Trust("our CA, its name", "provider.test", str(TLS / "ca.pem"), believed=True),
        Trust("our CA, its address", "127.0.0.1", str(TLS / "ca.pem"), believed=True),
        Trust("our CA, another name", "other.test", str(TLS / "ca.pem"), believed=False),
        Trust("the world's CAs", "provider.test", "", believed=False),
    ],
    ids=str,
)
def test_a_provider_is_believed_by_its_certificate(run: Run[Any], trust: Trust) -> None:
    async def scene() -> None:
        async with listening(answer_ok, provider_tls()) as port:
            url = f"https://{trust.host}:{port}"
            wire = Wire(Resolved(url, "127.0.0.1"), PATIENCE, ca_bundle=trust.ca_bundle)
            if trust.believed:
                for _ in range(2):
                    assert await fetch(wire, url) == f"host: {trust.host}:{port}".encode()
            else:
                with pytest.raises(UpstreamUnreachable):
                    await fetch(wire, url)
            wire.close()
            await asyncio.sleep(0.02)

    run(scene())


def test_a_provider_that_does_not_speak_tls_is_unreachable(run: Run[Any]) -> None:
    async def scene() -> None:
        async with listening(answer_ok) as port:
            url = f"https://127.0.0.1:{port}"
            with pytest.raises((UpstreamUnreachable, UpstreamSilent)):
                await fetch(wire_to(url, patience=Patience(connect=0.2)), url)

    run(scene())


# the way through an outbound proxy


class Proxy:
    """An outbound proxy: CONNECT, and what it was told. `script` is what it does instead."""

    def __init__(self, script: str = "") -> None:
        self.heads: list[bytes] = []
        self.target = 0
        self.closed = asyncio.Event()
        self._script = script

    async def accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._serve(reader, writer)
        finally:
            self.closed.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.heads.append(await reader.readuntil(b"\r\n\r\n"))
        if self._script == "closes":
            return
        if self._script == "hangs":
            await reader.read()
            return
        if self._script == "refuses":
            writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n")
            await writer.drain()
            await reader.read()
            return
        if self._script == "closes behind its 200":
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            await writer.drain()
            return
        out_reader, out_writer = await asyncio.open_connection("127.0.0.1", self.target)
        writer.write(b"HTTP/1.1 200 Connection established\r\nvia: test\r\n\r\n")
        try:
            await asyncio.gather(_pipe(reader, out_writer), _pipe(out_reader, writer))
        finally:
            out_writer.transport.abort()


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while block := await reader.read(65_536):
        writer.write(block)
        await writer.drain()
    writer.close()


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_is_asked_for_a_tunnel_with_its_credentials(run: Run[Any], scheme: str) -> None:
    async def scene() -> None:
        proxy = Proxy()
        tls = provider_tls() if scheme == "https" else None
        async with listening(answer_ok, tls) as port, listening(proxy.accepted) as proxy_port:
            proxy.target = port
            url = f"{scheme}://provider.test:{port}"
            way = f"http://us%40er:p%3Ass@127.0.0.1:{proxy_port}"
            wire = Wire(Egress([url], private=False), PATIENCE, ca_bundle=str(TLS / "ca.pem"), proxy=way)
            for _ in range(3):
                assert await fetch(wire, url) == f"host: provider.test:{port}".encode()
            assert proxy.heads == [
                f"CONNECT provider.test:{port} HTTP/1.1\r\nhost: provider.test:{port}\r\n"
                "proxy-authorization: Basic dXNAZXI6cDpzcw==\r\n\r\n".encode()
            ]
            wire.close()
            await asyncio.sleep(0.03)

    run(scene())


def test_a_proxy_without_credentials_gets_none(run: Run[Any]) -> None:
    async def scene() -> None:
        proxy = Proxy()
        async with listening(answer_ok) as port, listening(proxy.accepted) as proxy_port:
            proxy.target = port
            url = f"http://provider.test:{port}"
            wire = Wire(Egress([url], private=False), PATIENCE, proxy=f"http://127.0.0.1:{proxy_port}")
            assert await fetch(wire, url)
            assert b"authorization" not in proxy.heads[0]
            wire.close()
            await asyncio.sleep(0.02)

    run(scene())


def test_a_proxy_is_told_an_ipv6_host_in_brackets(run: Run[Any]) -> None:
    async def scene() -> None:
        proxy = Proxy("refuses")
        async with listening(proxy.accepted) as proxy_port:
            url = "http://[2606:4700::1111]:8080"
            wire = Wire(Egress([url], private=False), PATIENCE, proxy=f"http://127.0.0.1:{proxy_port}")
            with pytest.raises(UpstreamUnreachable):
                await fetch(wire, url)
            assert proxy.heads[0].startswith(
                b"CONNECT [2606:4700::1111]:8080 HTTP/1.1\r\nhost: [2606:4700::1111]:8080\r\n"
            )

    run(scene())


@dataclass(frozen=True)
class Trouble:
    """A proxy that does not do its work, and what our caller is told."""

    script: str
    scheme: str = "http"
    kind: type[SyntraError] = UpstreamUnreachable

    def __str__(self) -> str:
        return f"{self.script} ({self.scheme})"


@pytest.mark.parametrize(
    "trouble",
    [
        Trouble("is not there"),
        Trouble("closes"),
        Trouble("refuses"),
        Trouble("refuses", "https"),
        Trouble("hangs", kind=UpstreamSilent),
        Trouble("closes behind its 200", "https"),
        Trouble("leads to another name", "https"),
    ],
    ids=str,
)
def test_a_proxy_that_fails_is_an_unreachable_provider(run: Run[Any], trouble: Trouble) -> None:
    async def scene() -> None:
        proxy = Proxy(trouble.script)
        async with listening(answer_ok, provider_tls()) as port, listening(proxy.accepted) as proxy_port:
            proxy.target = port
            url = f"{trouble.scheme}://other.test"
            way = f"http://127.0.0.1:{1 if trouble.script == 'is not there' else proxy_port}"
            patience = Patience(connect=0.3)
            wire = Wire(Egress([url], private=False), patience, ca_bundle=str(TLS / "ca.pem"), proxy=way)
            with pytest.raises(trouble.kind):
                await fetch(wire, url)
            if proxy.heads:
                await asyncio.wait_for(proxy.closed.wait(), 1)  # noqa: TID251  # nothing of ours is left open
            wire.close()

    run(scene())


def test_a_proxy_does_not_open_the_way_to_other_hosts(run: Run[Any]) -> None:
    async def scene() -> None:
        proxy = Proxy()
        async with listening(proxy.accepted) as proxy_port:
            way = f"http://127.0.0.1:{proxy_port}"
            wire = Wire(Egress(["https://api.openai.com/v1"], private=False), PATIENCE, proxy=way)
            with pytest.raises(UpstreamUnreachable):
                await fetch(wire, "https://evil.test/v1")
            assert proxy.heads == []

    run(scene())


def test_many_exchanges_leave_no_connection_and_no_timer_behind(run: Run[Any]) -> None:
    async def serve(request: Request, reply: Reply) -> None:
        await reply.head(200)
        await reply.chunk(b"x" * 1000)
        if request.body == b"cut":
            await reply.cut()
        elif request.body != b"leave":
            await reply.end()
        else:
            await reply.silence()

    async def one(wire: Wire, origin: str, body: bytes) -> None:
        try:
            exchange = await post(wire, f"{origin}/", body=body)
        except UpstreamBroken:
            return
        try:
            while body != b"leave" and await exchange.read():
                pass
        except UpstreamBroken:
            assert body == b"cut"
        finally:
            exchange.close()

    async def scene(server: Server) -> None:
        wire = wire_to(server.origin)
        for _ in range(5):
            await asyncio.gather(*(one(wire, server.origin, body) for body in (b"cut", b"leave", b"whole") * 10))
        wire.close()
        await settle(lambda: server.open_connections == 0)
        assert wait_for(lambda: len(asyncio.all_tasks()) == 1)

    with Server(serve) as server:
        run(scene(server))
