"""The order of what was found: what stands near something relevant is likelier to be, and so is what is recent."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import islice
from operator import itemgetter
from typing import Final, NamedTuple

from gateway.core.memories import day_of, parts, talk

_NEXT: Final = 0.3  # of its neighbour's score is added to a memory's, ...
_NEXT_BUT_ONE: Final = 0.2  # ... where both are of one talk
_ASKED: Final = 0.05  # taken from a question, which tells less than what answers it
_RECENT: Final = 0.05  # added to what was said now, ...
_HALF_LIFE: Final = 30.0  # ... and half of it after so many days
_EVERY: Final = 10  # the last of so many is for a talk that the others are not of


_by_score = itemgetter(0)


class Found(NamedTuple):
    """A memory as the vectors have found it."""

    mark: int
    score: float
    near: float  # the cosine of the texts, where it is among the nearest by text


def rank(found: Sequence[Found], now: float, limit: int) -> list[Found]:
    """So many of the memories in the order in which they are worth telling, each with the score that put it there.

    `now` is in seconds since 1970.
    """
    apart = [parts(one.mark) for one in found]
    around = {at: one.score for (at, _, _), one in zip(apart, found, strict=True)}.get
    today = day_of(now)
    scored: list[tuple[float, Found]] = []
    for (at, asks, day), one in zip(apart, found, strict=True):
        score = one.score + _NEXT * (around(at - 1, 0.0) + around(at + 1, 0.0))
        score += _NEXT_BUT_ONE * (around(at - 2, 0.0) + around(at + 2, 0.0))
        if asks:
            score -= _ASKED
        age = today - day
        score += _RECENT * (math.exp2(-age / _HALF_LIFE) if age > 0 else 1.0)
        scored.append((score, one))
    scored.sort(key=_by_score, reverse=True)
    return [Found(one.mark, score, one.near) for score, one in islice(_varied(scored), limit)]


def _varied(scored: list[tuple[float, Found]]) -> Iterable[tuple[float, Found]]:
    """The same, where the last of every ten is the best of a talk that the nine before are not of."""
    told: set[int] = set()
    count = 0
    while scored:
        count += 1
        at = 0
        if count % _EVERY == 0:
            at = next((k for k, (_, one) in enumerate(scored) if talk(one.mark) not in told), 0)
        best = scored.pop(at)
        told.add(talk(best[1].mark))
        yield best
