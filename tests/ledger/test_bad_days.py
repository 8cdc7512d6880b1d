"""PostgreSQL stopped, killed, silent; workers killed; disks full: every request is recorded once."""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import os
import random
import resource
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest
import uvloop

from gateway.core.ids import uuid7
from gateway.records import journal as journal_file
from gateway.records.ledger import REFUSED
from gateway.stores import postgres_place
from gateway.stores.postgres_place import PostgresPlace
from tests.fakes.gateway import ROOT
from tests.fakes.postgres import Postgres, postgres
from tests.fakes.tenants import set_up
from tests.ledger.rig import Words, journals, keep, ledger_at, level, recorded
from tests.unit import wire_rig
from tests.unit.wire_rig import Run

ROOM = 40_000  # bytes; not a whole number of lines
NOBODY = 65534


settle = partial(wire_rig.settle, seconds=20.0)  # PostgreSQL is killed and started; machines are busy


@pytest.fixture(scope="module")
def engine() -> Iterator[Postgres]:
    with postgres() as running:
        yield running


@pytest.fixture
def url(engine: Postgres) -> str:
    return engine.database(f"d{uuid7()}")


@pytest.fixture
def there(url: str) -> PostgresPlace:
    return set_up(url)


def organisation(url: str) -> str:
    name = uuid7()
    with psycopg.connect(url, autocommit=True) as owner:
        owner.execute("insert into syntra.organisation (id, name) values (%s, %s)", (name, name))
    return name


@pytest.fixture
def mine(there: PostgresPlace, url: str) -> str:
    return organisation(url)


def once(kept: list[str]) -> Counter[str]:
    return Counter(dict.fromkeys(kept, 1))


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


# Files.


def left(folder: Path, data: bytes) -> Path:
    """A journal whose process is dead."""
    folder.mkdir(exist_ok=True)
    path = folder / f"{uuid7()}.jsonl"
    path.write_bytes(data)
    return path


def lines(place: PostgresPlace, folder: Path, organisation: str, number: int) -> tuple[list[str], bytes]:
    """A journal's bytes, and the ids in it."""

    async def work() -> tuple[list[str], bytes]:
        async with ledger_at(place, folder) as ledger:
            ids = [keep(ledger, organisation) for _ in range(number)]
            ledger._journal.flush()
            return ids, journals(folder)[0].read_bytes()

    return uvloop.run(work())


@pytest.mark.parametrize("cut", [1, 2, 3, 20, 60, 150, 300])
def test_a_line_that_a_crash_has_cut_costs_only_itself(
    cut: int, there: PostgresPlace, url: str, run: Run[Any], tmp_path: Path
) -> None:
    mine, other = organisation(url), organisation(url)
    ids, data = lines(there, tmp_path / "before", mine, 3)
    left(tmp_path / "after", data[:-cut].replace(mine.encode(), other.encode()))

    async def work() -> None:
        async with ledger_at(there, tmp_path / "after") as ledger:
            await level(ledger)

    run(work())
    assert recorded(url, other) == once(ids[:-1])
    assert list((tmp_path / "after").iterdir()) == []


@pytest.mark.parametrize(
    "garbage", [b"\0" * 100_000 + b"\n", os.urandom(3_000_000).replace(b"\n", b"x"), b'{"org":"\n', b"{}\n\n\n"]
)
def test_bytes_that_are_no_lines_harm_nobody(
    garbage: bytes, there: PostgresPlace, url: str, run: Run[Any], tmp_path: Path
) -> None:
    mine, other = organisation(url), organisation(url)
    ids, data = lines(there, tmp_path / "before", mine, 3)
    left(tmp_path / "after", (data + garbage + data).replace(mine.encode(), other.encode()))
    left(tmp_path / "after", garbage)

    async def work() -> None:
        async with ledger_at(there, tmp_path / "after") as ledger:
            await level(ledger)

    run(work())
    assert recorded(url, other) == once(ids)
    assert journals(tmp_path / "after") == []


def test_a_line_of_the_dead_that_is_refused_is_put_aside(
    there: PostgresPlace, url: str, mine: str, run: Run[Any], tmp_path: Path
) -> None:
    ids, data = lines(there, tmp_path / "before", mine, 2)
    first, second = (line for line in data.split(b"\n") if line)
    spoiled = second.replace(b'"attempt":0', b'"attempt":"none"')
    left(tmp_path / "after", b"\n".join([spoiled, b'{"org":"x","rows":[],"decision":{}}', first, b""]))

    async def work() -> None:
        async with ledger_at(there, tmp_path / "after") as ledger:
            await level(ledger)

    run(work())
    assert recorded(url, mine) == once(ids)
    assert (tmp_path / "after" / REFUSED).read_bytes().splitlines()[0] == spoiled


# Disks.


def in_another_process(work: Callable[..., None], *arguments: object) -> None:
    process = multiprocessing.get_context("spawn").Process(target=work, args=arguments)
    process.start()
    process.join(60)
    assert process.exitcode == 0


def fill(url: str, folder: Path, organisation: str, *, well: bool) -> None:
    """A disk with room for a part of what comes, and later for all of it."""
    unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)

    async def work() -> None:
        words, place = Words(), postgres_place.place(url)
        if not well:
            place = postgres_place.place("postgresql://nobody@/none?host=/nowhere")
        async with ledger_at(place, folder) as ledger:
            resource.setrlimit(resource.RLIMIT_FSIZE, (ROOM, resource.RLIM_INFINITY))
            ids = [keep(ledger, organisation) for _ in range(1000)]
            await settle(lambda: ledger.full)
            assert len([word for word in words.said if "cannot be written" in word]) == 1
            if well:  # the disk is in trouble, PostgreSQL is not
                await level(ledger)
                assert ledger.full
            else:
                await asyncio.sleep(1.2)
                ids.append(keep(ledger, organisation))
            resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
            await settle(lambda: not ledger.full)
            assert "the ledger's journal is written again" in words.said
            ids += [keep(ledger, organisation) for _ in range(10)]
            if well:
                await level(ledger)
        (folder.parent / "ids").write_text(" ".join(ids))

    uvloop.run(work())


@pytest.mark.parametrize("well", [True, False], ids=["PostgreSQL is there", "PostgreSQL is away"])
def test_a_full_disk_takes_no_new_work_and_loses_none(
    well: bool, there: PostgresPlace, url: str, mine: str, run: Run[Any], tmp_path: Path
) -> None:
    def start() -> None:
        in_another_process(fill_well if well else fill_away, url, tmp_path / "ledger", mine)

    async def next_one() -> None:
        async with ledger_at(there, tmp_path / "ledger") as ledger:
            await level(ledger)

    start()
    run(next_one())
    assert recorded(url, mine) == once((tmp_path / "ids").read_text().split())


def fill_well(url: str, folder: Path, organisation: str) -> None:
    fill(url, folder, organisation, well=True)


def fill_away(url: str, folder: Path, organisation: str) -> None:
    fill(url, folder, organisation, well=False)


def test_a_folder_that_cannot_be_made_is_said_and_healed_by_itself(
    there: PostgresPlace, url: str, mine: str, run: Run[Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "ledger").write_text("in the way")

    async def work() -> list[str]:
        async with ledger_at(there, tmp_path / "ledger") as ledger:
            assert (ledger.full, ledger.state) == (True, "full")
            kept = [keep(ledger, mine)]
            await level(ledger)  # from memory
            (tmp_path / "ledger").unlink()
            await settle(lambda: not ledger.full)
            kept.append(keep(ledger, mine))
            await level(ledger)
            return kept

    kept = run(work())
    assert recorded(url, mine) == once(kept)
    assert [one.levelno for one in caplog.records if "journal" in one.message] == [logging.ERROR, logging.WARNING]


def test_trouble_with_both_at_once_loses_nothing(
    engine: Postgres, there: PostgresPlace, url: str, mine: str, run: Run[Any], tmp_path: Path
) -> None:
    (tmp_path / "ledger").write_text("in the way")

    async def work() -> list[str]:
        async with ledger_at(there, tmp_path / "ledger") as ledger:
            await asyncio.to_thread(engine.pause)
            kept = [keep(ledger, mine) for _ in range(10)]
            await settle(lambda: ledger._journal._out)  # PostgreSQL has them, and says nothing
            kept += [keep(ledger, mine) for _ in range(10)]
            (tmp_path / "ledger").unlink()
            await settle(lambda: not ledger.full)
            kept += [keep(ledger, mine) for _ in range(10)]
            await asyncio.to_thread(engine.kill)
            await settle(lambda: not ledger._journal._out)
            await asyncio.to_thread(engine.start)
            await level(ledger)
            assert ledger.waiting == 0
            return kept

    kept = run(work())
    assert recorded(url, mine) == once(kept)


def test_a_journal_over_its_limit_takes_no_new_work_until_it_is_drained(
    engine: Postgres, there: PostgresPlace, url: str, mine: str, run: Run[Any], tmp_path: Path
) -> None:
    async def work() -> list[str]:
        async with ledger_at(there, tmp_path, most_bytes=100_000) as ledger:
            await asyncio.to_thread(engine.kill)
            kept = []
            try:
                while not ledger.full:
                    kept.append(keep(ledger, mine))
                    await asyncio.sleep(0)
                kept += [keep(ledger, mine) for _ in range(100)]  # what was under way is recorded all the same
            finally:
                await asyncio.to_thread(engine.start)
            await settle(lambda: not ledger.full)
            await level(ledger)
            return kept

    kept = run(work())
    assert recorded(url, mine) == once(kept)


def test_an_empty_journal_of_the_dead_is_removed_and_one_that_is_just_being_made_is_not(
    there: PostgresPlace, run: Run[Any], tmp_path: Path
) -> None:
    old, new, other = left(tmp_path, b""), left(tmp_path, b""), tmp_path / "notes.jsonl"
    other.write_text("not ours\n")
    os.utime(old, (time.time() - 120, time.time() - 120))

    async def work() -> None:
        async with ledger_at(there, tmp_path):
            assert not old.exists()
            assert new.exists()

    run(work())
    assert other.read_text() == "not ours\n"
