"""What the doctor finds: a thing, how it is, and how to mend it."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

GOOD: Final = "good"
ODD: Final = "odd"  # worth knowing, and no fault
BAD: Final = "bad"


class Finding(Struct, frozen=True):
    """One thing that was looked at."""

    what: str
    state: str  # GOOD, ODD or BAD
    said: str
    mend: str = ""
