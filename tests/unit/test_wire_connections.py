"""Our own wire: which connections are kept, and what is done when a kept one was closed meanwhile."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest

from gateway.core.errors import UpstreamBroken, UpstreamSilent
from tests.fakes.server import Reply, Request, Server
from tests.unit.wire_rig import Run, fetch, peer, settle, wire_to

# what is kept


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
