"""What keeps a store that is slow from making every request slow."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable

log = logging.getLogger("syntra")

FAILURES = 5
RESPITE = 60.0  # s
LATE = 0.1  # s; who gives up waiting after this has met a store that is slow; sooner, that says nothing of it
_QUICK = 3  # heartbeats in a row


class Unavailable(Exception):
    """A store cannot be asked now; the words are ours and hold no credentials."""


def _nothing() -> None:
    """Nobody looks before the next heartbeat."""


class Breaker:
    """After five failures in a row nothing is tried until three heartbeats in a row were quick.

    No request is ever sent to find out: whoever keeps the store asks it for signs of life, in the background. One that
    can be hurried (`look`) is asked for one at the first doubt, and until it has come nobody waits: so a store that
    stands still costs those alone who came before the first of them had waited too long.
    """

    def __init__(self, name: str, failures: int = FAILURES, look: Callable[[], None] = _nothing) -> None:
        self._name = name
        self._most = failures
        self._look = look
        self._failures = 0
        self._doubted = False
        self._failed = -math.inf
        self._quick = 0

    @property
    def is_open(self) -> bool:
        """Whether it has tripped and no heartbeats have closed it."""
        return self._failures >= self._most

    @property
    def allows(self) -> bool:
        """Whether an operation may be tried."""
        return not (self._doubted or self.is_open)

    def failed(self, now: float, began: float = math.inf) -> None:
        """An operation took too long; those that were under way together have met the same trouble and count as one."""
        if began < self._failed:
            return
        self._failed = now
        self._count(self._failures + 1)

    def doubt(self) -> None:
        """An operation takes long: nobody else waits until the next heartbeat, which is asked for at once."""
        if not self._doubted and not self.is_open:
            self._doubted = True
            self._look()

    def succeeded(self) -> None:
        """An operation was answered in time."""
        if not self.is_open:
            self._failures = 0

    def beat(self, *, quick: bool) -> None:
        """A heartbeat was answered, in time or not."""
        self._quick = self._quick + 1 if quick else 0
        if self._doubted:
            self._doubted = False
            if not quick:
                self._count(self._most)
        if self.is_open and self._quick >= _QUICK:
            log.info("%s is quick again", self._name)
            self._failures = 0

    def _count(self, failures: int) -> None:
        if self._failures < self._most <= failures:
            log.warning("%s is slow; it is not waited for until it has become quick again", self._name)
        self._failures = failures
        self._quick = 0


class Respite:
    """After five failures in a row nothing is tried for a minute, then one at a time, until one was answered in time.

    For those who are not ours: nobody may ask them for signs of life, which they would have paid.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._failures = 0
        self._failed = -math.inf
        self._until = 0.0

    @property
    def is_open(self) -> bool:
        """Whether it has tripped and no answer has closed it."""
        return self._failures >= FAILURES

    def allows(self, now: float) -> bool:
        """Whether an operation may be tried; who may when the minute is over tries for everybody."""
        if not self.is_open:
            return True
        if now < self._until:
            return False
        self._until = now + RESPITE  # until this one has told
        return True

    def failed(self, now: float, began: float) -> None:
        """An operation took too long; those that were under way together have met the same trouble and count as one."""
        if began < self._failed:
            return
        self._failed = now
        self._failures += 1
        self._until = now + RESPITE
        if self._failures == FAILURES:
            log.warning("%s is slow; it is left alone for a while", self._name)

    def succeeded(self) -> None:
        """An operation was answered in time."""
        if self.is_open:
            log.info("%s is quick again", self._name)
        self._failures = 0
