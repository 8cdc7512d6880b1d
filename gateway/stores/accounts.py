"""Where in Valkey the use of a key and of its organisation is counted, and up to what."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from gateway.core.limits import (
    CONCURRENCY,
    COUNT,
    REQUESTS_PER_DAY,
    REQUESTS_PER_MINUTE,
    TOKENS_PER_DAY,
    TOKENS_PER_MINUTE,
    USD_PER_DAY,
    USD_PER_MONTH,
    Most,
)
from gateway.stores.script import Script
from gateway.stores.valkey import Command

_REQUESTS: Final = (REQUESTS_PER_MINUTE, REQUESTS_PER_DAY)
_COUNTED: Final = ((TOKENS_PER_MINUTE,), (REQUESTS_PER_DAY, TOKENS_PER_DAY), (USD_PER_DAY, USD_PER_MONTH))


class Account(Struct, frozen=True, eq=False):
    """What is counted for one key, made ready for the script, since it is needed for every request."""

    organisation: str
    key: str
    names: tuple[str, str]  # of what is counted: the organisation's, the key's
    most: Most
    leasing: bool  # whether anything is limited that comes back
    urgent: bool  # whether somebody may wait for that
    counts: str  # what the end of a request changes, as `settle` in limits.lua has it
    keys: tuple[str, ...]
    head: Command
    tail: Command


def opened(organisation: str, key: str, most: Most, script: Script, lease_ms: int) -> Account:
    """The account of a key, whose limits are `most`."""
    keys = _keys(organisation, key)
    leasing = any(one is not None for at, one in enumerate(most) if at % COUNT not in _REQUESTS)
    return Account(
        organisation,
        key,
        (organisation, f"{organisation}/{key}"),
        most,
        leasing,
        urgent=_limited(most, CONCURRENCY, COUNT + CONCURRENCY),
        counts="".join(str(int(_limited(most, *(at + one for one in some)))) for at in (0, COUNT) for some in _COUNTED),
        keys=keys,
        head=script.call(keys, "admit"),
        tail=(lease_ms, key, int(leasing), *("" if one is None else one for one in most)),
    )


def _limited(most: Most, *limits: int) -> bool:
    return any(most[limit] is not None for limit in limits)


def _keys(organisation: str, key: str) -> tuple[str, ...]:
    """The names in Valkey, as counters.lua numbers them; the braces keep an organisation's on one node of a cluster."""
    ours = f"syntra:{{{organisation}}}"
    own = f"{ours}:key:{key}"
    shared = ("leases", "leased", "lapsed", "told", "window", "used", "spent")
    return (*(f"{ours}:{name}" for name in shared), *(f"{own}:{name}" for name in ("window", "used", "spent")))
