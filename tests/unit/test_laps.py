"""Bars on time fall with what is judged, not with the machine."""

import time

import pytest

from tests import laps as file
from tests.laps import QUIET, laps


def run(*seconds: float) -> int:
    """How many laps it took of those that took so long; the last again and again."""
    count = 0
    for count, lap in enumerate(laps(within=1.0), 1):
        lap.took = seconds[min(count, len(seconds)) - 1]
    return count


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file, "SECONDS", 0.02)
    monkeypatch.setattr(file, "same_work", lambda: QUIET)


def test_one_lap_that_is_quick_enough_will_do() -> None:
    assert run(3.0, 2.0, 0.9) == 3


def test_what_is_never_quick_enough_fails() -> None:
    with pytest.raises(AssertionError, match="2000000 µs at best instead of 1000000"):
        run(2.0)


def test_on_a_slow_machine_all_may_take_longer_but_no_longer_than_that(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file, "same_work", lambda: 3 * QUIET)
    assert run(2.9) == 1
    with pytest.raises(AssertionError, match=r"3\.0 times slower"):
        run(3.1)


def test_what_others_have_of_the_core_does_not_count() -> None:
    for lap in laps(within=0.005):
        with lap:
            time.sleep(0.01)
