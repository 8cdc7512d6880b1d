"""A ledger as a worker has it, an organisation for it, and what PostgreSQL has of both."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import psycopg

from gateway.core.ids import uuid7
from gateway.records.journal import MOST_BYTES, Journal
from gateway.records.ledger import Ledger, Row, started
from gateway.stores.postgres import Postgres
from gateway.stores.postgres_place import PostgresPlace


class Record(msgspec.Struct):
    """Stands for a decision."""

    id: str
    said: Any = "x"


class Words(logging.Handler):
    """What was said in the log."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []
        logging.getLogger("syntra").addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(record.getMessage())


@asynccontextmanager
async def ledger_at(
    place: PostgresPlace, folder: Path, *, most_bytes: int = MOST_BYTES, refused: Callable[[int], None] = lambda _: None
) -> AsyncIterator[Ledger]:
    async with Postgres(place) as postgres:
        ledger = Ledger(Journal(folder, most_bytes=most_bytes), postgres, refused=refused)
        ledger.start()
        try:
            yield ledger
        finally:
            await ledger.close()


def row(request_id: str, attempt: int = 0, **values: Any) -> Row:
    return Row(request_id, attempt, started(request_id), "laptop", "chat", "syntra", "answered", **values)


def keep(ledger: Ledger, organisation: str, said: Any = "x", attempts: int = 1, **values: Any) -> str:
    """Keeps a request with some attempts, and gives its id."""
    request_id = uuid7()
    rows = [row(request_id, (attempt + 1) % (attempts + 1), **values) for attempt in range(attempts + 1)]
    ledger.keep(organisation, request_id, rows[0].at, rows, Record(request_id, said))
    return request_id


def recorded(database: str, organisation: str) -> Counter[str]:
    """How often each request's final row is there; a decision that is missing counts as none."""
    with psycopg.connect(database) as owner:
        final = owner.execute("select request_id from syntra.ledger where org_id = %s and attempt = 0", (organisation,))
        found = Counter(one.hex for (one,) in final)
        decisions = owner.execute("select id from syntra.decision where org_id = %s", (organisation,))
        assert {one.hex for (one,) in decisions} == set(found)
    return found


async def level(ledger: Ledger, seconds: float = 20.0) -> None:
    """Until everything is in PostgreSQL."""
    until = time.monotonic() + seconds
    while ledger.waiting:
        assert time.monotonic() < until, f"{ledger.waiting} bytes are still waiting"
        await asyncio.sleep(0.02)


def journals(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*.jsonl") if path.name != "refused.jsonl")


def organisation(url: str) -> str:
    name = uuid7()
    with psycopg.connect(url, autocommit=True) as owner:
        owner.execute("insert into syntra.organisation (id, name) values (%s, %s)", (name, name))
    return name


def once(kept: list[str]) -> Counter[str]:
    return Counter(dict.fromkeys(kept, 1))
