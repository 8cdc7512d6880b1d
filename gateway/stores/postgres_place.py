"""Where PostgreSQL is: DATABASE_URL taken apart, who sets the database up, and who serves."""

from __future__ import annotations

import hashlib
from typing import Any, Final

from msgspec import Struct
from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from gateway.core.secret import Secret

SERVING: Final = "syntra_app"
_FOREIGN: Final = ("postgresql+psycopg://", "postgresql+asyncpg://", "postgresql+psycopg2://", "postgres://")
_CONTEXT: Final = b"syntra_app's password"


class PostgresPlaceError(ValueError):
    """A URL that cannot be used; the words never quote it, since it may hold a password."""


class PostgresPlace(Struct, frozen=True):
    """A database, as two users see it; its text has no credentials.

    `serving` is always syntra_app. Where the URL names somebody else, that is the `owner`, who sets the database up and
    lets syntra_app in with a password that follows from the owner's: every machine with the same URL knows it.
    """

    owner: Secret | None
    serving: Secret
    password: Secret  # syntra_app's
    host: str
    database: str

    def __str__(self) -> str:
        return f"{self.host}/{self.database}"

    __repr__ = __str__


def place(url: str) -> PostgresPlace:
    """Take a URL or a libpq connection string apart. Raises PostgresPlaceError."""
    for foreign in _FOREIGN:
        if url.startswith(foreign):
            url = f"postgresql://{url.removeprefix(foreign)}"
    try:
        parts: dict[str, Any] = conninfo_to_dict(url)
    except ProgrammingError:  # its own words may quote the URL
        raise PostgresPlaceError("not a URL of the form postgresql://user:password@host:5432/database") from None
    if not parts.get("user"):
        raise PostgresPlaceError("the URL names no user: postgresql://user:password@host:5432/database")
    parts.setdefault("dbname", parts["user"])
    host = str(parts.get("host") or parts.get("hostaddr") or "local socket")
    shown = "embedded" if host.startswith("/") else host
    if parts["user"] == SERVING:
        return PostgresPlace(None, _secret(parts), Secret(str(parts.get("password", ""))), shown, str(parts["dbname"]))
    password = _derived(str(parts.get("password", "")))
    serving = parts | {"user": SERVING, "password": password}
    return PostgresPlace(_secret(parts), _secret(serving), Secret(password), shown, str(parts["dbname"]))


def _secret(parts: dict[str, Any]) -> Secret:
    """The connection string with what we want of every connection; what the URL says of it goes before."""
    ours: dict[str, Any] = {"connect_timeout": 3, "tcp_user_timeout": 5000, "application_name": "syntra"}
    options = f"{parts.get('options') or ''} -c search_path=syntra -c timezone=UTC".strip()
    return Secret(make_conninfo("", **(ours | parts | {"options": options})))


def _derived(password: str) -> str:
    return hashlib.blake2b(_CONTEXT, key=password.encode()[:64], digest_size=24).hexdigest()
