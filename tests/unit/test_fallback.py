"""The next candidate is asked only while nothing has reached the client, over real sockets."""

from __future__ import annotations

import asyncio
import time
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from gateway.core.closing import Closing
from gateway.core.errors import (
    ContextTooLong,
    SyntraError,
    UpstreamBroken,
    UpstreamBusy,
    UpstreamCredential,
    UpstreamError,
    UpstreamFailed,
    UpstreamRejected,
    UpstreamSilent,
    UpstreamUnknownModel,
    UpstreamUnreachable,
)
from gateway.stages.fallback import Tried
from tests.unit.fallback_rig import Scene, failure


@dataclass(frozen=True)
class Case:
    """What each candidate does, how often each is asked, and who answers or what is told."""

    scripts: tuple[str, ...]
    asked: tuple[int, ...]
    told: int | type[SyntraError]

    def __str__(self) -> str:
        return ", ".join(self.scripts)


CASES = (
    Case(("good", "good"), (1, 0), 0),
    Case(("500", "good"), (1, 1), 1),
    Case(("503", "529", "good"), (1, 1, 1), 2),
    Case(("307", "good"), (1, 1), 1),
    Case(("401", "good"), (1, 1), 1),
    Case(("403", "good"), (1, 1), 1),
    Case(("429 9", "good"), (1, 1), 1),
    Case(("reset", "good"), (1, 1), 1),
    Case(("html", "good"), (1, 1), 1),
    Case(("silent", "good"), (1, 1), 1),
    Case(("comments then silent", "good"), (1, 1), 1),
    Case(("cut", "good"), (1, 1), 1),
    Case(("empty", "good"), (1, 1), 1),
    Case(("garbage", "good"), (1, 1), 1),
    Case(("error", "good"), (1, 1), 1),
    Case(("busy error", "good"), (1, 1), 1),
    Case(("refused", "good"), (0, 1), 1),
    Case(("half", "good"), (1, 0), 0),
    Case(("400", "good"), (1, 0), UpstreamRejected),
    Case(("404", "good"), (1, 1), 1),
    Case(("404", "404"), (1, 1), UpstreamUnknownModel),
    Case(("422", "good"), (1, 0), UpstreamRejected),
    Case(("400 context", "good"), (1, 0), ContextTooLong),
    Case(("500", "400", "good"), (1, 1, 0), UpstreamRejected),
    Case(("500",), (1,), UpstreamFailed),
    Case(("500", "silent"), (1, 1), UpstreamSilent),
    Case(("silent", "refused"), (1, 0), UpstreamUnreachable),
    Case(("500", "401"), (1, 1), UpstreamCredential),
    Case(("500", "garbage"), (1, 1), UpstreamBroken),
    Case(("429 9", "429 4", "429 6"), (1, 1, 1), UpstreamBusy),
    Case(("429 4", "500"), (1, 1), UpstreamBusy),
    Case(("500", "429 4"), (1, 1), UpstreamBusy),
)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_next_is_asked_only_while_nothing_has_come(case: Case) -> None:
    async def run(scene: Scene) -> None:
        with Closing() as stack:
            begun = await scene.begin(stack)
            assert scene.candidates.index(begun.candidate) == case.told
            assert next(choice.delta.role for chunk in begun.first for choice in chunk.choices) == "assistant"

    with ExitStack() as stack:
        scene = Scene(stack, case.scripts)
        if isinstance(case.told, int):
            asyncio.run(run(scene))
        else:
            assert type(failure(scene)) is case.told
        assert scene.asked() == case.asked
        for server in scene.servers:
            server.wait_for(lambda server=server: server.open_connections == 0)
            assert server.failures == []


def test_the_smallest_wait_is_told_when_all_are_busy() -> None:
    with ExitStack() as stack:
        error = failure(Scene(stack, ("429 9", "429 4", "429 6")))
    assert isinstance(error, UpstreamBusy)
    assert error.retry_after == 4
    assert error.headers == [(b"retry-after", b"4")]


def test_after_the_first_chunk_a_failure_stays_a_failure() -> None:
    async def run(scene: Scene) -> None:
        with Closing() as stack:
            begun = await scene.begin(stack)
            with pytest.raises(UpstreamBroken):  # noqa: PT012
                while await begun.opened.answer.next():
                    pass
            with pytest.raises(UpstreamBroken):
                await begun.opened.answer.next()

    with ExitStack() as stack:
        scene = Scene(stack, ("half", "good"))
        asyncio.run(run(scene))
        assert scene.asked() == (1, 0)


def test_a_failed_attempt_is_closed_before_the_next_one_begins() -> None:
    async def run(scene: Scene) -> None:
        with Closing() as stack:
            await scene.begin(stack)
            assert scene.servers[0].wait_for(lambda: scene.servers[0].open_connections == 0, 0.2) is True

    with ExitStack() as stack:
        asyncio.run(run(Scene(stack, ("silent", "good"))))


def test_one_deadline_bounds_all_attempts() -> None:
    with ExitStack() as stack:
        scene = Scene(stack, ("silent", "silent", "silent", "silent"))
        error = failure(scene, seconds=0.6)
        assert isinstance(error, UpstreamSilent)
        assert scene.asked()[3] <= 1


@pytest.mark.parametrize("script", ["500", "429 3", "html", "error", "garbage", "empty", "refused"])
def test_a_failure_names_its_provider_for_the_log(script: str) -> None:
    with ExitStack() as stack:
        error = failure(Scene(stack, ("500", script)))
    assert isinstance(error, UpstreamError)
    assert error.provider == "b"


def test_a_request_that_is_cancelled_closes_what_it_opened() -> None:
    async def run(scene: Scene) -> None:
        with Closing() as stack:
            task = asyncio.ensure_future(scene.begin(stack))
            server = scene.servers[0]
            await asyncio.to_thread(server.wait_for, lambda: server.requests)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await asyncio.to_thread(server.wait_for, lambda: server.open_connections == 0)
            assert scene.asked() == (1, 0)

    with ExitStack() as stack:
        asyncio.run(run(Scene(stack, ("silent", "good"))))


def test_what_is_taken_is_given_back_with_the_stack() -> None:
    async def run(scene: Scene) -> None:
        with Closing() as inner:
            begun = await scene.begin(inner)
            assert begun.first
        server = scene.servers[0]
        await asyncio.to_thread(server.wait_for, lambda: server.open_connections == 0)

    with ExitStack() as stack:
        asyncio.run(run(Scene(stack, ("half",))))


def test_who_rests_is_passed_over_and_said_to_be() -> None:
    async def run(scene: Scene) -> None:
        scene.health.cool(scene.candidates[0].key, "failing", 60, time.monotonic())
        with Closing() as stack:
            assert (await scene.begin(stack)).candidate == scene.candidates[1]
        assert scene.tried == [Tried(scene.candidates[0])]

    with ExitStack() as stack:
        scene = Scene(stack, ("good", "good"))
        asyncio.run(run(scene))
        assert scene.asked() == (0, 1)


def test_when_everybody_rests_the_last_is_asked_all_the_same() -> None:
    async def run(scene: Scene) -> None:
        for candidate in scene.candidates:
            scene.health.cool(candidate.key, "failing", 60, time.monotonic())
        with Closing() as stack:
            assert (await scene.begin(stack)).candidate == scene.candidates[1]

    with ExitStack() as stack:
        scene = Scene(stack, ("good", "good"))
        asyncio.run(run(scene))
        assert scene.asked() == (0, 1)


def test_three_failures_in_a_row_are_a_rest_and_a_probe_ends_it() -> None:
    async def run(scene: Scene) -> None:
        key = scene.candidates[0].key
        for _ in range(3):
            with Closing() as stack:
                await scene.begin(stack)
        assert scene.health.cooling(key, time.monotonic()) is not None
        assert scene.health.cooling(key, time.monotonic() + 6) is None
        assert scene.counted == [("a", "failing")]
        with Closing() as stack:
            await scene.begin(stack)
        assert scene.asked()[0] == 3

    with ExitStack() as stack:
        asyncio.run(run(Scene(stack, ("500", "good"))))


def test_a_request_about_itself_is_nobodys_failure() -> None:
    with ExitStack() as stack:
        scene = Scene(stack, ("400", "good"))
        for _ in range(4):
            failure(scene)
        assert scene.health.snapshot(time.monotonic()) == []


def test_a_failure_after_the_first_chunk_counts_too() -> None:
    async def run(scene: Scene) -> None:
        for _ in range(3):
            with Closing() as stack:
                begun = await scene.begin(stack)
                with pytest.raises(UpstreamBroken) as caught:  # noqa: PT012
                    while await begun.opened.answer.next():
                        pass
                begun.broken(caught.value)
        # A first chunk is a success, so what breaks afterwards is seen by its share and not by its row.
        assert scene.health.cooling(scene.candidates[0].key, time.monotonic()) is None
        for _ in range(10):
            begun.broken(caught.value)
        assert scene.health.cooling(scene.candidates[0].key, time.monotonic()) is not None

    with ExitStack() as stack:
        asyncio.run(run(Scene(stack, ("half", "good"))))
