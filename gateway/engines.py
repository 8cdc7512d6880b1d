"""Which stores are embedded and which are servers of the user's, and what those who use them must know.

`serve` holds the engines for as long as it runs, a command for as long as it works; beside each other they share them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final
from urllib.parse import urlsplit

from msgspec import Struct

from gateway.settings import VECTORS, Settings, SettingsError
from gateway.stores import valkey_place
from gateway.stores.embedded.hold import Hold
from gateway.stores.embedded.words import Places

ALL: Final = ("postgres", "valkey", "vectors")


class Stores(Struct, frozen=True):
    """Where the stores are, as the environment says it, and as the banner does."""

    environ: dict[str, str]
    told: str


@contextmanager
def held(
    chosen: Settings,
    environ: Mapping[str, str],
    wanted: Sequence[str] = ALL,
    *,
    doing: Callable[[str], None] = lambda _: None,
    follow: bool = False,
) -> Iterator[Stores]:
    """The stores, with those of `wanted` that no URL names running inside the data directory; raises Cannot.

    With `follow`, what becomes of the engines is logged, and they are kept running whatever dies.
    """
    servers = _servers(chosen, environ)
    missing = [name for name in wanted if name not in servers]
    told = [servers[name] for name in wanted if servers.get(name)]
    if not missing:
        yield Stores({}, ", ".join(told))
        return
    with Hold(chosen.data_path, missing, doing) as hold:
        if follow:
            hold.follow()
        told = [f"{', '.join(hold.places.versions)} (embedded)", *told]
        yield Stores(_variables(hold.places), ", ".join(told))


def _servers(chosen: Settings, environ: Mapping[str, str]) -> dict[str, str]:
    """The stores that are elsewhere, each with the words for it."""
    servers = {}
    if url := chosen.database_url.reveal():
        servers["postgres"] = f"PostgreSQL at {_host(url)}"
    place = valkey_place.chosen(chosen.valkey_url, chosen.redis_url, chosen.upstash_url, chosen.upstash_token)
    if place is not None:
        servers["valkey"] = f"Valkey at {place.path or place.host}"
    if chosen.qdrant_url:
        parts = urlsplit(chosen.qdrant_url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise SettingsError("QDRANT_URL: not a URL of the form http://host:6333")
        servers["vectors"] = f"Qdrant at {parts.hostname}"
    elif environ.get(VECTORS):
        servers["vectors"] = ""
    return servers


def _host(url: str) -> str:
    """The host in a URL or a connection string of PostgreSQL's, without what else stands there."""
    found = urlsplit(url).hostname if "://" in url else None
    named = re.search(r"\bhost=([^\s&]+)", url)
    return found or (named[1] if named else "DATABASE_URL")


def _variables(places: Places) -> dict[str, str]:
    found = {"DATABASE_URL": places.postgres, "VALKEY_URL": places.valkey, VECTORS: places.vectors}
    return {name: value for name, value in found.items() if value}
