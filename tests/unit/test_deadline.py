"""A request's end, that every wait looks at."""

from __future__ import annotations

import time

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.deadline import Deadline, Patience


def test_a_wait_takes_no_longer_than_it_may() -> None:
    assert Deadline(60).left(5) == 5


def test_a_wait_ends_with_the_request() -> None:
    assert 9 < Deadline(10).left(60) <= 10


def test_a_request_that_is_over_leaves_no_time_and_never_less() -> None:
    assert Deadline(0).left(5) == 0
    assert Deadline(-3).left(5) == 0


def test_time_runs() -> None:
    deadline = Deadline(0.03)
    before = deadline.left(60)
    time.sleep(0.01)
    assert deadline.left(60) <= before - 0.01
    time.sleep(0.03)
    assert deadline.left(60) == 0


@given(st.floats(0, 1e6), st.floats(0, 1e6))
def test_what_is_left_is_never_negative_and_never_more_than_asked(total: float, at_most: float) -> None:
    assert 0 <= Deadline(total).left(at_most) <= at_most


def test_the_clock_on_the_wall_does_not_matter() -> None:
    assert abs(Deadline(100).at - time.monotonic() - 100) < 1


def test_patience_grows_with_what_is_waited_for() -> None:
    patience = Patience()
    assert 0 < patience.connect < patience.first_event < patience.idle < patience.total
