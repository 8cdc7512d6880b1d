"""Reads prompts with the weights that `fit/intents.py` and `fit/fresh.py` wrote: no call to a model, no waiting."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Self

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from gateway.core import surface
from gateway.core.language import language
from gateway.core.reading import INTENTS, Reading, complexity
from gateway.stores.embedding import HOME, Encoder, Floats, mean

WINDOW: Final = 16  # tokens at either end that are also looked at alone
NARROW: Final = 0.55  # how near the centre of an added intent's examples a text must be to be one of them
MARGIN: Final = 0.08  # and how much nearer than an added intent of another name
COOLING: Final = 1.6  # scores are divided by it; without it unseen prompts were read 90 % sure and 84 % right
CLIP: Final = 3.0  # standard deviations; what lies further out says no more
NOTHING: Final = Reading(intent="social_chat", confidence=0.0, complexity=0.0, fresh=0.0, language="und")


class Sight(Struct, frozen=True):
    """What is seen of a text: its words, their buckets, its vectors and measures, and its vector alone."""

    words: list[str]
    buckets: NDArray[np.int64]
    dense: Floats
    vector: Floats


def look(encoder: Encoder, text: str) -> Sight:
    """The text as the models see it; only its beginning and its end if it is long."""
    rows = encoder.rows(encoder.tokens(text))
    vector = mean(rows)
    words = surface.split(text)
    measures = np.array(surface.measures(text, words), np.float32)
    dense = np.concatenate((vector, mean(rows[:WINDOW]), mean(rows[-WINDOW:]), measures))
    return Sight(words, np.array(surface.buckets(text, words), np.int64), dense, vector)


class Linear:
    """One score a class: the mean weight of the words, plus the weighted vectors and measures."""

    def __init__(
        self, words: NDArray[np.int8], step: Floats, dense: Floats, centre: Floats, spread: Floats, bias: Floats
    ) -> None:
        self._words, self._step, self._dense = words, step, dense
        self._centre, self._spread, self._bias = centre, spread, bias

    @classmethod
    def load(cls, path: Path) -> Self:
        """The weights in this file."""
        with np.load(path, allow_pickle=False) as held:
            return cls(*(held[name] for name in ("words", "step", "dense", "centre", "spread", "bias")))

    def scores(self, sight: Sight) -> Floats:
        """The log odds of every class, up to what they share."""
        counted = self._words[sight.buckets].sum(0, dtype=np.int64) * self._step / math.sqrt(max(1, len(sight.buckets)))
        scaled = np.clip((sight.dense - self._centre) * self._spread, -CLIP, CLIP)
        total: Floats = counted.astype(np.float32) + scaled @ self._dense + self._bias
        return total


def save(path: Path, words: Floats, dense: Floats, centre: Floats, spread: Floats, bias: Floats) -> None:
    """Write what `Linear.load` reads; the words' weights as bytes with one step a class."""
    step = np.abs(words).max(0) / 127
    packed = np.rint(words / step).astype(np.int8)
    rest = {"dense": dense, "centre": centre, "spread": spread, "bias": bias, "step": step}
    np.savez(path, allow_pickle=False, words=packed, **{name: part.astype(np.float32) for name, part in rest.items()})


class Classifier:
    """From a user's prompt to a `Reading`; the same prompt is always read the same."""

    def __init__(
        self, encoder: Encoder, intents: Linear, fresh: Linear, extra: Mapping[str, Sequence[str]] | None = None
    ) -> None:
        self._encoder = encoder
        self._intents = intents
        self._fresh = fresh
        added = {name: texts for name, texts in (extra or {}).items() if texts}
        self._names = list(added)
        self._centres = np.array([mean(encoder.encode_all(texts)) for texts in added.values()], np.float32)

    @classmethod
    def load(cls, home: Path = HOME, extra: Mapping[str, Sequence[str]] | None = None) -> Self:
        """The classifier whose weights lie in this folder; `extra` adds intents by their examples."""
        encoder = Encoder.load(home)
        return cls(encoder, Linear.load(home / "intents.npz"), Linear.load(home / "fresh.npz"), extra)

    def read(self, text: str) -> Reading:
        """What is asked in this text, how surely, how hard it is, and whether it needs facts of today."""
        size, text = len(text), surface.cut(text)
        if not text:
            return NOTHING
        sight = look(self._encoder, text)
        scores = self._intents.scores(sight)
        odds = np.exp((scores - scores.max()) / COOLING)
        best = int(odds.argmax())
        intent, confidence = INTENTS[best], float(odds[best] / odds.sum())
        intent, confidence = self._added(sight.vector) or (intent, confidence)
        fresh = 1 / (1 + math.exp(-float(self._fresh.scores(sight)[0])))
        hard = complexity(text, sight.words, intent, size)
        return Reading(intent, round(confidence, 4), hard, round(fresh, 4), language(text))

    def _added(self, vector: Floats) -> tuple[str, float] | None:
        """The added intent that the text clearly belongs to."""
        if not self._names:
            return None
        near = self._centres @ vector
        best = int(near.argmax())
        second = float(np.partition(near, -2)[-2]) if len(near) > 1 else 0.0
        clear = near[best] >= NARROW and near[best] - second >= MARGIN
        return (self._names[best], min(1.0, float(near[best]))) if clear else None
