"""A database that is set up, and the parts that look keys up in it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import LiteralString

from gateway.core.apikey import Pepper
from gateway.core.secret import Secret
from gateway.stages.keys import Keys
from gateway.stores import organisations, postgres_place, schema
from gateway.stores.identities import Identities
from gateway.stores.organisations import NewKey, Organisation
from gateway.stores.postgres import Postgres
from gateway.stores.postgres_place import PostgresPlace
from gateway.stores.vault import Unsealable

PEPPER = Pepper(Secret("a secret key of the tests, of 32 characters"))

# A row in every table that an organisation has, beside those that are written when it and its key are made.
FILL: LiteralString = """
    with one as (select %(org)s::uuid as org, %(id)s::uuid as id),
    a as (insert into member (org_id, id, email, role) select org, id, 'ada@example.com', 'owner' from one),
    b as (insert into provider_key (org_id, id, provider, sealed, master, last4)
          select org, id, 'openai', 'x', 'm', 'abcd' from one),
    c as (insert into ledger (org_id, request_id, attempt, at, key_id, surface, asked, status)
          select org, id, 0, now(), 'k', 'chat', 'syntra', 'answered' from one),
    d as (insert into response (org_id, id, input, output, reply)
          select org, 'resp_1', '[]', '[]', '{}' from one),
    e as (insert into response_item (org_id, id, response_id) select org, 'msg_1', 'resp_1' from one),
    f as (insert into memory (org_id, id, person, place, tail, kind, text, at, digest)
          select org, id, 'ada', 1, 2, 'statement', 'I like tea.', now(), 'x' from one),
    g as (insert into memory_gone (org_id, id, person, mark) select org, id, 'ada', 3 from one),
    g2 as (insert into memory_owed (org_id, id, person, known) select org, id, 'ada', true from one),
    h as (insert into memory_choice (org_id, person, mode) select org, 'ada', 'read' from one),
    i as (insert into thread (org_id, id, owner) select org, id, 'user ada' from one),
    j as (insert into message (org_id, id, thread_id, turn, role, content)
          select org, id, id, 1, 'user', '"Hello."' from one)
    insert into decision (org_id, id, at, record) select org, id, now(), '{}' from one
"""


class Plain:
    """A vault that seals nothing, where the sealing is not what is tested."""

    def seal(self, organisation: str, credential_id: str, provider: str, secret: Secret) -> tuple[bytes, str]:
        return secret.reveal().encode(), "plain"

    def open(self, organisation: str, credential_id: str, provider: str, sealed: bytes, master: str) -> Secret:
        if master != "plain":
            raise Unsealable("sealed by somebody else")
        return Secret(sealed.decode())


@dataclass
class Tenants:
    """One worker's view of a database."""

    postgres: Postgres
    keys: Keys

    async def organisation(self, name: str) -> Organisation:
        found = await organisations.organisation_named(self.postgres, name)
        found = found or await organisations.create_organisation(self.postgres, name, "test")
        assert found is not None
        return found

    async def key(self, organisation: str = "acme", **wanted: object) -> tuple[str, str]:
        """The id and the text of a new key."""
        owner = await self.organisation(organisation)
        key_id, key = await organisations.create_key(
            self.postgres, PEPPER, owner.id, NewKey("laptop", **wanted), "test"
        )
        return key_id, key.reveal()


def set_up(database: str) -> PostgresPlace:
    """The place of a database that has all tables."""
    place = postgres_place.place(database)
    schema.migrate(place, PEPPER.check)
    return place


@asynccontextmanager
async def tenants(place: PostgresPlace, *, hears: bool = True, persona: bool = True) -> AsyncIterator[Tenants]:
    """A worker that is connected, and hears of changes."""
    async with Postgres(place) as postgres:
        keys = Keys(Identities(postgres, Plain()), PEPPER, persona=persona)
        listening = asyncio.create_task(postgres.listen(keys.heard, keys.deaf))
        try:
            if hears:
                await asyncio.sleep(0.05)
            yield Tenants(postgres, keys)
        finally:
            listening.cancel()
            await asyncio.wait([listening])
