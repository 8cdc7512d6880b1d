"""Bars on what something costs: the seconds that it may take on a quiet machine, wherever the tests run.

The machine of the day may be three times slower, or busy with other things. So the work goes lap after lap until one keeps
to its bar, for five seconds at most, and before every lap goes a piece of work that never changes: as much longer as that
takes than on a quiet machine, so much longer may a lap take, each at its best. What a regression makes slower stays slower.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Final, Self

SECONDS: Final = 5.0
QUIET: Final = 200e-6  # what `same_work` takes where the bars were set: an Intel Xeon of 2.1 GHz that does nothing else


class Lap:
    """One go at the work: `with lap:` measures it, or a test says itself what `took` how long."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.took = math.inf

    def __enter__(self) -> Self:
        self._began = self._clock()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.took = self._clock() - self._began


def laps(within: float, clock: Callable[[], float] = time.thread_time) -> Iterator[Lap]:
    """Laps until one takes no longer than this on a quiet machine; fails if none does.

    By default only this thread's own time counts, not what others had of the core; what waits needs another clock.
    """
    best = calm = math.inf
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        calm = min(calm, same_work())
        lap = Lap(clock)
        yield lap
        best = min(best, lap.took)
        if best <= within * max(1.0, calm / QUIET):
            return
    raise AssertionError(
        f"{best * 1e6:.0f} µs at best instead of {within * 1e6:.0f}; {calm / QUIET:.1f} times slower than a quiet machine"
    )


def same_work() -> float:
    """Seconds that some work takes that is always the same."""
    began = time.thread_time()
    found = {}
    for number in range(1_000):
        found[str(number)] = number * number % 7
    sorted(found)
    return time.thread_time() - began
