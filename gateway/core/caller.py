"""Who is asking."""

from __future__ import annotations

from msgspec import Struct


class Caller(Struct, frozen=True):
    """Whoever holds a valid key, and what the key decides for every request."""

    organisation: str
    key_id: str
    persona: bool = True
