"""When a request moves on, and when it is told no: the budget for retries, refusals by policy, and lateness."""

from __future__ import annotations

import asyncio
import time
from contextlib import ExitStack
from dataclasses import dataclass

import msgspec
import pytest

from gateway.core.closing import Closing
from gateway.core.errors import ContextTooLong, SyntraError, UpstreamCredential, UpstreamFailed, UpstreamUnwilling
from gateway.core.health import REFUSED
from gateway.core.retries import LEAST, SHARE, WINDOW, Retries, pause
from gateway.stages.fallback import Begun
from tests.fakes.server import wait_for
from tests.unit.fallback_rig import Scene, failure


def begun(scene: Scene) -> Begun:
    async def run() -> Begun:
        with Closing() as stack:
            return await scene.begin(stack)

    return asyncio.run(run())


# The budget.


def test_no_more_than_a_fifth_of_the_requests_is_tried_again() -> None:
    budget, made = Retries(), 0
    for number in range(20_000):
        now = number / 200  # seconds: two hundred a second, all of which fail
        budget.request(now)
        made += sum(budget.take(now) for _ in range(2))
    assert 0.19 * 20_000 <= made <= SHARE * 20_000 + LEAST


def test_a_quiet_worker_may_retry_all_the_same() -> None:
    budget = Retries()
    budget.request(0.0)
    assert [budget.take(0.0) for _ in range(LEAST + 1)] == [True] * LEAST + [False]
    assert not budget.take(WINDOW - 1)
    assert budget.take(WINDOW + 1)  # what was taken is forgotten


def test_a_burst_of_requests_long_ago_is_no_credit() -> None:
    budget = Retries()
    for _ in range(1000):
        budget.request(0.0)
    assert sum(budget.take(WINDOW + 2) for _ in range(100)) == LEAST


def test_when_the_budget_is_spent_a_failure_is_told_as_it_is() -> None:
    with ExitStack() as stack:
        scene = Scene(stack, ("500", "good"))
        scene.spent = True
        assert isinstance(failure(scene), UpstreamFailed)
        assert (scene.asked(), scene.retries) == ((1, 0), [False])
        scene.spent = False
        assert begun(scene).candidate == scene.candidates[1]
        assert scene.retries == [False, True]


def test_a_pause_is_anything_up_to_a_limit_that_doubles() -> None:
    for failures, longest in ((1, 0.1), (2, 0.2), (3, 0.4), (9, 2.0)):
        pauses = [pause(failures) for _ in range(2000)]
        assert 0 <= min(pauses) < 0.1 * longest  # all of it is random, not only a part
        assert 0.9 * longest < max(pauses) <= longest


def test_the_same_provider_gets_a_moment_and_another_is_asked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    paused: list[int] = []
    monkeypatch.setattr("gateway.stages.fallback.pause", lambda failures: paused.append(failures) or 0.0)
    with ExitStack() as stack:
        scene = Scene(stack, ("503", "good"))
        begun(scene)
        assert paused == []
        scene = Scene(stack, ("503", "503", "good"))
        other = scene.candidates[0]
        scene.candidates = [other, msgspec.structs.replace(other, model="n"), *scene.candidates[1:]]
        begun(scene)
        assert paused == [1]


# Refusals that are about the request.


@dataclass(frozen=True)
class Move:
    """What the policy says, what the first candidate says, the windows of the two others, and who answers."""

    moves: tuple[str, ...]
    script: str
    windows: tuple[int, int]
    answers: int | type[SyntraError]

    def __str__(self) -> str:
        return f"{self.script} {self.moves} {self.windows}"


MOVES = (
    Move((), "400 context", (100_000, 0), ContextTooLong),
    Move(("context_length",), "400 context", (100_000, 0), 1),
    Move(("context_length",), "400 context", (8_000, 9_000), ContextTooLong),  # no larger than what it needs
    Move(("context_length",), "400 context", (8_000, 16_000), 2),  # who is no larger is passed over
    Move(("content_policy",), "400 context", (100_000, 0), ContextTooLong),
    Move((), "400 content", (0, 0), UpstreamUnwilling),
    Move(("content_policy",), "400 content", (0, 0), 1),
    Move((), "moderated", (0, 0), UpstreamUnwilling),
    Move(("content_policy",), "moderated", (0, 0), 1),
    Move((), "filtered", (0, 0), 0),  # an empty answer that says why
    Move(("content_policy",), "filtered", (0, 0), 1),
    Move(("context_length",), "400 content", (0, 0), UpstreamUnwilling),
)


@pytest.mark.parametrize("case", MOVES, ids=str)
def test_a_refusal_moves_on_only_where_the_policy_says_so(case: Move) -> None:
    with ExitStack() as stack:
        scene = Scene(stack, (case.script, "good", "good"))
        scene.moves = case.moves
        windows = (8_000, *case.windows)
        scene.candidates = [
            msgspec.structs.replace(one, window=window) for one, window in zip(scene.candidates, windows, strict=True)
        ]
        if isinstance(case.answers, int):
            assert begun(scene).candidate == scene.candidates[case.answers]
        else:
            assert isinstance(failure(scene), case.answers)
        assert scene.health.snapshot(time.monotonic()) == []  # that says nothing of the provider


def test_a_prompt_that_a_moderator_forbids_does_not_lock_the_key_away() -> None:
    """OpenRouter says 403 for it: if that counted as a bad key, one client could shut a provider for everybody."""
    with ExitStack() as stack:
        scene = Scene(stack, ("moderated",))
        assert failure(scene).status == 400
        assert scene.counted == []


def test_a_key_that_is_refused_is_announced_once_and_left_alone(caplog: pytest.LogCaptureFixture) -> None:
    with ExitStack() as stack:
        scene = Scene(stack, ("401", "good"))
        for _ in range(5):
            begun(scene)
        assert scene.asked() == (1, 5)
        assert scene.counted == [("a", REFUSED)]
        assert [record.levelname for record in caplog.records if "refuses our key" in record.message] == ["ERROR"]
        scene = Scene(stack, ("401",))
        assert isinstance(failure(scene), UpstreamCredential)


# Lateness.


def late(stack: ExitStack, *scripts: str) -> Scene:
    """Candidates whose usual time to the first token is 30 ms."""
    scene = Scene(stack, scripts)
    scene.moves = ("lateness",)
    for candidate in scene.candidates:
        scene.pace.expect(candidate.pace_key, 10.0, 100.0)
    return scene


def test_who_is_later_than_usual_is_raced_by_the_next() -> None:
    with ExitStack() as stack:
        scene = late(stack, "late", "good")
        began = time.monotonic()
        assert begun(scene).candidate == scene.candidates[1]
        assert time.monotonic() - began < 0.28
        (lost,) = scene.tried
        assert (lost.candidate, lost.ended, lost.error) == (scene.candidates[0], "outrun", None)
        assert scene.servers[0].wait_for(lambda: scene.servers[0].requests[0].closed_early)  # and it is cut at once
        assert scene.health.snapshot(time.monotonic()) == []


def test_a_loser_that_was_at_work_is_billed_its_prompt() -> None:
    with ExitStack() as stack:
        scene = late(stack, "comments then silent", "good")
        begun(scene)
        assert scene.tried[0].prompt > 0


def test_who_is_in_time_is_raced_by_nobody() -> None:
    with ExitStack() as stack:
        scene = late(stack, "good", "good")
        for candidate in scene.candidates:
            scene.pace.expect(candidate.pace_key, 500.0, 100.0)
        assert begun(scene).candidate == scene.candidates[0]
        assert (scene.asked(), scene.retries) == ((1, 0), [])


def test_nobody_is_raced_unless_the_policy_says_so_or_without_budget() -> None:
    with ExitStack() as stack:
        scene = late(stack, "late", "good")
        scene.moves = ()
        assert begun(scene).candidate == scene.candidates[0]
        scene = late(stack, "late", "good")
        scene.spent = True
        assert begun(scene).candidate == scene.candidates[0]
        assert scene.asked() == (1, 0)


def test_the_late_one_may_still_win_and_a_failing_racer_costs_nothing() -> None:
    with ExitStack() as stack:
        scene = late(stack, "late", "500", "good")
        assert begun(scene).candidate == scene.candidates[0]
        assert scene.asked() == (1, 1, 0)


def test_when_both_fail_the_third_is_asked_and_nobody_twice() -> None:
    with ExitStack() as stack:
        scene = late(stack, "silent", "500", "good")
        assert begun(scene).candidate == scene.candidates[2]
        assert scene.asked() == (1, 1, 1)


def test_a_client_that_leaves_a_race_leaves_nothing_behind() -> None:
    async def run(scene: Scene) -> None:
        with Closing() as stack:
            task = asyncio.ensure_future(scene.begin(stack))
            await asyncio.to_thread(wait_for, lambda: scene.asked() == (1, 1))
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        assert {one.ended for one in scene.tried} == {"left"}
        for server in scene.servers:
            await asyncio.to_thread(server.wait_for, lambda server=server: server.open_connections == 0)

    with ExitStack() as stack:
        asyncio.run(run(late(stack, "silent", "silent")))
