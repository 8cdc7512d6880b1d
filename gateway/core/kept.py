"""A provider's whole answer, as it is kept for those who ask the same again."""

from __future__ import annotations

from typing import NamedTuple

from msgspec import Struct


class Kept(Struct, frozen=True):
    """The bytes of a reply, and what is told of the answer in them."""

    id: str
    created: int  # seconds since 1970, when it was asked for
    media_type: str
    body: bytes


class Found(NamedTuple):
    """What a store has; `asked` is false where it did not answer."""

    kept: Kept | None
    asked: bool = True
