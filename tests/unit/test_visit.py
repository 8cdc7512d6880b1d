"""A visit's last words."""

from __future__ import annotations

import asyncio
import gc
import os
import time
import weakref

import pytest

from gateway.core.errors import SyntraError, UpstreamBroken
from gateway.http.intake import Head
from gateway.http.lounge import Lounge
from gateway.http.visit import Visit
from tests.fakes.doors import visit


def test_a_stream_is_not_cut_before_its_error_is_on_the_wire() -> None:
    written: list[float] = []

    async def serve(there: Visit, _: Head) -> None:
        def told(error: SyntraError) -> bytes:
            return error.body()

        await there.start_stream((), told)
        raise UpstreamBroken("It broke off.")

    async def run() -> float:
        await visit(Lounge(1), lambda _: written.append(time.monotonic())).run(serve)
        return time.monotonic()

    over = asyncio.run(run())
    assert len(written) == 2  # the head, and the error
    assert over - written[-1] > 0.09  # what ends the visit cuts the stream, and the server discards what is not out


def test_the_first_words_of_a_stream_are_written_before_the_loop_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    happened: list[str] = []
    monkeypatch.setattr(os, "sched_yield", lambda: happened.append("turn given up"))

    async def serve(there: Visit, _: Head) -> None:
        await there.start_stream((), lambda error: error.body())
        for _ in range(2):
            await there.write(b"data: {}\n\n")
        await there.end(b"data: [DONE]\n\n")

    async def run() -> None:
        await visit(Lounge(1), lambda _: happened.append("written")).run(serve)

    asyncio.run(run())
    assert happened == ["written", "written", "turn given up", "written", "written"]  # head, words, words, end


def test_a_visit_that_is_over_is_held_by_nobody() -> None:
    lounge = Lounge(1)

    async def serve(there: Visit, _: Head) -> None:
        lounge.watch_soon(there)
        await there.whole(200, (), b"{}")

    async def run() -> weakref.ref[Visit]:
        over = visit(lounge, lambda _: None)
        await over.run(serve)
        return weakref.ref(over)

    gc.disable()  # it is to go at once, while what it is made of is warm, and not when circles are looked for
    try:
        assert asyncio.run(run())() is None
    finally:
        gc.enable()
