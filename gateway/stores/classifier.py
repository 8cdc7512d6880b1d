"""Reads prompts with the weights that the scripts in `fit/` wrote: no call to a model, no waiting."""

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
NARROW: Final = 0.26  # how near the centre of an added intent's examples a text must be to be one of them
MARGIN: Final = 0.05  # and how much nearer than an added intent of another name
COOLING: Final = 1.6  # scores are divided by it; without it unseen prompts were read 90 % sure and 84 % right
FIRST: Final = 64  # tokens from the beginning that a second look reads
LAST: Final = 32  # and from the end
UNSURE: Final = 0.5  # confidence; below it there is a second look
SECOND: Final = (0.75, 0.5)  # how much the first and the second look count then; two that agree are surer than one
CLIP: Final = 3.0  # standard deviations; what lies further out says no more
NOTHING: Final = Reading(intent="social_chat", confidence=0.0, complexity=0.0, fresh=0.0, language="und")


class Sight(Struct, frozen=True):
    """What is seen of a text: its words, their buckets, its vectors and measures, its vector alone, its tokens'."""

    words: list[str]
    buckets: NDArray[np.int64]
    dense: Floats
    vector: Floats
    rows: Floats


def look(encoder: Encoder, text: str) -> Sight:
    """The text as the models see it; only its beginning and its end if it is long."""
    rows = encoder.rows(encoder.tokens(text))
    vector = mean(rows)
    words = surface.split(text)
    measures = np.array(surface.measures(text, words), np.float32)
    dense = np.concatenate((vector, mean(rows[:WINDOW]), mean(rows[-WINDOW:]), measures))
    ends = rows if len(rows) <= FIRST + LAST else np.concatenate((rows[:FIRST], rows[-LAST:]))
    return Sight(words, np.array(surface.buckets(text, words), np.int64), dense, vector, ends)


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


class Network:
    """The second look: each token with its neighbours, twice, then pools over them; fitted by `fit/second.py`."""

    def __init__(self, weights: Mapping[str, Floats]) -> None:
        self._weights = weights
        self._beside = {name: np.concatenate(weights[name], axis=1) for name in ("near", "wide")}

    @classmethod
    def load(cls, path: Path) -> Self:
        """The weights in this file."""
        with np.load(path, allow_pickle=False) as held:
            return cls({name: held[name].astype(np.float32) for name in held.files})

    def _three(self, rows: Floats, name: str) -> Floats:
        before, here, after = np.split(rows @ self._beside[name], 3, axis=1)
        here[1:] += before[:-1]
        here[:-1] += after[1:]
        kept: Floats = np.maximum(here + self._weights[f"{name}_bias"], 0)
        return kept

    def scores(self, sight: Sight) -> Floats:
        """The log odds of every class, up to what they share."""
        held = self._weights
        rows = sight.rows * held["loud"]
        hidden = self._three(rows, "near")
        hidden = hidden + self._three(hidden, "wide")
        share = hidden @ held["gaze"]
        share = np.exp(share - share.max(0))
        pooled = (share / share.sum(0)).T @ hidden
        seen = np.concatenate((pooled.ravel(), hidden.max(0), hidden.mean(0), 2 * rows.mean(0)))
        mixed = np.maximum(seen @ held["mix"] + held["mix_bias"], 0)
        total: Floats = mixed @ held["intent"] + held["intent_bias"]
        return total


class Ordinary:
    """What ordinary prompts are like: a text is told by what sets it apart from them; fitted by `fit/intents.py`."""

    def __init__(self, centre: Floats, axes: Floats) -> None:
        self._centre, self._axes = centre, axes

    @classmethod
    def load(cls, path: Path) -> Self:
        """The figures in this file."""
        with np.load(path, allow_pickle=False) as held:
            return cls(held["centre"].astype(np.float32), held["axes"].astype(np.float32))

    def apart(self, vectors: Floats) -> Floats:
        """The directions, of length one, in which these vectors differ from the ordinary."""
        moved = (vectors - self._centre) @ self._axes
        found: Floats = moved / (np.linalg.norm(moved, axis=-1, keepdims=True) + np.float32(1e-9))
        return found


def chances(scores: Floats) -> Floats:
    """The chance of every class, cooled."""
    odds = np.exp((scores - scores.max()) / COOLING)
    shares: Floats = odds / odds.sum()
    return shares


def save(path: Path, words: Floats, dense: Floats, centre: Floats, spread: Floats, bias: Floats) -> None:
    """Write what `Linear.load` reads; the words' weights as bytes with one step a class."""
    step = np.abs(words).max(0) / 127
    packed = np.rint(words / step).astype(np.int8)
    rest = {"dense": dense, "centre": centre, "spread": spread, "bias": bias, "step": step}
    np.savez(path, allow_pickle=False, words=packed, **{name: part.astype(np.float32) for name, part in rest.items()})


class Classifier:
    """From a user's prompt to a `Reading`; the same prompt is always read the same."""

    def __init__(
        self,
        encoder: Encoder,
        looks: tuple[Linear, Network],
        fresh: Linear,
        ordinary: Ordinary,
        extra: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        self._encoder = encoder
        self._first, self._second = looks
        self._fresh = fresh
        self._ordinary = ordinary
        added = {name: texts for name, texts in (extra or {}).items() if texts}
        self._names = list(added)
        self._centres = np.array([self._centre(texts) for texts in added.values()], np.float32)

    @classmethod
    def load(cls, home: Path = HOME, extra: Mapping[str, Sequence[str]] | None = None) -> Self:
        """The classifier whose weights lie in this folder; `extra` adds intents by their examples."""
        looks = Linear.load(home / "intents.npz"), Network.load(home / "second.npz")
        fresh, ordinary = Linear.load(home / "fresh.npz"), Ordinary.load(home / "ordinary.npz")
        return cls(Encoder.load(home), looks, fresh, ordinary, extra)

    def read(self, text: str) -> Reading:
        """What is asked in this text, how surely, how hard it is, and whether it needs facts of today."""
        return self.read_with_vector(text)[0]

    def read_with_vector(self, text: str) -> tuple[Reading, Sight]:
        """The reading, and what was seen of the text, so that nobody need look again."""
        size, text = len(text), surface.cut(text)
        sight = look(self._encoder, text)
        if not text:
            return NOTHING, sight
        intent, confidence = self._added(sight.vector) or self._intent(sight)
        fresh = 1 / (1 + math.exp(-float(self._fresh.scores(sight)[0])))
        hard = complexity(text, sight.words, intent, size)
        return Reading(intent, round(confidence, 4), hard, round(fresh, 4), language(text)), sight

    def _intent(self, sight: Sight) -> tuple[str, float]:
        """The likeliest intent; where the first look is unsure, both looks decide."""
        found = chances(self._first.scores(sight))
        if found.max() < UNSURE and len(sight.rows):
            found = found ** SECOND[0] * chances(self._second.scores(sight)) ** SECOND[1]
            found /= found.sum()
        best = int(found.argmax())
        return INTENTS[best], float(found[best])

    def _centre(self, texts: Sequence[str]) -> Floats:
        return mean(self._ordinary.apart(self._encoder.encode_all([surface.cut(text) for text in texts])))

    def _added(self, vector: Floats) -> tuple[str, float] | None:
        """The added intent that the text clearly belongs to."""
        if not self._names or not vector.any():
            return None
        near = self._centres @ self._ordinary.apart(vector)
        best = int(near.argmax())
        second = float(np.partition(near, -2)[-2]) if len(near) > 1 else 0.0
        clear = near[best] >= NARROW and near[best] - second >= MARGIN
        return (self._names[best], min(1.0, 1 - NARROW / 2 / float(near[best]))) if clear else None
