"""What an organisation has used: sums of its own rows, by day, model, key and intent."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from msgspec import UNSET

from gateway.core.errors import StoreAway
from gateway.core.ids import uuid7
from gateway.records.usage import Group, Spent, Used, spent, used
from gateway.stores import postgres as postgres_file
from gateway.stores import postgres_place
from gateway.stores.breaker import Unavailable
from gateway.stores.postgres import Postgres
from gateway.stores.postgres_place import PostgresPlace
from tests.ledger.conftest import Organise
from tests.unit.wire_rig import Run

FRIDAY = datetime(2026, 11, 27, 23, 59, tzinfo=UTC)
EVER = (datetime(2020, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))


def write(database: str, organisation: str, *rows: dict[str, Any]) -> None:
    with psycopg.connect(database, autocommit=True) as owner:
        for row in rows:
            full: dict[str, Any] = {
                "org_id": organisation, "request_id": uuid7(), "attempt": 0, "at": FRIDAY, "key_id": "laptop", "surface": "chat",
                "asked": "syntra", "status": "answered", "cost": 0, **row,
            }  # fmt: skip
            columns, values = ", ".join(full), ", ".join(f"%({name})s" for name in full)
            owner.execute(f"insert into syntra.ledger ({columns}) values ({values})".encode(), full)  # noqa: S608


def requests(organisation: str) -> list[dict[str, Any]]:
    """Two days, two models, a fallback, a failure and a request without a price."""
    first, second, third, fourth = (uuid7() for _ in range(4))
    mini, haiku = "openai/gpt-4.1-mini", "anthropic/claude-haiku-4-5"
    tokens = {"input_tokens": 10, "cached_tokens": 4, "output_tokens": 5, "reasoning_tokens": 2}
    later = FRIDAY + timedelta(minutes=2)
    return [
        {"request_id": first, "attempt": 1, "model": haiku, "status": "upstream_broken", "cost": 300, "intent": "a"},
        {"request_id": first, "attempt": 2, "model": mini, "cost": 700, "intent": "a", **tokens},
        {"request_id": first, "model": mini, "cost": 1000, "intent": "a", "estimated": True, **tokens},
        {"request_id": second, "attempt": 1, "model": haiku, "cost": 5000, "intent": "b", "at": later, **tokens},
        {"request_id": second, "model": haiku, "cost": 5000, "intent": "b", "at": later, "key_id": "ci", **tokens},
        {"request_id": third, "status": "model_not_found", "at": later},
        {"request_id": fourth, "model": "local/one", "status": "left", "cost": None, "at": later, **tokens},
    ]


async def ask(place: PostgresPlace, organisation: str, groups: Sequence[Group], span: Any = EVER) -> list[Used]:
    async with Postgres(place) as postgres:
        return await used(postgres, organisation, groups, *span)


def test_without_groups_there_is_one_sum(
    database: str, place: PostgresPlace, organise: Organise, run: Run[Any]
) -> None:
    mine = organise()
    write(database, mine, *requests(mine))
    assert run(ask(place, mine, [])) == [
        Used(
            requests=4, attempts=3, errors=1, input_tokens=30, cached_tokens=12, output_tokens=15, reasoning_tokens=6,
            cost=6000, cost_usd="0.000000", estimated=1, unpriced=1,
        )
    ]  # fmt: skip


@pytest.mark.parametrize("groups", [["day"], ["model"], ["key"], ["intent"], ["day", "model", "key", "intent"]])
def test_groups_always_add_up_to_the_whole(
    groups: list[Group], database: str, place: PostgresPlace, organise: Organise, run: Run[Any]
) -> None:
    mine = organise()
    write(database, mine, *requests(mine))
    found = run(ask(place, mine, groups))
    assert len(found) > 1
    assert (sum(one.requests for one in found), sum(one.attempts for one in found)) == (4, 3)
    assert (sum(one.cost for one in found), sum(one.output_tokens for one in found)) == (6000, 15)
    keys = [[getattr(one, name) for name in groups] for one in found]
    assert keys == sorted(keys)
    assert all((getattr(found[0], name) is UNSET) != (name in groups) for name in ("day", "model", "key", "intent"))


def test_days_are_those_of_utc_and_the_end_is_not_in(
    database: str, place: PostgresPlace, organise: Organise, run: Run[Any]
) -> None:
    mine = organise()
    write(database, mine, *requests(mine))
    assert [(one.day, one.requests) for one in run(ask(place, mine, ["day"]))] == [
        ("2026-11-27", 1),
        ("2026-11-28", 3),
    ]
    span = (FRIDAY, FRIDAY + timedelta(minutes=2))
    assert [one.requests for one in run(ask(place, mine, [], span))] == [1]


def test_an_attempt_in_vain_counts_for_the_model_that_was_asked(
    database: str, place: PostgresPlace, organise: Organise, run: Run[Any]
) -> None:
    mine = organise()
    write(database, mine, *requests(mine))
    found = {one.model: (one.requests, one.attempts, one.cost) for one in run(ask(place, mine, ["model"]))}
    assert found == {
        "": (1, 0, 0),
        "anthropic/claude-haiku-4-5": (1, 2, 5000),
        "local/one": (1, 0, 0),
        "openai/gpt-4.1-mini": (1, 1, 1000),
    }


def test_nobody_sees_anothers(database: str, place: PostgresPlace, organise: Organise, run: Run[Any]) -> None:
    mine, other = organise(), organise()
    write(database, mine, *requests(mine))
    assert run(ask(place, other, ["model"])) == []
    assert run(ask(place, other, []))[0].requests == 0


def test_what_was_spent_is_of_this_day_and_this_month_in_nanodollars_rounded_up(
    database: str, place: PostgresPlace, organise: Organise, run: Run[Any]
) -> None:
    mine, now = organise(), datetime.now(UTC)
    month = now.replace(day=1, hour=0, minute=0, second=0)
    write(
        database, mine, {"at": now, "cost": 1001}, {"at": now, "cost": 1, "attempt": 1}, {"at": now, "cost": None},
        {"at": now, "cost": 5000, "key_id": "ci"}, {"at": month, "cost": 7000}, {"at": month - timedelta(1), "cost": 9000},
    )  # fmt: skip

    async def asked() -> tuple[Spent, Spent, Spent]:
        async with Postgres(place) as postgres:
            whole = await spent(postgres, mine)
            return whole, await spent(postgres, mine, "ci"), await spent(postgres, mine, "none")

    whole, ci, none = run(asked())
    first = 7 if now.day == 1 else 0
    assert (whole, ci, none) == (Spent(7 + first, 14), Spent(5, 5), Spent(0, 0))


def test_without_a_database_it_is_said_so(run: Run[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_file, "BACKGROUND_DEADLINE", 0.1)

    async def asked() -> None:
        async with Postgres(postgres_place.place("postgresql://nobody@/none?host=/nowhere")) as postgres:
            with pytest.raises(StoreAway):
                await used(postgres, uuid7(), ["day"], *EVER)
            with pytest.raises(Unavailable):
                await spent(postgres, uuid7())

    run(asked())
