"""`/api/orgs/{org_id}/provider-keys`: an organisation's own keys for providers; only the last four are shown again."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from litestar import delete, get, post, put
from litestar.di import NamedDependency
from litestar.openapi.spec import Example
from litestar.params import Body, FromPath, QueryParameter
from msgspec import UNSET, Meta, Struct, UnsetType
from psycopg.errors import UniqueViolation
from sqlalchemy import delete as removal
from sqlalchemy import insert, update
from sqlmodel import col, select

from gateway.core.errors import BadRequest, Conflict
from gateway.core.ids import uuid7
from gateway.core.secret import Secret
from gateway.http.admin.desk import Desk, cursor, id_of, missing
from gateway.http.admin.guard import may
from gateway.http.admin.paging import After, Deleted, Limit, Page, page
from gateway.stores.rows import ProviderKeyRow, Rows
from gateway.stores.vault import Unsealable
from gateway.upstream.providers import ALIASES

_SHORTEST: Final = 8  # with fewer, the last four would be half of it
_LONGEST: Final = 4096

Provider = Annotated[str, Meta(max_length=100, examples=["openai"])]
Verify = Annotated[bool, QueryParameter(description="Ask the provider whether it takes the key.")]
_WHOLE = Example(value={"provider": "openai", "api_key": "sk-proj-…", "is_active": True})


class NewProviderKey(Struct, frozen=True, forbid_unknown_fields=True):
    """A provider's key to keep."""

    provider: Provider
    api_key: Secret
    is_active: bool = True


class ProviderKeyChange(Struct, frozen=True, forbid_unknown_fields=True):
    """What shall be otherwise; what is left out stays."""

    provider: Provider | UnsetType = UNSET
    api_key: Secret | UnsetType = UNSET
    is_active: bool | UnsetType = UNSET


class ProviderKey(Struct, frozen=True, kw_only=True):
    """A provider's key as it is shown."""

    id: str
    object: Literal["provider_key"] = "provider_key"
    provider: str
    api_key: str  # …abcd
    last4: str
    is_active: bool
    created_at: datetime
    updated_at: datetime
    verified_at: datetime | None


@get("/", tags=["provider keys"], summary="List the provider keys", opt=may("admin"))
async def listed(desk: NamedDependency[Desk], limit: Limit = 100, after: After = "") -> Page[ProviderKey]:
    """List the organisation's own keys for providers; where it has none that is active, the environment's is used."""
    wanted = select(ProviderKeyRow).where(ProviderKeyRow.org_id == desk.org_id)
    wanted = wanted.order_by(col(ProviderKeyRow.id)).limit(limit + 1)
    if after:
        wanted = wanted.where(col(ProviderKeyRow.id) > cursor(after))
    async with desk.reading() as reading:
        return page(await reading.all(wanted), limit, _shown, lambda key: key.id)


@post("/", tags=["provider keys"], summary="Keep a provider key", opt=may("admin"))
async def keep(
    data: Annotated[NewProviderKey, Body(examples=[_WHOLE])],
    desk: NamedDependency[Desk],
    *,
    verify: Verify = False,
) -> ProviderKey:
    """Keep a key, sealed. An active one takes the place of the one that was; it is used within two seconds."""
    provider, secret = _provider(desk, data.provider), _key(data.api_key)
    verified = await _verified(desk, provider, secret) if verify else None
    fresh = UUID(uuid7())
    values = _sealed(desk, fresh, provider, secret) | {"is_active": data.is_active, "verified_at": verified}
    try:
        async with desk.acting() as acting:
            replaced = await _make_way(acting, desk, provider, fresh) if data.is_active else 0
            await acting.change(insert(ProviderKeyRow).values(org_id=desk.org_id, id=fresh, **values))
            shown = _shown(await _row(acting, desk, fresh))
            await desk.tell(acting, "provider_key.create", fresh, _told(values) | {"replaced": replaced})
            return shown
    except UniqueViolation:
        raise _raced(provider) from None


@get("/{key_id:str}", tags=["provider keys"], summary="Look a provider key up", opt=may("admin"))
async def one(key_id: FromPath[str], desk: NamedDependency[Desk], *, verify: Verify = False) -> ProviderKey:
    """Look a provider key up, and with `verify` ask its provider whether it takes it."""
    async with desk.reading() as reading:
        row = await _row(reading, desk, id_of(key_id, "provider key"))
    if not verify:
        return _shown(row)
    verified = await _verified(desk, row.provider, _opened(desk, row))
    async with desk.acting() as acting:
        await _update(acting, row, {"verified_at": verified})
        shown = _shown(await _row(acting, desk, row.id))
        await desk.tell(acting, "provider_key.verify", row.id, {"provider": row.provider})
        return shown


@put("/{key_id:str}", tags=["provider keys"], summary="Change a provider key", opt=may("admin"))
async def change(
    key_id: FromPath[str],
    data: Annotated[ProviderKeyChange, Body(examples=[_WHOLE])],
    desk: NamedDependency[Desk],
    *,
    verify: Verify = False,
) -> ProviderKey:
    """Put another key in its place, or switch it on or off; what is left out stays as it is."""
    async with desk.reading() as reading:
        row = await _row(reading, desk, id_of(key_id, "provider key"))
    provider = row.provider if data.provider is UNSET else _provider(desk, data.provider)
    values: dict[str, Any] = {} if data.is_active is UNSET else {"is_active": data.is_active}
    if data.api_key is not UNSET:
        values |= _sealed(desk, row.id, provider, _key(data.api_key)) | {"verified_at": None}
    elif provider != row.provider:
        raise BadRequest("A key for another provider is another key: send `api_key` too.", param="api_key")
    if verify:
        secret = _opened(desk, row) if data.api_key is UNSET else _key(data.api_key)
        values["verified_at"] = await _verified(desk, provider, secret)
    if not values:
        return _shown(row)
    try:
        async with desk.acting() as acting:
            active = values.get("is_active", row.is_active)
            replaced = await _make_way(acting, desk, provider, row.id) if active else 0
            await _update(acting, row, values | {"updated_at": datetime.now(UTC)})
            shown = _shown(await _row(acting, desk, row.id))
            await desk.tell(acting, "provider_key.update", row.id, _told(values) | {"replaced": replaced})
            return shown
    except UniqueViolation:
        raise _raced(provider) from None


@delete("/{key_id:str}", tags=["provider keys"], summary="Delete a provider key", opt=may("admin"), status_code=200)
async def remove(key_id: FromPath[str], desk: NamedDependency[Desk]) -> Deleted:
    """Delete a provider key for good; calls go out on the environment's key from then on, where there is one."""
    async with desk.acting() as acting:
        row = await _row(acting, desk, id_of(key_id, "provider key"))
        await acting.change(removal(ProviderKeyRow).where(col(ProviderKeyRow.id) == row.id))
        await desk.tell(acting, "provider_key.delete", row.id, {"provider": row.provider, "last4": row.last4})
    return Deleted(str(row.id), "provider_key.deleted")


def _provider(desk: Desk, name: str) -> str:
    """The provider's own name."""
    provider = ALIASES.get(name.strip().lower(), name.strip().lower())
    if provider not in desk.parts.providers:
        known = ", ".join(desk.parts.providers)
        raise BadRequest(f"There is no provider of that name. There are {known}.", param="provider")
    return provider


def _key(given: Secret) -> Secret:
    """The key as it is sent; nothing in it can end a header."""
    text = given.reveal().strip()
    if not _SHORTEST <= len(text) <= _LONGEST or not text.isascii() or not text.isprintable() or " " in text:
        raise BadRequest(
            f"A key has {_SHORTEST} to {_LONGEST} printable characters without spaces.",
            param="api_key",
            code="invalid_value",
        )
    return Secret(text)


def _sealed(desk: Desk, key_id: UUID, provider: str, secret: Secret) -> dict[str, Any]:
    sealed, master = desk.parts.vault.seal(desk.organisation, str(key_id), provider, secret)
    return {"provider": provider, "sealed": sealed, "master": master, "last4": secret.reveal()[-4:]}


def _opened(desk: Desk, row: ProviderKeyRow) -> Secret:
    try:
        return desk.parts.vault.open(desk.organisation, str(row.id), row.provider, row.sealed, row.master)
    except Unsealable:
        told = "This key cannot be opened with the master keys that the gateway has; send `api_key` anew."
        raise Conflict(told, param="api_key", code="provider_key_sealed") from None


async def _verified(desk: Desk, provider: str, secret: Secret) -> datetime:
    """When the provider took the key: now. Raises BadRequest where it does not, UpstreamError where it cannot say."""
    if not await desk.parts.verify(provider, secret):
        raise BadRequest(f"{provider} does not take this key.", param="api_key", code="provider_key_refused")
    return datetime.now(UTC)


async def _make_way(acting: Rows, desk: Desk, provider: str, key_id: UUID) -> int:
    """Switch off what is active for the provider, but for one key; how many that were."""
    others = update(ProviderKeyRow).where(
        col(ProviderKeyRow.org_id) == desk.org_id,
        col(ProviderKeyRow.provider) == provider,
        col(ProviderKeyRow.id) != key_id,
        col(ProviderKeyRow.is_active),
    )
    return await acting.change(others.values(is_active=False, updated_at=datetime.now(UTC)))


async def _update(acting: Rows, row: ProviderKeyRow, values: dict[str, Any]) -> None:
    await acting.change(update(ProviderKeyRow).where(col(ProviderKeyRow.id) == row.id).values(**values))


async def _row(rows: Rows, desk: Desk, key_id: UUID) -> ProviderKeyRow:
    wanted = select(ProviderKeyRow).where(ProviderKeyRow.org_id == desk.org_id, ProviderKeyRow.id == key_id)
    found = await rows.first(wanted)
    if found is None:
        raise missing("provider key")
    return found


def _told(values: dict[str, Any]) -> dict[str, Any]:
    """What the audit trail may know of a change: not even the sealed key."""
    told = {name: values[name] for name in ("provider", "is_active", "last4") if name in values}
    return told | {"verified": values.get("verified_at") is not None}


def _raced(provider: str) -> Conflict:
    return Conflict(f"Somebody else has just changed the active key for {provider}; please try again.")


def _shown(row: ProviderKeyRow) -> ProviderKey:
    return ProviderKey(
        id=str(row.id),
        provider=row.provider,
        api_key=f"…{row.last4}",
        last4=row.last4,
        is_active=row.is_active,
        created_at=row.created_at,
        updated_at=row.updated_at,
        verified_at=row.verified_at,
    )
