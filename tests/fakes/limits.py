"""The real limits over a real Valkey, with a clock that a test can set: the script runs as it is, but for where TIME is."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from gateway.core.limits import UNKNOWN, Limits, Verdict
from gateway.stores.accounts import Account
from gateway.stores.leases import Lease
from gateway.stores.limits import ASK, NOT_ASKED, SharedLimits, Spent
from gateway.stores.script import Script
from gateway.stores.valkey import Valkey

CLOCK = "test:clock"


class Clocked(Script):
    """The script, asking a key for the time."""

    def __init__(self) -> None:
        super().__init__("counters.lua", "limits.lua")
        asked = "redis.call('TIME')"
        assert self._text.count(asked) == 1
        self._text = self._text.replace(asked, f"redis.call('HMGET', '{CLOCK}', 's', 'us')")
        self._digest = hashlib.sha1(self._text.encode(), usedforsecurity=False).hexdigest()


class Counter:
    """What a worker does with the limits, one step at a time; nothing runs in the background."""

    def __init__(self, valkey: Valkey, ttl: float = 60.0) -> None:
        self.valkey = valkey
        self.script = Clocked()
        self.shared = SharedLimits(valkey, lease_seconds=ttl)
        self.shared._script = self.shared.leases._script = self.script

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
        (reply,) = await self.script.pipeline(self.valkey, [call], 5)
        assert isinstance(reply, int), reply
        return reply

    async def renew(self, *leases: Lease) -> None:
        (epoch,) = await self.script.pipeline(self.valkey, [self.shared.leases._renewal(list(leases))], 5)
        for lease in leases:
            lease.epoch = epoch
