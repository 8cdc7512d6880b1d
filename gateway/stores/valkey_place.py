"""Where Valkey is: a URL as people write it, taken apart, with the password out of sight."""

from __future__ import annotations

from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from msgspec import Struct

from gateway.core.secret import Secret

_PLAIN = frozenset({"redis", "valkey"})
_TLS = frozenset({"rediss", "valkeys", "https"})  # https: Upstash's REST address, whose host speaks the protocol too
_PORT = 6379


class PlaceError(ValueError):
    """A URL that cannot be used; the words never quote it, since it may hold a password."""


class Place(Struct, frozen=True):
    """A server and who we are to it; its text has no credentials."""

    host: str = ""
    port: int = _PORT
    path: str = ""  # of a unix socket, instead of host and port
    database: int = 0
    tls: bool = False
    authorities: str = ""  # a file of certificates that may vouch for the server, beside the system's
    user: str = ""
    password: Secret = Secret("")

    def __str__(self) -> str:
        if self.path:
            return f"unix://{self.path}?db={self.database}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'rediss' if self.tls else 'redis'}://{host}:{self.port}/{self.database}"

    __repr__ = __str__


def chosen(valkey_url: str, redis_url: str, upstash_url: str, upstash_token: str) -> Place | None:
    """The first place that is named: VALKEY_URL, REDIS_URL, UPSTASH_REDIS_URL with its token; None if none is."""
    for name, url, token in (
        ("VALKEY_URL", valkey_url, ""),
        ("REDIS_URL", redis_url, ""),
        ("UPSTASH_REDIS_URL", upstash_url, upstash_token),
    ):
        if url.strip():
            try:
                return place(url.strip(), token.strip())
            except PlaceError as error:
                raise PlaceError(f"{name}: {error}") from None
    return None


def place(url: str, token: str = "") -> Place:
    """Take a URL apart; `token` is the password where the URL has none. Raises PlaceError."""
    try:
        parts = urlsplit(url)
        port = parts.port or _PORT
        database = _database(parts)
    except ValueError:  # its own words quote the URL
        raise PlaceError("not a URL of the form redis://[user:password@]host:port/database") from None
    if parts.scheme not in _PLAIN | _TLS | {"unix"}:
        raise PlaceError("a URL of Valkey begins with redis://, rediss://, valkey://, valkeys:// or unix://")
    if not (parts.path if parts.scheme == "unix" else parts.hostname):
        raise PlaceError("the URL names no host")
    query = dict(parse_qsl(parts.query))
    unknown = sorted(query.keys() - {"db", "ssl_ca_certs"})
    if unknown:
        raise PlaceError("the URL has options other than db and ssl_ca_certs")
    password = unquote(parts.password or "") or token
    return Place(
        host=parts.hostname or "",
        port=port if parts.scheme != "https" else _PORT,
        path=unquote(parts.path) if parts.scheme == "unix" else "",
        database=database,
        tls=parts.scheme in _TLS,
        authorities=query.get("ssl_ca_certs", ""),
        user=unquote(parts.username or "") or ("default" if token and password == token else ""),
        password=Secret(password),
    )


def _database(parts: SplitResult) -> int:
    named = dict(parse_qsl(parts.query)).get("db") or ("" if parts.scheme == "unix" else parts.path.strip("/")) or "0"
    return int(named)
