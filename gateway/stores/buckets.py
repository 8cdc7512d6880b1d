"""The words of a text as numbered buckets: each word, its stem, each pair of neighbours, the way the text begins."""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gateway.core.learned import Learned

BUCKETS: Final = 1 << 18
STEM: Final = 5  # characters; what is longer is also known by its beginning, so that inflected forms meet

_BOTH: Final = struct.Struct("=2I")
_SHIFT: Final = 32 - 18
_PAIR: Final = np.uint32(0x9E3779B1)  # odd and arbitrary: a * _PAIR + b is the hash of "a b"
_BEGIN: Final = np.uint32(0x85EBCA6B)  # and this is what sets apart how a text begins
_PART: Final = re.compile(r"[぀-ヿ一-鿿가-힣]|[^\W\d_぀-ヿ一-鿿가-힣]+|\d+|[^\w\s]|_")
_WIDE: Final = re.compile(r"[぀-ヿ一-鿿]")


class _Hashes(Learned):
    """For every word the hashes of its parts and of their stems: "abc12" has two parts, "abc" and a number."""

    def learn(self, word: str) -> bytes:
        plain = word.isalpha() and word.isascii()
        parts = [word] if plain else ["0" if part[0].isdigit() else part for part in _PART.findall(word)]
        return b"".join([_hashed(part) for part in parts])


def _hashed(part: str) -> bytes:
    """The hashes of a part and of its stem, which is the part itself if it is short."""
    whole = zlib.crc32(part.encode("utf-8", "surrogatepass"))
    if len(part) <= STEM:
        return _BOTH.pack(whole, whole)
    return _BOTH.pack(whole, zlib.crc32(f"{part[:STEM]}-".encode("utf-8", "surrogatepass")))


_HASHES: Final = _Hashes()


def buckets(text: str, words: Sequence[str]) -> NDArray[np.uint32]:
    """The distinct buckets of a text and its words, in order."""
    known = np.frombuffer(b"".join(map(_HASHES.__getitem__, words)), np.uint32)
    parts = known[::2]
    pairs = parts[:-1] * _PAIR
    pairs += parts[1:]
    begins = np.concatenate((parts[:4], pairs[:1], pairs[:1] * _PAIR + parts[2:3]))
    begins *= _BEGIN
    found = np.concatenate((known, pairs, begins))
    if not text.isascii() and _WIDE.search(text):
        found = np.concatenate((found, pairs[:-1] * _PAIR + parts[2:]))
    found >>= _SHIFT
    found.sort()
    distinct = np.ones(len(found), np.bool_)
    np.not_equal(found[1:], found[:-1], out=distinct[1:])
    return found[distinct]
