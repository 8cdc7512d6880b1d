"""Qdrant Edge in a process of its own, in the folder `vectors` of the data directory."""

from __future__ import annotations

import sys
from importlib.metadata import version
from pathlib import Path

from gateway.stores.embedded import folders, sockets
from gateway.stores.embedded.child import Children, Launch
from gateway.stores.embedded.words import Cannot

_PACKAGES = Path(__file__).resolve().parents[3]  # the folder that `gateway` lies in


class Edge:
    """The process that holds the vectors."""

    title = "Qdrant Edge"
    news = ""

    def __init__(self, data: Path) -> None:
        self.home = data / "vectors"
        self._folder = data / "run"
        self.version = f"{self.title} {version('qdrant-edge-py')}"

    @property
    def _socket(self) -> Path:
        return folders.short(self._folder) / "vectors.sock"

    @property
    def place(self) -> str:
        """Its socket, for `vectors`."""
        return str(self._socket)

    async def prepare(self, children: Children) -> None:
        """See to its folder, and wait for a process whose keeper has died: it ends by itself."""
        folders.private(self.home)
        if not await sockets.silent(self._socket):
            raise Cannot(f"a vector engine that was left behind at {self._socket} does not end; end it and start again")

    def launch(self) -> Launch:
        """The process; it ends when its stdin does."""
        command = (sys.executable, "-m", "gateway.stores.vectors_engine", str(self.home), str(self._socket))
        return Launch(self.title, command, _PACKAGES, inherits=True, stdin=b"")

    def is_ready(self, _pid: int) -> bool:
        """Whether it listens, which it does once the vectors are open."""
        return sockets.answers(self._socket)
