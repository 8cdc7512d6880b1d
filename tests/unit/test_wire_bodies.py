"""Our own wire: how bodies end, and which are broken."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest

from gateway.core.errors import UpstreamBroken
from tests.fakes.server import Reply, Request, Server
from tests.unit.wire_rig import OK, Run, fetch, post, settle, wire_to


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
