"""The rotation of master keys: what an older one has sealed is sealed anew with the newest, while everybody goes on.

Each row in a transaction of its own, so that nobody waits for it longer than for one row; whoever runs it again goes on
where it was stopped. A row is only written over while it is still what was read, so an administrator's change is never
lost, and masters that are still in the ring open it before, meanwhile and afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from msgspec import Struct, field

from gateway.stores.organisations import audit
from gateway.stores.postgres import Postgres, Row
from gateway.stores.vault import Unsealable, Vault

_TOGETHER: Final = 100  # rows that are read at once
_SEALED: Final = "select org_id, master, sealed from masters()"
_NEXT: Final = """
    select id, provider, sealed, master from provider_key
    where master <> %s and id > %s order by id limit %s
"""
_REPLACE: Final = "update provider_key set sealed = %s, master = %s where id = %s and master = %s and sealed = %s"
_FIRST: Final = "00000000-0000-0000-0000-000000000000"


class Rotated(Struct):
    """What came of a rotation."""

    resealed: int = 0
    refused: list[str] = field(default_factory=list)  # why a key could not be sealed anew
    needed: dict[str, int] = field(default_factory=dict)  # masters with the number of keys that only they open

    def spare(self, masters: Sequence[str]) -> list[str]:
        """Those of the ring but its newest that nothing needs any more."""
        return [master for master in masters[1:] if not self.needed.get(master)]


async def outdated(postgres: Postgres, newest: str) -> dict[str, int]:
    """The organisations with keys that `newest` has not sealed, and how many each has."""
    found: dict[str, int] = {}
    for row in await postgres.call(_SEALED):
        if row["master"] != newest:
            found[str(row["org_id"])] = found.get(str(row["org_id"]), 0) + row["sealed"]
    return found


async def rotate(postgres: Postgres, vault: Vault, actor: str, advanced: Callable[[int], None]) -> Rotated:
    """Seal every provider key of every organisation with the newest master key.

    `advanced` is told of each key that was looked at. Raises Unavailable.
    """
    rotated = Rotated()
    for organisation in await outdated(postgres, vault.newest):
        after = _FIRST
        while found := await _some(postgres, organisation, vault.newest, after):
            for row in found:
                await _reseal(postgres, vault, organisation, row, actor, rotated)
                advanced(1)
            after = str(found[-1]["id"])
    for row in await postgres.call(_SEALED):
        rotated.needed[row["master"]] = rotated.needed.get(row["master"], 0) + row["sealed"]
    return rotated


async def _some(postgres: Postgres, organisation: str, newest: str, after: str) -> list[Row]:
    async with postgres.tenant(organisation) as cursor:
        await cursor.execute(_NEXT, (newest, after, _TOGETHER))
        return await cursor.fetchall()


async def _reseal(postgres: Postgres, vault: Vault, organisation: str, row: Row, actor: str, rotated: Rotated) -> None:
    """One row, with what the audit trail says of it."""
    name, provider, sealed = str(row["id"]), row["provider"], bytes(row["sealed"])
    try:
        secret = vault.open(organisation, name, provider, sealed, row["master"])
    except Unsealable as error:
        rotated.refused.append(f"{provider} key {name} of organisation {organisation}: {error}")
        return
    fresh, master = vault.seal(organisation, name, provider, secret)
    async with postgres.tenant(organisation) as cursor:
        await cursor.execute(_REPLACE, (fresh, master, name, row["master"], sealed))
        if not cursor.rowcount:  # it was changed or deleted meanwhile, and is not what was read
            return
        await audit(cursor, actor, "provider_key.reseal", name, {"provider": provider, "master": master})
    rotated.resealed += 1
