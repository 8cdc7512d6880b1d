"""The public keys of an identity provider, fetched from where its discovery document says (JWKS).

What is fetched is good for ten minutes; after that it is fetched again, and only while that fails are the old keys
good, for a day. A token with a key that is not known has them fetched at once, but never more often than every few
seconds: anybody can make such tokens.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from msgspec import Struct

from gateway.core.errors import StoreAway, UpstreamError

log = logging.getLogger("syntra")

FRESH: Final = 600.0  # s
STALE: Final = 86_400.0  # s
PAUSE: Final = 5.0  # s between two fetches, whatever is asked for
_MOST_KEYS: Final = 100
_LEAST_RSA_BITS: Final = 2048
_DISCOVERY: Final = "/.well-known/openid-configuration"
_ALGORITHMS: Final[
    Mapping[tuple[object, object], str]
] = {  # what a key is for follows from the key, never from a token
    ("RSA", ""): "RS256",
    ("EC", "P-256"): "ES256",
    ("OKP", "Ed25519"): "EdDSA",
}

Fetch = Callable[[str], Awaitable[bytes]]


class _Discovery(Struct):
    issuer: str
    jwks_uri: str


class _Set(Struct):
    keys: list[dict[str, Any]]


class _Unusable(Exception):
    """What was fetched cannot be used; the words say why."""


class KeySet:
    """The keys of one issuer; `url` is where they are, found by discovery where it is empty."""

    def __init__(self, fetch: Fetch, issuer: str, url: str = "") -> None:
        self._fetch = fetch
        self._issuer = issuer
        self._url = url
        self._keys: list[tuple[str | None, jwt.PyJWK]] = []
        self._fetched = self._tried = -STALE  # monotonic; as if long ago
        self._fetching: asyncio.Task[None] | None = None

    async def find(self, kid: str | None, algorithm: str) -> jwt.PyJWK | None:
        """The key of this id and for this algorithm, None where the issuer has none; raises StoreAway if it is away.

        Without an id it is the only key for the algorithm, if there is only one.
        """
        if self._matching(kid, algorithm) is None or time.monotonic() - self._fetched > FRESH:
            await self._refresh()
        if time.monotonic() - self._fetched > STALE:
            raise StoreAway("The identity provider's keys cannot be fetched. Please try again.", code="issuer_away")
        found = self._matching(kid, algorithm)
        if found is None and self._fetched < self._tried:  # it may be a new key: the last fetch has failed
            raise StoreAway("The identity provider's keys cannot be fetched. Please try again.", code="issuer_away")
        return found

    def _matching(self, kid: str | None, algorithm: str) -> jwt.PyJWK | None:
        found = [key for name, key in self._keys if key.algorithm_name == algorithm and (kid is None or name == kid)]
        return found[0] if len(found) == 1 else None

    async def _refresh(self) -> None:
        """Fetch the keys, unless that was tried a moment ago; who comes meanwhile waits for the same fetch."""
        if self._fetching is None:
            if time.monotonic() - self._tried < PAUSE:
                return
            self._fetching = asyncio.ensure_future(self._fetch_keys())
            self._fetching.add_done_callback(self._over)
        await asyncio.shield(self._fetching)

    def _over(self, _: asyncio.Task[None]) -> None:
        self._fetching = None

    async def _fetch_keys(self) -> None:
        try:
            url = self._url or await self._discovered()
            found = msgspec.json.decode(await self._fetch(url), type=_Set).keys
            self._keys = _usable(found)
            self._fetched = self._tried = time.monotonic()
        except (UpstreamError, _Unusable, ValueError, RecursionError) as error:
            # ValueError: no JSON, not of this form, or no URL. Its words may quote what was fetched: they are not told.
            told = str(error) if isinstance(error, UpstreamError | _Unusable) else type(error).__name__
            log.warning("the keys of the identity provider %s could not be fetched: %s", self._issuer, told)
            self._tried = time.monotonic()

    async def _discovered(self) -> str:
        """Where the issuer says that its keys are; the egress refuses another host, unless OIDC_JWKS_URL names it."""
        found = msgspec.json.decode(await self._fetch(self._issuer.rstrip("/") + _DISCOVERY), type=_Discovery)
        if found.issuer != self._issuer:
            raise _Unusable("its discovery document is another issuer's")
        return found.jwks_uri


def _usable(found: list[dict[str, Any]]) -> list[tuple[str | None, jwt.PyJWK]]:
    """The keys that may verify a signature; others (for encryption, of other kinds, too short) are passed over."""
    if len(found) > _MOST_KEYS:
        raise _Unusable(f"they are more than {_MOST_KEYS}")
    keys = [(kid if isinstance(kid := one.get("kid"), str) else None, key) for one in found if (key := _key(one))]
    if not keys:
        raise _Unusable("none of them is one that can be used (RS256, ES256 or EdDSA)")
    return keys


def _key(one: Mapping[str, Any]) -> jwt.PyJWK | None:
    kind = str(one.get("kty"))
    algorithm = _ALGORITHMS.get((kind, "" if kind == "RSA" else str(one.get("crv"))))
    if algorithm is None or one.get("alg", algorithm) != algorithm or one.get("use", "sig") != "sig" or "d" in one:
        return None
    try:
        key = jwt.PyJWK(dict(one), algorithm)
    except (jwt.PyJWTError, ValueError, TypeError, KeyError):
        return None
    if isinstance(key.key, RSAPublicKey) and key.key.key_size < _LEAST_RSA_BITS:
        return None
    return key
