"""Identifiers that sort by time."""

from __future__ import annotations

import os
import time

_POOL_BYTES = 8000
_ID_BYTES = 10


class _Randomness:
    """Random bytes from the kernel, fetched by the thousand: a system call for each id would be most of its cost."""

    def __init__(self) -> None:
        self.forget()
        os.register_at_fork(after_in_child=self.forget)  # two processes must not hand out the same bytes

    def forget(self) -> None:
        self._pool, self._at = b"", 0

    def take(self) -> int:
        """80 random bits that nobody else gets."""
        if self._at >= len(self._pool):
            self._pool, self._at = os.urandom(_POOL_BYTES), 0
        at = self._at
        self._at = at + _ID_BYTES
        return int.from_bytes(self._pool[at : at + _ID_BYTES], "big")


_randomness = _Randomness()


def uuid7() -> str:
    """A version 7 UUID (RFC 9562) as 32 hex digits: 48 bits of milliseconds, then 74 random bits."""
    random = _randomness.take()
    high = random >> 68  # 12 bits
    low = random & ((1 << 62) - 1)
    return f"{(time.time_ns() // 1_000_000 << 80) | (0x7 << 76) | (high << 64) | (0b10 << 62) | low:032x}"
