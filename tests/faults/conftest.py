"""A real Valkey, started once and only when a test asks for it."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator
from typing import Any

import pytest
import uvloop

from gateway.stores.valkey import Valkey
from gateway.stores.valkey_place import place
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
