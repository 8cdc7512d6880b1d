"""People of a database that is set up, signing in with a fake issuer: one worker's view."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

from gateway.core.ids import uuid7
from gateway.stages.people import People
from gateway.stages.people.issuer import Issuer
from gateway.stores.identities import Identities
from gateway.stores.memberships import Memberships
from gateway.stores.postgres import Postgres
from gateway.stores.postgres_place import PostgresPlace
from gateway.upstream.egress import Egress
from gateway.upstream.wire import Wire
from tests.fakes.issuer import AUDIENCE, FakeIssuer
from tests.fakes.tenants import PEPPER, Plain, Tenants
from tests.unit.wire_rig import PATIENCE


@dataclass
class Lobby:
    """One worker that people come to."""

    tenants: Tenants
    people: People

    async def member(self, organisation: str, email: str, role: str = "member") -> tuple[str, str]:
        """The ids of the organisation and of its new member."""
        owner, member = await self.tenants.organisation(organisation), str(UUID(uuid7()))
        await self.change(
            owner.id,
            "insert into member (org_id, id, email, role) values (%s, %s, %s, %s)",
            *(owner.id, member, email, role),
        )
        return owner.id, member

    async def change(self, organisation: str, query: str, *values: object) -> None:
        async with self.tenants.postgres.tenant(organisation) as cursor:
            await cursor.execute(query, values)  # type: ignore[arg-type]


@asynccontextmanager
async def lobby(place: PostgresPlace, fake: FakeIssuer | None = None, *, persona: bool = True) -> AsyncIterator[Lobby]:
    """A worker that is connected, hears of changes, and trusts the fake issuer."""
    async with Postgres(place) as postgres:
        identities = Identities(postgres, Plain())
        wire = Wire(Egress([fake.url] if fake else [], private=True), PATIENCE)
        issuer = None if fake is None else Issuer(wire, fake.url, AUDIENCE)
        people = People(PEPPER, Memberships(postgres, identities), issuer, persona=persona)
        listening = asyncio.create_task(postgres.listen(people.heard, people.deaf))
        try:
            await asyncio.sleep(0.05)
            yield Lobby(Tenants(postgres, None), people)  # type: ignore[arg-type]  # no key comes here
        finally:
            listening.cancel()
            await asyncio.wait([listening])
            wire.close()
