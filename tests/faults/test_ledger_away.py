"""PostgreSQL goes away in the middle of the work: nobody notices, and every row is there afterwards, once."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections import Counter
from collections.abc import Mapping

import psycopg

from gateway.core.ids import uuid7
from tests.conftest import StartGateway
from tests.fakes.gateway import Gateway
from tests.fakes.kept import Client
from tests.fakes.postgres import postgres
from tests.fakes.provider import Provider

AWAY = float(os.environ.get("POSTGRES_AWAY_SECONDS", "3"))
BODY = json.dumps(
    {"model": "openai/gpt-4o-mini", "messages": [{"role": "user", "content": "Say hello."}], "temperature": 1}
).encode()


async def work(gateway: Gateway, seen: Counter[int], stop: asyncio.Event) -> None:
    async with Client(gateway.port) as client:
        while not stop.is_set():
            status, _, _ = await client.post("/v1/chat/completions", gateway.key, BODY)
            seen[status] += 1
            await asyncio.sleep(0.01)


def rows(url: str) -> tuple[int, int, int]:
    """Final rows, requests that they are of, attempts."""
    with psycopg.connect(url) as connection:
        counted = connection.execute(
            "select count(*) filter (where attempt = 0), count(distinct request_id), count(*) filter (where attempt > 0)"
            " from syntra.ledger"
        ).fetchone()
    assert counted is not None
    return counted


def test_no_client_notices_and_no_row_is_lost_or_doubled(
    start_gateway: StartGateway, providers: Mapping[str, Provider]
) -> None:
    with postgres() as engine:
        url = engine.database(f"d{uuid7()}")
        gateway = start_gateway("openai", "--workers", "2", DATABASE_URL=url)
        seen: Counter[int] = Counter()

        async def scene() -> None:
            stop = asyncio.Event()
            workers = [asyncio.create_task(work(gateway, seen, stop)) for _ in range(8)]
            await asyncio.sleep(1.5)
            await asyncio.to_thread(engine.kill)
            await asyncio.sleep(AWAY)
            await asyncio.to_thread(engine.start)
            await asyncio.sleep(1)
            stop.set()
            await asyncio.gather(*workers)

        asyncio.run(scene())
        assert set(seen) == {200}
        billed = len(providers["openai"].requests)
        end = time.monotonic() + 15
        while rows(url)[0] < seen[200]:
            assert time.monotonic() < end, (rows(url), seen)
            time.sleep(0.2)
        assert rows(url) == (seen[200], seen[200], billed)
