"""What is kept of what a user has said, and who may have it kept."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from hashlib import blake2b
from typing import TYPE_CHECKING, Final, Literal, TypeVar
from zlib import crc32

from msgspec import Struct

from gateway.core import stems
from gateway.core.words import split

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Mode = Literal["off", "read", "read-write"]
MODES: Final[tuple[Mode, ...]] = ("off", "read", "read-write")  # each allows what those before it do, and more
Kind = Literal["statement", "fact"]
LONGEST: Final = 4000  # characters of one memory

M = TypeVar("M", int, "NDArray[np.int64]")

_FIRST: Final = datetime(2000, 1, 1, tzinfo=UTC)
_ASKS: Final = 1 << 31
_TALKS: Final = 0x7FFF
_DAYS: Final = 0xFFFF
_AROUND: Final = 3
_ENDS: Final = ".!?…。！？ "  # of a sentence: no other mark is without meaning, as in C, C# and C++
_UNSAID: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u2028\u2029\ud800-\udfff]")


class Memory(Struct, frozen=True):
    """One thing that a user has said."""

    id: str
    text: str
    at: datetime  # when it was said
    kind: Kind = "statement"
    thread: str = ""  # the conversation that it was said in
    slot: str = ""  # what a fact is about
    place: int = 0  # its place among all that this user has said
    mark: int = 0  # what its vectors are called
    source: str | None = None  # the memory that it was derived from


class New(Struct, frozen=True):
    """What is to be kept; where it was derived from another, `source` is that one's place in the list, or its id."""

    text: str
    at: datetime
    kind: Kind = "statement"
    thread: str = ""
    slot: str = ""
    source: int | str | None = None
    decision: str | None = None  # the request that it was said in

    @property
    def digest(self) -> bytes:
        """What tells it from all else that was said: its text but for case, spaces and its end; a fact's slot too."""
        words = " ".join(self.text.lower().split()).rstrip(_ENDS) or self.text
        said = f"{self.kind}\0{self.slot}\0{words}"
        return blake2b(said.encode("utf-8", "surrogatepass"), digest_size=16).digest()

    @property
    def tail(self) -> int:
        """What ranking must know of it beside its place, in 32 bits: whether it asks, its talk, its day.

        It is a part of the name that its vectors go by, because to read more of a point takes longer than to find it.
        """
        asks = self.text.rstrip().endswith(("?", "？"))
        talk = crc32((self.thread or self.at.date().isoformat()).encode("utf-8", "surrogatepass")) & _TALKS
        day = min(max(0, (self.at.astimezone(UTC) - _FIRST).days), _DAYS)
        return (_ASKS if asks else 0) | talk << 16 | day


# A memory as the vectors name it, or a column of them, taken apart by arithmetic alone.
def place(mark: int) -> int:
    """Its place among all that its user has said."""
    return mark >> 32


def talk(mark: M) -> M:
    """Equal for memories of one talk."""
    return mark >> 16 & _TALKS


def parts(mark: M) -> tuple[M, M, M]:
    """What ranking asks of it: where it was said, whether it asks (not 0), and when, in days since 2000.

    Where is a number that is one more for what was said next in the same talk, and far away for any other talk's.
    """
    return (mark >> 16 & _TALKS) << 33 | mark >> 32, mark & _ASKS, mark & _DAYS


def day_of(seconds: float) -> float:
    """Days from 2000 to a moment in seconds since 1970."""
    return (seconds - _FIRST.timestamp()) / 86_400


def cleaned(text: str) -> str:
    """A text without what no store can hold or what moves a cursor, of a bearable length."""
    return _UNSAID.sub("", text[: 2 * LONGEST]).strip()[:LONGEST]


def says_more(statement: str, facts: Iterable[str]) -> bool:
    """Whether a statement says anything beside these facts that were read in it, but for a word or two around them."""
    for fact in facts:
        statement = statement.replace(fact, " ")
    words = [word for word in split(statement) if word[0].isalnum()]
    return len(words) > _AROUND or any(word not in stems.IDLE for word in stems.content(statement))


def least(*modes: Mode | None) -> Mode:
    """What all of them allow; None says nothing."""
    return MODES[min((MODES.index(mode) for mode in modes if mode is not None), default=2)]
