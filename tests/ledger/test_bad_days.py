"""PostgreSQL stopped, killed, silent; workers killed: every request is recorded once."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from gateway.records import journal as journal_file
from gateway.stores.postgres_place import PostgresPlace
from tests.fakes.gateway import ROOT
from tests.fakes.postgres import Postgres
from tests.ledger.rig import journals, keep, ledger_at, level, once, recorded
from tests.unit.wire_rig import Run


async def go_on(keeping: Callable[[], str], seconds: float) -> list[str]:
    """Keeps requests for a while."""
    kept, until = [], time.monotonic() + seconds
    while time.monotonic() < until:
        kept += [keeping() for _ in range(3)]
        await asyncio.sleep(0.002)
    return kept


# PostgreSQL.


@pytest.mark.parametrize("trouble", ["killed", "silent"])
def test_postgresql_goes_and_comes_back_under_a_stream_of_requests(
    trouble: str, engine: Postgres, there: PostgresPlace, url: str, mine: str, run: Run[Any], tmp_path: Path
) -> None:
    hurt, mend = (engine.kill, engine.start) if trouble == "killed" else (engine.pause, engine.resume)

    async def work() -> list[str]:
        async with ledger_at(there, tmp_path) as ledger:
            kept = await go_on(lambda: keep(ledger, mine), 0.6)
            for _ in range(2):
                await asyncio.to_thread(hurt)
                try:
                    kept += await go_on(lambda: keep(ledger, mine), 2.5)
                    assert (ledger.state, ledger.full) == ("behind", False)
                    assert ledger._journal._own[-1].synced > 10_000  # and survives a power cut
                finally:
                    await asyncio.to_thread(mend)
                kept += await go_on(lambda: keep(ledger, mine), 0.5)
                await level(ledger)
            return kept

    kept = run(work())
    assert len(kept) > 1000
    assert recorded(url, mine) == once(kept)


def test_connections_that_die_in_the_middle_of_a_batch_double_nothing(
    there: PostgresPlace, url: str, mine: str, run: Run[Any], tmp_path: Path
) -> None:
    over = threading.Event()

    def terminate() -> None:
        with psycopg.connect(url, autocommit=True) as owner:
            while not over.wait(random.uniform(0.01, 0.06)):
                owner.execute("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'syntra_app'")

    async def work() -> list[str]:
        killer = threading.Thread(target=terminate)
        killer.start()
        try:
            async with ledger_at(there, tmp_path) as ledger:
                kept = await go_on(lambda: keep(ledger, mine, "x" * 5_000), 1.5)
                over.set()
                await level(ledger)
                return kept
        finally:
            over.set()
            killer.join()

    kept = run(work())
    assert recorded(url, mine) == once(kept)


def test_a_start_without_postgresql_records_when_it_comes(
    engine: Postgres, there: PostgresPlace, url: str, mine: str, run: Run[Any], tmp_path: Path
) -> None:
    async def work() -> list[str]:
        async with ledger_at(there, tmp_path) as ledger:
            kept = await go_on(lambda: keep(ledger, mine), 0.5)
            await asyncio.to_thread(engine.start)
            await level(ledger)
            return kept

    engine.kill()
    try:
        kept = run(work())
    finally:
        if engine._process is None:
            engine.start()
    assert recorded(url, mine) == once(kept)


def test_a_stop_without_postgresql_leaves_it_to_the_next_start(
    engine: Postgres, there: PostgresPlace, url: str, mine: str, run: Run[Any], tmp_path: Path
) -> None:
    async def work() -> list[str]:
        async with ledger_at(there, tmp_path) as ledger:
            return await go_on(lambda: keep(ledger, mine), 0.3)

    async def again() -> None:
        async with ledger_at(there, tmp_path) as ledger:
            await level(ledger)

    engine.kill()
    try:
        began = time.monotonic()
        kept = run(work())
        assert time.monotonic() - began < 8
    finally:
        engine.start()
    assert journals(tmp_path)
    run(again())
    assert recorded(url, mine) == once(kept)
    assert list(tmp_path.iterdir()) == []


def test_a_long_absence_takes_disk_and_no_memory(
    engine: Postgres,
    there: PostgresPlace,
    url: str,
    mine: str,
    run: Run[Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(journal_file, "_SEGMENT_BYTES", 2_000_000)

    async def work() -> list[str]:
        kept = []
        async with ledger_at(there, tmp_path) as ledger:
            await asyncio.to_thread(engine.kill)
            try:
                for _ in range(1000):
                    kept.append(keep(ledger, mine, "x" * 10_000))
                    await asyncio.sleep(0)
                    assert len(ledger._journal._lines) < 2
                assert len(journals(tmp_path)) > 4
            finally:
                await asyncio.to_thread(engine.start)
            await level(ledger, 60)
        return kept

    kept = run(work())
    assert recorded(url, mine) == once(kept)
    assert list(tmp_path.iterdir()) == []


# Workers.


def worker(url: str, folder: Path, organisation: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.ledger.worker", url, str(folder), organisation]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def killed_after(process: subprocess.Popen[str], seconds: float) -> list[str]:
    """What a worker had told of when it was killed."""
    assert process.stdout is not None
    told = [process.stdout.readline()]  # it has begun
    timer = threading.Timer(seconds, process.kill)
    timer.start()
    with process.stdout:
        told += process.stdout.readlines()
    process.wait()
    timer.join()
    return [line.strip() for line in told if line.endswith("\n")]


@pytest.mark.parametrize("away", [False, True], ids=["PostgreSQL is there", "PostgreSQL is away"])
def test_what_a_worker_had_kept_when_it_was_killed_is_recorded_by_the_next(
    away: bool, engine: Postgres, there: PostgresPlace, url: str, mine: str, run: Run[Any], tmp_path: Path
) -> None:
    kept: list[str] = []
    if away:
        engine.kill()
    try:
        for seconds in (0.0, 0.01, 0.1, 0.24, 0.26, 0.3, 0.55):
            kept += killed_after(worker(url, tmp_path, mine), seconds)
    finally:
        if away:
            engine.start()

    async def next_one() -> None:
        async with ledger_at(there, tmp_path) as ledger:
            await level(ledger)

    run(next_one())
    found = recorded(url, mine)
    assert set(kept) <= set(found)
    assert set(found.values()) == {1}
    assert len(found) - len(kept) <= 7 * 10  # at most what had been kept and not yet told of
    assert list(tmp_path.iterdir()) == []
    with psycopg.connect(url) as owner:
        rows = owner.execute("select count(*) from syntra.ledger where org_id = %s", (mine,)).fetchone()
    assert rows == (3 * len(found),)


def test_the_journal_of_a_worker_that_lives_is_left_alone(
    there: PostgresPlace, url: str, mine: str, run: Run[Any], tmp_path: Path
) -> None:
    process = worker(url, tmp_path, mine)
    assert process.stdout is not None
    process.stdout.readline()

    async def beside() -> None:
        async with ledger_at(there, tmp_path) as ledger:
            ledger._journal.adopt()
            assert not ledger._journal._left
            assert len(journals(tmp_path)) == 2
            keep(ledger, mine)
            await level(ledger)

    run(beside())
    os.kill(process.pid, signal.SIGSTOP)
    assert len(journals(tmp_path)) == 1
    os.kill(process.pid, signal.SIGCONT)
    process.kill()
    with process.stdout:
        process.stdout.read()
    process.wait()


def test_two_that_start_at_once_share_what_the_dead_have_left(
    there: PostgresPlace, url: str, mine: str, run: Run[Any], tmp_path: Path
) -> None:
    kept = [one for _ in range(3) for one in killed_after(worker(url, tmp_path, mine), 0.1)]

    async def together() -> None:
        async with ledger_at(there, tmp_path) as one, ledger_at(there, tmp_path) as other:
            await level(one)
            await level(other)

    run(together())
    assert set(kept) <= set(recorded(url, mine))
    assert list(tmp_path.iterdir()) == []
