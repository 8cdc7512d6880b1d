"""Workers that are alone with the limits: together they stay within them, whatever comes when."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.limits import ADMITTED, NO_LIMITS, WAIT, Limits, counted, nanodollars
from gateway.core.local_limits import LocalLimits

CENT = nanodollars(0.01)
UTC = 20_000 * 86_400.0
NAMES = ("acme", "acme/k1")

pauses = st.one_of(st.just(0.0), st.floats(0, 3), st.floats(0, 90))
steps = st.lists(st.tuples(pauses, st.integers(0, 3), st.integers(1, 40), st.integers(0, 60)), max_size=60)


@given(st.integers(1, 12), st.integers(1, 60), st.integers(1, 4), steps)
def test_in_any_sixty_seconds_all_workers_stay_within_the_limits_of_a_minute(
    requests: int, tokens: int, workers: int, asked: list[tuple[float, int, int, int]]
) -> None:
    most = (*counted(Limits(requests_per_minute=requests, tokens_per_minute=tokens)), *counted(NO_LIMITS))
    alone = [LocalLimits(workers) for _ in range(workers)]
    now, let_in = 50.0, []
    for number, (pause, at, needed, _) in enumerate(asked):
        now += pause
        said = alone[at % workers].admit(NAMES, most, f"r{number}", needed, 0, now, UTC)
        if said.why == ADMITTED:
            let_in.append((now, at % workers, needed))
        elif said.why == WAIT:  # the wait is true: when it is over, nothing stands in the way
            later = LocalLimits(workers)
            for when, worker, before in let_in:
                if worker == at % workers:
                    later.admit(NAMES, most, f"{when}", before, 0, when, UTC)
            assert later.admit(NAMES, most, "again", needed, 0, now + said.wait, UTC).why == ADMITTED
    for end, _, _ in let_in:
        there = [(worker, needed) for when, worker, needed in let_in if end - 60 < when <= end]
        assert len(there) <= max(requests, workers)
        # Each worker keeps to its share, but for a single request that is longer than it.
        for worker in range(workers):
            mine = [needed for by, needed in there if by == worker]
            assert sum(mine) <= tokens / workers or len(mine) == 1


@given(st.integers(0, 100), st.integers(0, 60), st.integers(1, 4), steps)
def test_a_budget_is_exceeded_by_one_request_for_each_worker_and_what_they_cost_beyond_their_estimates(
    budget: int, spent: int, workers: int, asked: list[tuple[float, int, int, int]]
) -> None:
    most = (*counted(Limits(usd_per_day=budget / 100)), *counted(NO_LIMITS))
    alone = [LocalLimits(workers) for _ in range(workers)]
    for one in alone:
        one.hear_spent("acme", spent * CENT, 0, UTC)
    really, beyond, largest, running = spent, 0, [0] * workers, []
    for number, (_, at, estimate, real) in enumerate(asked):
        worker = at % workers
        if alone[worker].admit(NAMES, most, f"r{number}", 0, estimate * CENT, 1.0, UTC).why == ADMITTED:
            running.append((worker, f"r{number}", real))
            really, beyond = really + real, beyond + max(0, real - estimate)
            largest[worker] = max(largest[worker], real, estimate)
        if running and real % 2:
            worker, request_id, cost = running.pop(0)
            alone[worker].settle(request_id, 0, cost * CENT, 1.0, UTC)
    assert really <= max(budget, spent) + beyond + sum(largest)


@given(st.integers(1, 30), st.integers(0, 30), st.integers(1, 4), steps)
def test_of_a_day_all_workers_allow_what_was_left_and_less_than_one_request_each_beyond(
    limit: int, used: int, workers: int, asked: list[tuple[float, int, int, int]]
) -> None:
    most = (*counted(Limits(requests_per_day=limit)), *counted(NO_LIMITS))
    alone = [LocalLimits(workers) for _ in range(workers)]
    for one in alone:
        state = one._state("acme", UTC)
        state.sums[1].base = used
    went = sum(
        alone[at % workers].admit(NAMES, most, f"r{number}", 0, 0, 1.0, UTC).why == ADMITTED
        for number, (_, at, _, _) in enumerate(asked)
    )
    left = max(0, limit - used)
    assert went <= left if left >= workers else went <= (workers if left else 0)


@given(st.lists(st.tuples(pauses, st.integers(1, 5)), min_size=1, max_size=60))
def test_time_that_stands_still_or_passes_in_any_steps_makes_no_difference(asked: list[tuple[float, int]]) -> None:
    most = (*counted(Limits(requests_per_minute=5)), *counted(NO_LIMITS))
    local, now, times = LocalLimits(), 0.0, []
    for number, (pause, _) in enumerate(asked):
        now += pause
        if local.admit(NAMES, most, f"r{number}", 0, 0, now, UTC).why == ADMITTED:
            times.append(now)
    assert all(later >= earlier for earlier, later in pairwise(times))
    assert all(times[at + 5] - times[at] >= 60 for at in range(len(times) - 5))
