"""How new an answer must be, in the words of a request's `x-syntra-cache-control`."""

from __future__ import annotations

import re
from typing import Final

from msgspec import Struct

from gateway.core.errors import BadRequest

_AGE: Final = re.compile(r"max-age=(\d{1,9})")


class Freshness(Struct, frozen=True):
    """What a request says of answers that others have asked for."""

    max_age: float | None = None  # seconds; 0: a call of its own; None: as the documents have it
    keeps: bool = True  # whether its answer may be kept, and be shared


ANY: Final = Freshness()


def freshness(value: str) -> Freshness:
    """The header's value, directives as in HTTP's own: no-store, no-cache, max-age=N. Raises BadRequest."""
    ages: list[float] = []
    keeps = True
    for word in value.lower().split(","):
        match = _AGE.fullmatch(word.strip())
        if match is not None:
            ages.append(float(match[1]))
        elif word.strip() in ("no-cache", "no-store"):
            ages.append(0.0)
            keeps = keeps and word.strip() == "no-cache"
        else:
            raise BadRequest(
                "The header x-syntra-cache-control is no-store, no-cache or max-age=N, N in seconds.",
                code="invalid_header",
            )
    return Freshness(min(ages), keeps)
