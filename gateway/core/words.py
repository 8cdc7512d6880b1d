"""A text as the words and marks that all readings of it share."""

from __future__ import annotations

import re
from typing import Final

EARLY: Final = 400  # words and marks kept from the beginning of what is read; prose has fewer
LATE: Final = 200  # and from the end

ACCENTS: Final = "\u0300-\u036f\u0483-\u0487\u0591-\u05bd\u064b-\u065f\u3099\u309a\ufe0f"  # combining marks
_ASCII: Final = re.compile(r"[a-z0-9]+|\S")
_ANY: Final = re.compile(rf"[^\W_一-鿿]+(?:[{ACCENTS}]+[^\W_一-鿿]*)*|\S")


def split(text: str) -> list[str]:
    """The words and marks of a text in lower case; a Chinese character is a word."""
    text = text.lower()
    return (_ASCII if text.isascii() else _ANY).findall(text)


def ends(words: list[str]) -> list[str]:
    """The words; of very many only those at the beginning and at the end."""
    return words if len(words) <= EARLY + LATE else words[:EARLY] + words[-LATE:]


def word_at(text: str, place: int) -> str:
    """The word that begins at this place of an ASCII text in lower case."""
    found = _ASCII.match(text, place)
    return found[0] if found else ""
