"""The process that keeps the engines: `python -m gateway.stores.embedded.keeper <data directory>`.

Holders come over a socket in the data directory and leave by closing it, as a process that
is killed does too; when the last has left, the engines are stopped in order, and the keeper goes. So a server, a second
one, and commands beside them share the engines, and whoever dies, they are neither torn away nor left behind.
It has one thread and no work but this: nothing that it could die of takes the engines with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import os
import signal
import socket
import sys
import time
from asyncio import StreamReader, StreamWriter
from collections.abc import Callable
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Final, TextIO

import msgspec

from gateway.stores.embedded import folders, sockets
from gateway.stores.embedded.child import Children
from gateway.stores.embedded.edge import Edge
from gateway.stores.embedded.life import Engine, Life
from gateway.stores.embedded.postgres import Postgres
from gateway.stores.embedded.valkey import Valkey
from gateway.stores.embedded.words import SOCKET, Cannot, Doing, Failed, Places, Ready, Said, Want

_ENGINES: Final[dict[str, Callable[[Path], Engine]]] = {"postgres": Postgres, "valkey": Valkey, "vectors": Edge}
_UNUSED: Final = 5.0  # s in which whoever has started us should have come
_LOCK_SECONDS: Final = 30.0  # an earlier keeper is stopping its engines
_REFRESH: Final = 3600.0  # s
_LOG_BYTES: Final = 1_000_000


class Keeper:
    """The engines of one data directory and those who hold them."""

    def __init__(self, data: Path, log: logging.Logger) -> None:
        self._data = data
        self._log = log
        self._children = Children(log.info)
        self._lives = {name: Life(make(data), self._children, self._warn) for name, make in _ENGINES.items()}
        self._holders: set[StreamWriter] = set()
        self._left = asyncio.Event()

    async def keep(self, listener: socket.socket) -> None:
        """Take holders until the last has left, then stop what runs."""
        server = await asyncio.start_unix_server(self._hold, sock=listener)
        refreshing = asyncio.create_task(self._refresh())
        asyncio.get_running_loop().call_later(_UNUSED, self._look)
        await self._left.wait()
        _close(listener.getsockname())  # who comes now starts a keeper that waits for our lock
        server.close()
        refreshing.cancel()
        await asyncio.gather(*(life.end() for life in self._lives.values()))

    async def _refresh(self) -> None:
        """Keep what a long path is reached by from being swept away as old."""
        while True:
            await asyncio.sleep(_REFRESH)
            for folder in (self._data / "run", self._data / "postgres" / "run"):
                folders.short(folder)

    async def _hold(self, reader: StreamReader, writer: StreamWriter) -> None:
        """One holder, from coming to leaving. The last one's connection ends with us: then its engines have stopped."""
        try:
            want = msgspec.json.decode(await reader.readline(), type=Want)
        except (msgspec.MsgspecError, OSError):  # somebody who only looked whether we are here
            want = None
        if want is None or self._left.is_set():
            writer.close()
            return
        self._holders.add(writer)
        serving = asyncio.ensure_future(self._serve(want, writer))
        with contextlib.suppress(OSError):
            await reader.read()
        serving.cancel()
        self._holders.discard(writer)
        if self._holders:
            writer.close()
        self._look()

    async def _serve(self, want: Want, writer: StreamWriter) -> None:
        lives = {name: self._lives[name] for name in want.engines if name in self._lives}
        news = [life.engine.news for life in lives.values() if life.engine.news]
        self._tell(writer, Doing("\n".join(news) or "Starting the databases …"))
        try:
            await asyncio.gather(*(life.begin() for life in lives.values()))
        except Cannot as trouble:
            self._log.warning("%s", trouble)
            self._tell(writer, Failed(str(trouble)))
            return
        places = {name: life.engine.place for name, life in lives.items()}
        self._tell(writer, Ready(Places(**places, versions=tuple(life.engine.version for life in lives.values()))))

    def _tell(self, writer: StreamWriter, word: Doing | Ready | Failed | Said) -> None:
        if not writer.is_closing():
            writer.write(msgspec.json.encode(word) + b"\n")

    def _warn(self, text: str) -> None:
        self._log.warning("%s", text)
        for writer in self._holders:
            self._tell(writer, Said(text))

    def _look(self) -> None:
        if not self._holders:
            self._left.set()


def main(data: Path) -> None:
    """Keep the engines of a data directory; returns once holders are taken, by a child of ours or by another keeper."""
    os.umask(0o077)
    run = folders.private(data / "run")
    path = folders.short(run) / SOCKET
    lock = (run / "keeper.lock").open("w")
    if not _alone(lock, path):
        return
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()
    log = _logbook(run / "engines.log")
    if os.fork():
        return  # whoever has called us goes on, and is not our parent: it need not know when we end
    os.setsid()
    os.chdir("/")
    with Path(os.devnull).open("r+b") as nothing:
        for stream in (0, 1, 2):
            os.dup2(nothing.fileno(), stream)
    asyncio.run(_keep(data, listener, log))


async def _keep(data: Path, listener: socket.socket, log: logging.Logger) -> None:
    for sign in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # Whoever stops a service may tell all its processes at once, and the gateway needs its engines until it has
        # drained. They are let go of by their holders, not by a signal.
        asyncio.get_running_loop().add_signal_handler(sign, log.info, "asked to end; the holders decide")
    await Keeper(data, log).keep(listener)


def _logbook(file: Path) -> logging.Logger:
    log = logging.getLogger("syntra.engines")
    log.setLevel(logging.INFO)
    log.propagate = False
    handler = RotatingFileHandler(file, maxBytes=_LOG_BYTES, backupCount=1, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    log.addHandler(handler)
    return log


def _close(path: str) -> None:
    Path(path).unlink(missing_ok=True)


def _alone(lock: TextIO, path: Path) -> bool:
    """Whether this is the keeper now; False where there is another that takes holders."""
    until = time.monotonic() + _LOCK_SECONDS
    while True:
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        if sockets.answers(path):
            return False
        if time.monotonic() > until:
            raise Cannot(f"another process holds {lock.name} and does not answer; end it and start again")
        time.sleep(0.02)


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]))
    except (Cannot, OSError) as error:
        sys.exit(str(error))
