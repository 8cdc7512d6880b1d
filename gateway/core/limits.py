"""What a key and an organisation may use, at most, and what is said to a request that asks for a part of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final

from msgspec import Meta, Struct

from gateway.core.money import PICO, Picodollars

NANO = (
    1000  # picodollars in a nanodollar, the unit in which budgets are counted: Valkey's Lua is exact to 9 million USD
)


Count = Annotated[int, Meta(ge=0, le=2**53)]  # what JSON and Lua keep exact
Dollars = Annotated[float, Meta(ge=0, le=9_000_000)]


class Limits(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """The most of each; None is no limit. Days and months are of UTC, a minute is any sixty seconds."""

    requests_per_minute: Count | None = None
    requests_per_day: Count | None = None
    tokens_per_minute: Count | None = None
    tokens_per_day: Count | None = None
    concurrency: Count | None = None  # requests at the same time
    usd_per_day: Dollars | None = None
    usd_per_month: Dollars | None = None


NO_LIMITS = Limits()

# Where each stands in the rows of numbers that go to Valkey and come back: first the organisation's, then the key's.
REQUESTS_PER_MINUTE, REQUESTS_PER_DAY, TOKENS_PER_MINUTE, TOKENS_PER_DAY, CONCURRENCY, USD_PER_DAY, USD_PER_MONTH = (
    range(7)
)
COUNT: Final = 7

# Why a request may not pass; where several limits refuse, the gravest is told. The numbers are those of admit.lua.
ADMITTED: Final = 0
WAIT: Final = 1  # a retry helps, after `wait`
NEVER: Final = 2  # it asks for more than the limit ever gives
LARGE: Final = 3  # it alone costs more than the budget
SPENT: Final = 4  # the budget is spent
UNKNOWN: Final = 5  # nobody has said yet what has been spent

SOON: Final = 1.0  # s; when to come again where only requests that run stand in the way

Most = tuple[int | None, ...]


class Verdict(Struct):
    """What the limits of an organisation and a key say to one request, and what is used of each."""

    why: int
    limit: int  # which refuses: 0-6 of the organisation, 7-13 of the key
    wait: float  # s
    now: float  # s, UTC by the clock of who has counted
    used: list[int]  # of each limit, what this request takes counted in
    resets: list[float]  # s until nothing of a minute is used: requests, tokens, the key's requests, its tokens
    held: Sequence[int] = (0, 0)  # nanodollars that run, beside what is spent
    known: Sequence[int] = (0, 0)  # how well it is known what has been spent
    epoch: int = 0  # of the lease; 0 for none


def counted(limits: Limits) -> Most:
    """The most of each as it is counted; never less than nothing."""
    return (
        *(None if most is None else max(0, most) for most in _whole(limits)),
        *(None if usd is None else max(0, nanodollars(usd)) for usd in (limits.usd_per_day, limits.usd_per_month)),
    )


def completed(limits: Limits, defaults: Limits) -> Limits:
    """Limits, with a default where there is none."""
    if defaults == NO_LIMITS:
        return limits
    pairs = ((name, getattr(limits, name)) for name in Limits.__struct_fields__)
    return Limits(**{name: getattr(defaults, name) if own is None else own for name, own in pairs})


def above(limits: Limits, ceiling: Limits) -> list[str]:
    """The names of those limits that are higher than their ceiling."""
    pairs = ((name, getattr(limits, name), getattr(ceiling, name)) for name in Limits.__struct_fields__)
    return [name for name, own, most in pairs if own is not None and most is not None and own > most]


def nanodollars(usd: float) -> int:
    """A budget as it is counted."""
    return round(usd * PICO / NANO)


def rounded_up(amount: Picodollars) -> int:
    """A cost in nanodollars: never less than it is."""
    return -(-amount // NANO)


def duration(seconds: float) -> str:
    """A time as OpenAI's headers have it: `12ms`, `1s`, `6m0s`, `3h0m12s`; rounded up."""
    if seconds < 1:
        return f"{max(0, -int(-seconds * 1000 // 1))}ms" if seconds > 0 else "0s"
    whole = -int(-seconds // 1)
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes}m{rest}s" if hours else f"{minutes}m{rest}s" if minutes else f"{rest}s"


def _whole(limits: Limits) -> tuple[int | None, ...]:
    return (
        limits.requests_per_minute,
        limits.requests_per_day,
        limits.tokens_per_minute,
        limits.tokens_per_day,
        limits.concurrency,
    )
