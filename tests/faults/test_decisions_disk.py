"""Decisions on bad days: lines that were cut, disks that are full or may not be written, workers that crowd."""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import os
import resource
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
import uvloop

from gateway.core.ids import uuid7
from gateway.records import decisions as file
from gateway.records.decisions import Decisions

MANY = 10_000
NOBODY = 65534
ROOM = 40_000  # bytes; not a whole number of lines


class Record(msgspec.Struct):
    id: str
    said: str = "x"


class Line(msgspec.Struct):
    id: str
    organisation: str
    record: Record


class Words(logging.Handler):
    """What was said in the log."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []
        logging.getLogger("syntra").addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(record.getMessage())


def in_another_process(work: Callable[..., None], *arguments: object) -> None:
    in_processes(work, [arguments])


def in_processes(work: Callable[..., None], arguments: list[tuple[object, ...]]) -> None:
    """Run `work` in a new process for each of the arguments, all at once; what fails there fails here."""
    started = [multiprocessing.get_context("spawn").Process(target=work, args=given) for given in arguments]
    for process in started:
        process.start()
    for process in started:
        process.join(60)
    assert [process.exitcode for process in started] == [0] * len(started)


def keep(decisions: Decisions, said: str = "x") -> str:
    record = Record(uuid7(), said)
    decisions.keep(record.id, "acme", record)
    return record.id


async def write(folder: Path, number: int = 1) -> list[str]:
    decisions = Decisions(folder)
    decisions.start()
    ids = [keep(decisions) for _ in range(number)]
    await decisions.close()
    return ids


async def found(folder: Path, ids: list[str]) -> int:
    decisions = Decisions(folder)
    return sum([await decisions.find(one, "acme") is not None for one in ids])


def lines(folder: Path) -> Iterator[bytes]:
    for path in sorted(folder.iterdir()):
        yield from filter(None, path.read_bytes().split(b"\n"))


def whole(line: bytes) -> bool:
    try:
        msgspec.json.decode(line, type=Line)
    except msgspec.DecodeError:
        return False
    return True


def the_file(folder: Path) -> Path:
    (path,) = folder.iterdir()
    return path


@pytest.mark.parametrize("cut", [1, 2, 3, 20, 70, 100])
def test_a_line_that_a_crash_has_cut_costs_only_itself(cut: int, tmp_path: Path) -> None:
    before = uvloop.run(write(tmp_path, 3))
    path = the_file(tmp_path)
    path.write_bytes(path.read_bytes()[:-cut])
    assert uvloop.run(found(tmp_path, before)) == (3 if cut == 1 else 2)
    after = uvloop.run(write(tmp_path, 3))
    assert uvloop.run(found(tmp_path, before)) == (3 if cut == 1 else 2)
    assert uvloop.run(found(tmp_path, after)) == 3


def test_a_line_that_was_cut_and_written_again_is_found(tmp_path: Path) -> None:
    (one,) = uvloop.run(write(tmp_path))
    path = the_file(tmp_path)
    path.write_bytes(path.read_bytes()[:-10] + path.read_bytes())
    assert uvloop.run(found(tmp_path, [one])) == 1


def test_bytes_that_are_no_lines_harm_nobody(tmp_path: Path) -> None:
    before = uvloop.run(write(tmp_path))
    with the_file(tmp_path).open("ab") as torn:
        torn.write(os.urandom(1_000_000))
    assert uvloop.run(found(tmp_path, before + uvloop.run(write(tmp_path)))) == 2


def crowd(folder: Path, number: int) -> None:
    async def work() -> None:
        lost: list[int] = []
        decisions = Decisions(folder, count=lost.append)
        decisions.start()
        ids = []
        for _ in range(number):
            ids.append(keep(decisions, "y" * (len(ids) % 700)))
            while len(decisions._waiting) > 4000:  # noqa: ASYNC110  # as much as the disk takes
                await asyncio.sleep(0.01)
        await decisions.close()
        assert lost == []
        (folder.parent / f"{os.getpid()}.ids").write_text(" ".join(ids))

    uvloop.run(work())


def test_lines_of_two_processes_never_mix(tmp_path: Path) -> None:
    folder = tmp_path / "decisions"
    in_processes(crowd, [(folder, MANY), (folder, MANY)])
    read = [msgspec.json.decode(line, type=Line) for line in lines(folder)]
    kept = {one for path in tmp_path.glob("*.ids") for one in path.read_text().split()}
    assert len(read) == len(kept) == 2 * MANY
    assert {line.record.id for line in read} == kept
    some = sorted(kept)[:: MANY // 50]
    assert uvloop.run(found(folder, some)) == len(some)


async def until_tried(decisions: Decisions) -> None:
    """Long enough for two attempts at writing."""
    await asyncio.sleep(0.6)


def fill(folder: Path) -> None:
    """A disk with room for a part of what comes, and later for all of it."""

    async def work() -> None:
        words, lost = Words(), list[int]()
        decisions = Decisions(folder, count=lost.append)
        decisions.start()
        resource.setrlimit(resource.RLIMIT_FSIZE, (ROOM, resource.RLIM_INFINITY))
        ids = [keep(decisions) for _ in range(1000)]
        await until_tried(decisions)
        assert the_file(folder).stat().st_size == ROOM
        assert [one for one in ids if await decisions.find(one, "acme") is None] == []
        ids.append(keep(decisions))
        await until_tried(decisions)
        assert [word.partition(":")[0] for word in words.said] == [
            "decisions cannot be written, the latest 8192 wait in memory"
        ]
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        await until_tried(decisions)
        assert words.said[1:] == ["decisions are written again"]
        await decisions.close()
        assert lost == []
        assert await found(folder, ids) == 1001
        assert sum(whole(line) for line in lines(folder)) == 1001  # none is there twice

    uvloop.run(work())


def test_a_full_disk_loses_nothing_when_there_is_room_again(tmp_path: Path) -> None:
    in_another_process(fill, tmp_path / "decisions")


def allow(folder: Path, mode: int) -> None:
    folder.chmod(mode)


def lock(folder: Path) -> None:
    """A folder that may not be written for a while."""

    async def work() -> None:
        words, lost = Words(), list[int]()
        decisions = Decisions(folder / "decisions", count=lost.append)
        decisions.start()
        kept = [keep(decisions)]
        await until_tried(decisions)
        assert len(words.said) == 1
        assert "Permission denied" in words.said[0]
        assert await decisions.find(kept[0], "acme")
        allow(folder, 0o700)
        await until_tried(decisions)
        assert words.said[1:] == ["decisions are written again"]
        allow(folder / "decisions", 0o500)  # the file in it is still open to us
        kept.append(keep(decisions))
        await decisions.close()
        assert lost == []
        assert await found(folder / "decisions", kept) == 2

    folder.mkdir()
    if os.geteuid() == 0:  # who may everything must become somebody who may not
        os.chown(folder, NOBODY, NOBODY)
        os.seteuid(NOBODY)
    allow(folder, 0o500)
    uvloop.run(work())
    allow(folder / "decisions", 0o700)  # so that it can be cleared away


def test_a_folder_that_may_not_be_written_is_said_once_and_healed_by_itself() -> None:
    room = Path(tempfile.mkdtemp())  # pytest's own are closed to nobody
    room.chmod(0o755)
    try:
        in_another_process(lock, room / "data")
    finally:
        shutil.rmtree(room)


def test_what_cannot_be_written_at_the_end_is_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "decisions").write_text("in the way")
    lost: list[int] = []

    async def work() -> None:
        decisions = Decisions(tmp_path / "decisions", count=lost.append)
        decisions.start()
        keep(decisions)
        keep(decisions)
        await decisions.close()

    uvloop.run(work())
    assert sum(lost) == 2
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING"]


def test_a_long_trouble_loses_the_oldest_and_says_so_once_a_minute(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file, "_MOST_WAITING", 10)
    monkeypatch.setattr(file, "_MOST_BATCH", 100)
    monkeypatch.setattr(file, "_TICK", 0.01)
    (tmp_path / "decisions").write_text("in the way")
    lost: list[int] = []

    async def work() -> None:
        decisions = Decisions(tmp_path / "decisions", count=lost.append)
        decisions.start()
        await asyncio.sleep(0.05)
        for _ in range(100):
            keep(decisions)
            await asyncio.sleep(0.002)
        assert "lost" not in caplog.text  # the minute has begun without a loss
        assert sum(lost) > 80
        (tmp_path / "decisions").unlink()
        last = keep(decisions)
        await decisions.close()
        assert await found(tmp_path / "decisions", [last]) == 1

    uvloop.run(work())
    assert [record.message for record in caplog.records[-2:]] == [
        "decisions are written again",
        f"{sum(lost)} decisions were lost: the disk did not take them in time",
    ]


def test_a_folder_that_somebody_removed_is_made_again(tmp_path: Path) -> None:
    async def work() -> None:
        decisions = Decisions(tmp_path / "decisions")
        decisions.start()
        keep(decisions)
        await until_tried(decisions)
        shutil.rmtree(tmp_path / "decisions")
        kept = keep(decisions)
        await decisions.close()
        assert await found(tmp_path / "decisions", [kept]) == 1

    uvloop.run(work())
