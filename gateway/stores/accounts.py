"""Where in Valkey the use of a key and of its organisation is counted, and up to what; and what Valkey says of it."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from gateway.core.limits import (
    CONCURRENCY,
    COUNT,
    REQUESTS_PER_DAY,
    REQUESTS_PER_MINUTE,
    USD_PER_DAY,
    USD_PER_MONTH,
    Most,
    Verdict,
)
from gateway.stores.script import Scripts
from gateway.stores.valkey import Command

Spent = tuple[int | str, int | str]  # nanodollars of the day and of the month
ASK: Final[Spent] = ("?", "?")  # say UNKNOWN where Valkey does not know

_REQUESTS: Final = (REQUESTS_PER_MINUTE, REQUESTS_PER_DAY)


class Account(Struct, frozen=True, eq=False):
    """What is counted for one key, made ready for the scripts, since it is needed for every request."""

    organisation: str
    key: str
    names: tuple[str, str]  # of what is counted: the organisation's, the key's
    most: Most
    own: bool  # whether the key has limits
    leasing: bool  # whether anything is limited that comes back
    urgent: bool  # whether somebody may wait for that
    budgeted: bool  # whether money is limited
    keys: tuple[str, ...]
    head: Command
    tail: Command
    ahead: Command  # the tail of an allowance, which is always leased


def opened(organisation: str, key: str, most: Most, scripts: Scripts, lease_ms: int) -> Account:
    """The account of a key, whose limits are `most`."""
    keys = _keys(organisation, key)
    leasing = any(one is not None for at, one in enumerate(most) if at % COUNT not in _REQUESTS)
    own = any(one is not None for one in most[COUNT:])
    limits = (int(own), *("" if one is None else one for one in most))
    return Account(
        organisation,
        key,
        (organisation, f"{organisation}/{key}"),
        most,
        own,
        leasing,
        urgent=most[CONCURRENCY] is not None or most[COUNT + CONCURRENCY] is not None,
        budgeted=any(most[at + limit] is not None for at in (0, COUNT) for limit in (USD_PER_DAY, USD_PER_MONTH)),
        keys=keys,
        head=scripts.call("admit", keys),
        tail=(lease_ms, key, int(leasing), *limits),
        ahead=(lease_ms, key, 1, *limits),
    )


def verdict(reply: list[int]) -> Verdict:
    """What admit.lua says."""
    return Verdict(
        reply[0],
        reply[1] - 1,
        reply[2] / 1e3,
        reply[3] / 1e3,
        reply[7:21],
        [milliseconds / 1e3 for milliseconds in reply[21:25]],
        reply[25:27],
        reply[5:7],
        reply[4],
    )


def _keys(organisation: str, key: str) -> tuple[str, ...]:
    """The names in Valkey, as counters.lua numbers them; the braces keep an organisation's on one node of a cluster."""
    ours = f"syntra:{{{organisation}}}"
    return (f"{ours}:counts", f"{ours}:key:{key}:counts", f"{ours}:leases", f"{ours}:lapsed", f"{ours}:told")
