"""Counters and histograms that count in a dictionary first, and let everybody see it when they are flushed.

A file that is mapped into memory costs 3 µs a value, which a busy worker's requests would feel.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Generic, TypeVar

from prometheus_client import Counter, Histogram
from prometheus_client.metrics import MetricWrapperBase

OTHER = "other"

Labels = tuple[str | int, ...]
M = TypeVar("M", bound=MetricWrapperBase)


class Series(Generic[M]):
    """The series of one metric, looked up once; a label's value that is not allowed becomes `other`."""

    def __init__(self, metric: M, *allowed: Collection[str]) -> None:
        self._metric = metric
        self._allowed = [frozenset(each) for each in allowed]
        self._known: dict[Labels, M] = {}

    def at(self, labels: Labels) -> M:
        """The series of these labels."""
        return self._known.get(labels) or self._find(labels)

    def _find(self, labels: Labels) -> M:
        told = [str(label) for label in labels]
        bounded = [label if label in known else OTHER for label, known in zip(told, self._allowed, strict=True)]
        series = self._metric.labels(*bounded) if bounded else self._metric
        if bounded == told:
            self._known[labels] = series  # only these: what is not allowed has no end
        return series


class Counts:
    """A counter; `unit` is what one that is counted comes to."""

    def __init__(self, counter: Counter, *allowed: Collection[str], unit: float = 1.0) -> None:
        self._series = Series(counter, *allowed)
        self._unit = unit
        self._waiting: defaultdict[Labels, int] = defaultdict(int)

    def add(self, *labels: str | int) -> None:
        """One more."""
        self._waiting[labels] += 1

    def more(self, number: int, *labels: str | int) -> None:
        """So many more."""
        self._waiting[labels] += number

    def flush(self) -> None:
        """Let everybody see them."""
        waiting, self._waiting = self._waiting, defaultdict(int)
        for labels, number in waiting.items():
            self._series.at(labels).inc(number * self._unit)


class Times:
    """A histogram of seconds."""

    def __init__(self, histogram: Histogram, bounds: Sequence[float], *allowed: Collection[str]) -> None:
        self._series = Series(histogram, *allowed)
        self._bounds = bounds
        self._waiting: defaultdict[Labels, list[float]] = defaultdict(list)

    def add(self, seconds: float, *labels: str | int) -> None:
        """One observation."""
        self._waiting[labels].append(seconds)

    def flush(self) -> None:
        """Let everybody see them: by way of the histogram's own cells, since it takes observations one by one only."""
        waiting, self._waiting = self._waiting, defaultdict(list)
        for labels, seen in waiting.items():
            series = self._series.at(labels)
            seen.sort()
            below = 0
            for cell, bound in zip(series._buckets, (*self._bounds, math.inf), strict=True):  # noqa: SLF001
                upto = bisect_right(seen, bound, below)
                if upto > below:
                    cell.inc(upto - below)
                    below = upto
            series._sum.inc(sum(seen))  # noqa: SLF001
