"""What a worker may let in by itself: a busy key's requests wait for nobody while its limits are far away.

Valkey counts some requests ahead and leases what they may take, all of it or nothing, in the background: many times as
much must be left of every limit, or each request asks. An allowance ends with the second in which it was counted, so
that no minute is longer than it is. What it was not used for is given back, and requests that still run get leases of
their own, so nothing is held for long that nobody needs.
"""

from __future__ import annotations

import asyncio
import contextlib
import weakref
from collections.abc import Callable
from functools import partial
from typing import Final, NamedTuple

from msgspec import Struct, field, structs

from gateway.core.ids import uuid7
from gateway.core.limits import (
    ADMITTED,
    COUNT,
    REQUESTS_PER_DAY,
    REQUESTS_PER_MINUTE,
    TOKENS_PER_DAY,
    TOKENS_PER_MINUTE,
    Verdict,
)
from gateway.stores.accounts import ASK, Account, verdict
from gateway.stores.breaker import Unavailable
from gateway.stores.leases import Lease, Leases, Parted
from gateway.stores.script import Scripts
from gateway.stores.valkey import Refused, Valkey

SIZES: Final = (16, 64)  # requests: of a key's first allowance, and of that of a crowd
_LOW: Final = 4  # of an allowance is left when the next is asked for: one part of so many
_TIMES: Final = 8  # that two allowances for each worker must be left of a limit
_OFTEN: Final = 0.1  # s; who asks again within this is busy
_PAUSE: Final = 1.0  # s; after a limit was too near
_EARLY: Final = 0.02  # s before the second ends: the loop's clock stands still while something runs
_SOON: Final = 0.1  # s; who has used an allowance up by then gets a larger one
_LATE: Final = 0.9  # of a second; who asks then would hardly use it
_MOST_KEYS: Final = 10_000

Ended = Callable[[Lease, int, int], None]


class Taken(NamedTuple):
    """What a request is let in with."""

    said: Verdict
    lease: Lease | None = None  # where anything of it comes back
    ended: Ended | None = None


class _Allowance(Struct, eq=False):
    """One of them, and what is left of it."""

    lease: Lease  # for all of it
    said: Verdict
    since: float  # loop time
    until: float
    requests: int
    tokens: int
    cost: int
    timer: asyncio.TimerHandle | None = None
    running: weakref.WeakSet[Lease] = field(default_factory=weakref.WeakSet)


class _Key(Struct, eq=False):
    """How busy a key is, and what it may do."""

    account: Account
    asked: float = -1.0  # loop time
    paused: float = -1.0  # until
    asking: bool = False
    size: int = SIZES[0]
    used: list[int] = []  # of each limit, as Valkey has counted it last: allowances are counted in as if used
    allowances: list[_Allowance] = field(default_factory=list)


class Allowances:
    """Those of a worker; without a Valkey there are none."""

    def __init__(self, valkey: Valkey | None, scripts: Scripts, leases: Leases) -> None:
        self._valkey = valkey
        self._scripts = scripts
        self._leases = leases
        self._keys: dict[str, _Key] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def close(self) -> None:
        """Give everything back."""
        for task in list(self._tasks):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        for key in self._keys.values():
            self._drop(key)

    def take(self, account: Account, request_id: str, tokens: int, cost: int) -> Taken | None:
        """Let a request in, if there is an allowance for it."""
        key = self._keys.get(account.names[1])
        if key is None or key.account is not account or not key.allowances:
            return None
        if not account.leasing:  # only requests are limited
            tokens, cost = 0, 0
        now = asyncio.get_running_loop().time()
        for one in key.allowances:
            if one.requests and tokens <= one.tokens and cost <= one.cost and now < one.until:
                break
        else:
            return None
        one.requests, one.tokens, one.cost = one.requests - 1, one.tokens - tokens, one.cost - cost
        if not one.requests and now - one.since < _SOON:
            key.size = min(SIZES[1], key.size * 2)
        if sum(each.requests for each in key.allowances) <= key.size // _LOW and one.until - now > 1 - _LATE:
            self._ask(key, tokens, cost)
        said = structs.replace(one.said, used=_used(key))
        if not account.leasing:
            if not one.requests:
                self._end(key, one)
            return Taken(said)
        lease = Lease(account, request_id, tokens, cost, 0, int(said.now), urgent=False)
        self._leases.hold(lease)
        one.running.add(lease)
        return Taken(said, lease, partial(self._ended, key, one))

    def asked(self, account: Account, tokens: int, cost: int, said: Verdict) -> None:
        """A request of this key has asked Valkey; where that is often, there will be an allowance for the next."""
        name = account.names[1]
        key = self._keys.get(name)
        if key is None or key.account is not account:
            if key is not None:
                self._drop(key)
            elif len(self._keys) >= _MOST_KEYS:
                self._drop(self._keys.pop(next(iter(self._keys))))
            key = self._keys[name] = _Key(account)
        now = asyncio.get_running_loop().time()
        often, key.asked = now - key.asked < _OFTEN, now
        if said.why != ADMITTED:
            return
        key.used = said.used
        if often and said.now % 1 < _LATE and len(key.allowances) < 2:
            self._ask(key, tokens, cost)

    def _ask(self, key: _Key, tokens: int, cost: int) -> None:
        """Ask for an allowance for requests like this one, unless somebody does or it would be in vain."""
        if key.asking or self._valkey is None or key.paused > asyncio.get_running_loop().time():
            return
        if not key.account.leasing:
            tokens, cost = 0, 0
        key.asking = True
        task = asyncio.ensure_future(self._get(self._valkey, key, tokens * key.size, cost * key.size, key.size))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _get(self, valkey: Valkey, key: _Key, tokens: int, cost: int, size: int) -> None:
        account, loop = key.account, asyncio.get_running_loop()
        lease = Lease(account, uuid7(), tokens, cost, 0, 0)
        times = _TIMES * 2 * (1 + self._leases.workers)
        command = (*account.head, lease.request_id, tokens, cost, *account.ahead, *ASK, *ASK, size, times)
        began = loop.time()
        try:
            (reply,) = await self._scripts.pipeline(valkey, [command])
        except BaseException as error:
            self._leases.part(Parted(lease, size, ()))  # Valkey may have counted it
            if isinstance(error, Unavailable):
                return
            raise
        finally:
            key.asking = False
        said = None if isinstance(reply, Refused) else verdict(reply)
        if said is None or said.why != ADMITTED:
            key.paused = loop.time() + _PAUSE
            return
        lease.epoch, lease.second = said.epoch, int(said.now)
        self._leases.hear(account.organisation, said.epoch)
        now, until = loop.time(), began + 1 - said.now % 1 - _EARLY
        if self._keys.get(account.names[1]) is not key or until <= now:
            self._leases.part(Parted(lease, size, ()))
            return
        self._leases.hold(lease)
        one = _Allowance(lease, said, now, until, size, tokens, cost)
        one.timer = loop.call_at(one.until, self._end, key, one)
        key.used = said.used
        key.allowances.append(one)

    def _ended(self, key: _Key, one: _Allowance, lease: Lease, tokens: int, cost: int) -> None:
        """A request that was let in is over."""
        self._leases.tell(lease, tokens, cost)
        one.running.discard(lease)
        if not one.running and not one.requests:
            self._end(key, one)

    def _end(self, key: _Key, one: _Allowance) -> None:
        if one not in key.allowances:
            return
        key.allowances.remove(one)
        if one.timer is not None:
            one.timer.cancel()
        if one.requests > key.size // 2:
            key.size = max(SIZES[0], key.size // 2)
        self._leases.part(Parted(one.lease, one.requests, [*one.running]))

    def _drop(self, key: _Key) -> None:
        for one in [*key.allowances]:
            self._end(key, one)


def _used(key: _Key) -> list[int]:
    """What is used of each limit: what is left of the key's allowances is not."""
    used = [*key.used]
    for one in key.allowances:
        for at in (0, COUNT):
            used[at + REQUESTS_PER_MINUTE] -= one.requests
            used[at + REQUESTS_PER_DAY] -= one.requests
            used[at + TOKENS_PER_MINUTE] -= one.tokens
            used[at + TOKENS_PER_DAY] -= one.tokens
    return used
