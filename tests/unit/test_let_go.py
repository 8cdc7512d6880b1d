"""What a request that failed leaves behind: nothing that Python would have to look for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from gateway.core.chat import parse
from gateway.core.closing import Closing
from gateway.core.errors import SyntraError
from gateway.core.let_go import let_go
from gateway.http.intake import Head
from gateway.http.lounge import Lounge
from gateway.http.visit import Visit
from gateway.stages.memory import Recalled, Recollection, Scope
from gateway.stages.memory.shelf import Shelf
from gateway.stores.breaker import Unavailable
from gateway.stores.memories import Kept
from gateway.stores.postgres import Postgres
from gateway.stores.postgres_place import place as postgres_place
from gateway.stores.valkey import Valkey
from gateway.stores.valkey_place import place
from gateway.stores.vectors import Vectors
from gateway.stores.vectors_link import Link
from gateway.upstream.share import Circle
from tests.fakes import postgres as fakes
from tests.fakes.circles import circles
from tests.fakes.doors import visit
from tests.fakes.tenants import set_up
from tests.unit.fallback_rig import Scene
from tests.unit.test_fallback_moves import late

SCRIPTS = [
    ("500", "good"),
    ("429 7", "429 9"),
    ("reset", "good"),
    ("cut", "cut"),
    ("half", "good"),
    ("garbage", "html"),
    ("refused", "silent", "good"),
    ("comments then silent", "500"),
    ("error", "busy error"),
]


async def serve(scene: Scene) -> list[Any]:
    """What a client hears of a request to the scene, whatever becomes of it."""
    heard: list[Any] = []
    lounge = Lounge(1)

    async def answered(one: Visit, _: Head) -> None:
        one.watch()
        with Closing() as closing:
            begun = await scene.begin(closing)
            while await begun.opened.answer.next():
                pass
        await one.whole(200, (), b"{}")

    await visit(lounge, heard.append).run(answered)
    await asyncio.sleep(0.05)  # connections and watches end on the loop's next rounds
    return heard


@pytest.mark.parametrize("alone", [True, False], ids=["alone", "shared"])
@pytest.mark.parametrize("scripts", SCRIPTS, ids=" then ".join)
def test_a_failed_attempt_leaves_nothing_in_circles(scripts: tuple[str, ...], *, alone: bool) -> None:
    with ExitStack() as stack:
        scene = Scene(stack, scripts)
        scene.circle = None if alone else Circle("o", "s", joins_s=5)
        with circles() as found:
            heard = asyncio.run(serve(scene))
            del scene
        assert heard
        assert not found


@pytest.mark.parametrize(
    "scripts", [("late", "good"), ("silent", "500", "good"), ("late", "500"), ("silent", "silent")]
)
def test_attempts_that_raced_leave_nothing_in_circles(scripts: tuple[str, ...]) -> None:
    with ExitStack() as stack:
        scene = late(stack, *scripts)
        with circles() as found:
            asyncio.run(serve(scene))
        assert not found


def test_a_stopped_visit_leaves_nothing_in_circles() -> None:
    async def stopped() -> list[Any]:
        heard: list[Any] = []
        one = visit(Lounge(1), heard.append)

        async def forever(there: Visit, _: Head) -> None:
            there.watch()
            there.stop(SyntraError("Enough."))
            await asyncio.sleep(60)

        await one.run(forever)
        del one
        await asyncio.sleep(0.05)
        return heard

    with circles() as found:
        heard = asyncio.run(stopped())
    assert heard[0]["status"] == 500
    assert not found


@asynccontextmanager
async def answering(path: Path, answer: bytes, after: float) -> AsyncIterator[None]:
    """A socket at which every question is answered, so late; or else broken off."""
    writers = []

    async def heard(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        while await reader.read(65536) and answer:
            await asyncio.sleep(after)
            writer.write(answer)
        writer.close()

    async with await asyncio.start_unix_server(heard, path):
        yield
        for writer in writers:
            writer.close()
        await asyncio.sleep(after)


async def unanswered(question: Awaitable[object]) -> None:
    """Ask what nobody answers in time."""
    with pytest.raises(Unavailable):
        await question


def test_a_valkey_that_does_not_answer_leaves_nothing_in_circles(tmp_path: Path) -> None:
    async def scene() -> None:
        path = tmp_path / "valkey"
        async with answering(path, b"+PONG\r\n", 0.1), Valkey(place(f"unix://{path}")) as valkey:
            with circles() as found:
                await unanswered(valkey.run("PING", within=0.03))
                await valkey.run("PING", within=5)  # what was late has been heard, and thrown away
            assert not found

    asyncio.run(scene())


def test_vectors_that_break_off_leave_nothing_in_circles(tmp_path: Path) -> None:
    async def scene() -> None:
        path = tmp_path / "vectors"
        async with answering(path, b"", 0.0), Vectors(Link(str(path))) as vectors:
            with circles() as found:
                await unanswered(vectors.of("acme", "ann").count())
                await asyncio.sleep(0.01)
            assert not found

    asyncio.run(scene())


def test_a_database_that_fails_leaves_nothing_in_circles() -> None:
    async def broken() -> None:
        await asyncio.sleep(0)
        raise Unavailable("PostgreSQL is away")

    async def slow() -> None:
        await asyncio.sleep(60)

    async def scene() -> None:
        postgres = Postgres(postgres_place("postgresql://u:p@127.0.0.1:9/nowhere"))
        for work in (broken(), slow()):
            with pytest.raises((Unavailable, TimeoutError)):
                await postgres._at_most(work, 0.02)  # `soon` asks only a database that is there
        await asyncio.sleep(0.01)

    with circles() as found:
        asyncio.run(scene())
    assert not found


def test_a_database_that_is_away_leaves_no_connection_in_circles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.stores.postgres._PAUSE", 0.01)

    async def scene() -> None:
        async with Postgres(postgres_place("postgresql://u:p@127.0.0.1:9/nowhere")) as postgres:
            listening = asyncio.create_task(postgres.listen(lambda _: None, lambda: None))
            await asyncio.sleep(0.3)
            listening.cancel()
            await asyncio.wait([listening])

    with circles() as found:
        asyncio.run(scene())
    assert not found


def test_a_question_that_is_late_or_broken_off_leaves_nothing_in_circles(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene(engine: fakes.Postgres) -> None:
        async with Postgres(set_up(engine.database("broken"))) as postgres:
            own = int(await postgres.value(b"select pg_backend_pid()"))
            monkeypatch.setattr("gateway.stores.postgres.DEADLINE", 20.0)
            asked = asyncio.create_task(unanswered(postgres.value(b"select pg_sleep(10)")))
            await asyncio.sleep(0.05)
            with circles() as found:
                await asyncio.to_thread(end, engine, own)
                await asked
            assert not found
        async with Postgres(set_up(engine.database("late"))) as postgres:
            await postgres.value(b"select 1")
            monkeypatch.setattr("gateway.stores.postgres.DEADLINE", 0.02)
            with circles() as found:
                await unanswered(postgres.value(b"select pg_sleep(10)"))
            assert not found

    def end(engine: fakes.Postgres, process: int) -> None:
        with psycopg.connect(engine.url, autocommit=True) as superuser:
            superuser.execute("select pg_terminate_backend(%s, 5000)", (process,))

    with fakes.postgres() as engine:
        asyncio.run(scene(engine))


def test_a_recall_that_is_not_answered_leaves_nothing_in_circles() -> None:
    class Away(Shelf):
        def __init__(self) -> None:
            """Nothing is asked of it."""

        def of(self, organisation: str, person: str) -> Kept:
            raise Unavailable(f"PostgreSQL does not know {organisation} and {person}")

    async def scene() -> Recalled:
        await asyncio.sleep(0)
        request = parse(b'{"model": "syntra", "messages": [{"role": "user", "content": "What is my dog called?"}]}')
        return await Recollection(Away()).recall(Scope("acme", "ann", "read", "a talk"), request, 600)

    with circles() as found:
        assert asyncio.run(scene()).degraded == ("memory",)
    assert not found


def test_an_error_is_let_go_with_all_that_it_came_of() -> None:
    def fail() -> None:
        try:
            raise KeyError("first")
        except KeyError as error:
            raise ValueError("second") from error

    with pytest.raises(ValueError, match="second") as caught:
        fail()
    error = caught.value
    assert error.__traceback__ is not None
    let_go(error)
    assert error.__traceback__ is None
    assert error.__context__ is not None
    assert error.__context__.__traceback__ is None
    let_go(None)
