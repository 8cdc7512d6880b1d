"""The order of what was found: what stands near something relevant is likelier to be, and so is what is recent."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import islice
from operator import itemgetter
from typing import Final, NamedTuple

from gateway.core.memories import asks, beside, day, day_of, talk

_NEXT: Final = 0.3  # of its neighbour's score is added to a memory's, ...
_NEXT_BUT_ONE: Final = 0.2  # ... where both are of one talk
_ASKED: Final = 0.05  # taken from a question, which tells less than what answers it
_RECENT: Final = 0.05  # added to what was said now, ...
_HALF_LIFE: Final = 30.0  # ... and half of it after so many days
_EVERY: Final = 10  # the last of so many is for a talk that the others are not of


_by_score = itemgetter(1)


class Found(NamedTuple):
    """A memory as the vectors have found it."""

    mark: int
    score: float
    near: float  # the cosine of the texts, where it is among the nearest by text


def rank(found: Sequence[Found], now: float, limit: int) -> list[Found]:
    """So many of the memories in the order in which they are worth telling, each with the score that put it there.

    `now` is in seconds since 1970.
    """
    around = {beside(one.mark): one.score for one in found}.get
    today = day_of(now)
    scored = []
    for mark, own, near in found:
        at = beside(mark)
        score = own + _NEXT * (around(at - 1, 0.0) + around(at + 1, 0.0))
        score += _NEXT_BUT_ONE * (around(at - 2, 0.0) + around(at + 2, 0.0))
        if asks(mark):
            score -= _ASKED
        score += _RECENT * math.exp2(-max(0.0, today - day(mark)) / _HALF_LIFE)
        scored.append(Found(mark, score, near))
    scored.sort(key=_by_score, reverse=True)
    return list(islice(_varied(scored), limit))


def _varied(scored: list[Found]) -> Iterable[Found]:
    """The same, where the last of every ten is the best of a talk that the nine before are not of."""
    told: set[int] = set()
    count = 0
    while scored:
        count += 1
        at = 0
        if count % _EVERY == 0:
            at = next((k for k, one in enumerate(scored) if talk(one.mark) not in told), 0)
        one = scored.pop(at)
        told.add(talk(one.mark))
        yield one
