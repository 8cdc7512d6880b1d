"""Reads prompts with the weights that the scripts in `fit/` wrote: no call to a model, no waiting."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Final, Self

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from gateway.core import surface
from gateway.core.language import language
from gateway.core.reading import INTENTS, Reading, complexity
from gateway.core.words import ends, split
from gateway.stores.buckets import buckets
from gateway.stores.embedding import HOME, Encoder, Floats, Rows, direction

ENDS: Final = 16  # pieces of words at the beginning, and at the end, that are also looked at alone
NARROW: Final = 0.26  # how near the centre of an added intent's examples a text must be to be one of them
MARGIN: Final = 0.05  # and how much nearer than an added intent of another name
COOLING: Final = 1.6  # scores are divided by it; without it unseen prompts were read 90 % sure and 84 % right
FIRST: Final = 64  # pieces from the beginning that a second look reads
LAST: Final = 32  # and from the end
UNSURE: Final = 0.5  # confidence; below it there is a second look
SECOND: Final = (0.75, 0.5)  # how much the first and the second look count then; two that agree are surer than one
CLIP: Final = 3.0  # standard deviations; what lies further out says no more
NOTHING: Final = Reading(intent="social_chat", confidence=0.0, complexity=0.0, fresh=0.0, language="und")


class Sight(Struct, frozen=True):
    """What is seen of a text: its words, their buckets, its vectors and measures, its vector alone, its pieces'."""

    words: list[str]
    buckets: NDArray[np.uint32]
    dense: Floats
    vector: Floats
    rows: Rows


def look(encoder: Encoder, text: str) -> Sight:
    """The text as the models see it; only its beginning and its end if it is long."""
    words = ends(split(text))
    rows = encoder.rows(encoder.pieces(words))
    vector = head = tail = rows.mean()
    if len(rows.scales) > ENDS:
        head, tail = rows.mean(slice(ENDS)), rows.mean(slice(-ENDS, None))
    measures = np.fromiter(surface.measures(text, words), np.float32, surface.MEASURES)
    dense = np.concatenate((vector, head, tail, measures))
    return Sight(words, buckets(text, words), dense, vector, rows)


class Weights(Struct, frozen=True):
    """The weights of a linear model: of words as bytes, of which each class has its own step, and of the rest."""

    words: NDArray[np.int8]
    step: Floats
    dense: Floats
    centre: Floats
    spread: Floats
    bias: Floats

    @classmethod
    def load(cls, path: Path) -> Self:
        """The weights in this file."""
        with np.load(path, allow_pickle=False) as held:
            return cls(*(held[name] for name in cls.__struct_fields__))


class Linear:
    """Models that are asked at once; one score a class: the mean weight of words, and weighted vectors and measures."""

    def __init__(self, *models: Weights) -> None:
        self._words = np.hstack([model.words for model in models])
        self._step = np.concatenate([model.step for model in models])
        # (x - centre) * spread, clipped, times dense: clipped at other bounds, it needs neither.
        self._low = np.stack([model.centre - CLIP / model.spread for model in models])
        self._high = np.stack([model.centre + CLIP / model.spread for model in models])
        # A class's weights are a row, with zeros where another model's bounds hold: one product has all.
        self._dense = np.zeros((len(self._step), self._low.size), np.float32)
        at = 0
        for k, model in enumerate(models):
            size, classes = model.dense.shape
            self._dense[at : at + classes, k * size : (k + 1) * size] = (model.spread[:, None] * model.dense).T
            at += classes
        bias = [model.bias - (model.centre * model.spread) @ model.dense for model in models]
        self._each = list(zip(self._step.tolist(), np.concatenate(bias).tolist(), strict=True))

    def scores(self, sight: Sight) -> list[float]:
        """The log odds of every class of every model, up to what those of a model share."""
        weights = self._words.take(sight.buckets, 0).astype(np.float32)
        counted = np.ones(len(weights), np.float32).dot(weights).tolist()
        share = 1 / math.sqrt(max(1, len(weights)))
        within = np.maximum(sight.dense, self._low)
        np.minimum(within, self._high, out=within)
        seen = self._dense.dot(within.ravel()).tolist()
        # Of so few numbers Python has the sums sooner than numpy, whose functions are cold each time.
        both = zip(counted, seen, self._each, strict=True)
        return [words * share * step + rest + bias for words, rest, (step, bias) in both]


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
        three = rows @ self._beside[name]
        width = three.shape[1] // 3
        here: Floats = three[:, width : 2 * width]
        here[1:] += three[:-1, :width]
        here[:-1] += three[1:, 2 * width :]
        here += self._weights[f"{name}_bias"]
        return np.maximum(here, 0, out=here)

    def scores(self, sight: Sight) -> list[float]:
        """The log odds of every class, up to what they share."""
        held = self._weights
        vectors, scales = sight.rows.ends(FIRST, LAST)
        rows = vectors * (scales * held["loud"])[:, None]
        hidden = self._three(rows, "near")
        hidden = hidden + self._three(hidden, "wide")
        share = hidden @ held["gaze"]
        share = np.exp(share - share.max(0))
        pooled = (share / share.sum(0)).T @ hidden
        seen = np.concatenate((pooled.ravel(), hidden.max(0), hidden.mean(0), 2 * rows.mean(0)))
        mixed = np.maximum(seen @ held["mix"] + held["mix_bias"], 0)
        total: list[float] = (mixed @ held["intent"] + held["intent_bias"]).tolist()
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


def chances(scores: Sequence[float]) -> list[float]:
    """The chance of every class, cooled."""
    highest = max(scores)
    return _shares([math.exp((one - highest) / COOLING) for one in scores])


def _shares(odds: Sequence[float]) -> list[float]:
    """Of their sum."""
    whole = sum(odds)
    return [one / whole for one in odds]


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
        first: Linear,
        second: Network,
        ordinary: Ordinary,
        extra: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        self._encoder = encoder
        self._first, self._second = first, second
        self._ordinary = ordinary
        added = {name: texts for name, texts in (extra or {}).items() if texts}
        self._names = list(added)
        self._centres = np.array([self._centre(texts) for texts in added.values()], np.float32)

    @classmethod
    def load(cls, home: Path = HOME, extra: Mapping[str, Sequence[str]] | None = None) -> Self:
        """The classifier whose weights lie in this folder; `extra` adds intents by their examples."""
        return cls(*_loaded(home), extra)

    def read(self, text: str) -> Reading:
        """What is asked in this text, how surely, how hard it is, and whether it needs facts of today."""
        return self.read_with_vector(text)[0]

    def read_with_vector(self, text: str) -> tuple[Reading, Sight]:
        """The reading, and what was seen of the text, so that nobody need look again."""
        size, text = len(text), surface.cut(text)
        sight = look(self._encoder, text)
        if not text:
            return NOTHING, sight
        scores = self._first.scores(sight)
        intent, confidence = self._added(sight.vector) or self._intent(scores[:-1], sight)
        fresh = 1 / (1 + math.exp(-scores[-1]))
        hard = complexity(text, sight.words, intent, size)
        return Reading(intent, round(confidence, 4), hard, round(fresh, 4), language(text, sight.words)), sight

    def _intent(self, scores: Sequence[float], sight: Sight) -> tuple[str, float]:
        """The likeliest intent; where the first look is unsure, both looks decide."""
        found = chances(scores)
        if max(found) < UNSURE and len(sight.rows.scales):
            both = zip(found, chances(self._second.scores(sight)), strict=True)
            found = _shares([first ** SECOND[0] * second ** SECOND[1] for first, second in both])
        best = found.index(max(found))
        return INTENTS[best], found[best]

    def _centre(self, texts: Sequence[str]) -> Floats:
        return direction(self._ordinary.apart(self._encoder.encode_all([surface.cut(text) for text in texts])).sum(0))

    def _added(self, vector: Floats) -> tuple[str, float] | None:
        """The added intent that the text clearly belongs to."""
        if not self._names or not vector.any():
            return None
        near = self._centres @ self._ordinary.apart(vector)
        best = int(near.argmax())
        second = float(np.partition(near, -2)[-2]) if len(near) > 1 else 0.0
        clear = near[best] >= NARROW and near[best] - second >= MARGIN
        return (self._names[best], min(1.0, 1 - NARROW / 2 / float(near[best]))) if clear else None


@cache  # an organisation's documents change what is added to it, never the weights
def _loaded(home: Path) -> tuple[Encoder, Linear, Network, Ordinary]:
    encoder, second = Encoder.load(home), Network.load(home / "second.npz")
    # BLAS touches half a megabyte at its first large product: here, not at the first unsure prompt of the day.
    second.scores(look(encoder, "first " * (FIRST + LAST)))
    first = Linear(Weights.load(home / "intents.npz"), Weights.load(home / "fresh.npz"))
    return encoder, first, second, Ordinary.load(home / "ordinary.npz")
