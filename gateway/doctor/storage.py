"""The stores, each asked something: those that a URL names, and those in the data directory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from gateway import engines, settings
from gateway.doctor.finding import BAD, GOOD, ODD, Finding
from gateway.settings import VECTORS, Settings, SettingsError
from gateway.stores import postgres_place, schema, valkey_place, vectors
from gateway.stores.breaker import Unavailable
from gateway.stores.embedded.words import Cannot
from gateway.stores.postgres_place import PostgresPlaceError
from gateway.stores.schema import SchemaError
from gateway.stores.valkey import Valkey
from gateway.stores.valkey_place import PlaceError

_SECONDS: Final = 5.0
_VALKEY: Final = "VALKEY_URL"


@contextmanager
def held(
    chosen: Settings, environ: Mapping[str, str], doing: Callable[[str], None]
) -> Iterator[list[Finding] | Stores]:
    """The stores while they are looked at; findings instead where they cannot be had."""
    first = [name for name in engines.ALL if not (chosen.data_path / name).exists()]
    wanted = [name for name in engines.ALL if name not in first]
    try:
        with engines.held(chosen, environ, wanted, doing=doing) as found:
            yield Stores(environ, {**environ, **found.environ})
    except Cannot as error:
        yield [Finding("embedded stores", BAD, str(error), "Mend what it says; DATABASE_URL names a server instead.")]
    except (PlaceError, SettingsError) as error:
        yield [Finding("stores", BAD, str(error), "Write the URL as the README shows it.")]


class Stores:
    """The stores of this environment."""

    def __init__(self, given: Mapping[str, str], environ: Mapping[str, str]) -> None:
        self._given = given
        self._environ = environ
        self._chosen = settings.read(environ)

    async def findings(self) -> AsyncIterator[Finding]:
        """How each of them is."""
        yield await asyncio.to_thread(self._postgres)
        yield await self._valkey()
        yield await self._vectors()

    def _postgres(self) -> Finding:
        what = self._named("PostgreSQL", "DATABASE_URL")
        url = self._chosen.database_url.reveal()
        if not url:
            return _first(what)
        try:
            pending = schema.pending(postgres_place.place(url))
        except PostgresPlaceError as error:
            return Finding(what, BAD, str(error), "Write DATABASE_URL=postgresql://user:password@host:5432/database.")
        except Unavailable as error:
            return Finding(what, BAD, str(error), "Is it running, and is DATABASE_URL right?")
        except SchemaError as error:
            return Finding(what, BAD, str(error), "See `syntra migrate`.")
        if pending:
            return Finding(what, ODD, f"to be applied: {', '.join(pending)}", "`syntra migrate`, or the next start.")
        return Finding(what, GOOD, "answers, and is up to date")

    async def _valkey(self) -> Finding:
        what = self._named("Valkey", _VALKEY, "REDIS_URL", "UPSTASH_REDIS_URL")
        chosen = self._chosen
        place = valkey_place.chosen(chosen.valkey_url, chosen.redis_url, chosen.upstash_url, chosen.upstash_token)
        if place is None:
            return _first(what)
        try:
            async with Valkey(place) as valkey:
                await valkey.run("PING", within=_SECONDS)
        except Unavailable:
            mend = "Is it running, and is its URL right? Without it each worker counts its share of the limits alone."
            return Finding(what, BAD, f"{place} does not answer", mend)
        return Finding(what, GOOD, "answers")

    async def _vectors(self) -> Finding:
        what = self._named("vectors", "QDRANT_URL")
        store = vectors.chosen(self._environ.get(VECTORS, ""), self._chosen.qdrant_url, self._chosen.qdrant_key)
        if store is None:
            return _first(what)
        async with store:
            for _ in range(int(_SECONDS * 10)):
                if store.state == "ok":
                    return Finding(what, GOOD, "answers")
                await asyncio.sleep(0.1)
        return Finding(what, BAD, "does not answer", "Is it running, and are QDRANT_URL and QDRANT_API_KEY right?")

    def _named(self, what: str, *variables: str) -> str:
        given = next((name for name in variables if self._given.get(name)), "")
        return f"{what} ({given or 'embedded'})"


def _first(what: str) -> Finding:
    return Finding(what, GOOD, "is made by the first start")
