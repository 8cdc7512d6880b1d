"""The unit in which spans of time are told and recorded."""

from __future__ import annotations


def milliseconds(seconds: float) -> float:
    """Milliseconds to the microsecond; `round(value, 3)` goes through a text and takes thrice as long."""
    return round(seconds * 1e6) / 1e3
