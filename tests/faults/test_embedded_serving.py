"""A gateway for which nothing was set: it brings its stores along, and takes them away with it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx
import pytest

from gateway.stores.embedded.hold import Hold
from tests.fakes.caller import ask
from tests.fakes.embedded import gone, is_busy, pid, running
from tests.fakes.gateway import OPENAI, PLAIN, ROOT, Gateway, provider_env, serving
from tests.fakes.ports import free_port
from tests.fakes.provider import Provider
from tests.fakes.server import wait_for
from tests.faults.test_shutdown import PIECES, children, listen

Fakes = Mapping[str, Provider]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a gateway that has run once."""
    folder = tmp_path_factory.mktemp("embedded") / "made"
    with serving(folder, {}) as gateway:
        wait_for(lambda: is_ready(gateway), 20)
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Iterator[Path]:
    """A copy of it that is this test's own."""
    subprocess.run(["cp", "-a", str(made), str(tmp_path / "own")], check=True)
    yield tmp_path / "own"
    assert gone(tmp_path / "own" / "data"), running(tmp_path / "own" / "data")


def is_ready(gateway: Gateway) -> bool:
    try:
        return httpx.get(f"{gateway.origin}/health/ready", verify=PLAIN).status_code == 200
    except httpx.TransportError:
        return False


def states(gateway: Gateway) -> dict[str, str]:
    found: dict[str, str] = httpx.get(f"{gateway.origin}/health", verify=PLAIN).json()["stores"]
    return found


def test_a_server_with_nothing_set_brings_its_stores(tmp_path: Path) -> None:
    with serving(tmp_path, {}) as gateway:
        wait_for(lambda: is_ready(gateway), 20)
        assert set(states(gateway).values()) == {"ok"}
        banner = gateway.log.read_text()
        assert "PostgreSQL 18." in banner
        assert "(embedded)" in banner
        assert ask(gateway, "syntra").status == 200
    assert gateway.process.returncode == 0
    assert gone(gateway.data, 0.5)  # a server that has ended has nothing left to end


def test_an_existing_directory_serves_within_seconds(folder: Path) -> None:
    began = time.monotonic()
    with serving(folder, {}) as gateway:
        wait_for(lambda: is_ready(gateway), 20)
        assert time.monotonic() - began < 6 or is_busy()  # 2 s on a quiet machine


def test_what_a_url_names_is_not_started(folder: Path, new_stores_env: dict[str, str]) -> None:
    with serving(folder, new_stores_env) as gateway:
        wait_for(lambda: is_ready(gateway), 20)
        assert not any(
            "postgres " in command or "valkey-server" in command for command in running(gateway.data).values()
        )
        assert "PostgreSQL at" in gateway.log.read_text()
        assert "Valkey at" in gateway.log.read_text()


def test_two_servers_on_one_directory_share_its_stores(folder: Path) -> None:
    with serving(folder, {}) as second:
        with serving(folder, {}, "--data-dir", str(folder / "data")) as first:
            wait_for(lambda: is_ready(first) and is_ready(second), 20)
            before = pid(folder / "data", "postgres")
        assert pid(folder / "data", "postgres") == before
        assert set(states(second).values()) == {"ok"}
        assert ask(second, "syntra").status == 200


def test_a_command_works_beside_a_server(folder: Path) -> None:
    with serving(folder, {}) as gateway:
        wait_for(lambda: is_ready(gateway), 20)
        before = pid(gateway.data, "postgres")
        with Hold(gateway.data, ["postgres"]):
            assert pid(gateway.data, "postgres") == before
        assert states(gateway)["postgres"] == "ok"


def test_a_server_that_is_killed_leaves_nothing_behind(folder: Path) -> None:
    with serving(folder, {}, "--workers", "2") as gateway:
        wait_for(lambda: is_ready(gateway) and len(children(gateway.process.pid)) >= 2, 20)
        workers = children(gateway.process.pid)
        gateway.process.kill()
        gateway.process.wait(5)
        with serving(folder, {}) as again:  # at once, on the same directory
            wait_for(lambda: is_ready(again), 20)
            assert ask(again, "syntra").status == 200
        wait_for(lambda: not any(Path(f"/proc/{worker}/fd").exists() for worker in workers), 30)


def test_a_server_that_is_killed_before_its_workers_have_come_up_leaves_none_of_them(
    tmp_path: Path, new_stores_env: dict[str, str]
) -> None:
    command = [sys.executable, "-m", "gateway", "serve", "--port", str(free_port()), "--workers", "2"]
    base = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "SYNTRA_DATA_DIR": str(tmp_path / "data")}
    server = subprocess.Popen(command, cwd=ROOT, env={**base, **new_stores_env}, stdout=subprocess.DEVNULL)
    try:
        workers = wait_for(lambda: children(server.pid) if len(children(server.pid)) >= 2 else [], 20)
    finally:
        server.kill()
        server.wait(5)
    wait_for(lambda: not any(Path(f"/proc/{worker}/fd").exists() for worker in workers), 30)


def test_an_interrupt_from_the_terminal_lets_streams_finish_on_living_stores(folder: Path, providers: Fakes) -> None:
    fake = providers["openai"]
    fake.script(pieces=PIECES, delay=0.1)
    with serving(folder, provider_env({"openai": fake})) as gateway:
        wait_for(lambda: is_ready(gateway), 20)
        before = running(gateway.data)
        listening = listen(gateway, fake)
        os.killpg(gateway.process.pid, signal.SIGTERM)  # to all of the terminal's processes
        time.sleep(0.3)
        assert set(before) - {gateway.process.pid} <= {*running(gateway.data), *children(gateway.process.pid)}
        told = listening.result()
        assert (told.said(), told.done) == ("".join(PIECES), True)
        assert gateway.process.wait(10) == 0
    assert "runs again" not in gateway.log.read_text()


def test_postgres_may_die_while_a_known_key_is_served(folder: Path, providers: Fakes) -> None:
    with serving(folder, provider_env({"openai": providers["openai"]})) as gateway:
        wait_for(lambda: is_ready(gateway), 20)
        assert ask(gateway, OPENAI.model).status == 200
        os.kill(pid(gateway.data, "postgres"), signal.SIGKILL)
        assert [ask(gateway, OPENAI.model).status for _ in range(5)] == [200] * 5
        wait_for(lambda: set(states(gateway).values()) == {"ok"}, 15)
        assert "PostgreSQL ended with signal 9" in gateway.log.read_text()
        assert "PostgreSQL runs again" in gateway.log.read_text()


def test_the_server_stays_small(folder: Path) -> None:
    # What the parent has imported is all that its size depends on: it does nothing but wait.
    code = "import sys, gateway.__main__; print(*[name for name in ('numpy', 'qdrant_client', 'qdrant_edge', 'sqlalchemy', 'psycopg') if name in sys.modules])"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.split() == []


@pytest.fixture
def new_stores_env(new_stores: object) -> dict[str, str]:
    assert callable(new_stores)
    found: dict[str, str] = new_stores()
    return found
