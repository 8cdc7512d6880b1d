"""The database as a command reaches it, whether or not a gateway runs: by DATABASE_URL, or in the data directory."""

from __future__ import annotations

import asyncio
import getpass
import os
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

import rich_click as click
from rich.console import Console

from gateway import prepare, settings
from gateway.core.apikey import Pepper
from gateway.settings import Settings, SettingsError
from gateway.stores import postgres_place, schema
from gateway.stores.breaker import Unavailable
from gateway.stores.embedded.hold import Hold
from gateway.stores.embedded.words import Cannot
from gateway.stores.keyfile import KeyFileError
from gateway.stores.postgres import Postgres
from gateway.stores.postgres_place import PostgresPlace, PostgresPlaceError
from gateway.stores.schema import SchemaError

T = TypeVar("T")

DATA_DIR: Final = click.option("--data-dir", help="Where Syntra keeps its data (SYNTRA_DATA_DIR).")
complaints: Final = Console(stderr=True)


def actor() -> str:
    """Who gives a command, for the audit trail."""
    try:
        return f"command line {getpass.getuser()}"
    except (KeyError, OSError):  # a container's user may have no name
        return f"command line {os.getuid()}"


def chosen(data_dir: str | None) -> Settings:
    """The settings of the environment; raises ClickException."""
    try:
        return settings.read({**os.environ, **({"SYNTRA_DATA_DIR": data_dir} if data_dir else {})})
    except SettingsError as error:
        raise click.ClickException(str(error)) from None


@contextmanager
def database(wanted: Settings) -> Iterator[PostgresPlace]:
    """Where PostgreSQL is; the one in the data directory runs at least until this is left."""
    try:
        if wanted.database_url:
            yield prepare.place(wanted)
            return
        with (
            complaints.status("Starting the database …") as status,
            Hold(wanted.data_path, ("postgres",), status.update) as held,
        ):
            status.stop()
            yield postgres_place.place(held.places.postgres)
    except Unavailable as error:
        raise click.ClickException(f"{error}. Is it running, and is DATABASE_URL right?") from None
    except OSError as error:
        raise click.ClickException(f"{wanted.data_path}: {error.strerror}. Set SYNTRA_DATA_DIR elsewhere.") from None
    except (Cannot, KeyFileError, PostgresPlaceError, SchemaError) as error:
        raise click.ClickException(str(error)) from None


def using(data_dir: str | None, work: Callable[[Postgres, Pepper], Awaitable[T]]) -> T:
    """Do something with the database, which is set up first; raises ClickException."""
    wanted = chosen(data_dir)
    with database(wanted) as place:
        pepper = prepare.pepper(wanted)
        schema.migrate(place, pepper.check)
        return asyncio.run(_using(place, pepper, work))


async def _using(place: PostgresPlace, pepper: Pepper, work: Callable[[Postgres, Pepper], Awaitable[T]]) -> T:
    async with Postgres(place) as postgres:
        return await work(postgres, pepper)
