"""Our own wire: what is closed at once, what is held back, and what is left behind."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Any

import pytest

from gateway.core.errors import UpstreamBroken
from gateway.upstream.wire import Wire
from tests.fakes.server import Reply, Request, Server, wait_for
from tests.laps import laps
from tests.unit.wire_rig import Run, peer, post, settle, wire_to

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

    for lap in laps(0.1, time.monotonic):
        with Server(serve) as server:
            left = run(scene(server))
            closed = server.requests[0].closed_early
        assert closed is not None
        lap.took = closed - left


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

    for lap in laps(0.1, time.monotonic):
        with Server(serve) as server:
            left = run(scene(server))
            closed = server.requests[0].closed_early
        assert closed is not None
        lap.took = closed - left


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


# all of it, many times


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
