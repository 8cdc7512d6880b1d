"""The one question that a request asks of PostgreSQL: its answer is its own, whatever became of the one before it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import psycopg
import pytest
from psycopg.errors import DataError, DivisionByZero

from gateway.core.ids import uuid7
from gateway.stores import postgres as store
from gateway.stores.breaker import Unavailable
from tests.fakes import postgres as fakes
from tests.fakes.server import wait_for
from tests.fakes.tenants import set_up

WHO = b"select pg_backend_pid()"
ECHO = b"select $1::text"
SLOW = b"select pg_sleep($1::float8)"


@pytest.fixture(scope="module", name="engine")
def running() -> Iterator[fakes.Postgres]:
    with fakes.postgres() as engine:
        yield engine


@asynccontextmanager
async def asked(engine: fakes.Postgres) -> AsyncIterator[store.Postgres]:
    """A database, as a worker asks it, that has been asked once."""
    async with store.Postgres(set_up(engine.database(f"d{uuid7()}"))) as postgres:
        assert await postgres.value(ECHO, "first") == b"first"
        yield postgres


def test_one_question_after_the_other_goes_over_one_connection(engine: fakes.Postgres) -> None:
    async def scene() -> None:
        async with asked(engine) as postgres:
            assert len({await postgres.value(WHO) for _ in range(5)}) == 1
            assert await postgres.value(b"select null") == b""
            assert len(await postgres.call("select 1")) == 1

    asyncio.run(scene())


def test_of_many_at_once_each_hears_its_own_answer(engine: fakes.Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.stores.postgres.DEADLINE", 20.0)

    async def scene() -> None:
        async with asked(engine) as postgres:
            said = [f"{number} of many" for number in range(60)]
            assert await asyncio.gather(*(postgres.value(ECHO, one) for one in said)) == [one.encode() for one in said]

    asyncio.run(scene())


def test_a_question_that_is_larger_than_the_socket_is_asked_whole(
    engine: fakes.Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.stores.postgres.DEADLINE", 20.0)

    async def scene() -> None:
        async with asked(engine) as postgres:
            assert await postgres.value(b"select length($1)", "x" * 9_000_000) == b"9000000"
            assert await postgres.value(ECHO, "y" * 9_000_000) == b"y" * 9_000_000

    asyncio.run(scene())


def test_what_is_no_question_is_refused_and_the_next_is_answered(engine: fakes.Postgres) -> None:
    async def scene() -> None:
        async with asked(engine) as postgres:
            with pytest.raises(DataError, match="NUL"):
                await postgres.value(ECHO, "ann\0bob")
            before = await postgres.value(WHO)
            with pytest.raises(DivisionByZero):
                await postgres.value(b"select 1 / $1::int", "0")
            assert await postgres.value(WHO) == before  # what was wrong was the question, not the connection

    asyncio.run(scene())


def test_a_late_answer_is_nobody_elses_and_delays_nobody(engine: fakes.Postgres) -> None:
    async def scene() -> None:
        async with asked(engine) as postgres:
            began = time.monotonic()
            with pytest.raises(Unavailable, match="within 250 ms"):
                await postgres.value(SLOW, "1")
            assert time.monotonic() - began < 0.9
            with pytest.raises(Unavailable, match="slow"):  # until it has given a sign of life
                await postgres.value(ECHO, "early")
            await asyncio.sleep(0.2)
            assert await postgres.value(ECHO, "next") == b"next"
            assert postgres.state == "ok"

    asyncio.run(scene())


def test_who_leaves_is_not_waited_for_and_their_answer_is_nobody_elses(engine: fakes.Postgres) -> None:
    async def scene() -> None:
        async with asked(engine) as postgres:
            leaving = asyncio.create_task(postgres.value(SLOW, "3"))
            await asyncio.sleep(0.05)
            began = time.monotonic()
            leaving.cancel()
            await asyncio.wait([leaving])
            assert leaving.cancelled()
            assert await postgres.value(ECHO, "next") == b"next"
            assert time.monotonic() - began < 2

    asyncio.run(scene())


@pytest.mark.parametrize("size", [10, 9_000_000])
def test_who_leaves_a_server_that_stands_still_is_not_kept(engine: fakes.Postgres, size: int) -> None:
    async def scene() -> None:
        async with asked(engine) as postgres:
            engine.pause()
            try:
                leaving = asyncio.create_task(postgres.value(ECHO, "z" * size))
                await asyncio.sleep(0.05)
                began = time.monotonic()
                leaving.cancel()
                await asyncio.wait([leaving])
                assert leaving.cancelled()
                assert time.monotonic() - began < 1  # psycopg waits for five
            finally:
                engine.resume()
            assert await postgres.value(ECHO, "next") == b"next"

    asyncio.run(scene())


def test_a_question_that_is_asked_while_all_ends_leaves_no_connection_open(engine: fakes.Postgres) -> None:
    async def scene() -> None:
        async with asked(engine) as postgres:
            own = int(await postgres.value(WHO))
            last = asyncio.create_task(postgres.value(SLOW, "0.1"))
            await asyncio.sleep(0.05)
        assert await last == b""
        with psycopg.connect(engine.url, autocommit=True) as superuser:
            there = "select from pg_stat_activity where pid = %s"
            wait_for(lambda: superuser.execute(there, (own,)).rowcount == 0)

    asyncio.run(scene())


def test_a_connection_that_went_while_nobody_asked_is_not_asked(engine: fakes.Postgres) -> None:
    async def scene() -> None:
        async with asked(engine) as postgres:
            before = int(await postgres.value(WHO))
            with psycopg.connect(engine.url, autocommit=True) as superuser:
                superuser.execute("select pg_terminate_backend(%s, 5000)", (before,))
            assert int(await postgres.value(WHO)) != before
            assert postgres.state == "ok"

    asyncio.run(scene())


def test_a_server_that_goes_in_the_middle_is_away_at_once_and_heard_of_again(
    engine: fakes.Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.stores.postgres.DEADLINE", 20.0)
    monkeypatch.setattr("gateway.stores.postgres._PAUSE", 0.1)

    async def scene() -> None:
        async with asked(engine) as postgres:
            listening = asyncio.create_task(postgres.listen(lambda _: None, lambda: None))
            await asyncio.sleep(0.2)
            waiting = asyncio.create_task(postgres.value(SLOW, "15"))
            await asyncio.sleep(0.2)
            began = time.monotonic()
            await asyncio.to_thread(engine.kill)
            with pytest.raises(Unavailable):
                await waiting
            with pytest.raises(Unavailable, match="away"):
                await postgres.value(ECHO, "early")
            assert time.monotonic() - began < 5
            await asyncio.to_thread(engine.start)
            async with asyncio.timeout(10):
                while postgres.state != "ok":  # noqa: ASYNC110  # it tells nobody
                    await asyncio.sleep(0.05)
            assert await postgres.value(ECHO, "next") == b"next"
            listening.cancel()
            await asyncio.wait([listening])

    asyncio.run(scene())
