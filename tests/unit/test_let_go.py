"""What a request that failed leaves behind: nothing that Python would have to look for."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import FrameType
from typing import Any

import pytest

from gateway.core.closing import Closing
from gateway.core.errors import SyntraError
from gateway.core.let_go import let_go
from gateway.http.intake import Head
from gateway.http.lounge import Lounge
from gateway.http.visit import Visit
from gateway.upstream.share import Circle
from tests.fakes.doors import visit
from tests.unit.fallback_rig import Scene
from tests.unit.test_fallback_moves import late

SCRIPTS = [
    ("500", "good"),
    ("429 7", "429 9"),
    ("reset", "good"),
    ("cut", "cut"),
    ("half", "good"),
    ("garbage", "html"),
    ("refused", "silent", "good"),
    ("comments then silent", "500"),
    ("error", "busy error"),
]


@contextmanager
def circles() -> Iterator[list[object]]:
    """What of the gateway's own was left in circles, by the end."""
    found: list[object] = []
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        yield found
        gc.collect()
        for one in gc.garbage:
            ours = isinstance(one, FrameType) and "/gateway/" in one.f_code.co_filename
            if ours or isinstance(one, SyntraError | Visit):
                found.append(one)
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


async def serve(scene: Scene) -> list[Any]:
    """What a client hears of a request to the scene, whatever becomes of it."""
    heard: list[Any] = []
    lounge = Lounge(1)

    async def answered(one: Visit, _: Head) -> None:
        one.watch()
        with Closing() as closing:
            begun = await scene.begin(closing)
            while await begun.opened.answer.next():
                pass
        await one.whole(200, (), b"{}")

    await visit(lounge, heard.append).run(answered)
    await asyncio.sleep(0.05)  # connections and watches end on the loop's next rounds
    return heard


@pytest.mark.parametrize("alone", [True, False], ids=["alone", "shared"])
@pytest.mark.parametrize("scripts", SCRIPTS, ids=" then ".join)
def test_a_failed_attempt_leaves_nothing_in_circles(scripts: tuple[str, ...], *, alone: bool) -> None:
    with ExitStack() as stack:
        scene = Scene(stack, scripts)
        scene.circle = None if alone else Circle("o", "s", joins_s=5)
        with circles() as found:
            heard = asyncio.run(serve(scene))
            del scene
        assert heard
        assert not found


@pytest.mark.parametrize(
    "scripts", [("late", "good"), ("silent", "500", "good"), ("late", "500"), ("silent", "silent")]
)
def test_attempts_that_raced_leave_nothing_in_circles(scripts: tuple[str, ...]) -> None:
    with ExitStack() as stack:
        scene = late(stack, *scripts)
        with circles() as found:
            asyncio.run(serve(scene))
        assert not found


def test_a_stopped_visit_leaves_nothing_in_circles() -> None:
    async def stopped() -> list[Any]:
        heard: list[Any] = []
        one = visit(Lounge(1), heard.append)

        async def forever(there: Visit, _: Head) -> None:
            there.watch()
            there.stop(SyntraError("Enough."))
            await asyncio.sleep(60)

        await one.run(forever)
        del one
        await asyncio.sleep(0.05)
        return heard

    with circles() as found:
        heard = asyncio.run(stopped())
    assert heard[0]["status"] == 500
    assert not found


def test_an_error_is_let_go_with_all_that_it_came_of() -> None:
    def fail() -> None:
        try:
            raise KeyError("first")
        except KeyError as error:
            raise ValueError("second") from error

    with pytest.raises(ValueError, match="second") as caught:
        fail()
    error = caught.value
    assert error.__traceback__ is not None
    let_go(error)
    assert error.__traceback__ is None
    assert error.__context__ is not None
    assert error.__context__.__traceback__ is None
    let_go(None)
