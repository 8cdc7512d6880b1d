"""Decisions: kept without waiting, found by who was answered, gone after a week."""

from __future__ import annotations

import asyncio
import json
import os
import stat
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway.core.events import Usage
from gateway.core.ids import uuid7
from gateway.core.money import Picodollars
from gateway.core.secret import Secret
from gateway.http.decisions import DecisionLookup
from gateway.http.door import Door
from gateway.http.lounge import Lounge
from gateway.records import decisions as file
from gateway.records.decision import Attempt, Decision, Outcome, view
from gateway.records.decisions import Decisions
from gateway.records.hours import Hours
from gateway.stages.keys import Keys
from policies.engine import Plan, Scored
from policies.facts import Facts, Live
from tests.unit.wire_rig import Run

KEY = "sk-syn-0123456789ab-00112233445566778899aabbccddeeff00112233"
DAY = 86_400_000  # ms


class Record(msgspec.Struct):
    id: str
    said: Any = "x"


def id_at(ms: int) -> str:
    """A uuid7 of another time."""
    return f"{ms:012x}{uuid7()[12:]}"


def now() -> int:
    return time.time_ns() // 1_000_000


def keep(decisions: Decisions, said: Any = "x", organisation: str = "acme", at: int | None = None) -> Record:
    record = Record(uuid7() if at is None else id_at(at), said)
    decisions.keep(record.id, organisation, record)
    return record


async def found(decisions: Decisions, record: Record, organisation: str = "acme") -> bool:
    line = await decisions.find(record.id, organisation)
    assert line is None or msgspec.json.decode(line, type=Record) == record
    return line is not None


async def written(folder: Path, *organisations: str, **saids: Any) -> list[Record]:
    """Decisions that a process which has ended has written."""
    decisions = Decisions(folder)
    decisions.start()
    records = [keep(decisions, organisation=name) for name in organisations]
    records += [keep(decisions, said) for said in saids.values()]
    await decisions.close()
    return records


def test_a_decision_is_found_before_it_is_written(run: Run[Any], tmp_path: Path) -> None:
    async def asked() -> None:
        decisions = Decisions(tmp_path / "decisions")
        record = keep(decisions)
        assert await found(decisions, record)
        assert not (tmp_path / "decisions").exists()

    run(asked())


def test_another_worker_finds_it_within_half_a_second(run: Run[Any], tmp_path: Path) -> None:
    async def asked() -> None:
        mine, other = Decisions(tmp_path), Decisions(tmp_path)
        mine.start()
        record = keep(mine)
        began = time.monotonic()
        for _ in range(200):
            if await found(other, record):
                break
            await asyncio.sleep(0.02)
        assert time.monotonic() - began < 0.5 + 1  # s for a machine that is busy with other things
        await mine.close()

    run(asked())


def test_it_is_found_after_a_restart(run: Run[Any], tmp_path: Path) -> None:
    async def asked() -> None:
        (record,) = await written(tmp_path, "acme")
        assert await found(Decisions(tmp_path), record)

    run(asked())


def test_another_organisations_is_as_unknown_as_one_that_never_was(run: Run[Any], tmp_path: Path) -> None:
    async def asked() -> None:
        decisions = Decisions(tmp_path)
        waiting = keep(decisions)
        assert await decisions.find(waiting.id, "other") is None
        (record,) = await written(tmp_path, 'ac"me')
        assert await found(decisions, record, 'ac"me')
        for foreign in ("acme", "ac", "", 'ac"me","record":{', "*"):
            assert await decisions.find(record.id, foreign) is None

    run(asked())


def test_what_a_client_wrote_is_never_taken_for_a_decision(run: Run[Any], tmp_path: Path) -> None:
    async def asked() -> None:
        wanted = uuid7()
        forged = f'\n{{"id":"{wanted}","organisation":"acme","record":{{}}}}\n'
        raw = msgspec.Raw(json.dumps({"a": forged}, indent=2).encode())
        records = await written(tmp_path, text=forged, key={forged: 1}, raw=raw)
        decisions = Decisions(tmp_path)
        assert await decisions.find(wanted, "acme") is None
        for record in records:
            line = await decisions.find(record.id, "acme")
            assert line is not None
            assert b"\n" not in line
            assert msgspec.json.decode(line)["id"] == record.id

    run(asked())


@pytest.mark.parametrize(
    "decision_id",
    [
        "",
        "x",
        "../../key",
        "0" * 32,
        "é" * 32,
        uuid7().upper(),
        uuid7()[:-1],
        f"{uuid7()}0",
        f"{uuid7()}\n",
        f"{uuid7()[:12]}4{uuid7()[13:]}",
        id_at(now() - 8 * DAY),
        id_at(now() + DAY),
        "f" * 12 + uuid7()[12:],
    ],
    ids=repr,
)
def test_an_id_that_cannot_be_kept_costs_no_look_at_the_disk(
    decision_id: str, run: Run[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Hours, "find", lambda *_: pytest.fail("looked"))
    assert run(Decisions(tmp_path).find(decision_id, "acme")) is None


def test_the_hour_of_a_file_is_that_of_its_ids(run: Run[Any], tmp_path: Path) -> None:
    async def asked() -> None:
        decisions = Decisions(tmp_path)
        decisions.start()
        earlier = now() - 3_600_000
        records = [keep(decisions, at=earlier), keep(decisions), keep(decisions, at=earlier), keep(decisions)]
        await decisions.close()
        assert all([await found(decisions, record) for record in records])

    at = now() - 3_600_000
    run(asked())
    names = [time.strftime("%Y-%m-%dT%H.000.jsonl", time.gmtime(ms / 1e3)) for ms in (at, at + 3_600_000)]
    assert sorted(path.name for path in tmp_path.iterdir()) == names


def test_every_line_is_json_by_itself(run: Run[Any], tmp_path: Path) -> None:
    run(written(tmp_path, "acme", "other", snow="☃\u2028\n"))
    (path,) = tmp_path.iterdir()
    lines = [msgspec.json.decode(line) for line in path.read_bytes().split(b"\n") if line]
    assert [line["organisation"] for line in lines] == ["acme", "other", "acme"]
    assert [line["id"] for line in lines] == [line["record"]["id"] for line in lines]


@pytest.fixture
def wide_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.usefixtures("wide_umask")
def test_only_the_owner_may_read_them(run: Run[Any], tmp_path: Path) -> None:
    folder = tmp_path / "decisions"
    run(written(folder, "acme"))
    (path,) = folder.iterdir()
    assert (stat.S_IMODE(folder.stat().st_mode), stat.S_IMODE(path.stat().st_mode)) == (0o700, 0o600)


def test_when_nothing_is_written_the_oldest_are_lost_and_counted(
    run: Run[Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def asked() -> list[int]:
        lost: list[int] = []
        decisions = Decisions(tmp_path, count=lost.append)
        records = [keep(decisions) for _ in range(file._MOST_WAITING + 10)]
        assert not await found(decisions, records[9])
        assert await found(decisions, records[10])
        decisions.start()
        await decisions.close()
        assert await found(Decisions(tmp_path), records[-1])
        return lost

    assert sum(run(asked())) == 10
    assert [record.message for record in caplog.records] == [
        "10 decisions were lost: the disk did not take them in time"
    ]


def test_one_that_cannot_be_written_costs_no_other(
    run: Run[Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def asked() -> None:
        lost: list[int] = []
        decisions = Decisions(tmp_path, count=lost.append)
        decisions.start()
        good = keep(decisions)
        for bad in (object(), "\ud800", "x" * file._MOST_LINE, msgspec.Raw(b"[\n")):
            keep(decisions, bad)
        last = keep(decisions)
        await decisions.close()
        assert sum(lost) == 4
        assert await found(decisions, good)
        assert await found(decisions, last)

    run(asked())
    assert len(caplog.records) == 1


def test_a_defect_costs_what_it_struck_and_nothing_that_comes_after(
    run: Run[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(file, "_TICK", 0.01)

    async def asked() -> None:
        lost: list[int] = []
        decisions = Decisions(tmp_path, count=lost.append)
        decisions.start()
        with monkeypatch.context() as broken:
            broken.setattr(Hours, "append", lambda *_: 1 / 0)
            keep(decisions)
            await asyncio.sleep(0.2)
        record = keep(decisions)
        await decisions.close()
        assert sum(lost) == 1
        assert await found(decisions, record)

    run(asked())
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING"]


def test_a_backlog_of_many_batches_is_written_whole(
    run: Run[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file, "_MOST_BATCH", 10_000)

    async def asked() -> None:
        decisions = Decisions(tmp_path)
        decisions.start()
        records = [keep(decisions, "y" * 300) for _ in range(500)]
        await decisions.close()
        assert all([await found(decisions, record) for record in records])

    run(asked())


def test_a_line_is_found_wherever_the_blocks_of_the_search_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.records.hours._BLOCK", 64)
    hours = Hours(tmp_path, most_days=7, most_bytes=1 << 20, part_bytes=1 << 20)
    lines = [b'{"id":"%032d","x":"%b"}' % (k, b"-" * (k * 7 % 90)) for k in range(200)]
    hours.append(now(), lines)
    for k, line in enumerate(lines):
        assert list(hours.find(now(), b'{"id":"%032d",' % k)) == [line]
    assert list(hours.find(now(), b'{"id":"%032d",' % 200)) == []


def test_what_is_too_old_is_dropped(tmp_path: Path) -> None:
    hours = Hours(tmp_path, most_days=7, most_bytes=1 << 20, part_bytes=1 << 20)
    for days in (9, 8, 6, 0):
        hours.append(now() - days * DAY, [b"%d" % days])
    (tmp_path / "note.txt").write_text("somebody's")
    hours.sweep(now())
    assert [list(hours.find(now() - days * DAY, b"%d" % days)) for days in (9, 8, 6, 0)] == [[], [], [b"6"], [b"0"]]
    assert (tmp_path / "note.txt").exists()


def test_what_is_too_much_is_dropped_oldest_first_even_within_an_hour(tmp_path: Path) -> None:
    hours = Hours(tmp_path, most_days=7, most_bytes=5000, part_bytes=1000)
    for k in range(100):
        hours.append(now(), [b"%03d %b" % (k, b"x" * 100)])
    hours.sweep(now())
    left = [k for k in range(100) if list(hours.find(now(), b"%03d " % k))]
    assert left == list(range(left[0], 100))
    assert 4000 < sum(path.stat().st_size for path in tmp_path.iterdir()) <= 5000


def test_several_workers_may_drop_at_once_and_drop_no_more_than_one(tmp_path: Path) -> None:
    hours = Hours(tmp_path, most_days=7, most_bytes=5000, part_bytes=100)
    for k in range(100):
        hours.append(now(), [b"%03d %b" % (k, b"x" * 100)])
    for k in range(100):
        (tmp_path / f"2020-01-01T00.{k:03d}.jsonl").write_bytes(b"x" * 100)
    start = threading.Barrier(4)
    failed: list[BaseException] = []

    def race() -> None:
        start.wait()
        try:
            hours.sweep(now())
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=race) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert 4800 < sum(path.stat().st_size for path in tmp_path.iterdir()) <= 5000


def asked_for(run: Run[Any], decisions: Decisions, path: str, key: str = KEY) -> tuple[int, dict[str, Any]]:
    """The status and body of a GET at the route."""
    sent: list[Any] = []

    async def ask() -> None:
        async def receive() -> Any:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        door = Door(Keys(Secret(KEY), persona=True), Lounge(1.0), lambda surface, status: None)
        headers = [(b"authorization", f"Bearer {key}".encode())]
        scope: Any = {"type": "http", "method": "GET", "path": path, "headers": headers}
        await door.route("GET", "decisions", DecisionLookup(decisions).serve)(scope, receive, send)

    run(ask())
    return sent[0]["status"], json.loads(b"".join(message["body"] for message in sent[1:]))


def test_the_route_shows_the_callers_decision_as_it_was_before_it_was_written(run: Run[Any], tmp_path: Path) -> None:
    chosen, other = Scored("openai/gpt-4o", 0.9, 0.8, 12_000_000, 300.0, rank=1), Scored("google/gemini-2.5-flash", 0.5)
    decision = Decision(
        uuid7(),
        "local",
        "0123456789ab",
        "syntra",
        facts=Facts(needs=("tools",), qualities={"openai/gpt-4o": 0.7}),
        plan=Plan("balanced", 0.6, (chosen,), (chosen, other)),
        live={"openai/gpt-4o": Live(300.0, 80.0, 0.0)},
        attempts=[Attempt("openai/gpt-4o", ttft_ms=312.0)],
        outcome=Outcome("answered", "openai/gpt-4o", Usage(10, 20, 30), Picodollars(7), 312.0, 900.0),
    )
    decisions = Decisions(tmp_path)
    decisions.keep(decision.id, "local", decision)

    async def write() -> None:
        decisions.start()
        await decisions.close()

    run(write())
    status, told = asked_for(run, decisions, f"/api/decisions/{decision.id}")
    assert (status, told) == (200, json.loads(msgspec.json.encode(view(decision))))
    assert [line["model"] for line in told["candidates"]] == ["openai/gpt-4o", "google/gemini-2.5-flash"]


def test_the_route_shows_what_another_version_wrote(run: Run[Any], tmp_path: Path) -> None:
    decisions = Decisions(tmp_path)
    record = keep(decisions, organisation="local")
    assert asked_for(run, decisions, f"/api/decisions/{record.id}") == (200, {"id": record.id, "said": "x"})


@pytest.mark.parametrize("path", ["", "/", "/x", f"/{uuid7()}", "/a/b"])
def test_the_route_knows_no_other(path: str, run: Run[Any], tmp_path: Path) -> None:
    status, told = asked_for(run, Decisions(tmp_path), f"/api/decisions{path}")
    assert (status, told["error"]["code"], told["error"]["type"]) == (
        404,
        "decision_not_found",
        "invalid_request_error",
    )


def test_the_route_needs_a_key(run: Run[Any], tmp_path: Path) -> None:
    assert asked_for(run, Decisions(tmp_path), f"/api/decisions/{uuid7()}", "sk-other")[0] == 401
