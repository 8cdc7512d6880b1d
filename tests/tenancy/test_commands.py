"""`syntra key` and `syntra migrate`, as administrators type them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gateway.__main__ import main
from gateway.commands.key import _found_or_made
from gateway.core.caller import Caller, Scopes
from gateway.core.errors import BadKey
from gateway.core.limits import Limits
from gateway.stores import keyfile, postgres_place
from gateway.stores.schema import CHANGES
from tests.fakes.engines import PostgresEngine
from tests.fakes.tenants import PEPPER, tenants

SECRET_KEY = "a secret key of the tests, of 32 characters"  # that of tests.fakes.tenants
KEY = re.compile(r"sk-syn-[0-9a-f]{12}-[0-9a-f]{48}\n")


@pytest.fixture
def database(postgres_engine: PostgresEngine) -> Iterator[str]:
    """An empty database; each test begins with one."""
    with postgres_engine.database() as conninfo:
        yield conninfo


def syntra(database: str, folder: Path, *arguments: str) -> Result:
    env = {"DATABASE_URL": database, "SECRET_KEY": SECRET_KEY, "SYNTRA_DATA_DIR": str(folder), "COLUMNS": "200"}
    return CliRunner().invoke(main, list(arguments), env=env)


def caller(database: str, key: str) -> Caller:
    """Whom a gateway on this database takes a key for."""

    async def identify() -> Caller:
        async with tenants(postgres_place.place(database), hears=False) as worker:
            return await worker.keys.identify(key)

    return asyncio.run(identify())


def test_it_makes_the_organisation_and_prints_a_key_that_works_and_nothing_else(database: str, tmp_path: Path) -> None:
    made = syntra(database, tmp_path, "key", "create", "--org", "acme", "--name", "laptop")
    assert (made.exit_code, made.stderr) == (0, "")
    assert KEY.fullmatch(made.stdout)
    found = caller(database, made.stdout.strip())
    assert (found.name, found.role, found.operator) == ("acme", "member", False)
    again = syntra(database, tmp_path, "key", "create", "--org", "acme", "--name", "phone", "--role", "admin")
    other = caller(database, again.stdout.strip())
    assert (other.organisation, other.role) == (found.organisation, "admin")


def test_a_key_gets_what_was_asked_for(database: str, tmp_path: Path) -> None:
    made = syntra(
        *(database, tmp_path, "key", "create", "--org", "acme", "--name", "x", "--person", "Ada@Example.com"),
        *("--no-persona", "--model", "openai/*", "--model", "syntra", "--endpoint", "chat", "--expires", "12h"),
        *("--rpm", "60", "--tpd", "1000000", "--concurrency", "4", "--usd-per-day", "2.5"),
    )
    found = caller(database, made.stdout.strip())
    assert (found.user, found.persona) == ("ada@example.com", False)
    assert found.scopes == Scopes(models=("openai/*", "syntra"), endpoints=("chat",))
    assert found.key_limits == Limits(requests_per_minute=60, tokens_per_day=1_000_000, concurrency=4, usd_per_day=2.5)
    listed = syntra(database, tmp_path, "key", "list", "--org", "acme").stdout
    for told in ("ada@example.com", "models openai/*, syntra", "usd_per_day 2.5", "chat"):
        assert told in listed
    assert made.stdout.strip().rpartition("-")[2] not in listed


def test_a_revoked_key_is_none_any_more(database: str, tmp_path: Path) -> None:
    first, second = (
        syntra(database, tmp_path, "key", "create", "--org", "acme", "--name", name).stdout.strip() for name in "ab"
    )
    shown = f"{first.rpartition('-')[0]}-…"  # as the list shows it
    assert shown in syntra(database, tmp_path, "key", "list", "--org", "acme").stdout
    assert syntra(database, tmp_path, "key", "revoke", "--org", "acme", shown).exit_code == 0
    with pytest.raises(BadKey):
        caller(database, first)
    again = syntra(database, tmp_path, "key", "revoke", "--org", "acme", shown)
    assert (again.exit_code, "key list --org acme" in again.stderr) == (1, True)
    assert syntra(database, tmp_path, "key", "revoke", "--org", "acme", second).exit_code == 0
    assert shown not in syntra(database, tmp_path, "key", "list", "--org", "acme").stdout
    assert "revoked" in syntra(database, tmp_path, "key", "list", "--org", "acme", "--all").stdout


def test_many_at_once_make_one_organisation(database: str, tmp_path: Path) -> None:
    syntra(database, tmp_path, "migrate")
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda _: _made(database), range(4)))
    assert len(set(made)) == 1


def _made(database: str) -> str:
    async def create() -> str:
        async with tenants(postgres_place.place(database), hears=False) as worker:
            return (await _found_or_made(worker.postgres, PEPPER, "race", None)).id

    return asyncio.run(create())


def test_a_key_of_the_operators_comes_with_the_first_start_of_which_it_is(database: str, tmp_path: Path) -> None:
    made = syntra(database, tmp_path, "key", "create", "--org", "local", "--name", "x", "--role", "owner")
    assert caller(database, made.stdout.strip()).operator
    first = caller(database, keyfile.read_or_make(tmp_path).reveal())
    assert (first.operator, first.role) == (True, "owner")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["key", "create", "--org", "A B", "--name", "x"], "lower-case"),
        (["key", "create", "--org", "0199f0c1-b2a4-7d3e-8f60-718293a4b5c6", "--name", "x"], "cannot be"),
        (["key", "create", "--org", "a", "--name", "x", "--expires", "yesterday"], "30d"),
        (["key", "create", "--org", "a", "--name", "x", "--expires", "2020-01-01"], "over already"),
        (["key", "create", "--org", "a", "--name", "x", "--expires", "9999-12-31"], "after 3000"),
        (["key", "create", "--org", "a", "--name", "x", "--usd-per-day", "10000000"], "out of range"),
        (["key", "create", "--org", "a", "--name", "x", "--role", "god"], "role"),
        (["key", "list", "--org", "nobody"], "key create --org nobody"),
        (["key", "revoke", "--org", "nobody", "x"], "key create --org nobody"),
    ],
)
def test_what_cannot_be_is_said_with_what_to_do(arguments: list[str], said: str, database: str, tmp_path: Path) -> None:
    result = syntra(database, tmp_path, *arguments)
    assert result.exit_code in (1, 2)
    assert said in " ".join(result.stderr.replace("│", " ").split())
    assert result.stdout == ""


def test_a_database_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    for url, said in (
        ("postgresql://u:secret@127.0.0.1:9/d", "does not answer"),
        ("mysql://u:secret@h/d", "DATABASE_URL"),
    ):
        result = syntra(url, tmp_path, "key", "list", "--org", "acme")
        assert result.exit_code == 1
        assert said in result.stderr
        assert "secret" not in result.output


def test_migrate_says_what_it_applied_and_check_what_it_would(database: str, tmp_path: Path) -> None:
    wanted = ["schema.sql", *sorted(path.name for path in CHANGES.glob("*.sql"))]
    check = syntra(database, tmp_path, "migrate", "--check")
    assert (check.exit_code, check.stdout.split("\n")[:-1]) == (1, [f"to apply: {name}" for name in wanted])
    first = syntra(database, tmp_path, "migrate")
    assert (first.exit_code, first.stdout.split("\n")[:-1]) == (0, [f"applied: {name}" for name in wanted])
    for arguments in (["migrate"], ["migrate", "--check"]):
        again = syntra(database, tmp_path, *arguments)
        assert (again.exit_code, "up to date" in again.stdout) == (0, True)


def test_another_secret_key_is_refused(database: str, tmp_path: Path) -> None:
    syntra(database, tmp_path, "migrate")
    env = {
        "DATABASE_URL": database,
        "SECRET_KEY": "another secret key than the one of the tests",
        "SYNTRA_DATA_DIR": str(tmp_path),
    }
    result = CliRunner().invoke(main, ["key", "create", "--org", "acme", "--name", "x"], env=env)
    assert (result.exit_code, "SECRET_KEY" in result.stderr, result.stdout) == (1, True, "")
