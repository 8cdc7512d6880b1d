"""What the ledger's tests share: a worker's connection, and organisations that nobody else uses."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
import uvloop

from gateway.core.ids import uuid7
from gateway.stores.postgres_place import PostgresPlace
from tests.fakes.tenants import set_up
from tests.unit.wire_rig import Run

Organise = Callable[[], str]


@pytest.fixture(scope="module")
def place(database: str) -> PostgresPlace:
    """A database of this module's own, set up."""
    return set_up(database)


@pytest.fixture
def organise(place: PostgresPlace, database: str) -> Organise:
    """Makes an organisation, and gives its id."""

    def make() -> str:
        name = uuid7()
        with psycopg.connect(database, autocommit=True) as owner:
            owner.execute("insert into syntra.organisation (id, name) values (%s, %s)", (name, name))
        return name

    return make


@pytest.fixture
def run() -> Iterator[Run[Any]]:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:  # what the gateway runs on
        yield runner.run
        runner.run(asyncio.sleep(0))
    gc.collect(1)
