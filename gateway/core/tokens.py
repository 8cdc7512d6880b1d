"""How many tokens a text has, where nobody counted them."""

from __future__ import annotations

_CHARACTERS_PER_TOKEN = 4


def estimate(characters: int) -> int:
    """Tokens in a text of so many characters, rounded up."""
    return -(-characters // _CHARACTERS_PER_TOKEN)
