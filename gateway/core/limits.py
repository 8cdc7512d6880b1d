"""What a key and an organisation may use, at most."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from gateway.core.money import PICO, Picodollars

NANO = (
    1000  # picodollars in a nanodollar, the unit in which budgets are counted: Valkey's Lua is exact to 9 million USD
)


Count = Annotated[int, Meta(ge=0, le=2**53)]  # what JSON and Lua keep exact
Dollars = Annotated[float, Meta(ge=0, le=9_000_000)]


class Limits(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """The most of each; None is no limit. Days and months are of UTC."""

    requests_per_minute: Count | None = None
    requests_per_day: Count | None = None
    tokens_per_minute: Count | None = None
    tokens_per_day: Count | None = None
    concurrency: Count | None = None  # requests at the same time
    usd_per_day: Dollars | None = None
    usd_per_month: Dollars | None = None


NO_LIMITS = Limits()


def nanodollars(usd: float) -> int:
    """A budget as it is counted."""
    return round(usd * PICO / NANO)


def rounded_up(amount: Picodollars) -> int:
    """A cost in nanodollars: never less than it is."""
    return -(-amount // NANO)
