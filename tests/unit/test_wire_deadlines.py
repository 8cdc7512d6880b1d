"""Our own wire: every wait ends, and a slow reader is not a silent provider."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Any

import pytest

from gateway.core.errors import SyntraError, UpstreamSilent
from tests.fakes.server import Reply, Request, Server
from tests.unit.wire_rig import Run, post, settle, wire_to


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
