"""Whether two questions ask the same: more than near each other as vectors, which "2+2" and "2+3" are too.

A mean of word vectors knows neither order nor negation, and hardly numbers; so what could turn an answer round must be
the same, word for word and in the same order, and only what is said for politeness may differ.
"""

from __future__ import annotations

import re
from typing import Final

from msgspec import Struct

LONGEST: Final = 600  # characters of a question; what is longer is more than a question

_WORD: Final = re.compile(r"\w+(?:[.,:/]\d+)*")
_SIGNS: Final = re.compile(r"[^\w\s'’?.!,;:…]")  # what is neither a word nor its punctuation: operators, quotes, code
_LIGHT: Final = frozenset(
    "a an the please kindly thanks thank you hello hi hey ok okay just tell me what is are".split()
)


class Near(Struct, frozen=True):
    """A question, as it is looked for among others."""

    words: str
    vector: bytes  # 32-bit floats, of length one
    floor: float  # the least cosine


def alike(one: str, other: str) -> bool:
    """Whether both say the same words and signs in the same order, but for light ones."""
    return _weighty(one) == _weighty(other) and _SIGNS.findall(one) == _SIGNS.findall(other)


def _weighty(text: str) -> list[str]:
    """The words that carry something; contractions are written out."""
    plain = re.sub(r"n['’]t\b", " not", text.lower())
    plain = re.sub(r"['’]s\b", " is", plain)
    return [word for word in _WORD.findall(plain) if word not in _LIGHT]
