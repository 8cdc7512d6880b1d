"""A real Valkey, and a data directory with embedded engines: made once and only when a test asks for them."""

from __future__ import annotations

import asyncio
import gc
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvloop

from gateway.stores.embedded.hold import Hold
from gateway.stores.valkey import Valkey
from gateway.stores.valkey_place import place
from tests.fakes.embedded import ALL, gone, running
from tests.fakes.valkey import Engine
from tests.unit.wire_rig import Run


@pytest.fixture(scope="session")
def shared_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with Engine(tmp_path_factory.mktemp("valkey")) as engine:
        yield engine


@pytest.fixture
def run() -> Iterator[Run[Any]]:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:  # what the gateway runs on
        yield runner.run
        runner.run(asyncio.sleep(0))
    gc.collect(1)  # a connection that was forgotten speaks up here, not in another test


@pytest.fixture
def engine(shared_engine: Engine, run: Run[Any]) -> Iterator[Engine]:
    """The real engine, empty."""

    async def empty() -> None:
        async with Valkey(place(shared_engine.url)) as valkey:
            await valkey.run("FLUSHALL", within=5)

    run(empty())
    return shared_engine


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory in which the engines have run once."""
    data = tmp_path_factory.mktemp("embedded") / "made"
    with Hold(data, ALL):
        pass
    return data


@pytest.fixture
def data(made: Path, tmp_path: Path) -> Iterator[Path]:
    """A copy of it that is this test's own."""
    subprocess.run(["cp", "-a", str(made), str(tmp_path / "data")], check=True)
    yield tmp_path / "data"
    assert gone(tmp_path / "data"), running(tmp_path / "data")
