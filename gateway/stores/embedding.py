"""The static embedding: a vector of 256 numbers for a text in microseconds, without a server or a neural network."""

from __future__ import annotations

import math
import re
import unicodedata
from array import array
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gateway.core.learned import Learned
from gateway.core.words import ACCENTS, split

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]

HOME: Final = Path(__file__).parents[1] / "data"
STEP: Final = 127  # int8 holds -127..127 steps of a row's own scale
ALL: Final = slice(None)
LONGEST: Final = 100  # characters; a longer word is no word, as BERT has it
_OFTEN: Final = 500  # places of the vocabulary in which every word is common
INNER: Final = "##"  # begins a piece that does not begin a word

_CHINESE: Final = re.compile(r"([一-鿿㐀-䶿豈-﫿\U00020000-\U0002FA1F])")
_ACCENT: Final = re.compile(f"[{ACCENTS}]+")
_PART: Final = re.compile(r"[^\W_]+|[^\w\s]|_")


class Pieces(Learned):
    """BERT's uncased WordPiece: for every word the numbers of the longest pieces of a fixed vocabulary, packed.

    A word that cannot be put together has none.
    """

    def __init__(self, vocabulary: Sequence[str]) -> None:
        super().__init__()
        self._ids = {piece: at for at, piece in enumerate(vocabulary)}
        self._longest: dict[str, int] = {}  # piece by its beginning
        for piece in vocabulary:
            begin = piece[: 4 if piece.startswith(INNER) else 2]
            self._longest[begin] = max(len(piece), self._longest.get(begin, 0))

    def learn(self, word: str) -> bytes:
        if word.isascii():
            pieces = (self._ids[word],) if word in self._ids else self._split(word)
        else:
            pieces = [piece for part in _PART.findall(_plain(word)) for piece in self._split(part)]
        return array("q", pieces).tobytes()

    def place(self, word: str) -> int:
        """Where a word stands in the vocabulary; behind it where it is none of it."""
        return self._ids.get(word, len(self._ids))

    def _split(self, word: str) -> list[int]:
        """The longest known beginning, again and again."""
        pieces: list[int] = []
        start, prefix = 0, ""
        while start < len(word) <= LONGEST:
            rest = prefix + word[start:]
            end = min(len(rest), self._longest.get(rest[: len(prefix) + 2], len(prefix) + 1))
            while end > len(prefix) and rest[:end] not in self._ids:
                end -= 1
            if end == len(prefix):
                return []
            pieces.append(self._ids[rest[:end]])
            start, prefix = start + end - len(prefix), INNER
        return pieces


def _plain(word: str) -> str:
    """Without accents; Chinese characters apart, by a split, which is faster than a substitution."""
    return _ACCENT.sub("", unicodedata.normalize("NFD", " ".join(_CHINESE.split(word))))


class Rows(NamedTuple):
    """Vectors, one a row, and by how much each is to be taken."""

    vectors: Floats
    scales: Floats

    def mean(self, part: slice = ALL) -> Floats:
        """The direction of the mean of these rows; zeros if there is none."""
        return direction(self.scales[part].dot(self.vectors[part]))

    def ends(self, head: int, tail: int) -> Rows:
        """Of many rows only so many from the beginning and from the end."""
        if len(self.scales) <= head + tail:
            return self
        return Rows(*(np.concatenate((part[:head], part[-tail:])) for part in self))


def direction(vector: Floats) -> Floats:
    """The vector at length one, if it has any."""
    length = math.sqrt(vector.dot(vector))
    return vector / np.float32(length) if length else vector


class Encoder:
    """Looks every token's vector up and takes the mean; fitted by `fit/embedding.py`."""

    def __init__(self, pieces: Pieces, table: NDArray[np.int8], scales: Floats) -> None:
        self._pieces = pieces
        self._table = table
        self._scales = scales
        self.dimensions = table.shape[1]

    @staticmethod
    def load(home: Path = HOME) -> Encoder:
        """The encoder of this folder, loaded once in a process; the table is mapped, so workers share its memory."""
        return _loaded(home)

    def pieces(self, words: Sequence[str]) -> Integers:
        """The numbers of the pieces of these words; what is in no vocabulary is left out."""
        return np.frombuffer(b"".join(map(self._pieces.__getitem__, words)), np.int64)

    def rarity(self, word: str) -> float:
        """How rare a word is, from 0 up: the vocabulary stands in the order of frequency; what it lacks is rarest."""
        return math.log1p(self._pieces.place(word) / _OFTEN)

    def rows(self, pieces: Integers) -> Rows:
        """The vectors of these pieces."""
        return Rows(self._table.take(pieces, 0).astype(np.float32), self._scales.take(pieces))

    def encode(self, text: str) -> Floats:
        """The text's vector, of length one; zeros where no word is known."""
        return self.rows(self.pieces(split(text))).mean()

    def encode_all(self, texts: Sequence[str]) -> Floats:
        """One row a text."""
        return np.stack([self.encode(text) for text in texts]) if texts else np.zeros((0, self.dimensions), np.float32)


@cache  # here, where the folder is always named: `load()` and `load(HOME)` would be two, of 5 MB each and as many words
def _loaded(home: Path) -> Encoder:
    pieces = Pieces((home / "vocabulary.txt").read_text("utf-8").split("\n"))
    table = np.load(home / "embedding.npy", mmap_mode="r", allow_pickle=False)
    return Encoder(pieces, np.asarray(table), np.load(home / "scales.npy", allow_pickle=False))


def write(home: Path, vocabulary: Sequence[str], vectors: Floats) -> None:
    """Write what `Encoder.load` reads."""
    home.mkdir(parents=True, exist_ok=True)
    scales = (np.abs(vectors).max(1) / STEP).astype(np.float32)
    np.save(home / "embedding.npy", np.rint(vectors / scales[:, None]).astype(np.int8), allow_pickle=False)
    np.save(home / "scales.npy", scales, allow_pickle=False)
    (home / "vocabulary.txt").write_text("\n".join(vocabulary), "utf-8")
