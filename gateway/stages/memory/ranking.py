"""The order of what was found: what stands near something relevant is likelier to be, and so is what is recent."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from operator import itemgetter
from typing import Any, Final, NamedTuple

from gateway.stores.vectors_talk import Hit

PLACE, AT, TALK, ASKS = "place", "at", "talk", "asks"  # what a stored point says of its memory

_NEXT: Final = 0.3  # of its neighbour's score is added to a memory's, ...
_NEXT_BUT_ONE: Final = 0.2  # ... where both are of one talk
_ASKED: Final = 0.05  # taken from a question, which tells less than what answers it
_RECENT: Final = 0.05  # added to what was said now, ...
_HALF_LIFE: Final = 30 * 86_400.0  # ... and half of it after so many seconds
_EVERY: Final = 10  # the last of so many is for a talk that the others are not of


_by_score = itemgetter(1)


class Ranked(NamedTuple):
    """A memory in its place: by id, with the score that put it there."""

    id: str
    score: float
    talk: str


def data(text: str, place: int, at: float, talk: str) -> dict[str, Any]:
    """What the point of a memory says of it: its place among all that this user said, when, and in which talk."""
    return {PLACE: place, AT: round(at), TALK: talk, ASKS: text.rstrip().endswith(("?", "？"))}


def rank(hits: Sequence[Hit], now: float) -> list[Ranked]:
    """The hits in the order in which they are worth telling; `now` in seconds since 1970."""
    at_place = {(hit.data[TALK], hit.data[PLACE]): hit.score for hit in hits}
    around = at_place.get
    scored = []
    for hit in hits:
        data = hit.data
        talk, place = data[TALK], data[PLACE]
        beside = around((talk, place - 1), 0.0) + around((talk, place + 1), 0.0)
        further = around((talk, place - 2), 0.0) + around((talk, place + 2), 0.0)
        score = hit.score + _NEXT * beside + _NEXT_BUT_ONE * further
        if data[ASKS]:
            score -= _ASKED
        age = max(0.0, now - data[AT])
        scored.append(Ranked(hit.id, score + _RECENT * math.exp2(-age / _HALF_LIFE), talk))
    scored.sort(key=_by_score, reverse=True)
    return list(_varied(scored))


def _varied(scored: Sequence[Ranked]) -> Iterable[Ranked]:
    """The same, where the last of every ten is the best of a talk that the nine before are not of."""
    rest = list(scored)
    told: set[str] = set()
    count = 0
    while rest:
        count += 1
        at = 0
        if count % _EVERY == 0:
            at = next((k for k, one in enumerate(rest) if one.talk not in told), 0)
        one = rest.pop(at)
        told.add(one.talk)
        yield one
