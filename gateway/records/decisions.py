"""Every decision, kept for a week, found again by its id by any worker, also after a restart."""

from __future__ import annotations

import asyncio
import logging
import random
import re
import time
from typing import Final

from psycopg import Error

from gateway.core.errors import StoreAway
from gateway.records.ledger import Ledger
from gateway.stores.breaker import Unavailable
from gateway.stores.postgres import Postgres

DAYS: Final = 7  # long enough to ask on Monday about Thursday
_WEEK: Final = DAYS * 86_400_000  # ms
_AHEAD: Final = 60_000  # ms that another machine's clock may be before ours
_HOUR: Final = 3600.0
_MINUTE: Final = 60.0
_MOST_SEARCHES: Final = 2  # of journals, at a time: each is a thread
_LOCK: Final = 0x7377656570  # "sweep"
_ID: Final = re.compile(r"[0-9a-f]{12}7[0-9a-f]{3}[89ab][0-9a-f]{15}")

log = logging.getLogger("syntra")


class Decisions:
    """Looks decisions up, where they are on their way to PostgreSQL and there; and drops what is too old."""

    def __init__(self, ledger: Ledger, postgres: Postgres) -> None:
        self._ledger = ledger
        self._postgres = postgres
        self._searches = asyncio.Semaphore(_MOST_SEARCHES)

    async def find(self, decision_id: str, organisation: str) -> bytes | None:
        """A decision's JSON, if it is this organisation's; of another's one learns as much as of one that never was.

        Raises StoreAway where it is not on this machine and PostgreSQL cannot be asked.
        """
        if _ID.fullmatch(decision_id) is None:
            return None
        at, now = int(decision_id[:12], 16), time.time_ns() // 1_000_000
        if not now - _WEEK <= at <= now + _AHEAD:
            return None
        # In this order: what leaves the journal is in PostgreSQL by then.
        async with self._searches:
            record = await self._ledger.find(organisation, decision_id)
        if record is not None:
            return record
        try:
            return await self._postgres.soon(self._ask(decision_id, organisation))
        except Unavailable:
            raise StoreAway("Decisions cannot be looked up now; please try again.") from None

    async def _ask(self, decision_id: str, organisation: str) -> bytes | None:
        async with self._postgres.tenant(organisation) as cursor:
            await cursor.execute("select record from decision where id = %s", (decision_id,))
            row = await cursor.fetchone()
        return None if row is None else str(row["record"]).encode()

    async def sweep(self) -> None:
        """Drop what is too old, once an hour, for ever; of several workers one does it at a time."""
        pause = random.uniform(0, _MINUTE)  # noqa: S311  # workers shall not come all at once
        while True:
            await asyncio.sleep(pause)
            pause = _HOUR
            try:
                await self._postgres.call("select case when pg_try_advisory_xact_lock(%s) then sweep() end", _LOCK)
            except (Unavailable, Error) as error:
                log.debug("old decisions were not dropped: %s", error)
                pause = _MINUTE
