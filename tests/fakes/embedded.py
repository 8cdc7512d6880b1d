"""What the tests of the embedded engines need: data directories, a look at the processes behind them, and what they keep."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import site
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import valkey

from gateway.core.secret import Secret
from gateway.stores.embedded.words import Places
from gateway.stores.vectors import chosen, vector
from gateway.stores.vectors_talk import Point
from tests.fakes.gateway import ROOT

ALL = ("postgres", "valkey", "vectors")
AS_ROOT = os.geteuid() == 0

# Holds engines until its stdin ends, and says where they are, or why they are not.
HOLDER = """
import sys, pathlib
import msgspec
from gateway.stores.embedded.hold import Hold
from gateway.stores.embedded.words import Cannot
try:
    with Hold(pathlib.Path(sys.argv[1]), sys.argv[2:]) as hold:
        print(msgspec.json.encode(hold.places).decode(), flush=True)
        sys.stdin.read()
except Cannot as error:
    sys.exit(str(error))
"""


@dataclass
class Holder:
    """A process of its own that holds engines."""

    process: subprocess.Popen[str]
    places: Places

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(5)


@contextmanager
def holder(data: Path, *engines: str, uid: int | None = None) -> Iterator[subprocess.Popen[str]]:
    """Starts one, as another user if wished."""
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join([str(ROOT), *site.getsitepackages()])}
    process = subprocess.Popen(
        [interpreter(uid), "-c", HOLDER, str(data), *(engines or ALL)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=env,
        cwd=ROOT,
        user=uid,
        group=uid,
        extra_groups=None if uid is None else (),
        start_new_session=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def interpreter(uid: int | None) -> str:
    """A Python that this user can run; ours may lie below /root."""
    if uid is None:
        return sys.executable
    for found in (
        sys.executable,
        shutil.which("python3.11", path="/usr/bin"),
        shutil.which("python3", path="/usr/bin"),
    ):
        try:
            if (
                found
                and not subprocess.run([found, "-c", ""], user=uid, group=uid, extra_groups=(), check=False).returncode
            ):
                return found
        except PermissionError:
            continue
    return ""


def is_busy() -> bool:
    """Whether others keep this machine busy, so that no time that is measured here means anything."""
    return os.getloadavg()[0] > (os.cpu_count() or 1)


def running(data: Path) -> dict[int, str]:
    """The processes that belong to a data directory: keeper and engines, by their command lines."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            at = str((process / "cwd").readlink())
        except OSError:
            continue
        if command and "sys.stdin.read" not in command and (f"{data}" in command or at.startswith(f"{data}/")):
            found[int(process.name)] = command
    return found


def gone(data: Path, seconds: float = 30.0) -> bool:
    """Whether all of them end within some time."""
    until = time.monotonic() + seconds
    while running(data):
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True


def pid(data: Path, name: str) -> int:
    """The process of one engine, or of the keeper."""
    if name == "postgres":
        return int((data / "postgres" / "postmaster.pid").read_text().split()[0])
    marks = {"valkey": "valkey-server", "vectors": "vectors_engine", "keeper": "embedded.keeper"}
    (found,) = [process for process, command in running(data).items() if marks[name] in command]
    return found


def kill_all(data: Path) -> None:
    """What a power cut leaves: nothing had the time to say goodbye."""
    victims = running(data)
    for process in sorted(victims, key=lambda process: "keeper" in victims[process], reverse=True):
        with suppress(ProcessLookupError):  # one that was over by itself
            os.kill(process, signal.SIGSTOP)  # none shall see another die and tidy up
    for process in victims:
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    assert gone(data)


def sql(places: Places, query: str, role: str = "postgres") -> Any:
    with psycopg.connect(places.postgres.replace("//postgres@", f"//{role}@"), autocommit=True) as connection:
        found = connection.execute(query.encode())
        return found.fetchall() if found.description else None


def cache(places: Places) -> Any:
    return closing(valkey.Valkey.from_url(places.valkey))


async def counted(places: Places, *keep: Point) -> int:
    store = chosen(places.vectors, "", Secret(""))
    assert store is not None
    async with store:
        mine = store.of("acme", "ann")
        if keep:
            await mine.upsert(keep)
        return await mine.count()


def refuses_nothing(places: Places) -> bool:
    """Whether all three answer."""
    try:
        with cache(places) as client:
            client.ping()
        sql(places, "select 1")
        asyncio.run(counted(places))
    except Exception:  # whatever it is that does not answer yet
        return False
    return True


def write(places: Places) -> None:
    sql(places, "create table if not exists note (text text)")
    sql(places, "insert into note values ('kept')")
    with cache(places) as client:
        client.set("spent", 42)
    assert asyncio.run(counted(places, Point("p", vector([1.0] * 256)))) == 1


def is_kept(places: Places) -> bool:
    with cache(places) as client:
        spent = client.get("spent")
    return (sql(places, "select text from note"), spent, asyncio.run(counted(places))) == ([("kept",)], b"42", 1)
