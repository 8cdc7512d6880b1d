"""What is recorded of requests: the ledger with its journal, decisions, and what closes a request's books."""

from __future__ import annotations

import asyncio
from pathlib import Path

from gateway.core.pace import Lengths, Pace
from gateway.records import ledger
from gateway.records.decisions import Decisions
from gateway.records.journal import Journal
from gateway.records.metrics import Metrics
from gateway.records.settle import Settle
from gateway.stores.postgres import Postgres


class Books:
    """The records of one worker, opened and closed together."""

    def __init__(self, data: Path, postgres: Postgres, metrics: Metrics, pace: Pace, lengths: Lengths) -> None:
        self.ledger = ledger.Ledger(Journal(ledger.folder(data)), postgres, refused=metrics.records_refused)
        self.decisions = Decisions(self.ledger, postgres)
        self.settle = Settle(pace, lengths, self.ledger, metrics)
        self._sweeping: asyncio.Task[None] | None = None

    def open(self) -> None:
        """Begin to write; needs the running loop."""
        self.ledger.start()
        self._sweeping = asyncio.get_running_loop().create_task(self.decisions.sweep())

    async def close(self) -> None:
        """Write what is left, if PostgreSQL takes it; else it stays in the journal."""
        if self._sweeping is not None:
            self._sweeping.cancel()
        await self.ledger.close()
