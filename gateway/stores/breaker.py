"""What keeps a store that is slow from making every request slow."""

from __future__ import annotations

import logging
import math

log = logging.getLogger("syntra")

FAILURES = 5
OPEN_SECONDS = 60.0


class Unavailable(Exception):
    """A store cannot be asked now; the words are ours and hold no credentials."""


class Breaker:
    """After five failures in a row nothing is tried for a minute, or until three heartbeats in a row were quick."""

    def __init__(self, name: str, failures: int = FAILURES, seconds: float = OPEN_SECONDS) -> None:
        self._name = name
        self._most, self._seconds = failures, seconds
        self._failures = 0
        self._until = 0.0
        self._failed = -math.inf
        self._quick = 0

    @property
    def is_open(self) -> bool:
        """Whether it has tripped and no success has closed it."""
        return self._failures >= self._most

    def allows(self, now: float) -> bool:
        """Whether an operation may be tried; when it is open and its time is over, one at a time."""
        if not self.is_open:
            return True
        if now < self._until:
            return False
        self._until = now + self._seconds  # until this one has told
        return True

    def failed(self, now: float, began: float = math.inf) -> None:
        """An operation took too long; those that were under way together have met the same trouble and count as one."""
        if began < self._failed:
            return
        self._failed = now
        self._failures += 1
        self._quick = 0
        if self._failures == self._most:
            log.warning("%s is slow; it is not waited for until it has become quick again", self._name)
        if self.is_open:
            self._until = now + self._seconds

    def succeeded(self) -> None:
        """An operation was answered in time."""
        if self.is_open:
            log.info("%s is quick again", self._name)
        self._failures = self._quick = 0

    def beat(self, *, quick: bool) -> None:
        """A heartbeat was answered, in time or not."""
        self._quick = self._quick + 1 if quick else 0
        if self.is_open and self._quick >= 3:
            self.succeeded()
