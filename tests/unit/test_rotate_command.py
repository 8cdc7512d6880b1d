"""`syntra key rotate` says what it did, and which old master keys can go."""

from __future__ import annotations

import asyncio
import base64
import os
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gateway.commands.rotate import rotate
from gateway.core.apikey import Pepper
from gateway.core.ids import uuid7
from gateway.core.secret import Secret
from gateway.stores import keyfile, postgres_place, schema
from gateway.stores.organisations import create_organisation
from gateway.stores.postgres import Postgres
from gateway.stores.vault import Vault
from tests.fakes.engines import PostgresEngine

SECRET = "a secret key of the tests, of 32 characters"
OLD, NEW = (base64.b64encode(os.urandom(32)).decode() for _ in range(2))


async def fill(conninfo: str, vault: Vault) -> None:
    place = postgres_place.place(conninfo)
    schema.migrate(place, Pepper(Secret(SECRET)).check)
    async with Postgres(place) as postgres:
        organisation = await create_organisation(postgres, "acme", "test")
        assert organisation is not None
        for provider in ("openai", "anthropic"):
            name = uuid7()
            sealed, by = vault.seal(organisation.id, name, provider, Secret("sk-secret-4711"))
            async with postgres.tenant(organisation.id) as cursor:
                await cursor.execute(
                    "insert into provider_key (org_id, id, provider, sealed, master, last4) values (%s, %s, %s, %s, %s, '4711')",
                    (organisation.id, name, provider, sealed, by),
                )


def run(folder: Path, **env: str) -> Result:
    whole = {"DATABASE_URL": "", "ENCRYPTION_KEY": "", "SECRET_KEY": SECRET, "SYNTRA_DATA_DIR": str(folder), **env}
    return CliRunner().invoke(rotate, [], env=whole)


def test_it_seals_anew_and_names_the_masters_that_can_go(postgres_engine: PostgresEngine, tmp_path: Path) -> None:
    with postgres_engine.database() as conninfo:
        asyncio.run(fill(conninfo, Vault([Secret(OLD)])))
        lost = run(tmp_path, DATABASE_URL=conninfo, ENCRYPTION_KEY=NEW)
        assert lost.exit_code == 1
        assert lost.stderr.count("lacks the master key") == 2
        first = run(tmp_path, DATABASE_URL=conninfo, ENCRYPTION_KEY=f"{NEW},{OLD}")
        assert (first.exit_code, first.stderr.strip()) == (0, "")
        assert "2 provider keys were sealed anew" in first.stdout
        assert f"Key 2 of ENCRYPTION_KEY ({Vault([Secret(OLD)]).newest}) is not needed any more" in first.stdout
        again = run(tmp_path, DATABASE_URL=conninfo, ENCRYPTION_KEY=NEW)
        assert (again.exit_code, again.stdout.partition(" ")[0]) == (0, "0")
        for said in (lost, first, again):
            assert not any(secret in said.output for secret in (OLD, NEW, "sk-secret"))


def test_the_file_stands_in_for_the_setting(postgres_engine: PostgresEngine, tmp_path: Path) -> None:
    old = keyfile.read_or_make(tmp_path, keyfile.ENCRYPTION).reveal()
    with postgres_engine.database() as conninfo:
        asyncio.run(fill(conninfo, Vault([Secret(old)])))
        (tmp_path / "encryption").write_text(f"{NEW},{old}\n")
        assert "2 provider keys were sealed anew" in run(tmp_path, DATABASE_URL=conninfo).stdout


@pytest.mark.parametrize(
    ("env", "said"),
    [
        ({"ENCRYPTION_KEY": "too-short-4711"}, "ENCRYPTION_KEY does not hold master keys"),
        ({"DATABASE_URL": "postgresql://me:hush-4711@127.0.0.1:1/x"}, "does not answer"),
    ],
)
def test_what_is_wrong_is_said_without_a_traceback_or_a_secret(tmp_path: Path, env: dict[str, str], said: str) -> None:
    result = run(tmp_path, **env)
    assert result.exit_code == 1
    assert said in result.output
    assert "4711" not in result.output
    assert "Traceback" not in result.output
