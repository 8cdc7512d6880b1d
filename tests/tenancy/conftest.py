"""A database with all tables, and the administrative API over it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fakes.tenants import set_up
from tests.tenancy.office import Office, office_at


@pytest.fixture(scope="module")
def office(database: str) -> Iterator[Office]:
    set_up(database)
    with office_at(database) as made:
        yield made
