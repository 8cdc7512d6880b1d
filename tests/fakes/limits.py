"""The real limits over a real Valkey: a worker as it is, and one whose clock a test can set."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from msgspec import structs

from gateway.core.caller import Caller
from gateway.core.errors import SyntraError
from gateway.core.ids import uuid7
from gateway.core.limits import NO_LIMITS, UNKNOWN, Limits, Verdict
from gateway.core.money import Picodollars, picodollars
from gateway.stages.admission import Admission, Admitted
from gateway.stores.accounts import ASK, Account, Spent
from gateway.stores.allowances import Allowances
from gateway.stores.leases import Lease
from gateway.stores.limits import NOT_ASKED, SCRIPTS, SharedLimits
from gateway.stores.script import Scripts
from gateway.stores.valkey import Valkey
from gateway.stores.valkey_place import place
from tests.fakes.valkey import until

CENT = picodollars(0.01)
CALLER = Caller("acme-id", "acme", "k1")
EVERYTHING = Limits(1000, 10_000, 1_000_000, 10_000_000, 100, 100.0, 1000.0)
CLOCK = "test:clock"


class Worker:
    """What one worker has of the limits."""

    def __init__(self, valkey: Valkey, ttl: float, **options: Any) -> None:
        self.valkey = valkey
        self.shared = SharedLimits(valkey, lease_seconds=ttl)
        self.admission = Admission(self.shared, **options)

    async def ask(self, caller: Caller, tokens: int = 10, cost: Picodollars | None = CENT) -> Admitted | SyntraError:
        try:
            return await self.admission.admit(caller, uuid7(), tokens, cost)
        except SyntraError as error:
            return error

    async def admits(self, caller: Caller, most: int = 200, cost: Picodollars | None = CENT) -> list[Admitted]:
        """Those that are let in of many of the same, one after the other."""
        found = []
        for _ in range(most):
            admitted = await self.ask(caller, cost=cost)
            if not isinstance(admitted, Admitted):
                break
            found.append(admitted)
        return found

    async def read(self, *command: str | int) -> Any:
        return await self.valkey.run(*command, within=5)

    async def spent(self, name: str = "syntra:{acme-id}:counts") -> int:
        """Picodollars of today."""
        return int(await self.read("HGET", name, "sd") or 0) * 1000

    @property
    def told(self) -> bool:
        return not self.shared.leases.untold


@asynccontextmanager
async def worker(url: str, *, ttl: float = 60.0, ready: bool = True, **options: Any) -> AsyncIterator[Worker]:
    async with Valkey(place(url)) as valkey:
        found = Worker(valkey, ttl, **options)
        if ready:
            await until(lambda: valkey.state == "ok")
        await found.admission.start()
        try:
            yield found
        finally:
            await found.admission.close()


def limited(
    limits: Limits = NO_LIMITS, key_limits: Limits = NO_LIMITS, key: str = "k1", organisation: str = "acme-id"
) -> Caller:
    return structs.replace(CALLER, organisation=organisation, limits=limits, key_limits=key_limits, key_id=key)


async def nothing_spent(_organisation: str, _key: str | None) -> tuple[int, int]:
    """What the ledger says of money."""
    return 0, 0


class Clocked(Scripts):
    """The scripts as they are, but that they ask a key for the time."""

    def __init__(self) -> None:
        super().__init__(SCRIPTS)
        asked = "redis.call('TIME')"
        for name, text in self._texts.items():
            assert text.count(asked) == 1
            self._texts[name] = text.replace(asked, f"redis.call('HMGET', '{CLOCK}', 's', 'us')")
            self._digests[name] = hashlib.sha1(self._texts[name].encode(), usedforsecurity=False).hexdigest()


class Counter:
    """What a worker does with the limits, one step at a time; nothing runs in the background."""

    def __init__(self, valkey: Valkey, ttl: float = 60.0) -> None:
        self.valkey = valkey
        self.scripts = Clocked()
        self.shared = SharedLimits(valkey, lease_seconds=ttl)
        self.shared._scripts = self.shared.leases._scripts = self.scripts
        self.shared.allowances = Allowances(None, self.scripts, self.shared.leases)

    def account(self, key: str, limits: Limits, key_limits: Limits, organisation: str = "acme") -> Account:
        return self.shared.account(organisation, key, limits, key_limits)

    async def set_clock(self, milliseconds: int) -> None:
        await self.valkey.run("HSET", CLOCK, "s", milliseconds // 1000, "us", milliseconds % 1000 * 1000, within=5)

    async def admit(
        self, account: Account, request_id: str, tokens: int, cost: int, ledger: Sequence[Spent] = ((0, 0), (0, 0))
    ) -> Verdict:
        """As the stage asks: again with what the ledger says where Valkey does not know what has been spent."""
        said = await self.shared.admit(account, request_id, tokens, cost)
        if said.why != UNKNOWN:
            return said
        organisation, key = (
            spent if known == NOT_ASKED else ASK for spent, known in zip(ledger, said.known, strict=True)
        )
        return await self.shared.admit(account, request_id, tokens, cost, (organisation, key))

    async def settle(
        self, account: Account, request_id: str, epoch: int, tokens: int, cost: int, requests: int = 0
    ) -> int:
        """How many of one were counted."""
        call = self.shared.leases.telling(account, [(request_id, epoch, requests, tokens, cost)])
        (reply,) = await self.scripts.pipeline(self.valkey, [call], 5)
        assert isinstance(reply, int), reply
        return reply

    async def renew(self, *leases: Lease) -> None:
        (epoch,) = await self.scripts.pipeline(self.valkey, [self.shared.leases._renewal(list(leases))], 5)
        for lease in leases:
            lease.epoch = epoch
