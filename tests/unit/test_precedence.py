"""The loop's thread comes first, and who reckons in another gives it its turns."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest

from gateway.core import precedence
from gateway.core.precedence import in_thread
from tests.fakes.server import wait_for
from tests.unit.wire_rig import Run

BRIEF = 0.001


@pytest.fixture
def other(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Thread]:
    """A thread that is not the loop's; threads are looked for often."""
    monkeypatch.setattr(precedence, "_LOOK", 0.01)
    end = threading.Event()
    waiting = threading.Thread(target=end.wait)
    waiting.start()
    yield waiting
    end.set()
    waiting.join(5)


def test_a_thread_that_reckons_gives_the_loop_its_turn_within_a_millisecond(run: Run[Any]) -> None:
    usual = sys.getswitchinterval()
    assert run(in_thread(sys.getswitchinterval)) == pytest.approx(BRIEF)
    assert sys.getswitchinterval() == usual


def test_of_several_that_reckon_the_last_to_end_sets_it_back(run: Run[Any]) -> None:
    usual = sys.getswitchinterval()
    begun, ends = threading.Barrier(3), [threading.Event(), threading.Event()]

    def reckon(end: threading.Event) -> None:
        begun.wait(5)
        end.wait(5)

    async def both() -> None:
        first, second = (asyncio.create_task(in_thread(partial(reckon, end))) for end in ends)
        await asyncio.to_thread(begun.wait, 5)
        ends[0].set()
        await first
        assert sys.getswitchinterval() == pytest.approx(BRIEF)
        ends[1].set()
        await second
        assert sys.getswitchinterval() == usual

    run(both())


def test_a_pool_of_its_own_reckons_no_other_way(run: Run[Any]) -> None:
    with ThreadPoolExecutor(1, "its own") as pool:
        interval, thread = run(in_thread(lambda: (sys.getswitchinterval(), threading.current_thread().name), pool))
    assert interval == pytest.approx(BRIEF)
    assert thread.startswith("its own")


def test_a_thread_reckons_on_when_nobody_waits_for_it_any_more(run: Run[Any]) -> None:
    usual = sys.getswitchinterval()
    begun, end = threading.Event(), threading.Event()

    def reckon() -> None:
        begun.set()
        end.wait(5)

    async def leave() -> None:
        left = asyncio.create_task(in_thread(reckon))
        await asyncio.to_thread(begun.wait, 5)
        left.cancel()
        await asyncio.wait([left])
        assert sys.getswitchinterval() == pytest.approx(BRIEF)
        end.set()
        assert await asyncio.to_thread(wait_for, lambda: sys.getswitchinterval() == usual)

    run(leave())


def test_what_goes_wrong_in_a_thread_is_told(run: Run[Any]) -> None:
    usual = sys.getswitchinterval()
    with pytest.raises(ValueError, match="invalid literal"):
        run(in_thread(partial(int, "no number")))
    assert sys.getswitchinterval() == usual


@pytest.mark.skipif(not hasattr(os, "SCHED_BATCH"), reason="Linux's scheduler")
def test_only_other_threads_than_the_loops_wait_for_it(run: Run[Any], other: threading.Thread) -> None:
    async def look() -> None:
        following = asyncio.create_task(precedence.follow())
        assert await asyncio.to_thread(wait_for, lambda: os.sched_getscheduler(other.native_id or 0) == os.SCHED_BATCH)
        assert os.sched_getscheduler(threading.get_native_id()) == os.SCHED_OTHER
        assert not following.done()
        following.cancel()

    run(look())


@pytest.mark.usefixtures("other")
def test_a_sandbox_that_forbids_it_stops_nothing(run: Run[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "sched_setscheduler", forbidden, raising=False)

    async def look() -> None:
        async with asyncio.timeout(5):
            await precedence.follow()

    run(look())
