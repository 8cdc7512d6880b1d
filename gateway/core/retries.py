"""How many attempts beyond the first a worker may make, whatever goes wrong.

Where everything fails, a request that is tried three times makes three of one, just when nobody can bear more. So all
requests of a worker share a budget: a fifth of them may be tried once more. A quiet worker may retry all the same.
"""

from __future__ import annotations

import random
from collections import deque
from typing import Final

SHARE: Final = 0.2  # of the requests
LEAST: Final = 10  # attempts in a window, where a fifth of the requests would be fewer
WINDOW: Final = 10.0  # s
_SLICE: Final = 1.0  # s; the window forgets in steps of this

_FIRST_PAUSE: Final = 0.1  # s
_LONGEST_PAUSE: Final = 2.0


class Retries:
    """The budget of one worker; every `now` is monotonic seconds."""

    def __init__(self) -> None:
        self._slices: deque[list[float]] = deque()  # [began, requests, retries], oldest first
        self._requests = 0.0
        self._retries = 0.0

    def request(self, now: float) -> None:
        """A request begins; its first attempt takes nothing."""
        self._slice(now)[1] += 1
        self._requests += 1

    def take(self, now: float) -> bool:
        """Whether one more attempt may be made; if so, it is counted."""
        last = self._slice(now)
        if self._retries + 1 > max(LEAST, SHARE * self._requests):
            return False
        last[2] += 1
        self._retries += 1
        return True

    def _slice(self, now: float) -> list[float]:
        """The slice that counts now; what is older than the window is forgotten."""
        slices = self._slices
        while slices and slices[0][0] <= now - WINDOW:
            _, requests, retries = slices.popleft()
            self._requests -= requests
            self._retries -= retries
        if not slices or now >= slices[-1][0] + _SLICE:
            slices.append([now, 0, 0])
        return slices[-1]


def pause(failures: int) -> float:
    """Seconds to wait before who has failed so often in this request is asked again: anything up to a doubling limit.

    The whole of it is random, so that those who failed together do not come back together.
    """
    return random.uniform(0, min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** (failures - 1)))  # noqa: S311  # no secret
