"""A search is over in time, and nothing is lost, whatever becomes of the engine that keeps the vectors."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import os
import random
import signal
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.secret import Secret
from gateway.stores import vectors_engine
from gateway.stores import vectors_talk as talk
from gateway.stores.breaker import Unavailable
from gateway.stores.vectors import DEADLINE, Vectors, chosen
from gateway.stores.vectors_link import Link
from gateway.stores.vectors_talk import Point
from tests.fakes.vectors import Engine
from tests.unit.vectors_rig import (  # the fixtures among them are used by being there
    NEAR,
    Careless,
    at_leisure,  # noqa: F401
    in_a_hurry,  # noqa: F401
    nobody_known,  # noqa: F401
    text,
)
from tests.unit.wire_rig import Run


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
        with contextlib.closing(writer):  # uvloop waits for ever to be closed where one is left open
            for asked in (b"\xc1", b"", b"\x93"):
                writer.write(talk.framed(asked))
                (length,) = talk.LENGTH.unpack(await reader.readexactly(talk.LENGTH.size))
                assert b"Refused" in await reader.readexactly(length)
            writer.write(talk.LENGTH.pack(2**31))  # more than anybody may say
            return await reader.read()

    assert run(scene()) == b""


@pytest.mark.parametrize("said", [talk.framed(msgspec.msgpack.encode(talk.Done())), talk.framed(b"\xc1"), b"\xff" * 9])
def test_who_says_what_no_engine_would_is_left_and_asked_anew(run: Run[Any], tmp_path: Path, said: bytes) -> None:
    heard = 0

    async def hear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal heard
        heard += 1
        if heard == 1:
            writer.write(said)
        with contextlib.suppress(asyncio.IncompleteReadError):
            while length := talk.LENGTH.unpack(await reader.readexactly(talk.LENGTH.size))[0]:
                await reader.readexactly(length)
                writer.write(talk.framed(msgspec.msgpack.encode(talk.Done(7))))
        writer.close()

    async def scene() -> int:
        path = str(tmp_path / "sock")
        async with await asyncio.start_unix_server(hear, path), Vectors(Link(path)) as vectors:
            while heard < 2 or vectors.state != "ok":  # noqa: ASYNC110  # it tells nobody
                await asyncio.sleep(0.01)
            return await vectors.of("acme", "ann").count()

    assert run(scene()) == 7


@given(st.lists(st.binary(max_size=300)), st.lists(st.integers(1, 200), min_size=1))
def test_messages_are_the_same_however_the_socket_cuts_them(told: list[bytes], sizes: list[int]) -> None:
    stream, frames, heard = b"".join(map(talk.framed, told)), talk.Frames(), []
    for size in itertools.cycle(sizes):
        if not stream:
            break
        heard += frames.cut(stream[:size])
        stream = stream[size:]
    assert heard == told
