"""The door to the embedded engines: they run for as long as this is held."""

from __future__ import annotations

import contextlib
import logging
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, Self

import msgspec

from gateway.stores.embedded import folders
from gateway.stores.embedded.words import SOCKET, Cannot, Doing, Failed, Places, Ready, Said, Want

_PACKAGES: Final = Path(__file__).resolve().parents[3]  # the folder that `gateway` lies in
_COMING: Final = 60.0  # s until there must be a keeper; an earlier one may be stopping its engines
_PATIENCE: Final = 120.0  # s without a word from it while the engines start
_LEAVING: Final = 40.0  # s for the engines to stop; each is killed after 15
_PAUSE: Final = 1.0  # s

log = logging.getLogger("syntra")

_Word = Doing | Ready | Failed | Said


class Hold:
    """Engines that run at least until this is closed, or until this process and those forked from it are gone."""

    def __init__(self, data: Path, engines: Sequence[str], doing: Callable[[str], None] = lambda _: None) -> None:
        self._run = data.resolve() / "run"
        self._want = Want(tuple(engines))
        self._doing = doing
        self._closing = False
        self._follower: threading.Thread | None = None
        try:
            self._keeper, self.places = self._join()
        except OSError as error:
            raise Cannot(f"{error.filename or self._run}: {error.strerror}. Set SYNTRA_DATA_DIR elsewhere.") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def follow(self) -> None:
        """Log what happens to the engines from now on, and come to another keeper should ours die."""
        self._follower = threading.Thread(target=self._follow, name="engines", daemon=True)
        self._follower.start()

    def close(self) -> None:
        """Leave; returns when the engines have stopped, unless somebody else holds them."""
        self._closing = True
        self._keeper.leave()
        if self._follower is not None:
            self._follower.join(_LEAVING)
        else:
            with contextlib.suppress(TimeoutError):  # it insists by itself, and goes on when we do not wait
                deque(self._keeper.words(), maxlen=0)
        self._keeper.close()

    def _join(self) -> tuple[_Keeper, Places]:
        """Come to the keeper, started if there is none, and wait until the engines are ready; raises Cannot."""
        until = time.monotonic() + _COMING
        folders.private(self._run)
        while time.monotonic() < until:
            with contextlib.suppress(FileNotFoundError, ConnectionError):  # there is none, or it is just leaving
                return self._come()
            self._call()
        raise Cannot(f"the embedded databases do not start; {self._run / 'engines.log'} may say why")

    def _come(self) -> tuple[_Keeper, Places]:
        keeper = _Keeper(folders.short(self._run) / SOCKET)
        try:
            keeper.send(self._want)
            for word in keeper.words():
                match word:
                    case Ready():
                        keeper.listen()
                        return keeper, word.places
                    case Failed():
                        raise Cannot(word.text)
                    case Doing():
                        self._doing(word.text)
                    case Said():
                        _say(word)
            raise ConnectionResetError
        except BaseException as error:
            keeper.close()
            if isinstance(error, TimeoutError):
                raise Cannot(f"the embedded databases are silent; {self._run / 'engines.log'} may say why") from None
            raise

    def _call(self) -> None:
        """Start a keeper, which is not our child for long; raises Cannot."""
        command = [sys.executable, "-m", "gateway.stores.embedded.keeper", str(self._run.parent)]
        done = subprocess.run(  # noqa: S603  # our own module
            command, cwd=_PACKAGES, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise Cannot(done.stderr.strip())

    def _follow(self) -> None:
        while not self._closing:
            for word in self._keeper.words():
                if isinstance(word, Said):
                    _say(word)
            if not self._closing:
                self._rejoin()

    def _rejoin(self) -> None:
        log.warning("the process that keeps the databases has died; it is started again")
        self._keeper.close()
        while not self._closing:
            try:
                self._keeper, _ = self._join()  # the places follow from the data directory: they are the same
                log.warning("the databases are kept again")
                return
            except (Cannot, OSError) as error:
                log.warning("the databases: %s", error)
                time.sleep(_PAUSE)


class _Keeper:
    """The keeper at the other end of a connection."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(_PATIENCE)
        try:
            self._socket.connect(str(path))
        except OSError:
            self._socket.close()
            raise
        self._rest = b""

    def send(self, want: Want) -> None:
        self._socket.sendall(msgspec.json.encode(want) + b"\n")

    def words(self) -> Iterator[_Word]:
        """What it says, until it goes; while it is silent, for two minutes at most."""
        while True:
            line, whole, rest = self._rest.partition(b"\n")
            if whole:
                self._rest = rest
                yield msgspec.json.decode(line, type=_Word)
            elif block := self._block():
                self._rest += block
            else:
                return

    def _block(self) -> bytes:
        try:
            return self._socket.recv(65536)
        except ConnectionError:
            return b""

    def listen(self) -> None:
        """From now on it may be silent for as long as it likes."""
        self._socket.settimeout(None)

    def leave(self) -> None:
        with contextlib.suppress(OSError):  # it has died: there is nobody to leave
            self._socket.settimeout(_LEAVING)
            self._socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self._socket.close()


def _say(word: Said) -> None:
    log.warning("%s", word.text)
