"""Journals cut, spoilt, left by the dead; disks full: every request is recorded once, and what is no line harms nobody."""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import os
import resource
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import uvloop

from gateway.core.ids import uuid7
from gateway.records.ledger import REFUSED
from gateway.stores import postgres_place
from gateway.stores.postgres_place import PostgresPlace
from tests.fakes.postgres import Postgres
from tests.ledger.rig import Words, journals, keep, ledger_at, level, once, organisation, recorded
from tests.unit import wire_rig
from tests.unit.wire_rig import Run

ROOM = 40_000  # bytes; not a whole number of lines
settle = partial(wire_rig.settle, seconds=20.0)  # PostgreSQL is killed and started; machines are busy


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
