"""The order of what was found: what stands near something relevant is likelier to be, and so is what is recent."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from operator import itemgetter
from typing import Final, NamedTuple

from gateway.core.memories import Mark, day_of

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


class Ranked(NamedTuple):
    """A memory in its place, with the score that put it there."""

    mark: int
    score: float
    near: float
    talk: int


def rank(found: Sequence[Found], now: float) -> list[Ranked]:
    """The memories in the order in which they are worth telling; `now` in seconds since 1970."""
    read = [(Mark.of(one.mark), one) for one in found]
    around = {(mark.talk, mark.place): one.score for mark, one in read}.get
    today = day_of(now)
    scored = []
    for mark, one in read:
        talk, place = mark.talk, mark.place
        beside = around((talk, place - 1), 0.0) + around((talk, place + 1), 0.0)
        further = around((talk, place - 2), 0.0) + around((talk, place + 2), 0.0)
        score = one.score + _NEXT * beside + _NEXT_BUT_ONE * further
        if mark.asks:
            score -= _ASKED
        score += _RECENT * math.exp2(-max(0.0, today - mark.day) / _HALF_LIFE)
        scored.append(Ranked(one.mark, score, one.near, talk))
    scored.sort(key=_by_score, reverse=True)
    return list(_varied(scored))


def _varied(scored: Sequence[Ranked]) -> Iterable[Ranked]:
    """The same, where the last of every ten is the best of a talk that the nine before are not of."""
    rest = list(scored)
    told: set[int] = set()
    count = 0
    while rest:
        count += 1
        at = 0
        if count % _EVERY == 0:
            at = next((k for k, one in enumerate(rest) if one.talk not in told), 0)
        one = rest.pop(at)
        told.add(one.talk)
        yield one
