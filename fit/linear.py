"""Fits the linear models of `gateway/stores/classifier.py`; needs scikit-learn beside what the gateway needs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse  # type: ignore[import-untyped]
from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]

from gateway.core import surface
from gateway.stores.buckets import BUCKETS
from gateway.stores.classifier import CLIP, look, save
from gateway.stores.embedding import Encoder, Floats

# How loudly each part speaks before the fit; what speaks loudly is held back less. Chosen on other prompts than ours.
WORDS: Final = 12.0
VECTORS: Final = 6.0
MEASURES: Final = 0.35
STRENGTH: Final = 0.5
ROUNDS: Final = 400


class Row(NamedTuple):
    """A text, the number of its class, and how much it counts."""

    text: str
    kind: int
    weight: float


def jsonl(path: Path) -> list[dict[str, Any]]:
    """The rows of a file; JSON may hold raw line separators, so only a line feed ends a row."""
    return [json.loads(line) for line in path.read_text("utf-8").split("\n") if line]


class Seen(NamedTuple):
    """Rows as the models see them."""

    words: sparse.csr_matrix
    dense: Floats


def see(texts: Sequence[str], encoder: Encoder) -> Seen:
    """All texts as one sparse and one dense matrix."""
    sights = [look(encoder, surface.cut(text)) for text in texts]
    columns = np.concatenate([sight.buckets for sight in sights])
    ends = np.cumsum([0] + [len(sight.buckets) for sight in sights])
    values = np.concatenate([np.full(len(sight.buckets), len(sight.buckets) ** -0.5) for sight in sights])
    words = sparse.csr_matrix((values, columns, ends), (len(texts), BUCKETS))
    return Seen(words, np.stack([sight.dense for sight in sights]))


class Fit(NamedTuple):
    """The weights of one model, as `save` takes them."""

    words: Floats
    dense: Floats
    centre: Floats
    spread: Floats
    bias: Floats

    def save(self, path: Path) -> None:
        """Write them."""
        save(path, *self)

    def scores(self, seen: Seen) -> Floats:
        """One row of scores a text; what the saved weights give, but for their rounding."""
        scaled = np.clip((seen.dense - self.centre) * self.spread, -CLIP, CLIP)
        total: Floats = seen.words @ self.words + scaled @ self.dense + self.bias
        return total


def balanced(kinds: NDArray[np.int64], weights: Floats) -> Floats:
    """The weights with every class counting alike."""
    shares = np.bincount(kinds, weights)
    even = weights * (shares.sum() / np.count_nonzero(shares) / np.maximum(shares, 1e-9))[kinds]
    result: Floats = even / even.mean()
    return result


def fit(seen: Seen, kinds: NDArray[np.int64], weights: Floats, strength: float = STRENGTH) -> Fit:
    """A logistic regression on words, vectors and measures at once."""
    measured = seen.dense.shape[1] - surface.MEASURES
    centre = np.zeros(seen.dense.shape[1], np.float32)
    spread = np.ones(seen.dense.shape[1], np.float32)
    centre[measured:] = seen.dense[:, measured:].mean(0)
    spread[measured:] = 1 / (seen.dense[:, measured:].std(0) + 1e-6)
    loud = np.where(np.arange(len(centre)) < measured, VECTORS, MEASURES)
    scaled = np.clip((seen.dense - centre) * spread, -CLIP, CLIP) * loud
    table = sparse.hstack([seen.words * WORDS, sparse.csr_matrix(scaled)]).tocsr()
    model = LogisticRegression(C=strength, max_iter=ROUNDS, tol=1e-4)
    model.fit(table, kinds, sample_weight=balanced(kinds, weights))
    coefficients = model.coef_.T
    words, dense = coefficients[:BUCKETS] * WORDS, coefficients[BUCKETS:] * loud[:, None]
    return Fit(words, dense, centre, spread, model.intercept_)
