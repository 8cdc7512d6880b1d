"""Master keys can be rotated while everybody works: no key is lost, none fails to open, and the old master is spare."""

from __future__ import annotations

import asyncio
import base64
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from uuid import UUID

import pytest

from gateway.core.ids import uuid7
from gateway.core.secret import Secret
from gateway.stores import postgres_place, schema
from gateway.stores.organisations import Organisation, create_organisation
from gateway.stores.postgres import Postgres
from gateway.stores.postgres_place import PostgresPlace
from gateway.stores.rotation import Rotated, outdated, rotate
from gateway.stores.vault import Vault
from tests.fakes.engines import PostgresEngine

PROVIDERS = ("openai", "anthropic", "google")


def master() -> Secret:
    return Secret(base64.b64encode(os.urandom(32)).decode())


OLD, NEW = master(), master()
BEFORE, BOTH, AFTER = Vault([OLD]), Vault([NEW, OLD]), Vault([NEW])


@pytest.fixture
def place(postgres_engine: PostgresEngine) -> Iterator[PostgresPlace]:
    with postgres_engine.database() as conninfo:
        found = postgres_place.place(conninfo)
        schema.migrate(found, b"check")
        yield found


@dataclass
class Filled:
    """Organisations with provider keys that the old master has sealed."""

    postgres: Postgres
    organisations: list[Organisation] = field(default_factory=list)
    keys: dict[str, tuple[str, str, str]] = field(default_factory=dict)  # by id: organisation, provider, secret

    async def add(self, organisation: Organisation, provider: str, vault: Vault = BEFORE) -> str:
        name, text = str(UUID(uuid7())), f"sk-{uuid7()}"
        sealed, by = vault.seal(organisation.id, name, provider, Secret(text))
        async with self.postgres.tenant(organisation.id) as cursor:
            await cursor.execute(
                "insert into provider_key (org_id, id, provider, sealed, master, last4) values (%s, %s, %s, %s, %s, %s)",
                (organisation.id, name, provider, sealed, by, text[-4:]),
            )
        self.keys[name] = organisation.id, provider, text
        return name

    async def read(self, name: str, vault: Vault) -> str:
        organisation, provider, _ = self.keys[name]
        async with self.postgres.tenant(organisation) as cursor:
            await cursor.execute("select sealed, master from provider_key where id = %s", (name,))
            row = await cursor.fetchone()
        assert row is not None
        return vault.open(organisation, name, provider, row["sealed"], row["master"]).reveal()

    async def rotate(self, vault: Vault = BOTH) -> Rotated:
        return await rotate(self.postgres, vault, "test", lambda number: None)

    async def all_open_with(self, vault: Vault) -> bool:
        return all([await self.read(name, vault) == text for name, (_, _, text) in self.keys.items()])


@asynccontextmanager
async def filled(place: PostgresPlace, organisations: int = 3) -> AsyncIterator[Filled]:
    async with Postgres(place) as postgres:
        made = Filled(postgres)
        for number in range(organisations):
            organisation = await create_organisation(postgres, f"org{number}", "test")
            assert organisation is not None
            made.organisations.append(organisation)
            for provider in PROVIDERS:
                await made.add(organisation, provider)
        yield made


async def trail(made: Filled, organisation: Organisation) -> list[str]:
    async with made.postgres.tenant(organisation.id) as cursor:
        await cursor.execute("select subject from audit where act = 'provider_key.reseal' order by seq")
        return [row["subject"] for row in await cursor.fetchall()]


def test_every_key_of_every_organisation_is_sealed_anew_and_the_old_master_is_spare(place: PostgresPlace) -> None:
    async def run() -> None:
        async with filled(place) as made:
            looked: list[int] = []
            assert sum((await outdated(made.postgres, BOTH.newest)).values()) == 9
            rotated = await rotate(made.postgres, BOTH, "test", looked.append)
            assert (rotated.resealed, rotated.refused, sum(looked)) == (9, [], 9)
            assert rotated.needed == {AFTER.newest: 9}
            assert rotated.spare(BOTH.masters) == [BEFORE.newest]
            assert await made.all_open_with(AFTER)
            assert len(await trail(made, made.organisations[0])) == 3

    asyncio.run(run())


def test_nobody_fails_to_open_a_key_while_they_are_rotated(place: PostgresPlace) -> None:
    async def run() -> None:
        async with filled(place, organisations=10) as made:
            opened, over = 0, asyncio.Event()

            async def read_all_the_time(vault: Vault) -> None:
                nonlocal opened
                while not over.is_set():
                    for name, (_, _, text) in list(made.keys.items()):
                        assert await made.read(name, vault) == text
                        opened += 1

            # Gateways that were started with the new key in front, and such as know it but still seal with the old one.
            readers = [asyncio.create_task(read_all_the_time(vault)) for vault in (BOTH, Vault([OLD, NEW])) * 2]
            rotated = await made.rotate()
            over.set()
            await asyncio.gather(*readers)
            assert rotated.resealed == 30
            assert opened > 60
            assert await made.all_open_with(AFTER)

    asyncio.run(run())


def test_a_key_that_an_administrator_changes_meanwhile_is_not_written_over(place: PostgresPlace) -> None:
    async def run() -> None:
        async with filled(place) as made:
            names = list(made.keys)

            async def change(name: str) -> None:
                organisation, provider, _ = made.keys[name]
                text = f"sk-changed-{uuid7()}"
                sealed, by = BEFORE.seal(organisation, name, provider, Secret(text))
                async with made.postgres.tenant(organisation) as cursor:
                    await cursor.execute(
                        "update provider_key set sealed = %s, master = %s where id = %s", (sealed, by, name)
                    )
                    await asyncio.sleep(0.005)  # so that a rotation that has read the old one comes to wait for this
                made.keys[name] = organisation, provider, text

            for _ in range(5):
                await asyncio.gather(made.rotate(), *(change(name) for name in names))
                assert await made.all_open_with(BOTH)
            await made.rotate()
            assert await made.all_open_with(AFTER)

    asyncio.run(run())


def test_a_key_that_is_deleted_meanwhile_stays_deleted(place: PostgresPlace) -> None:
    async def run() -> None:
        async with filled(place, organisations=1) as made:
            async with made.postgres.tenant(made.organisations[0].id) as cursor:
                await cursor.execute("select * from provider_key")
                name = next(iter(made.keys))
                rotating = asyncio.create_task(made.rotate())
                await cursor.execute("delete from provider_key where id = %s", (name,))
                await asyncio.sleep(0.1)  # it has read the row and waits for it
            rotated = await rotating
            assert rotated.resealed == 2
            assert rotated.needed == {AFTER.newest: 2}

    asyncio.run(run())


def test_a_rotation_that_was_stopped_goes_on_where_it_was(place: PostgresPlace) -> None:
    async def run() -> None:
        async with filled(place) as made:
            seen = 0

            def stop_in_the_middle(number: int) -> None:
                nonlocal seen
                seen += number
                if seen == 4:
                    raise KeyboardInterrupt

            with pytest.raises(KeyboardInterrupt):
                await rotate(made.postgres, BOTH, "test", stop_in_the_middle)
            assert await made.all_open_with(BOTH)
            rotated = await made.rotate()
            assert rotated.resealed == 5
            assert await made.all_open_with(AFTER)
            assert (await made.rotate()).resealed == 0

    asyncio.run(run())


def test_rotations_that_race_do_each_key_once(place: PostgresPlace) -> None:
    async def run() -> None:
        async with filled(place) as made:
            done = await asyncio.gather(*(made.rotate() for _ in range(3)))
            assert sum(rotated.resealed for rotated in done) == 9
            assert await made.all_open_with(AFTER)
            assert len(await trail(made, made.organisations[1])) == 3

    asyncio.run(run())


def test_a_key_that_does_not_open_is_told_and_stops_nothing(place: PostgresPlace) -> None:
    async def run() -> None:
        async with filled(place) as made:
            first = made.organisations[0]
            lost = Vault([master()])
            name = await made.add(first, "kimi", lost)
            rotated = await made.rotate()
            assert rotated.resealed == 9
            assert rotated.needed == {AFTER.newest: 9, lost.newest: 1}
            assert [name in said and "lacks the master key" in said for said in rotated.refused] == [True]
            assert made.keys[name][2] not in str(rotated)

    asyncio.run(run())


def test_a_master_that_something_still_needs_is_not_spare(place: PostgresPlace) -> None:
    async def run() -> None:
        async with filled(place, organisations=1) as made:
            rotated = await made.rotate()
            await made.add(made.organisations[0], "kimi")  # by a gateway that still seals with the old one
            again = Rotated(needed={**rotated.needed, BEFORE.newest: 1})
            assert again.spare(BOTH.masters) == []
            assert await outdated(made.postgres, BOTH.newest) == {made.organisations[0].id: 1}

    asyncio.run(run())
