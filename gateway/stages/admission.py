"""Whether a request may go now: the limits of its key and of its organisation, and what it holds while it runs.

A caller without limits costs nothing. Any other costs one round trip to Valkey, in which all that the request needs is
taken, or nothing; and none where its key is busy and its limits are far away (stores/allowances.py). Where Valkey does
not answer within 50 ms, each worker allows its share of every limit and says so.

Budgets. A request leases what it is thought to cost. It may go while what is spent, what is leased and its own estimate
stay within the budget; and, so that the last cents are of use, when nothing is leased and anything is left. So a budget
is exceeded at most by what the requests in flight cost beyond their estimates, or by the one that took the last cents.
That is why an estimate should be the prompt in full and an answer as long as 95 of 100 such answers are: the longest
that is allowed would lock a budget of which nothing is spent, an average one would let every crowd exceed it. Where
Valkey was lost, what ran at that moment may come on top; where it is away, one request for each worker.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Final

from msgspec import Struct, structs

from gateway.core.caller import Caller
from gateway.core.limits import (
    ADMITTED,
    COUNT,
    NO_LIMITS,
    REQUESTS_PER_DAY,
    REQUESTS_PER_MINUTE,
    UNKNOWN,
    USD_PER_DAY,
    WAIT,
    Limits,
    Most,
    Verdict,
    completed,
    rounded_up,
)
from gateway.core.local_limits import LocalLimits
from gateway.core.money import Picodollars
from gateway.core.refusals import Headers, headers, refusal, unpriced
from gateway.stores.accounts import ASK, Account, Spent
from gateway.stores.breaker import Unavailable
from gateway.stores.leases import Lease
from gateway.stores.limits import NOBODY, NOBODY_SAYS, NOT_ASKED, STALE, SharedLimits
from gateway.stores.valkey import Unheard
from gateway.upstream.providers import SIMULATED, Candidate

log = logging.getLogger("syntra")

LedgerSpent = Callable[[str, str | None], Awaitable[tuple[int, int]]]
"""What an organisation has spent, or one of its keys: nanodollars of today and of this month (UTC); or Unavailable."""

DEGRADED: Final = ("limits",)
_DEGRADED_HEADER: Final = ((b"x-syntra-degraded", b"limits"),)

_MOST_KNOWN = 10_000  # keys
_LEDGER_PAUSE = 10.0  # s; how often the ledger is asked for a caller while Valkey is away


class Admitted:
    """What a request was let in with; `settle` it once when it is over, or what it holds is given back in a minute."""

    __slots__ = ("_ended", "_lease", "_most", "_verdict", "degraded")

    def __init__(
        self,
        most: Most = (),
        verdict: Verdict | None = None,
        lease: Lease | None = None,
        ended: Callable[[Lease, int, int], None] | None = None,
        degraded: tuple[str, ...] = (),
    ) -> None:
        self._most = most
        self._verdict = verdict
        self._lease = lease
        self._ended = ended
        self.degraded = degraded  # words for x-syntra-degraded

    @property
    def headers(self) -> Headers:
        """OpenAI's x-ratelimit headers, of those limits that there are."""
        return headers(self._most, self._verdict) if self._verdict is not None else ()

    def settle(self, tokens: int, cost: Picodollars | None) -> None:
        """Say what the request came to; nobody waits for anything."""
        lease, self._lease = self._lease, None
        if lease is not None and self._ended is not None:
            self._ended(lease, max(0, tokens), max(0, rounded_up(cost)) if cost is not None else 0)


FREE: Final = Admitted()


class _Known(Struct, frozen=True, eq=False):
    """The account that was made for a caller; none where it has no limits."""

    limits: Limits
    key_limits: Limits
    account: Account | None


class _Refused(Struct, frozen=True, eq=False):
    """A verdict that will stay the same until then."""

    account: Account
    verdict: Verdict
    until: float


class Admission:
    """Lets requests in, or not; `defaults` are for organisations that have no limit of their own."""

    def __init__(
        self,
        shared: SharedLimits,
        *,
        defaults: Limits = NO_LIMITS,
        workers: int = 1,
        spent: LedgerSpent | None = None,
        counted: Callable[[str, str], None] | None = None,
    ) -> None:
        self._shared = shared
        self._defaults = defaults
        self._workers = workers
        self._spent = spent
        self._unasked = (ASK, ASK) if spent is not None else (NOBODY, NOBODY)
        self._counted = counted or (lambda _what, _by: None)
        self._local = LocalLimits(workers)
        self._ahead = time.time() - time.monotonic()  # of UTC; Valkey's, as soon as it has answered
        self._known: dict[tuple[str, str], _Known] = {}
        self._refused: dict[str, _Refused] = {}
        self._asking: dict[str, asyncio.Task[tuple[int, int]]] = {}
        self._asked: dict[str, float] = {}  # when the ledger was asked for the sake of the local limits
        self._tasks: set[asyncio.Task[None]] = set()
        self._told = False  # that nobody can say what has been spent

    async def start(self) -> None:
        """Begin to renew and settle in the background."""
        await self._shared.leases.start()

    async def close(self) -> None:
        """Stop; what ended last is still told, if that can be done at once."""
        for task in (*self._tasks, *self._asking.values()):
            task.cancel()
        await self._shared.allowances.close()
        await self._shared.leases.close()

    def concerns(self, caller: Caller) -> bool:
        """Whether the caller has any limit at all; for others nothing need be estimated."""
        return self._account(caller) is not None

    async def admit(
        self, caller: Caller, request_id: str, tokens: int, cost: Picodollars | None, asked: Candidate | None = None
    ) -> Admitted:
        """Let a request in for which so many tokens and so much money are expected; raises RateLimited, BudgetSpent.

        Where there is a budget, who is `asked` at a price that nobody knows is refused (NotAllowed): it would be free.
        """
        account = self._account(caller)
        if account is None:
            return FREE
        if cost is None and asked is not None and asked.provider != SIMULATED and account.budgeted:
            raise unpriced(asked.name)
        if self._refused:
            self._remember(account, caller)
        nano = rounded_up(cost) if cost is not None else 0
        taken = self._shared.allowances.take(account, request_id, tokens, nano)
        if taken is not None:
            self._counted("admitted", "allowance")
            return Admitted(account.most, taken.said, taken.lease, taken.ended)
        try:
            verdict = await self._ask(account, request_id, tokens, nano)
        except Unavailable as error:
            return self._alone(caller, account, request_id, (tokens, nano), heard=not isinstance(error, Unheard))
        self._ahead = verdict.now - time.monotonic()
        self._local.hear(account.names, verdict)
        if verdict.known != [0, 0]:
            self._doubt(account, verdict)
        if verdict.why != ADMITTED:
            self._refuse(caller, account, verdict, request_id)
        self._counted("admitted", "valkey")
        if not account.leasing:
            return Admitted(account.most, verdict)
        lease = self._shared.lease(account, request_id, tokens, nano, verdict)
        return Admitted(account.most, verdict, lease, self._shared.leases.tell)

    def _account(self, caller: Caller) -> Account | None:
        known = self._known.get((caller.organisation, caller.key_id))
        if known is None or known.limits is not caller.limits or known.key_limits is not caller.key_limits:
            known = self._open(caller, known)
        return known.account

    def _open(self, caller: Caller, known: _Known | None) -> _Known:
        """The account of a caller; the same one while its limits are, though they may have been read anew."""
        account = known.account if known is not None else None
        if known is None or known.limits != caller.limits or known.key_limits != caller.key_limits:
            limits = completed(caller.limits, self._defaults)
            limited = limits != NO_LIMITS or caller.key_limits != NO_LIMITS
            make = self._shared.account
            account = make(caller.organisation, caller.key_id, limits, caller.key_limits) if limited else None
        known = _Known(caller.limits, caller.key_limits, account)
        if len(self._known) >= _MOST_KNOWN:
            del self._known[next(iter(self._known))]
        self._known[caller.organisation, caller.key_id] = known
        return known

    async def _ask(self, account: Account, request_id: str, tokens: int, cost: int) -> Verdict:
        """What Valkey says; where it has lost what was spent, it is told by the ledger first."""
        verdict = await self._shared.admit(account, request_id, tokens, cost, self._unasked)
        if verdict.why == UNKNOWN:
            unknown = [known == NOT_ASKED for known in verdict.known]
            verdict = await self._shared.admit(account, request_id, tokens, cost, await self._ledger(account, unknown))
        if verdict.why == UNKNOWN:
            raise Unavailable("Valkey loses what it is told")
        return verdict

    def _alone(
        self, caller: Caller, account: Account, request_id: str, asked: tuple[int, int], *, heard: bool
    ) -> Admitted:
        """What this worker says by itself."""
        now = time.monotonic()
        utc = now + self._ahead
        self._local.workers = max(self._workers, self._shared.leases.workers)
        if self._spent is not None:
            self._ask_for_local(account, now)
        verdict = self._local.admit(account.names, account.most, request_id, *asked, now, utc)
        if verdict.why != ADMITTED:
            if not heard:  # Valkey may have let it in
                self._shared.leases.release(account, request_id)
            self._refuse(caller, account, verdict, request_id, alone=True)
        self._counted("admitted", "worker")
        lease = self._shared.lease(account, request_id, *asked, verdict)
        return Admitted(account.most, verdict, lease, self._ended_alone, DEGRADED)

    def _ended_alone(self, lease: Lease, tokens: int, cost: int) -> None:
        """A request that this worker let in by itself is over: its own count, and Valkey's when that is back."""
        now = time.monotonic()
        self._local.settle(lease.request_id, tokens, cost, now, now + self._ahead)
        self._shared.leases.tell(lease, tokens, cost)

    def _refuse(
        self, caller: Caller, account: Account, verdict: Verdict, request_id: str, *, alone: bool = False
    ) -> None:
        """Raise what a refusal is to the client; where it will be the same for every request, remember it."""
        requests = verdict.limit % COUNT in (REQUESTS_PER_MINUTE, REQUESTS_PER_DAY)
        if verdict.why == WAIT and requests and not alone:
            if len(self._refused) >= _MOST_KNOWN:
                del self._refused[next(iter(self._refused))]
            self._refused[account.names[1]] = _Refused(account, verdict, time.monotonic() + verdict.wait)
        late = ord(request_id[-1]) % 2 == 1
        error = refusal(account.most, verdict, caller.name, late=late, extra=_DEGRADED_HEADER if alone else ())
        self._counted("limited" if error.status == 429 else "spent", "worker" if alone else "valkey")
        raise error

    def _remember(self, account: Account, caller: Caller) -> None:
        """Refuse again what was refused before, as long as that cannot have changed."""
        refused = self._refused.get(account.names[1])
        if refused is None:
            return
        left = refused.until - time.monotonic()
        if refused.account is not account or left <= 0:
            del self._refused[account.names[1]]
            return
        verdict = refused.verdict
        passed = verdict.wait - left
        resets = [max(0.0, reset - passed) for reset in verdict.resets]
        error = refusal(
            account.most,
            structs.replace(verdict, wait=left, now=verdict.now + passed, resets=resets),
            caller.name,
            late=False,
        )
        self._counted("limited", "memory")
        raise error

    def _doubt(self, account: Account, verdict: Verdict) -> None:
        """Where it is not well known what has been spent, ask the ledger in the background, or say that nobody can."""
        if NOBODY_SAYS in verdict.known:
            self._nobody_says()
        elif STALE in verdict.known:
            self._later(self._seed(account, [known == STALE for known in verdict.known]))

    async def _seed(self, account: Account, wanted: list[bool]) -> None:
        organisation, key = await self._ledger(account, wanted)
        try:
            await self._shared.seed(account, organisation, key)
        except Unavailable:
            log.debug("Valkey could not be told what has been spent")

    async def _ledger(self, account: Account, wanted: list[bool]) -> tuple[Spent, Spent]:
        """What the ledger says of the organisation, of the key."""
        both = [self._ledger_of(account, place) if one else _unasked() for place, one in enumerate(wanted)]
        organisation, key = await asyncio.gather(*both)
        return organisation, key

    async def _ledger_of(self, account: Account, place: int) -> Spent:
        """What the ledger says of one of them; requests that ask at the same time get the same answer."""
        if self._spent is None:
            return NOBODY
        name = account.names[place]
        task = self._asking.get(name)
        if task is None:
            asked = self._spent(account.organisation, account.key if place else None)
            task = self._asking[name] = asyncio.ensure_future(asked)
            task.add_done_callback(lambda _: self._asking.pop(name, None))
        try:
            spent = await asyncio.shield(task)
        except Unavailable:
            self._nobody_says()
            return NOBODY
        finally:
            del task  # no circle where it has failed: core/let_go.py
        self._told = False
        return spent

    def _nobody_says(self) -> None:
        if not self._told:
            log.warning(
                "Neither Valkey nor the ledger can say what has been spent; budgets count from nothing until then"
            )
        self._told = True

    def _ask_for_local(self, account: Account, now: float) -> None:
        """Let the ledger say what all workers have spent, now that Valkey does not."""
        limited = [any(account.most[at + USD_PER_DAY : at + COUNT]) for at in (0, COUNT)]
        name = account.names[1]
        if not any(limited) or self._asked.get(name, -_LEDGER_PAUSE) > now - _LEDGER_PAUSE:
            return
        if len(self._asked) >= _MOST_KNOWN:
            self._asked.clear()
        self._asked[name] = now
        self._later(self._hear_ledger(account, limited))

    async def _hear_ledger(self, account: Account, wanted: list[bool]) -> None:
        for name, (day, month) in zip(account.names, await self._ledger(account, wanted), strict=True):
            if isinstance(day, int) and isinstance(month, int):
                self._local.hear_spent(name, day, month, time.monotonic() + self._ahead)

    def _later(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _unasked() -> Spent:
    return ASK
