"""PostgreSQL fails over: every connection dies, again and again, and no client hears of it. Row S3 of the fault table."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Mapping

import psycopg

from tests.conftest import StartGateway
from tests.fakes.caller import ask
from tests.fakes.gateway import OPENAI
from tests.fakes.provider import Provider
from tests.fakes.server import wait_for

SECONDS = 3.0
KILL = "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'syntra_app' and datname = current_database()"


def recorded(url: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute("select count(*) from syntra.ledger where attempt = 0").fetchone()
    assert row is not None
    return int(row[0])


def test_connections_that_die_again_and_again_are_nobodys_error(
    start_gateway: StartGateway, providers: Mapping[str, Provider]
) -> None:
    gateway = start_gateway("openai")
    url = gateway.stores["DATABASE_URL"]
    assert ask(gateway, OPENAI.model).status == 200
    seen: Counter[int] = Counter()
    over = threading.Event()

    def work() -> None:
        while not over.is_set():
            seen[ask(gateway, OPENAI.model).status] += 1

    clients = [threading.Thread(target=work) for _ in range(3)]
    for client in clients:
        client.start()
    killed = 0
    with psycopg.connect(url, autocommit=True) as connection:
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            killed += len(connection.execute(KILL).fetchall())
            time.sleep(0.05)
    over.set()
    for client in clients:
        client.join()
    assert killed > 5
    assert set(seen) == {200}
    wait_for(lambda: recorded(url) == seen[200] + 1, 10)
