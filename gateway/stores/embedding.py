"""The static embedding: a vector of 256 numbers for a text in microseconds, without a server or a neural network."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]

HOME: Final = Path(__file__).parents[1] / "data"
STEP: Final = 127  # int8 holds -127..127 steps of a row's own scale
LONGEST: Final = 100  # characters; a longer word is no word, as BERT has it
REMEMBERED: Final = 20_000  # words whose pieces are kept

_CHINESE: Final = re.compile(r"([一-鿿㐀-䶿豈-﫿\U00020000-\U0002FA1F])")
_ACCENT: Final = re.compile(
    "[\u0300-\u036f\u0483-\u0487\u0591-\u05bd\u064b-\u065f\u3099\u309a\ufe0f]+"
)  # combining marks
_WORD: Final = re.compile(r"[^\W_]+|[^\w\s]|_")


class Tokens:
    """BERT's uncased WordPiece: words are split into the longest pieces of a fixed vocabulary."""

    def __init__(self, vocabulary: Sequence[str]) -> None:
        self._ids = {piece: at for at, piece in enumerate(vocabulary)}
        self._known: dict[str, tuple[int, ...]] = {}

    def of(self, text: str) -> list[int]:
        """The pieces of a text by their numbers; words that cannot be put together are left out."""
        text = text.lower()
        if not text.isascii():
            plain = unicodedata.normalize(
                "NFD", " ".join(_CHINESE.split(text))
            )  # a split is faster than a substitution
            text = _ACCENT.sub("", plain)
        known = self._known
        found: list[int] = []
        for word in _WORD.findall(text):
            pieces = known.get(word)
            found += self._split(word) if pieces is None else pieces
        return found

    def _split(self, word: str) -> tuple[int, ...]:
        """The longest known beginning, again and again."""
        pieces: list[int] = []
        start, prefix = 0, ""
        while start < len(word) <= LONGEST:
            end = len(word)
            while end > start and prefix + word[start:end] not in self._ids:
                end -= 1
            if end == start:
                pieces.clear()
                break
            pieces.append(self._ids[prefix + word[start:end]])
            start, prefix = end, "##"
        split = tuple(pieces)
        if len(self._known) < REMEMBERED and len(word) <= LONGEST:
            self._known[word] = split
        return split


class Encoder:
    """Looks every token's vector up and takes the mean; fitted by `fit/embedding.py`."""

    def __init__(self, tokens: Tokens, table: NDArray[np.int8], scales: Floats) -> None:
        self._tokens = tokens
        self._table = table
        self._scales = scales
        self.dimensions = table.shape[1]

    @classmethod
    def load(cls, home: Path = HOME) -> Self:
        """The encoder whose files lie in this folder; the table is mapped, so workers share its memory."""
        tokens = Tokens((home / "vocabulary.txt").read_text("utf-8").split("\n"))
        table = np.load(home / "embedding.npy", mmap_mode="r", allow_pickle=False)
        return cls(tokens, np.asarray(table), np.load(home / "scales.npy", allow_pickle=False))

    def tokens(self, text: str) -> Integers:
        """The tokens of a text; what is in no vocabulary is left out."""
        return np.array(self._tokens.of(text), np.int64)

    def rows(self, tokens: Integers) -> Floats:
        """The vectors of these tokens, one a row."""
        vectors: Floats = self._table[tokens] * self._scales[tokens, None]
        return vectors

    def encode(self, text: str) -> Floats:
        """The text's vector, of length one; zeros where no token is known."""
        return mean(self.rows(self.tokens(text)))

    def encode_all(self, texts: Sequence[str]) -> Floats:
        """One row a text."""
        return np.stack([self.encode(text) for text in texts]) if texts else np.zeros((0, self.dimensions), np.float32)


def mean(rows: Floats) -> Floats:
    """The direction of the rows' mean."""
    total: Floats = rows.sum(0, dtype=np.float32)
    length = float(np.sqrt(total @ total))
    return total / np.float32(length) if length else total


def write(home: Path, vocabulary: Sequence[str], vectors: Floats) -> None:
    """Write what `Encoder.load` reads."""
    home.mkdir(parents=True, exist_ok=True)
    scales = (np.abs(vectors).max(1) / STEP).astype(np.float32)
    np.save(home / "embedding.npy", np.rint(vectors / scales[:, None]).astype(np.int8), allow_pickle=False)
    np.save(home / "scales.npy", scales, allow_pickle=False)
    (home / "vocabulary.txt").write_text("\n".join(vocabulary), "utf-8")
