"""What organisations and keys use of their limits, counted in Valkey by scripts that stand on counters.lua.

`admit` asks in one round trip and takes all that a request needs, or nothing. Tokens, money and the place among those
that run are leased, until the request has told what it came to (stores/leases.py).

A minute is any sixty seconds, counted by the second. A bucket that fills up again would give shorter waits, but would
let nearly twice the limit through in the first minute; who sets a limit of 60 should never count 61.
"""

from __future__ import annotations

import asyncio
from typing import Final

from gateway.core.limits import Limits, Verdict, counted
from gateway.stores.accounts import ASK, Account, Spent, opened, verdict
from gateway.stores.allowances import Allowances
from gateway.stores.breaker import Unavailable
from gateway.stores.leases import Lease, Leases
from gateway.stores.script import Scripts
from gateway.stores.valkey import BACKGROUND_DEADLINE, Refused, Valkey

SCRIPTS: Final = {
    **{name: ("counters.lua", f"{name}.lua") for name in ("admit", "settle", "renew", "seed")},
    "workers": ("workers.lua",),
}
LEASE_SECONDS: Final = 60.0
KNOWN, STALE, NOBODY_SAYS, NOT_ASKED = range(4)  # how well it is known what has been spent; as in admit.lua
NOBODY: Final[Spent] = ("-", "-")  # nobody can say: count from nothing


class SharedLimits:
    """The limits as all workers share them; without a Valkey it is always unavailable."""

    def __init__(self, valkey: Valkey | None, *, lease_seconds: float = LEASE_SECONDS) -> None:
        self._valkey = valkey
        self._scripts = Scripts(SCRIPTS)
        self._ttl = round(lease_seconds * 1000)
        self.leases = Leases(valkey, self._scripts, lease_seconds)
        self.allowances = Allowances(valkey, self._scripts, self.leases)

    def account(self, organisation: str, key: str, limits: Limits, key_limits: Limits) -> Account:
        """The account of a key: made once, for many requests."""
        most = (*counted(limits), *counted(key_limits))
        return opened(organisation, key, most, self._scripts, self._ttl)

    async def admit(
        self, account: Account, request_id: str, tokens: int, cost: int, spent: tuple[Spent, Spent] = (ASK, ASK)
    ) -> Verdict:
        """What the limits say to a request for so many tokens and nanodollars; raises Unavailable, within 50 ms.

        Where that is `Unheard`, or the caller is cancelled, the request may have been let in all the same.
        """
        valkey = self._valkey
        if valkey is None:
            raise Unavailable("there is no Valkey")
        command = (*account.head, request_id, tokens, cost, *account.tail, *spent[0], *spent[1])
        # What has just ended makes room, so it is told first.
        ended = self.leases.take(account) if valkey.state == "ok" else []
        try:
            if ended:
                told, reply = await self._scripts.pipeline(valkey, [self.leases.telling(account, ended), command])
            else:
                (reply,) = await self._scripts.pipeline(valkey, [command])
        except BaseException as error:
            self.leases.put_back(account, ended)
            if isinstance(error, asyncio.CancelledError):
                self.leases.release(account, request_id)
            raise
        if ended:
            self.leases.heard(account, ended, told)
        if isinstance(reply, Refused):
            raise reply
        said = verdict(reply)
        if account.leasing:
            self.leases.hear(account.organisation, said.epoch)
        self.allowances.asked(account, tokens, cost, said)
        return said

    def lease(self, account: Account, request_id: str, tokens: int, cost: int, said: Verdict) -> Lease:
        """What a request that was let in holds; renewed as long as somebody has this."""
        lease = Lease(account, request_id, tokens, cost, said.epoch, int(said.now), counted=bool(said.epoch))
        if account.leasing:
            self.leases.hold(lease)
        return lease

    async def seed(self, account: Account, organisation: Spent, key: Spent) -> None:
        """Tell what the ledger says has been spent; raises Unavailable."""
        if self._valkey is not None:
            command = self._scripts.call("seed", account.keys, *organisation, *key)
            await self._scripts.pipeline(self._valkey, [command], BACKGROUND_DEADLINE)
