"""The order of what was found: what stands near something relevant is likelier to be, and so is what is recent."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Final

import numpy as np

from gateway.core.memories import day_of, parts, talk
from gateway.stores.vectors import Marks

# Of the score of what stands so near in the same talk, this share is added to a memory's.
_APART: Final = np.array([-1, 1, -2, 2])
_SHARES: Final = np.array([0.3, 0.3, 0.2, 0.2])
_ASKED: Final = 0.05  # taken from a question, which tells less than what answers it
_RECENT: Final = 0.05  # added to what was said now, ...
_HALF_LIFE: Final = 30.0  # ... and half of it after so many days
_EVERY: Final = 10  # the last of so many is for a talk that the others are not of


def rank(found: Marks, now: float, limit: int) -> Marks:
    """So many of the memories in the order in which they are worth telling, each with the score that put it there.

    `now` is in seconds since 1970.
    """
    if not len(found.marks):
        return found
    at, asks, day = parts(found.marks)
    scores = found.scores + _RECENT * np.exp2(np.minimum(day - day_of(now), 0.0) / _HALF_LIFE) - _ASKED * (asks != 0)
    order = at.argsort()
    places, own = at[order], found.scores[order]
    around = at[:, None] + _APART
    there = places[:-1].searchsorted(around)
    scores += (own[there] * (places[there] == around)) @ _SHARES
    best = (-scores).argsort(kind="stable")
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
