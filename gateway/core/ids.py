"""Identifiers that sort by time."""

from __future__ import annotations

import os
import time

_POOL = 800  # ids' random ends that are made at once: a system call for each would be most of its cost
_DIGITS = 20  # of which one, spread over four, is the variant
_VARIANT = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}

_ends: list[str] = []
os.register_at_fork(after_in_child=_ends.clear)  # two processes must not hand out the same


def uuid7() -> str:
    """A version 7 UUID (RFC 9562) as 32 hex digits: 48 bits of milliseconds, then 74 random bits."""
    try:
        end = _ends.pop()
    except IndexError:  # to look first would not do: another thread may take the last one in between
        end = _fill()
    return f"{time.time_ns() // 1_000_000:012x}{end}"


def _fill() -> str:
    """Random ends, from the kernel: one to use, the others for later."""
    digits = os.urandom(_POOL * _DIGITS // 2).hex()
    end, *later = (
        f"7{digits[at : at + 3]}{_VARIANT[digits[at + 3]]}{digits[at + 4 : at + 19]}"
        for at in range(0, len(digits), _DIGITS)
    )
    _ends.extend(later)
    return end
