"""Whether anybody listens on a socket of an engine."""

from __future__ import annotations

import asyncio
import socket
import time
from pathlib import Path
from typing import Final

_PATIENCE: Final = 10.0  # s for a server that was told to end
_REPLY: Final = 0.2  # s


def answers(path: Path) -> bool:
    """Whether a process listens there."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(_REPLY)
        return _joined(probe, path)


def ask(path: Path, line: bytes) -> bytes:
    """What comes back for a line; nothing where nobody listens, or answers."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(_REPLY)
        if not _joined(probe, path):
            return b""
        try:
            probe.sendall(line)
            return probe.recv(256)
        except OSError:
            return b""


async def silent(path: Path) -> bool:
    """Wait until nobody listens there; whether that came to be."""
    until = time.monotonic() + _PATIENCE
    while answers(path):
        if time.monotonic() > until:
            return False
        await asyncio.sleep(0.02)
    return True


def _joined(probe: socket.socket, path: Path) -> bool:
    try:
        probe.connect(str(path))
    except OSError:
        return False
    return True
