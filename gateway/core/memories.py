"""What is kept of what a user has said, and who may have it kept."""

from __future__ import annotations

import re
from datetime import datetime
from hashlib import blake2b
from typing import Final, Literal

from msgspec import Struct

from gateway.core.words import split

Mode = Literal["off", "read", "read-write"]
MODES: Final[tuple[Mode, ...]] = ("off", "read", "read-write")  # each allows what those before it do, and more
Kind = Literal["statement", "fact"]
LONGEST: Final = 4000  # characters of one memory

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
    source: str | None = None  # the memory that it was derived from


class New(Struct, frozen=True):
    """What is to be kept; `source` is its place in the same list, where it was derived from another."""

    text: str
    at: datetime
    kind: Kind = "statement"
    thread: str = ""
    slot: str = ""
    source: int | None = None
    decision: str | None = None  # the request that it was said in

    @property
    def digest(self) -> bytes:
        """What tells it from all else that was said: its words, whatever stands between them; a fact's slot too."""
        words = " ".join(word for word in split(self.text) if word[0].isalnum()) or self.text
        said = f"{self.kind}\0{self.slot}\0{words}"
        return blake2b(said.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def cleaned(text: str) -> str:
    """A text without what no store can hold or what moves a cursor, of a bearable length."""
    return _UNSAID.sub("", text[: 2 * LONGEST]).strip()[:LONGEST]


def least(*modes: Mode | None) -> Mode:
    """What all of them allow; None says nothing."""
    return MODES[min((MODES.index(mode) for mode in modes if mode is not None), default=2)]
