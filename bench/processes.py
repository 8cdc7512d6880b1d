"""Processes that are started on a core of their own, measured, and always stopped."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from pathlib import Path
from typing import Final, Generic, TypeVar

_PATIENCE = 20.0  # s that a process has to end by itself before it is killed
_TICK = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_QUIET: Final = 0.01  # share of the machine that the host may take without being noticed
_TRIES: Final = 4
T = TypeVar("T")


def cores() -> tuple[int, int] | None:
    """The gateway's core and the one of the instruments, or None where processes cannot be kept apart."""
    mine = sorted(os.sched_getaffinity(0))
    return (mine[0], mine[1]) if len(mine) > 1 and shutil.which("taskset") else None


def pinned(command: Sequence[str], core: int | None) -> list[str]:
    """The command that runs on this core."""
    return list(command) if core is None else ["taskset", "-c", str(core), *command]


def busy(core: int) -> float:
    """Seconds that programs have run on this core, and those that the host took from it."""
    found = re.search(rf"^cpu{core} (.+)$", Path("/proc/stat").read_text("ascii"), re.MULTILINE)
    user, nice, system, *_, steal = [int(ticks) for ticks in found[1].split()[:8]] if found else [0] * 8
    return (user + nice + system + steal) / _TICK


class Readings(Generic[T]):
    """Readings of one thing, taken again where the host of this virtual machine took much of it meanwhile.

    Ten percent that the host takes come in pieces of some ten milliseconds each, and are in every p99. `noisy` hears
    the share of a reading that will be taken again.
    """

    def __init__(self, noisy: Callable[[float], None]) -> None:
        self._noisy = noisy
        self._found: list[tuple[float, T]] = []
        self._began = 0.0, 0.0

    def wanted(self) -> bool:
        """Whether a reading is to be taken, which begins now."""
        if self._found:
            share = self._found[-1][0]
            if share <= _QUIET or len(self._found) == _TRIES:
                return False
            self._noisy(share)
        self._began = _taken(), time.monotonic()
        return True

    def add(self, what: T) -> None:
        """What the reading that was begun has shown."""
        self._found.append((_share(*self._began), what))

    @property
    def quietest(self) -> tuple[T, float]:
        """What was seen while the host took least, and that share."""
        share, what = min(self._found, key=itemgetter(0))
        return what, share


def quietly(measure: Callable[[], T], noisy: Callable[[float], None]) -> tuple[T, float]:
    """Take one reading, again where the host took much; the quietest, and the share that the host took."""
    readings = Readings[T](noisy)
    while readings.wanted():
        readings.add(measure())
    return readings.quietest


def shared(measure: Callable[[], T]) -> tuple[T, float]:
    """Measure, and the share of the machine that its host took meanwhile."""
    began = _taken(), time.monotonic()
    return measure(), _share(*began)


def _share(before: float, began: float) -> float:
    return (_taken() - before) / (time.monotonic() - began) / (os.cpu_count() or 1)


def _taken() -> float:
    """Seconds that the host has taken from all cores."""
    return int(Path("/proc/stat").read_text("ascii").split(maxsplit=9)[8]) / _TICK


class Running:
    """A process and its children, in a session of their own so that all of them can be stopped."""

    def __init__(self, command: Sequence[str], log: Path, environ: Mapping[str, str] | None = None) -> None:
        self.log = log
        with log.open("wb") as file:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=file, stderr=file, env=environ, start_new_session=True
            )

    @property
    def ended(self) -> bool:
        """Whether it is over."""
        return self._process.poll() is not None

    def stop(self) -> None:
        """Ask it to end, then end it, and whatever it started."""
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()
        try:
            self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            pass
        finally:  # also when a second Ctrl-C comes while we wait
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def resident(self) -> int:
        """Bytes of memory of the whole tree; pages that two processes share count twice."""
        return sum(int(_read(pid, "statm").split()[1]) * _PAGE for pid in self._tree())

    def proportional(self) -> int:
        """Bytes of memory of the whole tree; of a shared page each process counts its part."""
        found = (re.search(r"^Pss:\s+(\d+) kB", _read(pid, "smaps_rollup"), re.MULTILINE) for pid in self._tree())
        return sum(int(match[1]) * 1024 for match in found if match)

    def sockets(self) -> int:
        """Sockets that the whole tree has open."""
        found = 0
        for pid in self._tree():
            for name in Path(f"/proc/{pid}/fd").iterdir():
                with contextlib.suppress(FileNotFoundError):
                    found += str(name.readlink()).startswith("socket:")
        return found

    def cpu(self) -> float:
        """Seconds that the whole tree has run."""
        return seconds(self._tree())

    def _tree(self) -> list[int]:
        return tree(self._process.pid)


def tree(root: int) -> list[int]:
    """A process and all its descendants."""
    found = [root]
    for pid in found:  # grows while it is walked
        for thread in Path(f"/proc/{pid}/task").iterdir():
            found += [int(child) for child in (thread / "children").read_text("ascii").split()]
    return found


def started_in(folder: str) -> list[int]:
    """This process, and the engines of a data directory with all that they have started."""
    found = {os.getpid()}
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            if folder in (place / "cmdline").read_bytes().decode("utf-8", "replace"):
                found.update(tree(int(place.name)))
    return sorted(found)


def seconds(pids: Sequence[int]) -> float:
    """Seconds that these processes have run."""
    fields = (_read(pid, "stat").rpartition(")")[2].split() for pid in pids)
    return sum(int(stat[11]) + int(stat[12]) for stat in fields) / _TICK


def _read(pid: int, name: str) -> str:
    return Path(f"/proc/{pid}/{name}").read_text("ascii")
