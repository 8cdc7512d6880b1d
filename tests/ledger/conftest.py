"""What the ledger's tests share: a worker's connection, organisations that nobody else uses, and a PostgreSQL to be hurt."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
import uvloop

from gateway.core.ids import uuid7
from gateway.stores.postgres_place import PostgresPlace
from tests.fakes.postgres import Postgres, postgres
from tests.fakes.tenants import set_up
from tests.ledger.rig import organisation
from tests.unit.wire_rig import Run

Organise = Callable[[], str]


@pytest.fixture(scope="module")
def place(database: str) -> PostgresPlace:
    """A database of this module's own, set up."""
    return set_up(database)


@pytest.fixture
def organise(place: PostgresPlace, database: str) -> Organise:
    """Makes an organisation, and gives its id."""
    return partial(organisation, database)


@pytest.fixture
def run() -> Iterator[Run[Any]]:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:  # what the gateway runs on
        yield runner.run
        runner.run(asyncio.sleep(0))
    gc.collect(1)


@pytest.fixture(scope="session")
def engine() -> Iterator[Postgres]:
    """A PostgreSQL that a test may kill, as long as it starts it again."""
    with postgres() as running:
        yield running


@pytest.fixture
def url(engine: Postgres) -> str:
    """A database of that one, a test's own."""
    return engine.database(f"d{uuid7()}")


@pytest.fixture
def there(url: str) -> PostgresPlace:
    """The same, set up."""
    return set_up(url)


@pytest.fixture
def mine(there: PostgresPlace, url: str) -> str:
    """An organisation in it."""
    return organisation(url)
