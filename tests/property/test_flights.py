"""Whoever comes, reads, waits and leaves in whatever order: each hears the whole reply, one pays, and it is closed once."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.errors import UpstreamBroken
from gateway.core.events import Usage
from gateway.upstream import flights
from gateway.upstream.answer import Sent
from gateway.upstream.count import Counted
from gateway.upstream.flights import Dial, Flight, Passenger
from gateway.upstream.incoming import Incoming

COUNTED = Counted(Usage(1, 1, 2), estimated=False)


@dataclass
class Reply:
    """A provider's reply that comes block by block, and ends or breaks."""

    blocks: list[bytes]
    breaks: bool = False
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    ended: bool = False
    closed: int = 0
    reading: bool = False
    tells: bool = False  # of its end with its last block, as one of a known length does

    @property
    def complete(self) -> bool:
        return self.tells and not self.blocks and not self.breaks

    async def head(self) -> None:
        assert not self.closed, "waited for after its end"

    async def read(self) -> bytes:
        assert not self.reading, "two read at once"
        assert not self.closed, "read after its end"
        self.reading = True
        try:
            await asyncio.sleep(0)
        finally:
            self.reading = False
        if self.blocks:
            return self.blocks.pop(0)
        if self.breaks:
            raise UpstreamBroken("cut")
        return b""

    async def body(self) -> bytes:
        raise AssertionError

    def expect(self, seconds: float) -> None:
        assert not self.closed

    def close(self) -> None:
        self.closed += 1


@dataclass(frozen=True)
class Plan:
    """One passenger: after how many turns it comes, how many it waits between two reads, after how many it leaves."""

    comes: int
    waits: int
    leaves: int | None


plans = st.builds(Plan, st.integers(0, 6), st.integers(0, 3), st.none() | st.integers(0, 8))


@given(
    st.lists(st.binary(min_size=1, max_size=5), min_size=1, max_size=8),
    st.booleans(),
    st.lists(plans, min_size=1, max_size=6),
    st.integers(4, 12),
    st.booleans(),
    st.booleans(),
)
def test_all_who_stay_hear_all_of_it_and_one_pays(
    blocks: list[bytes], breaks: bool, those: list[Plan], held: int, of_its_own: bool, tells: bool
) -> None:
    whole = b"".join(blocks)
    before, flights._MOST_HELD = flights._MOST_HELD, held  # so that the slowest holds the others up
    try:
        those = sorted(those, key=lambda plan: plan.comes)
        asyncio.run(story(Reply(list(blocks), breaks, tells=tells), whole, those, of_its_own=of_its_own))
    finally:
        flights._MOST_HELD = before


async def story(reply: Reply, whole: bytes, those: list[Plan], *, of_its_own: bool) -> None:
    gone: list[Flight] = []
    flight = Flight(asyncio.get_running_loop().time() + 60, gone.append)
    paid: list[bool] = []
    passengers = 0

    async def flies(passenger: Passenger, plan: Plan) -> None:
        heard, turns = b"", 0
        try:
            await passenger.head()
            while True:
                if plan.leaves is not None and turns >= plan.leaves:
                    return
                for _ in range(plan.waits):
                    await asyncio.sleep(0)
                turns += 1
                block = await passenger.read()
                if not block:
                    break
                heard += block
                passenger.expect(1)
            assert heard == whole
            passenger.whole(COUNTED, well=True)
        except UpstreamBroken:
            assert reply.breaks
            assert heard == whole
        finally:
            paid.append(passenger.pays())
            passenger.close()

    async def dial(_: Flight) -> Incoming:
        await asyncio.sleep(0)
        return reply

    tasks: list[asyncio.Task[None]] = []
    turn = 0
    for plan in those:
        while turn < plan.comes:
            turn += 1
            await asyncio.sleep(0)
        if gone or (tasks and not flight.joinable):
            break
        passengers += 1
        passenger = flight.board(Sent())
        if not tasks and of_its_own:
            flight.start(dial)
        flight.dial = dial
        tasks.append(asyncio.create_task(flies(passenger, plan)))
    async with asyncio.timeout(5):
        await asyncio.gather(*tasks)
    assert gone == [flight]
    assert sum(paid) == 1
    assert len(paid) == passengers
    await asyncio.sleep(0)
    assert reply.closed == (flight.incoming is not None)


async def left_by_the_first(dial: Dial, waiting: asyncio.Event) -> tuple[Flight, Passenger, asyncio.Task[None]]:
    """A flight whose first passenger has left when `waiting` was set; the second, and its waiting for the head."""
    flight = Flight(asyncio.get_running_loop().time() + 60, lambda _: None)
    flight.dial = dial
    first, second = flight.board(Sent()), flight.board(Sent())
    leaving, staying = asyncio.create_task(first.head()), asyncio.create_task(second.head())
    await waiting.wait()
    leaving.cancel()
    await asyncio.wait([leaving])
    first.close()
    return flight, second, staying


def test_who_leaves_while_the_head_is_waited_for_leaves_the_call_to_the_next() -> None:
    async def run() -> None:
        dialled, waiting, answers = [], asyncio.Event(), asyncio.Event()

        class Late(Reply):
            async def head(self) -> None:
                waiting.set()
                await answers.wait()
                self.status = 200

        async def dial(_: Flight) -> Incoming:
            dialled.append(Late([b"a"], status=0))
            return dialled[-1]

        flight, second, staying = await left_by_the_first(dial, waiting)
        assert flight.joinable
        answers.set()
        await staying
        assert await second.read() == b"a"
        assert second.pays()
        second.close()
        assert [reply.closed for reply in dialled] == [1]

    asyncio.run(run())


def test_who_leaves_while_a_call_is_dialled_leaves_that_to_the_next() -> None:
    async def run() -> None:
        dialled, waiting = [], asyncio.Event()

        async def dial(_: Flight) -> Incoming:
            dialled.append(Reply([b"a"]))
            if len(dialled) == 1:
                waiting.set()
                await asyncio.Event().wait()
            return dialled[-1]

        _, second, staying = await left_by_the_first(dial, waiting)
        await staying
        assert await second.read() == b"a"
        second.close()
        assert [reply.closed for reply in dialled] == [0, 1]

    asyncio.run(run())
