"""How long a request may take, and how long each of its waits."""

from __future__ import annotations

import time

from msgspec import Struct


class Patience(Struct, frozen=True):
    """The waits of one upstream call, in seconds; each is also bounded by the request's deadline."""

    connect: float = 5.0
    first_event: float = 60.0  # to the first event of a stream
    idle: float = 120.0  # between two events; above the longest silence of a healthy reasoning stream
    total: float = 600.0  # the whole request; also what a reply without stream may take


class Deadline:
    """A point in monotonic time that every wait of one request looks at."""

    __slots__ = ("at",)

    def __init__(self, seconds: float) -> None:
        self.at = time.monotonic() + seconds

    def left(self, at_most: float) -> float:
        """Seconds that a wait may take: `at_most`, or less when the end is nearer; never negative."""
        return max(0.0, min(at_most, self.at - time.monotonic()))
