"""Virtual keys as PostgreSQL knows them: whose a key is, what it may do, and its organisation's own provider keys."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Final, Protocol

import msgspec
from msgspec import Struct

from gateway.core.caller import Caller, Credential, Scopes
from gateway.core.limits import Limits
from gateway.core.secret import Secret
from gateway.stores.postgres import Postgres
from gateway.stores.vault import Unsealable

log = logging.getLogger("syntra")

_KEY: Final = "select *, extract(epoch from expires_at - now())::float8 as seconds_left from key_with(%s)"
_PROVIDER_KEYS: Final = """
    select id, provider, sealed, master, (extract(epoch from updated_at) * 1000000)::bigint as changed
    from provider_key where is_active
"""


class Opens(Protocol):
    """What opens sealed provider keys."""

    def open(self, organisation: str, credential_id: str, provider: str, sealed: bytes, master: str) -> Secret:
        """The key. Raises Unsealable."""


class Identity(Struct, frozen=True):
    """One key's row; `digest` is what its secret must give, `seconds_left` is None where it does not expire."""

    caller: Caller
    digest: bytes
    seconds_left: float | None


class Identities:
    """Looks keys up; each look is two short queries, and a request waits for them 250 ms at most."""

    def __init__(self, postgres: Postgres, vault: Opens) -> None:
        self._postgres = postgres
        self._vault = vault

    async def find(self, public: str) -> Identity | None:
        """The key of this public part, None where there is none or it was revoked. Raises Unavailable."""
        return await self._postgres.soon(self._find(public))

    async def _find(self, public: str) -> Identity | None:
        rows = await self._postgres.call(_KEY, public)
        if not rows:
            return None
        row = rows[0]
        credentials = await self.credentials(str(row["org_id"]))
        return Identity(_caller(row, credentials), bytes(row["digest"]), row["seconds_left"])

    async def credentials(self, organisation: str) -> Mapping[str, Credential]:
        """The organisation's own provider keys, by provider."""
        async with self._postgres.tenant(organisation) as cursor:
            await cursor.execute(_PROVIDER_KEYS)
            return {row["provider"]: self._opened(organisation, row) for row in await cursor.fetchall()}

    def _opened(self, organisation: str, row: Mapping[str, Any]) -> Credential:
        """A key that cannot be opened is no key: the organisation's calls shall not go out on somebody else's."""
        name = str(row["id"])
        try:
            secret = self._vault.open(organisation, name, row["provider"], bytes(row["sealed"]), row["master"])
        except Unsealable:  # the other providers of the organisation go on
            log.exception("the %s key %s of organisation %s cannot be opened", row["provider"], name, organisation)
            secret = Secret("")
        # Another key under the same id is another one: what was held against the old one is not its own.
        return Credential(f"{name}.{row['changed']:x}", secret)


def _caller(row: Mapping[str, Any], credentials: Mapping[str, Credential]) -> Caller:
    return Caller(
        organisation=str(row["org_id"]),
        name=row["organisation"],
        key_id=str(row["id"]),
        role=row["role"],
        persona=row["persona"],
        memory=row["memory"],
        user=row["person"],
        scopes=msgspec.convert(row["scopes"], Scopes),
        key_limits=msgspec.convert(row["limits"], Limits),
        limits=msgspec.convert(row["organisation_limits"], Limits),
        credentials=credentials,
        operator=row["operator"],
    )
