"""What workers have in common: answers that are kept, calls that are made, and the words about them."""

from __future__ import annotations

from typing import NamedTuple

from msgspec import Struct


class Kept(Struct, frozen=True):
    """The bytes of a reply, and what is told of the answer in them."""

    id: str
    created: int  # seconds since 1970, when it was asked for
    media_type: str
    body: bytes


class Replayed(NamedTuple):
    """A kept answer that was given: where it is, as it is kept, and until when it is new enough."""

    key: bytes
    sealed: bytes
    until: float  # seconds since 1970


class Call(Struct, frozen=True):
    """A call that somebody makes."""

    worker: str
    id: str  # the answer's
    created: int


class Found(NamedTuple):
    """What a store knows of an answer; `asked` is false where it did not answer."""

    kept: Kept | None = None
    call: Call | None = None  # another worker's, which is under way
    asked: bool = True
    sealed: bytes = b""  # the answer as it is kept


class Word(Struct, frozen=True):
    """What one worker says to another about a call."""

    by: str
    call: str
    kind: str
    data: bytes = b""
