"""The words for how requests and attempts end; where none of these fits, it is the kind of an error."""

from __future__ import annotations

from typing import Final

ANSWERED: Final = "answered"
CUT: Final = "cut"  # after the first word
LEFT: Final = "left"  # by the client

# Of attempts alone.
OUTRUN: Final = "outrun"  # another candidate, asked because this one was late, began first
RESTING: Final = "resting"  # it was none: another request is probing that model
PACED: Final = "paced"  # it was none: the pace that is kept towards the provider let nobody through
UNASKED: Final = frozenset({RESTING, PACED})
