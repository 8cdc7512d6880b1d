"""What must be done before a gateway can serve: the database set up, with the organisation and key of the first start.

The parent does it before it forks workers, so that what can never work is refused at once; each worker does it again in
the background until it succeeds, so that a gateway that was started while PostgreSQL was away heals by itself.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import sys
from collections.abc import Mapping
from typing import Final

from gateway import settings
from gateway.core import apikey
from gateway.core.apikey import Pepper
from gateway.settings import Settings
from gateway.stores import keyfile, organisations, postgres_place, schema
from gateway.stores.breaker import Unavailable
from gateway.stores.keyfile import KeyFileError
from gateway.stores.postgres import Postgres
from gateway.stores.postgres_place import PostgresPlace, PostgresPlaceError
from gateway.stores.schema import SchemaError
from gateway.stores.vault import MasterError, Vault, masters

AWAY: Final = 75  # exit code, EX_TEMPFAIL: the database does not answer, which a gateway survives
_PAUSE: Final = 1.0

log = logging.getLogger("syntra")


def pepper(chosen: Settings) -> Pepper:
    """What keys are digested with: from SECRET_KEY, or the file that stands in for it."""
    return Pepper(keyfile.held(chosen.secret_key, chosen.data_path, keyfile.SECRET))


def vault(chosen: Settings) -> Vault:
    """What provider keys are sealed with, from ENCRYPTION_KEY or its file; raises KeyFileError or MasterError."""
    return Vault(masters(keyfile.held(chosen.encryption_key, chosen.data_path, keyfile.ENCRYPTION)))


def place(chosen: Settings) -> PostgresPlace:
    """Where PostgreSQL is; raises PostgresPlaceError."""
    try:
        return postgres_place.place(chosen.database_url.reveal())
    except PostgresPlaceError as error:
        raise PostgresPlaceError(f"DATABASE_URL: {error}") from None


class Preparation:
    """One worker's: not ready until it is done; `error` says what stands in the way."""

    def __init__(self, chosen: Settings, postgres: Postgres, pepper: Pepper) -> None:
        self._first = apikey.parse(keyfile.read_or_make(chosen.data_path).reveal())
        self._postgres = postgres
        self._pepper = pepper
        self.ready = False
        self.error = ""

    async def tables(self) -> None:
        """Set the database up; raises SchemaError or Unavailable."""
        await asyncio.to_thread(schema.migrate, self._postgres.place, self._pepper.check)

    async def first(self) -> None:
        """Let the key of the first start in; raises Unavailable."""
        if self._first is not None:
            await organisations.ensure_first(self._postgres, self._first, self._pepper)

    async def until_done(self) -> None:
        """Set up, as often as it takes."""
        while not self.ready:
            try:
                await self.tables()
                await self.first()
                self.ready, self.error = True, ""
            except (SchemaError, Unavailable) as error:
                if str(error) != self.error:
                    log.warning("not ready yet: %s", error)
                self.error = str(error)
                await asyncio.sleep(random.uniform(0, 2 * _PAUSE))  # noqa: S311  # workers shall not come all at once


async def _prepare(chosen: Settings) -> None:
    vault(chosen)  # every worker will need it, and could only die of a key that cannot be used
    postgres = Postgres(place(chosen))
    preparation = Preparation(chosen, postgres, pepper(chosen))
    await preparation.tables()  # before it connects: a role that does not exist yet is refused
    async with postgres:
        await preparation.first()


def main(environ: Mapping[str, str]) -> int:
    """For a process of its own, whose memory is given back: 0, 1 for what can never work, 75 for what may later."""
    try:
        asyncio.run(_prepare(settings.read(environ)))
    except Unavailable as error:
        print(error, file=sys.stderr)  # noqa: T201
        return AWAY
    except (SchemaError, PostgresPlaceError, KeyFileError, MasterError) as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(os.environ))
