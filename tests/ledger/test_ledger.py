"""What was kept is in PostgreSQL once: as it was, whatever clients wrote, and whatever PostgreSQL says of others."""

from __future__ import annotations

import asyncio
import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import psycopg
import pytest
from msgspec import structs
from psycopg.rows import dict_row

from gateway.core.ids import uuid7
from gateway.records.ledger import REFUSED, SOLE, Row
from gateway.stores.postgres_place import PostgresPlace
from tests.ledger.conftest import Organise
from tests.ledger.rig import Record, journals, keep, ledger_at, level, recorded, row
from tests.unit.wire_rig import Run, settle


def rows(database: str, organisation: str) -> list[dict[str, Any]]:
    with psycopg.connect(database, row_factory=dict_row) as owner:
        query = "select * from syntra.ledger where org_id = %s order by request_id, attempt"
        return owner.execute(query, (organisation,)).fetchall()


def decision(database: str, request_id: str) -> Any:
    with psycopg.connect(database) as owner:
        found = owner.execute("select record from syntra.decision where id = %s", (request_id,)).fetchone()
    assert found is not None
    return json.loads(found[0])


def test_a_row_is_stored_field_by_field(
    place: PostgresPlace, database: str, organise: Organise, run: Run[Any], tmp_path: Path
) -> None:
    mine, request_id = organise(), uuid7()
    at = datetime(2026, 11, 26, 12, 0, 0, 123000, UTC)
    whole = Row(
        request_id, 3, at, "laptop", "embeddings", "syntra", "cut", "ada", "openai/gpt-4.1", "cheap", "coding_help",
        11, 7, 5, 3, 8_550_000, True, 12.5, 99.25,
    )  # fmt: skip
    least = Row(request_id, 0, at, "laptop", "chat", "syntra", "answered")

    async def work() -> None:
        async with ledger_at(place, tmp_path) as ledger:
            ledger.keep(mine, request_id, at, [whole, least], Record(request_id, {"deep": ["ß", None]}))
            await level(ledger)

    run(work())
    final, attempt = rows(database, mine)
    assert msgspec.structs.asdict(whole) == {
        **{name: value for name, value in attempt.items() if name != "org_id"},
        "request_id": attempt["request_id"].hex,
        "sole_ms": None,  # it has a row of its own
    }
    assert attempt["org_id"].hex == mine
    assert (final["person"], final["model"], final["cost"], final["estimated"]) == ("", "", None, False)
    assert decision(database, request_id) == {"id": request_id, "said": {"deep": ["ß", None]}}


def test_a_key_says_on_which_day_it_was_last_used_and_is_written_once_a_day(
    place: PostgresPlace, database: str, organise: Organise, run: Run[Any], tmp_path: Path
) -> None:
    mine, theirs = organise(), organise()
    used, idle, foreign = (str(UUID(uuid7())) for _ in range(3))
    with psycopg.connect(database, autocommit=True) as owner:
        for org, key in ((mine, used), (mine, idle), (theirs, foreign)):
            values = (org, key, key[-12:])
            owner.execute(
                "insert into syntra.api_key (org_id, id, public, digest, name) values (%s, %s, %s, 'x', 'x')", values
            )

    def told() -> dict[str, tuple[str, int]]:
        with psycopg.connect(database) as owner:
            found = owner.execute("select id, last_used_on::text, xmin::text::bigint from syntra.api_key")
            return {str(key): (day, version) for key, day, version in found}

    async def work() -> None:
        async with ledger_at(place, tmp_path) as ledger:
            versions = []
            for day in (25, 26, 26, 24):
                request_id, at = uuid7(), datetime(2026, 11, day, 23, 59, 59, tzinfo=UTC)
                kept = [Row(request_id, 0, at, key, "chat", "syntra", "answered") for key in (used, foreign, "laptop")]
                kept = [structs.replace(one, attempt=number) for number, one in enumerate(kept)]
                ledger.keep(mine, request_id, at, kept, Record(request_id))
                await level(ledger)
                versions.append(told()[used])
            assert [day for day, _ in versions] == ["2026-11-25", "2026-11-26", "2026-11-26", "2026-11-26"]
            assert versions[0] != versions[1] == versions[2] == versions[3]

    run(work())
    assert told()[idle][0] is None
    assert told()[foreign][0] is None  # another organisation's is not seen


def test_a_request_that_is_its_only_attempt_has_both_rows(
    place: PostgresPlace, database: str, organise: Organise, run: Run[Any], tmp_path: Path
) -> None:
    mine, request_id = organise(), uuid7()
    whole = row(request_id, input_tokens=11, cost=8_550_000, ttft_ms=12.5, duration_ms=99.25, sole_ms=80.5)

    async def work() -> None:
        async with ledger_at(place, tmp_path) as ledger:
            for _ in range(2):  # once more changes nothing
                ledger.keep(mine, request_id, whole.at, [whole], Record(request_id))
                await level(ledger)

    run(work())
    final, attempt = rows(database, mine)
    assert (final["attempt"], attempt["attempt"]) == (0, 1)
    assert (final["duration_ms"], attempt["duration_ms"]) == (99.25, 80.5)
    same = final.keys() - {"attempt", "duration_ms"}
    assert [final[name] for name in same] == [attempt[name] for name in same]


def test_a_row_has_every_column_of_the_table_and_no_other(place: PostgresPlace, database: str) -> None:
    with psycopg.connect(database) as owner:
        columns = owner.execute(
            "select column_name, is_nullable from information_schema.columns"
            " where table_schema = 'syntra' and table_name = 'ledger'"
        ).fetchall()
    assert {name for name, _ in columns} == {"org_id", *Row.__struct_fields__} - {SOLE}
    optional = {name for name, nullable in columns if nullable == "YES"}
    assert optional == {"cost", "ttft_ms"}


def test_it_is_in_postgresql_within_half_a_second(
    place: PostgresPlace, database: str, organise: Organise, run: Run[Any], tmp_path: Path
) -> None:
    mine = organise()

    async def work() -> None:
        async with ledger_at(place, tmp_path) as ledger:
            began = time.monotonic()
            one = keep(ledger, mine)
            while not recorded(database, mine)[one]:
                assert time.monotonic() - began < 0.5 + 1  # s for a machine that is busy with other things
                await asyncio.sleep(0.02)
            assert ledger.state == "ok"

    run(work())


def test_keeping_waits_for_nothing_and_the_line_is_on_disk_in_the_loops_next_turn(
    place: PostgresPlace, organise: Organise, run: Run[Any], tmp_path: Path
) -> None:
    async def work() -> None:
        async with ledger_at(place, tmp_path) as ledger:
            (journal,) = journals(tmp_path)
            one = keep(ledger, organise())
            assert journal.read_bytes() == b""
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert one.encode() in journal.read_bytes()
            await level(ledger)
            assert journal.read_bytes() == b""

    run(work())


def test_every_organisation_gets_its_own(
    place: PostgresPlace, database: str, organise: Organise, run: Run[Any], tmp_path: Path
) -> None:
    organisations = [organise() for _ in range(10)]
    kept: dict[str, set[str]] = {one: set() for one in organisations}

    async def work() -> None:
        async with ledger_at(place, tmp_path) as ledger:
            for k in range(2000):
                mine = organisations[k % 10]
                kept[mine].add(keep(ledger, mine, attempts=k % 3))
            await level(ledger)

    run(work())
    for mine in organisations:
        assert set(recorded(database, mine)) == kept[mine]
        assert len(rows(database, mine)) == sum(1 + k % 3 for k in range(2000) if organisations[k % 10] == mine)


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        ("a\0b", "a\ufffdb"),
        ("\ud800half", "?half"),
        ("two\nlines", "two\nlines"),
        ('","rows":[],"decision":{}}', '","rows":[],"decision":{}}'),
        ("\\u0000 written out", "\\u0000 written out"),
        ("ünïcödé \u2028 🤷", "ünïcödé \u2028 🤷"),
        ("\x01\x7f\\", "\x01\x7f\\"),
    ],
)
def test_names_that_clients_give_break_nothing(
    given: str, stored: str, place: PostgresPlace, database: str, organise: Organise, run: Run[Any], tmp_path: Path
) -> None:
    mine = organise()

    async def work() -> None:
        async with ledger_at(place, tmp_path) as ledger:
            before = keep(ledger, mine)
            odd = uuid7()
            odd_row = row(odd, person=given)
            odd_row.asked = given
            ledger.keep(mine, odd, odd_row.at, [odd_row], Record(odd, {given: given}))
            after = keep(ledger, mine)
            await level(ledger)
        assert set(recorded(database, mine)) == {before, odd, after}
        (found,) = [one for one in rows(database, mine) if one["request_id"].hex == odd]
        assert (found["asked"], found["person"]) == (stored, stored)
        assert decision(database, odd)["said"] == {stored: stored}

    run(work())
    assert not (tmp_path / REFUSED).exists()


def test_a_decision_of_many_megabytes_is_cut_and_its_row_kept(
    place: PostgresPlace, database: str, organise: Organise, run: Run[Any], tmp_path: Path
) -> None:
    mine = organise()

    async def work() -> None:
        async with ledger_at(place, tmp_path) as ledger:
            one = keep(ledger, mine, said="x" * 8_000_000)
            await level(ledger)
        assert recorded(database, mine)[one] == 1
        assert len(decision(database, one)["said"]) == 500

    run(work())


def test_json_that_came_with_line_ends_stays_one_line(
    place: PostgresPlace, database: str, organise: Organise, run: Run[Any], tmp_path: Path
) -> None:
    mine = organise()

    async def work() -> None:
        async with ledger_at(place, tmp_path) as ledger:
            one = keep(ledger, mine, said=msgspec.Raw(b'{\n  "a": "b\\nc"\n}'))
            await level(ledger)
        assert decision(database, one)["said"] == {"a": "b\nc"}

    run(work())


def test_what_postgresql_refuses_is_put_aside_and_the_rest_is_recorded(
    place: PostgresPlace,
    database: str,
    organise: Organise,
    run: Run[Any],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    mine, told = organise(), list[int]()
    bad: list[str] = []

    async def work() -> None:
        async with ledger_at(place, tmp_path, refused=told.append) as ledger:
            good = []
            for k in range(300):
                if k in (17, 150, 299):
                    bad.append(keep(ledger, mine, cost=2**70))
                else:
                    good.append(keep(ledger, mine))
            nobody = keep(ledger, "no uuid")
            await level(ledger)
        assert set(recorded(database, mine)) == set(good)
        lines = (tmp_path / REFUSED).read_text().splitlines()
        assert {json.loads(line)["id"] for line in lines} == {*bad, nobody}
        assert sum(told) == len(lines) == 4

    run(work())
    said = [one.message for one in caplog.records if one.levelname == "ERROR"]
    assert len(said) == 4
    assert any("22003" in one for one in said)  # out of range
    assert all("refused.jsonl" in one for one in said)


def test_a_database_that_is_not_set_up_yet_refuses_nothing(
    database: str, place: PostgresPlace, organise: Organise, run: Run[Any], tmp_path: Path
) -> None:
    mine = organise()

    async def work() -> None:
        with psycopg.connect(database, autocommit=True) as owner:
            owner.execute("alter table syntra.ledger rename to ledger_to_come")
            try:
                async with ledger_at(place, tmp_path) as ledger:
                    one = keep(ledger, mine)
                    await asyncio.sleep(0.7)
                    assert ledger.waiting
                    owner.execute("alter table syntra.ledger_to_come rename to ledger")
                    await level(ledger)
            finally:
                owner.execute("alter table if exists syntra.ledger_to_come rename to ledger")
        assert recorded(database, mine) == {one: 1}

    run(work())
    assert not (tmp_path / REFUSED).exists()


def test_what_is_written_twice_is_there_once(
    place: PostgresPlace, database: str, organise: Organise, run: Run[Any], tmp_path: Path
) -> None:
    mine, one = organise(), uuid7()

    async def work() -> None:
        async with ledger_at(place, tmp_path) as ledger:
            for _ in range(3):
                ledger.keep(mine, one, row(one).at, [row(one, 1), row(one)], Record(one))
            await level(ledger)
            ledger.keep(mine, one, row(one).at, [row(one, 1), row(one)], Record(one))
            await level(ledger)

    run(work())
    assert recorded(database, mine) == {one: 1}
    assert len(rows(database, mine)) == 2


def test_a_stop_writes_what_is_left_and_leaves_no_file(
    place: PostgresPlace, database: str, organise: Organise, run: Run[Any], tmp_path: Path
) -> None:
    mine = organise()

    async def work() -> list[str]:
        async with ledger_at(place, tmp_path) as ledger:
            return [keep(ledger, mine) for _ in range(500)]

    kept = run(work())
    assert set(recorded(database, mine)) == set(kept)
    assert list(tmp_path.iterdir()) == []


def test_a_waiting_decision_is_found_by_its_organisation_alone(
    place: PostgresPlace, organise: Organise, run: Run[Any], tmp_path: Path
) -> None:
    mine, other = organise(), organise()

    async def work() -> None:
        async with ledger_at(place, tmp_path) as ledger, ledger_at(place, tmp_path) as another_worker:
            one = keep(ledger, mine, said="é\n\\")
            for asked in (ledger, another_worker):
                found = await asked.find(mine, one)
                assert found is not None
                assert json.loads(found) == {"id": one, "said": "é\n\\"}
                assert await asked.find(other, one) is None
                assert await asked.find(mine, uuid7()) is None
            await level(ledger)
            await settle(lambda: not journals(tmp_path)[0].read_bytes())
            assert await ledger.find(mine, one) is None

    run(work())


def test_what_a_client_wrote_is_never_taken_for_a_decision(
    place: PostgresPlace, organise: Organise, run: Run[Any], tmp_path: Path
) -> None:
    mine, wanted = organise(), uuid7()
    forged = f'\n{{"org":"{mine}","id":"{wanted}","at":"x","rows":[],"decision":{{}}}}\n'

    async def work() -> None:
        async with ledger_at(place, tmp_path) as ledger:
            keep(ledger, mine, said=forged, person=forged)
            keep(ledger, mine, said={forged: msgspec.Raw(json.dumps({"a": forged}, indent=1).encode())})
            assert await ledger.find(mine, wanted) is None
            await level(ledger)

    run(work())
