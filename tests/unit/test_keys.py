"""Who is asking: the one who has the key, and nobody else. Over a real PostgreSQL."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core import apikey
from gateway.core.apikey import Pepper
from gateway.core.caller import Caller, Scopes
from gateway.core.errors import BadKey
from gateway.core.limits import Limits
from gateway.core.secret import Secret
from gateway.stores.postgres_place import PostgresPlace
from tests.fakes.tenants import PEPPER, Tenants, set_up, tenants
from tests.laps import laps

Scene = Callable[[Tenants], Awaitable[None]]


@pytest.fixture(scope="module")
def place(database: str) -> PostgresPlace:
    return set_up(database)


def play(place: PostgresPlace, scene: Scene, **options: bool) -> None:
    async def run() -> None:
        async with tenants(place, **options) as here:
            await scene(here)

    asyncio.run(run())


async def refused(here: Tenants, bearer: str | None) -> BadKey:
    with pytest.raises(BadKey) as caught:
        await here.keys.identify(bearer)
    assert caught.value.status == 401
    assert caught.value.code == "invalid_api_key"
    return caught.value


async def until(holds: Callable[[], Awaitable[bool]], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not await holds():
        assert time.monotonic() < end
        await asyncio.sleep(0.02)


def test_who_has_the_key_is_let_in_with_all_that_it_may_do(place: PostgresPlace) -> None:
    async def scene(here: Tenants) -> None:
        owner = await here.organisation("acme")
        scopes, limits = Scopes(models=("openai/*",)), Limits(requests_per_minute=3)
        key_id, key = await here.key(role="admin", person="ada", scopes=scopes, limits=limits, persona=False)
        assert await here.keys.identify(key) == Caller(
            owner.id, "acme", key_id, "admin", persona=False, user="ada", scopes=scopes, key_limits=limits
        )

    play(place, scene)


def test_nobody_else_is(place: PostgresPlace) -> None:
    async def scene(here: Tenants) -> None:
        _, key = await here.key()
        other = "0" if key[-1] != "0" else "1"
        for bearer in (
            None, "", " ", key[:-1], key[:-1] + other, f"{key}0", key.upper(), f" {key}", f"{key}\n", "sk-openai",
            key.replace("sk-syn-", ""), "\ud800", "ключ", "\x00", "' or 1=1 --", "x" * 1_000_000, apikey.make().reveal(),
        ):  # fmt: skip
            error = await refused(here, bearer)
            assert key not in error.message
            if bearer and bearer.strip():
                assert bearer not in error.message
        assert (await here.keys.identify(key)).name == "acme"

    play(place, scene)


def test_a_revoked_key_is_refused_within_two_seconds_by_every_worker(place: PostgresPlace) -> None:
    async def scene(here: Tenants) -> None:
        key_id, key = await here.key("revoking")
        owner = await here.organisation("revoking")
        async with tenants(place) as there:
            await there.keys.identify(key)
            async with here.postgres.tenant(owner.id) as cursor:
                await cursor.execute("update api_key set revoked_at = now() where id = %s", (key_id,))

            async def gone() -> bool:
                try:
                    await there.keys.identify(key)
                except BadKey:
                    return True
                return False

            await until(gone, 2.0)

    play(place, scene)


def test_a_key_works_from_the_moment_it_is_made_even_if_it_was_tried_before(place: PostgresPlace) -> None:
    async def scene(here: Tenants) -> None:
        owner = await here.organisation("early")
        key = apikey.make()
        await refused(here, key.reveal())
        async with here.postgres.tenant(owner.id) as cursor:
            await cursor.execute(
                "insert into api_key (org_id, id, public, digest, name) values (%s, gen_random_uuid(), %s, %s, 'x')",
                (owner.id, key.public, PEPPER.digest(key)),
            )

        async def known() -> bool:
            try:
                return bool(await here.keys.identify(key.reveal()))
            except BadKey:
                return False

        await until(known, 1.0)

    play(place, scene)


def test_a_key_that_has_expired_is_none_and_one_that_will_is_one_until_then(place: PostgresPlace) -> None:
    async def scene(here: Tenants) -> None:
        now = datetime.now(UTC)
        _, gone = await here.key(expires_at=now - timedelta(seconds=1))
        _, going = await here.key(expires_at=now + timedelta(seconds=0.8))
        await refused(here, gone)
        await here.keys.identify(going)
        await asyncio.sleep(1.0)
        await refused(here, going)  # from memory: nobody asked the database again

    play(place, scene)


def test_limits_that_are_changed_are_felt_at_once(place: PostgresPlace) -> None:
    async def scene(here: Tenants) -> None:
        _, key = await here.key("limited")
        owner = await here.organisation("limited")
        assert (await here.keys.identify(key)).limits == Limits()
        async with here.postgres.tenant(owner.id) as cursor:
            await cursor.execute("""update organisation set limits = '{"requests_per_day": 5}'""")

        async def felt() -> bool:
            return (await here.keys.identify(key)).limits == Limits(requests_per_day=5)

        await until(felt, 1.0)

    play(place, scene)


def test_a_deleted_organisation_takes_its_keys_along(place: PostgresPlace) -> None:
    async def scene(here: Tenants) -> None:
        _, key = await here.key("going")
        owner = await here.organisation("going")
        async with here.postgres.tenant(owner.id) as cursor:
            await cursor.execute("update organisation set deleted_at = now()")
        await refused(here, key)

    play(place, scene)


def test_an_organisations_own_provider_keys_come_with_the_caller(place: PostgresPlace) -> None:
    async def scene(here: Tenants) -> None:
        _, key = await here.key("providing")
        owner = await here.organisation("providing")
        async with here.postgres.tenant(owner.id) as cursor:
            for provider, active, master in (
                ("openai", True, "plain"),
                ("kimi", False, "plain"),
                ("google", True, "?"),
            ):
                await cursor.execute(
                    "insert into provider_key (org_id, id, provider, sealed, master, last4, is_active)"
                    " values (%s, gen_random_uuid(), %s, %s, %s, 'cret', %s)",
                    (owner.id, provider, b"sk-secret", master, active),
                )
        credentials = (await here.keys.identify(key)).credentials
        assert {name: one.secret.reveal() for name, one in credentials.items()} == {
            "openai": "sk-secret",
            "google": "",  # it cannot be opened: nobody else's is used in its place
        }
        before = credentials["openai"].id
        async with here.postgres.tenant(owner.id) as cursor:
            await cursor.execute("update provider_key set updated_at = now() where provider = 'openai'")

        async def another() -> bool:  # what was held against the one before is not held against it
            return (await here.keys.identify(key)).credentials["openai"].id != before

        await until(another, 2.0)

    play(place, scene)


def test_a_hundred_requests_with_a_new_key_ask_the_database_once(place: PostgresPlace) -> None:
    async def scene(here: Tenants) -> None:
        _, key = await here.key()
        callers = await asyncio.gather(*(here.keys.identify(key) for _ in range(100)))
        assert len({id(caller) for caller in callers}) == 1

    play(place, scene)


def test_a_known_key_costs_microseconds(place: PostgresPlace) -> None:
    async def scene(here: Tenants) -> None:
        _, key = await here.key()
        await here.keys.identify(key)
        for lap in laps(within=10e-6 * 100):
            with lap:
                for _ in range(100):
                    await here.keys.identify(key)

    play(place, scene)


def test_the_persona_may_be_off_for_everybody(place: PostgresPlace) -> None:
    async def scene(here: Tenants) -> None:
        _, key = await here.key()
        assert (await here.keys.identify(key)).persona is False

    play(place, scene, persona=False)


def test_the_ways_to_fail_help_in_their_own_way(place: PostgresPlace) -> None:
    async def scene(here: Tenants) -> None:
        assert "Authorization: Bearer" in (await refused(here, None)).message
        assert "not known" in (await refused(here, "sk-other")).message

    play(place, scene)


def test_a_stolen_table_is_of_no_use_without_the_secret_key() -> None:
    key = apikey.make()
    assert PEPPER.digest(key) != Pepper(Secret("another")).digest(key)
    assert key.secret.reveal().encode() not in PEPPER.digest(key)


@given(st.text(), st.text())
def test_two_bearers_are_never_remembered_as_one(one: str, other: str) -> None:
    assert (PEPPER.of(one) == PEPPER.of(other)) == (one == other)


@given(st.text(st.characters(), max_size=80))
def test_no_text_is_a_key_that_was_not_made_as_one(text: str) -> None:
    parsed = apikey.parse(text)
    assert parsed is None or parsed.reveal() == text
