"""Vectors are found again by whoever they belong to, in time, and by nobody else."""

from __future__ import annotations

import asyncio
import logging
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import uvloop
from qdrant_client import AsyncQdrantClient

from gateway.core.ids import uuid7
from gateway.core.secret import Secret
from gateway.stores import vectors_engine
from gateway.stores import vectors_talk as talk
from gateway.stores.breaker import Unavailable
from gateway.stores.vectors import DEADLINE, Backend, Vectors, chosen, vector
from gateway.stores.vectors_link import Link
from gateway.stores.vectors_server import Server
from gateway.stores.vectors_talk import Bare, Hit, Hits, Point, Reply, Request, Search, Words
from tests.unit.wire_rig import Run

BACKENDS = ("engine", "server")


@pytest.fixture
def hurried() -> Iterator[Run[Any]]:
    """A loop in which a search has its 150 ms."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        yield runner.run


@pytest.fixture
def run(hurried: Run[Any], monkeypatch: pytest.MonkeyPatch) -> Run[Any]:
    """A loop in which a search has all the time that a busy machine may take."""
    monkeypatch.setattr("gateway.stores.vectors.DEADLINE", 10.0)
    return hurried


@pytest.fixture
def anybody() -> str:
    """An organisation that no other test knows."""
    return uuid7()


def text(*heights: float) -> bytes:
    """A vector that points mainly where these numbers say."""
    return vector([*heights, *[0.01] * (256 - len(heights))])


def backend(kind: str, socket: str) -> Backend:
    """The embedded engine, or Qdrant's own client on its own small copy of a server."""
    return Link(socket) if kind == "engine" else Server("", Secret(""), AsyncQdrantClient(":memory:"))


NEAR, FAR = text(1, 0, 0), text(0, 1, 0)


@pytest.mark.parametrize("kind", BACKENDS)
def test_the_nearest_text_comes_first(run: Run[Any], vectors_socket: str, anybody: str, kind: str) -> None:
    async def scene() -> list[Hit]:
        async with Vectors(backend(kind, vectors_socket)) as vectors:
            ann = vectors.of(anybody, "ann")
            await ann.upsert([Point("far", FAR, data={"said": "b"}), Point("near", NEAR, data={"said": "a"})])
            return await ann.search(text(1, 0.1, 0))

    found = run(scene())
    assert [(hit.id, hit.data["said"]) for hit in found] == [("near", "a"), ("far", "b")]
    assert found[0].score > 0.9 > found[1].score


@pytest.mark.parametrize("kind", BACKENDS)
def test_a_rare_word_counts_more_than_a_common_one(run: Run[Any], vectors_socket: str, anybody: str, kind: str) -> None:
    async def scene() -> list[Hit]:
        async with Vectors(backend(kind, vectors_socket)) as vectors:
            ann = vectors.of(anybody, "ann")
            common = [Point(f"common{k}", NEAR, Words((1,), (1.0,))) for k in range(9)]
            await ann.upsert([*common, Point("rare", FAR, Words((2,), (1.0,)))])
            return await ann.search(words=Words((1, 2), (1.0, 1.0)), limit=2)

    assert run(scene())[0].id == "rare"


@pytest.mark.parametrize("kind", BACKENDS)
def test_what_both_rankings_like_comes_first(run: Run[Any], vectors_socket: str, anybody: str, kind: str) -> None:
    async def scene() -> list[Hit]:
        async with Vectors(backend(kind, vectors_socket)) as vectors:
            ann = vectors.of(anybody, "ann")
            await ann.upsert(
                [
                    Point("meaning", text(1, 0.2, 0), Words((7,), (1.0,))),
                    Point("both", text(1, 0.3, 0), Words((2,), (1.0,))),
                    Point("neither", FAR, Words((9,), (1.0,))),
                ]
            )
            return await ann.search(text(1, 0.2, 0), Words((2,), (1.0,)))

    assert run(scene())[0].id == "both"


@pytest.mark.parametrize("kind", BACKENDS)
def test_a_search_may_be_narrowed_by_what_points_say(
    run: Run[Any], vectors_socket: str, anybody: str, kind: str
) -> None:
    async def scene() -> list[Hit]:
        async with Vectors(backend(kind, vectors_socket)) as vectors:
            ann = vectors.of(anybody, "ann")
            await ann.upsert([Point("a", NEAR, data={"kind": "note"}), Point("b", NEAR, data={"kind": "answer"})])
            return await ann.search(NEAR, where={"kind": "answer"})

    assert [hit.id for hit in run(scene())] == ["b"]


@pytest.mark.parametrize("kind", BACKENDS)
def test_nobody_finds_counts_overwrites_or_deletes_what_is_anothers(
    run: Run[Any], vectors_socket: str, anybody: str, kind: str
) -> None:
    async def scene() -> None:
        async with Vectors(backend(kind, vectors_socket)) as vectors:
            ann = vectors.of(anybody, "ann")
            await ann.upsert([Point("same id", NEAR, Words((1,), (1.0,)), {"said": "ann's"})])
            for other in (vectors.of(anybody, "bob"), vectors.of(uuid7(), "ann"), vectors.of("ann", anybody)):
                assert await other.search(NEAR, Words((1,), (1.0,))) == []
                assert await other.count() == 0
                await other.upsert([Point("same id", FAR, data={"said": "mine"})])
                await other.delete(["same id"])
                await other.upsert([Point("same id", FAR, data={"said": "mine"})])
                await other.forget_all()
                assert await other.count() == 0
            (found,) = await ann.search(NEAR)
            assert found.data == {"said": "ann's"}

    run(scene())


@pytest.mark.parametrize("kind", BACKENDS)
def test_the_rank_of_a_word_does_not_tell_what_others_have_written(
    run: Run[Any], vectors_socket: str, anybody: str, kind: str
) -> None:
    if kind == "server":
        pytest.skip("Qdrant's local mode, which stands in for a server here, takes its statistics from all points")

    async def scene() -> tuple[float, float]:
        async with Vectors(backend(kind, vectors_socket)) as vectors:
            ann, bob = vectors.of(anybody, "ann"), vectors.of(anybody, "bob")
            await ann.upsert([Point("a", NEAR, Words((1,), (1.0,))), Point("b", NEAR, Words((2,), (1.0,)))])
            (before,) = await ann.search(words=Words((1,), (1.0,)))
            await bob.upsert([Point(f"{k}", NEAR, Words((1,), (1.0,))) for k in range(50)])
            (after,) = await ann.search(words=Words((1,), (1.0,)))
            return before.score, after.score

    before, after = run(scene())
    assert before == after


@pytest.mark.parametrize("kind", BACKENDS)
def test_points_are_replaced_deleted_and_forgotten(run: Run[Any], vectors_socket: str, anybody: str, kind: str) -> None:
    async def scene() -> None:
        async with Vectors(backend(kind, vectors_socket)) as vectors:
            ann = vectors.of(anybody, "ann")
            await ann.upsert([Point(f"{k}", NEAR) for k in range(5)])
            await ann.upsert([Point("0", NEAR, data={"said": "anew"})])
            assert await ann.count() == 5
            await ann.delete(["1", "2", "no such id"])
            assert await ann.count() == 3
            await ann.forget_all()
            assert await ann.count() == 0

    run(scene())


@pytest.mark.parametrize("kind", BACKENDS)
def test_a_mark_is_found_and_deleted_by_whoever_it_belongs_to(
    run: Run[Any], vectors_socket: str, anybody: str, kind: str
) -> None:
    async def scene() -> None:
        async with Vectors(backend(kind, vectors_socket)) as vectors:
            ann, bob = vectors.of(anybody, "ann"), vectors.of(anybody, "bob")
            await ann.upsert([Point("a", NEAR, Words((1,), (1.0,)), mark=2**63 - 1), Point("b", FAR, mark=0)])
            await bob.upsert([Point("a", FAR, Words((1,), (1.0,)), mark=2**63 - 1)])
            found = await ann.marks(NEAR, Words((1,), (1.0,)), 5)
            assert [mark for mark, _, _ in found] == [2**63 - 1, 0]
            assert found[0][1] == pytest.approx(1.0)
            assert found[0][2] > 0.9 > found[1][2]
            await bob.delete(marks=[0, 2**63 - 1])
            assert await bob.count() == 0
            assert await ann.count() == 2
            await ann.delete(marks=[0])
            assert [mark for mark, _, _ in await ann.marks(NEAR, Words((), ()), 5)] == [2**63 - 1]

    run(scene())


@pytest.mark.parametrize(("organisation", "user"), [("", "ann"), ("acme", ""), ("", "")])
def test_a_handle_names_an_organisation_and_a_user(organisation: str, user: str) -> None:
    with pytest.raises(ValueError, match="somebody's"):
        Vectors(Link("/nowhere")).of(organisation, user)


def test_an_id_leads_only_to_ones_own() -> None:
    whole = {talk.key(*names) for names in [("a", "b", "c"), ("ab", "", "c"), ("a", "bc", ""), ("", "ab", "c")]}
    assert len(whole) == 4


@pytest.mark.parametrize("kind", BACKENDS)
def test_a_vector_of_another_size_is_refused_and_the_rest_goes_on(
    run: Run[Any], vectors_socket: str, anybody: str, kind: str
) -> None:
    async def scene() -> None:
        async with Vectors(backend(kind, vectors_socket)) as vectors:
            ann = vectors.of(anybody, "ann")
            with pytest.raises(ValueError, match="1024"):
                await ann.upsert([Point("short", b"1234")])
            with pytest.raises(ValueError, match="1024"):
                await ann.search(b"1234")
            assert await ann.count() == 0

    run(scene())


class Careless:
    """A store that gives what was not asked for, or takes its time."""

    is_linked = True

    def __init__(self, delay: float = 0.0) -> None:
        self.delay = delay

    async def start(self) -> None:
        return

    async def close(self) -> None:
        return

    async def ask(self, request: Request) -> Reply:
        await asyncio.sleep(self.delay)
        whose = [("acme", "ann"), ("acme", "bob"), ("evil", "ann"), ("", "")]
        if isinstance(request, Search) and request.bare:
            return Bare([(talk.scope(*one) + bytes(8), 1.0, 1.0) for one in whose])
        return Hits([Hit(f"{organisation} {user}", 1.0, organisation, user, {}) for organisation, user in whose])


def test_every_hit_is_looked_at_again(run: Run[Any], caplog: pytest.LogCaptureFixture) -> None:
    found = run(Vectors(Careless()).of("acme", "ann").search(NEAR))
    assert [hit.id for hit in found] == ["acme ann"]
    assert "3 points of others" in caplog.text
    assert run(Vectors(Careless()).of("acme", "ann").marks(NEAR, Words((), ()), 5)) == [(0, 1.0, 1.0)]


def test_a_search_is_over_after_150_ms_and_a_slow_store_is_left_alone(hurried: Run[Any]) -> None:
    async def scene() -> None:
        async with Vectors(Careless(delay=10)) as vectors:
            loop = asyncio.get_running_loop()
            began = loop.time()
            with pytest.raises(Unavailable, match="150 ms"):
                await vectors.of("acme", "ann").search(NEAR)
            assert -0.01 < loop.time() - began - DEADLINE < 0.5
            assert vectors.state == "slow"
            began = loop.time()
            with pytest.raises(Unavailable, match="slow"):
                await vectors.of("acme", "ann").search(NEAR)
            assert loop.time() - began < 0.05

    hurried(scene())


class Engine:
    """An engine of a test's own, to be stopped and killed."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.socket = str(home / "vectors.sock")
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "gateway.stores.vectors_engine", str(self.home), self.socket]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE)

    def end(self, how: signal.Signals = signal.SIGTERM) -> int:
        assert self.process is not None
        self.process.send_signal(how)
        with self.process:
            return self.process.wait(10)


@pytest.fixture
def engine() -> Iterator[Engine]:
    with TemporaryDirectory(prefix="syntra-vectors-") as home:
        own = Engine(Path(home))
        yield own
        if own.process is not None and own.process.poll() is None:
            own.end(signal.SIGKILL)


async def ok(vectors: Vectors) -> None:
    async with asyncio.timeout(10):
        while vectors.state != "ok":  # noqa: ASYNC110  # it tells nobody
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_it_heals_when_the_engine_comes_back_and_nothing_is_lost(
    run: Run[Any], engine: Engine, how: signal.Signals, caplog: pytest.LogCaptureFixture
) -> None:
    async def scene() -> None:
        async with Vectors(Link(engine.socket)) as vectors:
            ann = vectors.of("acme", "ann")
            assert vectors.state == "away"
            with pytest.raises(Unavailable, match="away"):
                await ann.search(NEAR)
            engine.start()
            await ok(vectors)
            await ann.upsert([Point("kept", NEAR)])
            asked = asyncio.gather(*(ann.search(NEAR) for _ in range(20)), return_exceptions=True)
            await asyncio.to_thread(engine.end, how)
            assert [told for told in await asked if not isinstance(told, list | Unavailable)] == []
            with pytest.raises(Unavailable):
                await ann.search(NEAR)
            engine.start()
            await ok(vectors)
            assert [hit.id for hit in await ann.search(NEAR)] == ["kept"]

    with caplog.at_level(logging.INFO):
        run(scene())
    assert caplog.text.count("answers again") == 2


def test_an_engine_that_stands_still_keeps_nobody_waiting(hurried: Run[Any], engine: Engine) -> None:
    async def scene() -> None:
        engine.start()
        async with Vectors(Link(engine.socket)) as vectors:
            await ok(vectors)
            ann = vectors.of("acme", "ann")
            await ann.upsert([Point("kept", NEAR)])
            assert engine.process is not None
            os.kill(engine.process.pid, signal.SIGSTOP)
            with pytest.raises(Unavailable, match="150 ms"):
                await ann.search(NEAR)
            with pytest.raises(Unavailable, match="slow"):
                await ann.search(NEAR)
            assert vectors.state == "slow"
            os.kill(engine.process.pid, signal.SIGCONT)
            await ok(vectors)  # after three heartbeats
            assert await ann.count() == 1

    hurried(scene())


def test_an_engine_whose_keeper_is_gone_goes_too(run: Run[Any], engine: Engine) -> None:
    async def scene() -> None:
        engine.start()
        async with Vectors(Link(engine.socket)) as vectors:
            await ok(vectors)
        assert engine.process is not None
        assert engine.process.stdin is not None
        engine.process.stdin.close()
        assert await asyncio.to_thread(engine.process.wait, 10) == 0
        assert engine.process.stderr is not None
        engine.process.stderr.close()

    run(scene())


def test_many_workers_may_ask_at_once(run: Run[Any], vectors_socket: str, anybody: str) -> None:
    async def worker(name: str) -> None:
        async with Vectors(Link(vectors_socket)) as vectors:
            mine = vectors.of(anybody, name)
            await mine.upsert([Point(f"{k}", text(*[random.random() for _ in range(9)])) for k in range(20)])
            for told in await asyncio.gather(*(mine.search(NEAR, limit=50) for _ in range(25))):
                assert {hit.user for hit in told} == {name}
                assert len(told) == 20

    async def scene() -> None:
        await asyncio.gather(*(worker(f"user{k}") for k in range(8)))

    run(scene())


def test_a_caller_that_gives_up_does_not_get_the_next_ones_answer(
    run: Run[Any], vectors_socket: str, anybody: str
) -> None:
    async def scene() -> None:
        async with Vectors(Link(vectors_socket)) as vectors:
            ann, bob = vectors.of(anybody, "ann"), vectors.of(anybody, "bob")
            await ann.upsert([Point("ann's", NEAR)])
            await bob.upsert([Point("bob's", NEAR)])
            for _ in range(50):
                given_up = asyncio.ensure_future(ann.search(NEAR))
                await asyncio.sleep(0)
                given_up.cancel()
                assert [hit.id for hit in await bob.search(NEAR)] == ["bob's"]

    run(scene())


def test_no_store_is_chosen_where_none_is_named() -> None:
    assert chosen("", "", Secret("")) is None


@pytest.mark.parametrize("name", ["shard-8x256.new", "shard-8", "shard-384", "shard"])
def test_a_half_made_shard_and_one_of_an_earlier_layout_are_made_anew(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    (tmp_path / name / "edge_config.json").write_text("{")
    shard = vectors_engine.Shards(tmp_path)
    assert not (tmp_path / name).exists()
    assert shard.answer(talk.Count("acme", "ann")) == talk.Done(0)
    shard.close()


def test_a_bad_question_is_answered_and_ends_nothing(run: Run[Any], vectors_socket: str) -> None:
    async def scene() -> bytes:
        reader, writer = await asyncio.open_unix_connection(vectors_socket)
        for asked in (b"\xc1", b"", b"\x93"):
            writer.write(talk.LENGTH.pack(len(asked)) + asked)
            (length,) = talk.LENGTH.unpack(await reader.readexactly(talk.LENGTH.size))
            told = await reader.readexactly(length)
            assert b"Refused" in told
        writer.write(talk.LENGTH.pack(2**31))  # more than anybody may say
        rest = await reader.read()
        writer.close()
        return rest

    assert run(scene()) == b""
