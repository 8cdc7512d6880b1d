"""A row of the fault table."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One fault: its number, what happens, what is done about it, and where that is shown (`file::test`)."""

    number: str
    fault: str
    promise: str
    tests: tuple[str, ...]

    def __str__(self) -> str:
        return self.number
