"""The order of what was found: what stands near something relevant is likelier to be, and so is what is recent."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Final

import numpy as np

from gateway.core.memories import day_of, parts, talk
from gateway.stores.vectors import Marks

_NEXT: Final = 0.3  # of its neighbour's score is added to a memory's, ...
_NEXT_BUT_ONE: Final = 0.2  # ... where both are of one talk
_ASKED: Final = 0.05  # taken from a question, which tells less than what answers it
_RECENT: Final = 0.05  # added to what was said now, ...
_HALF_LIFE: Final = 30.0  # ... and half of it after so many days
_EVERY: Final = 10  # the last of so many is for a talk that the others are not of
_AROUND: Final = ((-1, _NEXT), (1, _NEXT), (-2, _NEXT_BUT_ONE), (2, _NEXT_BUT_ONE))


def rank(found: Marks, now: float, limit: int) -> Marks:
    """So many of the memories in the order in which they are worth telling, each with the score that put it there.

    `now` is in seconds since 1970.
    """
    if not len(found.marks):
        return found
    at, asks, day = parts(found.marks)
    scores = found.scores + _RECENT * np.exp2(np.minimum(day - day_of(now), 0.0) / _HALF_LIFE) - _ASKED * (asks != 0)
    order = np.argsort(at)
    places, own = at[order], found.scores[order]
    for apart, share in _AROUND:
        there = np.searchsorted(places[:-1], at + apart)
        scores += share * own[there] * (places[there] == at + apart)
    best = np.argsort(-scores, kind="stable")
    told = list(islice(_varied(best.tolist(), talk(found.marks).tolist()), limit))
    return Marks(found.marks[told], scores[told], found.near[told])


def _varied(best: list[int], talks: list[int]) -> Iterable[int]:
    """The same, where the last of every ten is the best of a talk that the nine before are not of."""
    told: set[int] = set()
    count = 0
    while best:
        count += 1
        at = 0
        if count % _EVERY == 0:
            at = next((k for k, one in enumerate(best) if talks[one] not in told), 0)
        one = best.pop(at)
        told.add(talks[one])
        yield one
