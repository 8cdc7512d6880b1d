"""Learns from graded answers which model is good enough for which prompt; what `gateway/stores/qualities.py` reads."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import Progress

from gateway.stores.classifier import Sight
from gateway.stores.embedding import Encoder, Floats
from gateway.stores.outcomes import ListPrice, Outcome
from gateway.stores.qualities import Lens, Numbers, eye, measured, see
from policies.quality import Graded, Kind, Quality, QualityError

LANDMARKS: Final = 256
WORDS: Final = 2048  # four times as many did not pay
PER_LANDMARK: Final = 4  # prompts at least, so that few outcomes are not learned by heart
SEEN: Final = 2  # prompts that a word must stand in
NOISE: Final = 5.0  # of a grade, beside what prompts tell; less makes the best of many models a matter of luck
FLAT: Final = 1e-3  # directions between landmarks that are weaker are no directions
STEPS: Final = 10  # of moving landmarks; they hardly move after five
KINDS: Final = 24  # most kinds of prompts that are told apart
CLUSTERS: Final = 12  # kinds where the outcomes name no tasks
LEFT: Final = 8  # how often kinds are left out to learn what unknown looks like
FOLDS: Final = 5  # and prompts, for what known looks like
APART: Final = 0.05  # least distance between the two
ROUNDS: Final = 4  # of filling in grades that are missing with what is expected
STAGES: Final = 5 + FOLDS + LEFT

Doubles = NDArray[np.float64]
Integers = NDArray[np.int64]


class _Steps:
    """Says how far it is, on a terminal."""

    def __init__(self) -> None:
        console = Console(stderr=True)
        self.bar = Progress(console=console, transient=True, disable=not sys.stderr.isatty())
        self._task = self.bar.add_task("reading prompts", total=STAGES)

    def __call__(self, what: str) -> None:
        self.bar.update(self._task, advance=1, description=what)


def fit(rows: Sequence[Outcome], listed: Mapping[str, ListPrice], encoder: Encoder) -> Quality:
    """The quality section of a policy; the same rows give the same section, in whatever order they come."""
    rows = sorted(
        (row for row in rows if row.scores), key=lambda row: (row.task, row.prompt, sorted(row.scores.items()))
    )
    if not rows:
        raise QualityError("no outcomes: not one row has a score")
    names = sorted({name for row in rows for name in row.scores})
    if unpriced := [name for name in names if name not in listed]:
        raise QualityError(f"no price for {', '.join(unpriced)}")
    steps = _Steps()
    with steps.bar:
        return _Fit(rows, names, encoder, steps).section(listed, encoder)


class _Fit:
    """One fit; every method is one step of it."""

    def __init__(self, rows: Sequence[Outcome], names: list[str], encoder: Encoder, steps: _Steps) -> None:
        self._rows, self._names, self._steps = rows, names, steps
        self._grades = np.array([[row.scores.get(name, np.nan) for name in names] for row in rows])
        # Rounded as the document shows them, because what it shows is what is used.
        self._means = np.array([float(f"{mean:.4f}") for mean in np.nanmean(self._grades, 0)])
        sights = [see(encoder, row.prompt) for row in rows]
        steps("placing landmarks")
        self._place(sights)
        steps("weighing words")
        self._features = self._seen(sights)
        self._kinds = self._told_apart()
        self._gram, self._right = self._products(np.arange(len(rows)))

    def _place(self, sights: Sequence[Sight]) -> None:
        """Landmarks where the prompts are, and the words that stand in most prompts."""
        measures = np.array([measured(sight) for sight in sights])
        self._centre = measures.mean(0)
        self._spread = 1 / (measures.std(0) + np.float32(1e-3))
        buckets, found = np.unique(np.concatenate([sight.buckets for sight in sights]), return_counts=True)
        often = np.sort(np.argsort(-found, kind="stable")[: min(WORDS, int((found >= SEEN).sum()))])
        self._buckets, self._found = buckets[often].astype(np.int64), found[often].astype(np.int64)
        nowhere = np.zeros((1, sights[0].vector.size + len(self._centre)), np.float32)
        points = np.array([self._lens(nowhere).point(sight) for sight in sights])
        middles, self._nearest = cluster(points, min(LANDMARKS, max(1, len(sights) // PER_LANDMARK)))
        self._step = np.maximum(np.abs(middles).max(1) / 127, np.float32(1e-9)).astype(np.float32)
        self._points = np.rint(middles / self._step[:, None]).astype(np.int8)

    def _lens(self, points: Floats) -> Lens:
        return Lens(self._centre, self._spread, points, self._buckets, self._found, len(self._rows))

    def _seen(self, sights: Sequence[Sight]) -> Floats:
        """One row of features a prompt: the landmarks made independent, then the words."""
        points = self._points * self._step[:, None]
        values, directions = np.linalg.eigh(np.exp(-_apart(points, points).astype(np.float64)))
        self._turn = directions / np.sqrt(np.maximum(values, FLAT))
        lens = self._lens(points)
        features = np.zeros((len(sights), len(points) + len(self._buckets)), np.float32)
        for row, sight in zip(features, sights, strict=True):
            row[: len(points)] = lens.around(sight)[0] @ self._turn
            places, weights = lens.words(sight)
            row[len(points) + places] = weights
        return features

    def _told_apart(self) -> Integers:
        """The kind of each prompt: its task, or its cluster where fewer than two tasks are named."""
        self._labels = [row.task for row in self._rows]
        if len(set(self._labels)) < 2:
            points = self._points * self._step[:, None]
            _, group = cluster(points, min(CLUSTERS, len(points)))
            self._labels = [f"cluster {group[nearest] + 1:02d}" for nearest in self._nearest]
        return shared_out(self._labels, KINDS)

    def section(self, listed: Mapping[str, ListPrice], encoder: Encoder) -> Quality:
        """Everything as the document has it."""
        unknown, known = self._reach()
        self._steps("regression")
        weights = self._regression()
        near = self._turn @ weights[: len(self._points)]
        words = weights[len(self._points) :]
        grain = np.maximum(np.abs(words).max(0, initial=0) / 127, 1e-12)
        self._steps("summing up")
        counts, scores = self._surroundings()
        numbers = Numbers(
            centre=self._centre, spread=self._spread, step=self._step, points=self._points, counts=counts,
            scores=scores, near=near.astype(np.float32), buckets=self._buckets, found=self._found,
            grain=grain.astype(np.float32), words=np.rint(words / grain).astype(np.int8),
        )  # fmt: skip
        models = [
            Graded(
                name, int(there), float(mean), listed[name].input_usd_per_million, listed[name].output_usd_per_million
            )
            for name, there, mean in zip(self._names, (~np.isnan(self._grades)).sum(0), self._means, strict=True)
        ]
        return Quality(eye(encoder), len(self._rows), unknown, known, models, list(self._summary()), numbers.pack())

    def _reach(self) -> tuple[float, float]:
        """How like a known kind prompts look whose kind was left out, and prompts of which only others were known."""
        shuffled = np.random.default_rng(0).permutation(len(self._rows))
        inside = self._likeness([shuffled[start::FOLDS] for start in range(FOLDS)])
        kinds = shared_out(self._labels, LEFT)
        groups = [np.flatnonzero(kinds == kind) for kind in range(int(kinds.max()) + 1)]
        outside = self._likeness(groups if len(groups) > 1 else [])
        unknown = round(float(np.median(outside)), 3) if outside.size else 0.0
        return unknown, round(max(float(np.median(inside)), unknown + APART), 3)

    def _likeness(self, parts: Sequence[Integers]) -> Doubles:
        """For each prompt of these parts, how surely the others take it for one of their kinds."""
        found = []
        for part in parts:
            self._steps("telling known prompts from unknown ones")
            if part.size:
                less, fewer = self._products(part)
                found.append((self._features[part] @ _ridge(self._gram - less, self._right - fewer)).max(1))
        return np.concatenate(found) if found else np.zeros(0)

    def _products(self, part: Integers) -> tuple[Doubles, Doubles]:
        """What a regression on these prompts' kinds needs."""
        features = self._features[part].astype(np.float64)
        return features.T @ features, features.T @ np.eye(int(self._kinds.max()) + 1)[self._kinds[part]]

    def _regression(self) -> Doubles:
        """The weights of each feature for each model's grade above its mean, then for each kind."""
        features = self._features.astype(np.float64)
        missing = np.isnan(self._grades)
        above = self._grades - self._means
        above[missing] = 0
        weights = _ridge(self._gram, np.hstack((features.T @ above, self._right)))
        for _ in range(ROUNDS if missing.any() else 0):
            above[missing] = (features @ weights[:, : len(self._names)])[missing]
            weights = _ridge(self._gram, np.hstack((features.T @ above, self._right)))
        return weights

    def _surroundings(self) -> tuple[NDArray[np.int32], Floats]:
        """For each landmark how many prompts are nearest to it, and the mean score there, with one more of the mean."""
        counts = np.bincount(self._nearest, minlength=len(self._points)).astype(np.int32)
        there = ~np.isnan(self._grades)
        total, number = np.tile(self._means, (len(counts), 1)), np.ones((len(counts), len(self._names)))
        np.add.at(total, self._nearest, np.where(there, self._grades, 0))
        np.add.at(number, self._nearest, there)
        return counts, (total / number).astype(np.float32)

    def _summary(self) -> Iterator[Kind]:
        """What a person reads: the kinds, most prompts first."""
        labels = np.array(self._labels)
        sizes = {label: int((labels == label).sum()) for label in sorted(set(self._labels))}
        for label, size in sorted(sizes.items(), key=lambda item: -item[1]):
            grades = self._grades[labels == label]
            graded = [at for at in range(len(self._names)) if not np.isnan(grades[:, at]).all()]
            scores = {self._names[at]: round(float(np.nanmean(grades[:, at])), 4) for at in graded}
            yield Kind(label, size, scores)


def _ridge(gram: Doubles, right: Doubles) -> Doubles:
    return np.linalg.solve(gram + NOISE * np.eye(len(gram)), right).astype(np.float64, copy=False)


def _apart(points: Floats, others: Floats) -> Floats:
    """The squared distances."""
    squared: Floats = (points**2).sum(1)[:, None] + (others**2).sum(1) - 2 * points @ others.T
    return squared.clip(0)


def cluster(points: Floats, count: int) -> tuple[Floats, Integers]:
    """So many middles of the points, and which of them each point is nearest to (k-means++, always the same)."""
    chance = np.random.default_rng(0)
    chosen = [int(chance.integers(len(points)))]
    nearest = _apart(points, points[chosen])[:, 0]
    while len(chosen) < count:
        reached = np.cumsum(nearest, dtype=np.float64)
        chosen.append(min(len(points) - 1, int(np.searchsorted(reached, chance.random() * reached[-1], "right"))))
        nearest = np.minimum(nearest, _apart(points, points[chosen[-1:]])[:, 0])
    middles = points[chosen]
    for _ in range(STEPS):
        owner = _apart(points, middles).argmin(1)
        number = np.bincount(owner, minlength=count)
        total = np.zeros_like(middles)
        np.add.at(total, owner, points)
        middles = np.where(number[:, None] > 0, total / np.maximum(1, number)[:, None].astype(np.float32), middles)
    return middles, _apart(points, middles).argmin(1)


def shared_out(labels: Sequence[str], most: int) -> Integers:
    """The labels as numbers, at most so many: the large ones alone, the small ones together."""
    names, sizes = np.unique(np.array(labels), return_counts=True)
    filled = np.zeros(min(most, len(names)), np.int64)
    number = {}
    for at in np.argsort(-sizes, kind="stable"):
        number[str(names[at])] = int(filled.argmin())
        filled[filled.argmin()] += sizes[at]
    return np.array([number[label] for label in labels], np.int64)
