"""What requests hold while they run, and what they came to: renewed and told in the background, never waited for.

A lease that is not renewed ends by itself; one that Valkey has lost (it was flushed, another took over) is made again.
A request is told until Valkey has counted it, and counted once: the script takes its lease away when it is first told.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import secrets
import weakref
from collections.abc import Iterable, Sequence
from itertools import chain, islice
from typing import Any, Final, Self

from msgspec import Struct

from gateway.stores.accounts import Account
from gateway.stores.breaker import Unavailable
from gateway.stores.script import Scripts
from gateway.stores.valkey import BACKGROUND_DEADLINE, Command, Refused, Valkey

log = logging.getLogger("syntra")

WORKERS: Final = "syntra:workers"

_LINGER = 0.005  # s; what ends in this time is told together, where nobody waits for the place
_MOST_UNTOLD = 10_000  # requests; beyond that the oldest are forgotten
_MOST_EPOCHS = 10_000
_TOGETHER = 100  # requests in one call of the script, and calls in one round trip
_PAUSE = 1.0
_DEFECTS: Final = frozenset({"ERR", "WRONGTYPE"})  # what is refused for these will be refused for ever

_End = tuple[str, int, int, int, int]  # request, epoch, requests, tokens, nanodollars


class Lease(Struct, eq=False, weakref=True):
    """What one request holds; `epoch` 0 where this worker has let it in by itself."""

    account: Account
    request_id: str
    tokens: int
    cost: int  # nanodollars
    epoch: int
    second: int  # UTC, in which its tokens were counted
    renewed: float = 0.0  # loop time
    counted: bool = True  # by Valkey, as one more request
    urgent: bool = True  # to be told at once where somebody may wait for its place


class Parted(Struct, frozen=True, eq=False):
    """What was leased for several requests, so many of which never came; those that run get leases of their own."""

    lease: Lease
    unused: int
    heirs: Sequence[Lease]


class Leases:
    """The leases of a worker; without a Valkey there is nobody to tell."""

    def __init__(self, valkey: Valkey | None, scripts: Scripts, seconds: float) -> None:
        self._valkey = valkey
        self._scripts = scripts
        self._seconds = seconds
        self._ttl = round(seconds * 1000)
        self._me = secrets.token_hex(8)
        self._running: weakref.WeakValueDictionary[str, Lease] = weakref.WeakValueDictionary()
        self._epochs: dict[str, int] = {}
        self._untold: dict[str, tuple[Account, list[_End]]] = {}
        self._waiting = 0  # how many these are
        self._parted: list[Parted] = []
        self._forgot = False
        self._lingers = False
        self._wake = asyncio.Event()
        self._lost = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.workers = 1  # how many there are, as last heard

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def start(self) -> None:
        """Begin to renew and to tell."""
        if self._valkey is not None:
            self._task = asyncio.create_task(self._work(self._valkey), name="leases")

    async def close(self) -> None:
        """Stop; tells what is untold if that can be done at once."""
        if self._task is None or self._valkey is None:
            return
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        self._task = None
        with contextlib.suppress(Unavailable):
            await self._tell(self._valkey, within=_PAUSE)

    def hold(self, lease: Lease) -> None:
        """Renew a lease from now on, until it is told or nobody has it any more."""
        lease.renewed = asyncio.get_running_loop().time()
        self._running[lease.request_id] = lease

    def tell(self, lease: Lease, tokens: int, cost: int) -> None:
        """A request has ended and came to so many tokens and nanodollars: tell it soon."""
        self._running.pop(lease.request_id, None)
        self._put(
            lease.account, (lease.request_id, lease.epoch, int(not lease.counted), tokens, cost), urgent=lease.urgent
        )

    def release(self, account: Account, request_id: str) -> None:
        """A request that may hold something, though nobody knows, does not run."""
        if account.leasing:
            self._put(account, (request_id, 0, 0, 0, 0))

    def part(self, parted: Parted) -> None:
        """What several requests hold together ends; soon, and first those that still run have what is theirs."""
        self._parted.append(parted)
        self._soon(urgent=False)

    def hear(self, organisation: str, epoch: int) -> None:
        """The epoch of an organisation's leases; when it is another one, those before it are lost and made again."""
        known = self._epochs.get(organisation)
        if known == epoch:
            return
        if known is not None:
            self._lost.set()
        elif len(self._epochs) >= _MOST_EPOCHS:
            self._epochs.clear()
        self._epochs[organisation] = epoch

    @property
    def untold(self) -> int:
        """How many requests have ended of which Valkey has not heard."""
        return self._waiting

    def take(self, account: Account) -> list[_End]:
        """What is untold of an account, the oldest first, for somebody who tells it now: `told`, or else `put_back`."""
        _, ends = self._untold.pop(account.names[1], (account, []))
        if len(ends) > _TOGETHER:
            self._untold[account.names[1]] = (account, ends[_TOGETHER:])
            ends = ends[:_TOGETHER]
        return ends

    def told(self, ends: list[_End]) -> None:
        """Valkey has heard of these."""
        self._waiting -= len(ends)

    def put_back(self, account: Account, ends: list[_End]) -> None:
        """Valkey may not have heard of these: tell them again, soon."""
        if ends:
            _, later = self._untold.get(account.names[1], (account, []))
            self._untold[account.names[1]] = (account, [*ends, *later])
            self._soon(urgent=account.urgent)

    def telling(self, account: Account, ends: Iterable[tuple[str | int, ...]]) -> Command:
        """The call that tells."""
        return self._scripts.call(
            "settle", account.keys, account.key, int(account.own), self._ttl, *chain.from_iterable(ends)
        )

    def _put(self, account: Account, end: _End, *, urgent: bool = True) -> None:
        if self._valkey is None:
            return
        known = self._untold.get(account.names[1])
        if known is None:
            self._untold[account.names[1]] = (account, [end])
        else:
            known[1].append(end)
        self._waiting += 1
        if self._waiting > _MOST_UNTOLD:
            self._forget()
        self._soon(urgent=urgent and account.urgent)

    def _soon(self, *, urgent: bool) -> None:
        if urgent:
            self._wake.set()
        elif not self._lingers:
            self._lingers = True
            asyncio.get_running_loop().call_later(_LINGER, self._wake.set)

    def _forget(self) -> None:
        """There are too many: an old one is not counted here, though it is in the ledger."""
        if not self._forgot:
            log.warning("Valkey has been away for so long that it will not hear of every request that ended meanwhile")
        self._forgot = True
        name, (_, ends) = next(iter(self._untold.items()))
        del ends[0]
        if not ends:
            del self._untold[name]
        self._waiting -= 1

    async def _work(self, valkey: Valkey) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._speak(valkey))
                group.create_task(self._renew(valkey))
        except* Exception:  # a defect of ours: requests go on, and what they hold ends by itself
            log.exception("Leases are no longer renewed and settled")

    async def _speak(self, valkey: Valkey) -> None:
        """Tell what there is to tell, for ever."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            self._lingers = False
            try:
                await self._tell(valkey, BACKGROUND_DEADLINE)
                self._forgot = False
            except Unavailable:
                await asyncio.sleep(random.uniform(0, _PAUSE))  # noqa: S311  # workers shall not come all at once
                self._wake.set()

    async def _tell(self, valkey: Valkey, within: float) -> None:
        while self._parted:
            await self._part(valkey, within)
        while self._untold:
            batch = [(account, self.take(account)) for account, _ in [*islice(self._untold.values(), _TOGETHER)]]
            try:
                calls = [self.telling(account, ends) for account, ends in batch]
                replies = await self._scripts.pipeline(valkey, calls, within)
            except BaseException:
                for account, ends in batch:
                    self.put_back(account, ends)
                raise
            refuses = [self.heard(account, ends, reply) for (account, ends), reply in zip(batch, replies, strict=True)]
            if any(refuses):
                raise Unavailable("Valkey refuses for the moment")

    async def _part(self, valkey: Valkey, within: float) -> None:
        parted = self._parted[:_TOGETHER]
        running = [one for each in parted for one in each.heirs if one.request_id in self._running and not one.epoch]
        made = await self._make(valkey, _grouped(running), within) if running else []
        if any(isinstance(reply, Refused) and reply.code not in _DEFECTS for reply in made):
            raise Unavailable("Valkey refuses for the moment")
        del self._parted[: len(parted)]
        for each in parted:
            self._running.pop(each.lease.request_id, None)
            end = (each.lease.request_id, each.lease.epoch, -each.unused, 0, 0)
            self._put(each.lease.account, end, urgent=False)

    def heard(self, account: Account, ends: list[_End], reply: int | Refused) -> bool:
        """What Valkey says to some that were told; whether it is to be tried again."""
        if isinstance(reply, Refused) and reply.code not in _DEFECTS:
            self.put_back(account, ends)
            return True
        if isinstance(reply, Refused):
            log.error("Valkey will not count what %d requests came to (%s)", len(ends), reply.code)
        self.told(ends)
        return False

    async def _renew(self, valkey: Valkey) -> None:
        """Renew what runs for long and make again what is lost, for ever."""
        pause = 0.0
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._lost.wait()
            self._lost.clear()
            pause = self._seconds / 3
            try:
                await self._renew_all(valkey)
            except Unavailable:
                pause = self._seconds / 12

    async def _renew_all(self, valkey: Valkey) -> None:
        """Renew each organisation's leases, and be one of the workers that are there."""
        me = self._scripts.call("workers", [WORKERS], self._me, self._ttl)
        *_, workers = await self._make(valkey, self._due(), BACKGROUND_DEADLINE, me)
        if not isinstance(workers, Refused):
            self.workers = workers

    async def _make(self, valkey: Valkey, groups: list[list[Lease]], within: float, *others: Command) -> list[Any]:
        """Renew these leases, or make them; what Valkey says, and to other calls in the same round trip."""
        calls = [self._renewal(leases) for leases in groups]
        replies = await self._scripts.pipeline(valkey, [*calls, *others], within)
        now = asyncio.get_running_loop().time()
        for leases, epoch in zip(groups, replies, strict=False):
            if isinstance(epoch, Refused):
                continue
            for lease in leases:
                lease.epoch, lease.renewed = epoch, now
            self.hear(leases[0].account.organisation, epoch)
        return replies

    def _due(self) -> list[list[Lease]]:
        """Leases that are old or lost, by organisation."""
        old = asyncio.get_running_loop().time() - self._seconds / 3
        return _grouped(
            lease
            for lease in list(self._running.values())
            if lease.renewed <= old or lease.epoch != self._epochs.get(lease.account.organisation, lease.epoch)
        )

    def _renewal(self, leases: list[Lease]) -> Command:
        parts: list[tuple[str | int, ...]] = [
            (one.request_id, one.epoch, one.tokens, one.cost, one.second, one.account.key) for one in leases
        ]
        return self._scripts.call("renew", leases[0].account.keys, self._ttl, *chain.from_iterable(parts))


def _grouped(leases: Iterable[Lease]) -> list[list[Lease]]:
    """Leases by organisation, not too many together."""
    groups: dict[str, list[Lease]] = {}
    for lease in leases:
        groups.setdefault(lease.account.organisation, []).append(lease)
    return [some[at : at + _TOGETHER] for some in groups.values() for at in range(0, len(some), _TOGETHER)]
