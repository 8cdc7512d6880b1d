"""A rolling restart: workers that follow each other, told by marks in a folder that all of them see.

Granian ends the old worker a fixed time after it has started the new one, with the signal that also ends a server. So
the parent marks that a restart is under way, each worker marks that it serves, and who is told to go leaves when
another has come. In the same folder they leave what a later worker may need.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Self

FOLDER: Final = "SYNTRA_ROLL"  # the variable that names it to the workers
_UNDER_WAY: Final = "rolling"


class Rolling:
    """The marks; without a folder there is no restart but a new server."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Self:
        """Those that the parent has told of, if it has."""
        folder = environ.get(FOLDER)
        return cls(Path(folder) if folder else None)

    def begin(self) -> None:
        """The parent replaces its workers from now on."""
        if self._folder is not None:
            (self._folder / _UNDER_WAY).touch()

    def end(self) -> None:
        """All are replaced."""
        if self._folder is not None:
            (self._folder / _UNDER_WAY).unlink(missing_ok=True)

    def serves(self) -> None:
        """The worker that says so takes requests from now on."""
        if self._folder is not None:
            (self._folder / f"serves-{os.getpid()}").touch()

    def keep(self, name: str, content: bytes) -> None:
        """Leave something for the workers that come later, in place of what was left under this name before."""
        if self._folder is None:
            return
        made = self._folder / f"{name}-{os.getpid()}"
        made.touch(0o600)
        made.write_bytes(content)
        made.replace(self._folder / name)

    def kept(self, name: str) -> bytes | None:
        """What a worker has left, if one has."""
        if self._folder is None or not (self._folder / name).exists():
            return None
        return (self._folder / name).read_bytes()

    @property
    def under_way(self) -> bool:
        """Whether who is told to go has a successor, or will have one."""
        return self._folder is not None and (self._folder / _UNDER_WAY).exists()

    @property
    def followed(self) -> bool:
        """Whether a worker has come since the restart began."""
        if self._folder is None or not self.under_way:
            return False
        began = (self._folder / _UNDER_WAY).stat().st_mtime_ns
        return any(mark.stat().st_mtime_ns >= began for mark in self._folder.glob("serves-*"))


def turn_away() -> None:
    """Let this process take no connection any more; those that it shares its listening socket with go on.

    The socket cannot be closed: whoever accepts holds it, in Rust. So another takes its place, which nobody knows of.
    """
    if sys.platform != "linux":
        return
    with socket.socket(socket.AF_UNIX) as nobodys:
        nobodys.bind("")  # a name that the kernel makes up
        nobodys.listen(1)
        nobodys.setblocking(False)
        for entry in list(Path("/proc/self/fd").iterdir()):
            if _listens(int(entry.name)):
                os.dup2(nobodys.fileno(), int(entry.name))


def _listens(fd: int) -> bool:
    """Whether connections over the network are accepted there."""
    try:
        found = socket.socket(fileno=fd)
    except OSError:  # no socket, or closed meanwhile
        return False
    try:
        inet = found.family in (socket.AF_INET, socket.AF_INET6)
        return inet and bool(found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))
    finally:
        found.detach()  # it is another's
