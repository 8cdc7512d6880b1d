"""Lines in files, one hour (UTC) a file, appended to by every worker at once.

Nobody locks anything: a batch is one `write` to a file opened with O_APPEND, which Linux does under the inode's lock,
so lines of several processes never mix. A batch begins with a line end too: whatever a crash or a full disk has cut
before it stays a line of its own. Empty lines mean nothing.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

_HOUR = 3600 * 1000  # ms
_DAY = 24 * _HOUR
_NAME = re.compile(r"\d{4}-\d\d-\d\dT\d\d\.\d{3,}\.jsonl")
_BLOCK = 256 * 1024  # bytes searched at once: that holds the interpreter for 0.2 ms, a whole file would for 100
_MOST_LINE = 1024 * 1024  # bytes


class Hours:
    """The files of one folder; an hour goes on in a further part every `part_bytes`.

    Parts let a busy hour lose its oldest minutes, where one file could only be kept or dropped whole.
    """

    def __init__(self, folder: Path, *, most_days: int, most_bytes: int, part_bytes: int) -> None:
        self._folder = folder
        self._most_days = most_days
        self._most_bytes = most_bytes
        self._part_bytes = part_bytes

    def append(self, at: int, lines: Sequence[bytes]) -> int:
        """How many of the lines, from the first on, are now in the hour of `at` (Unix ms); raises OSError for none."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = self._open_last(at)
        try:
            room = os.write(descriptor, b"\n%b\n" % b"\n".join(lines)) - 1
        finally:
            os.close(descriptor)
        for whole, line in enumerate(lines):
            room -= len(line) + 1
            if room < 0:  # the disk took a part of it: the rest is the caller's again
                if whole == 0:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                return whole
        return len(lines)

    def _open_last(self, at: int) -> int:
        """The last part of the hour, or a new one when that is full."""
        hour = _hour(at)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW
        last = (self._names(hour) or [_name(hour, 0)])[-1]
        descriptor = os.open(self._folder / last, flags, 0o600)
        if os.fstat(descriptor).st_size < self._part_bytes:
            return descriptor
        os.close(descriptor)
        self.sweep(at)
        return os.open(self._folder / _name(hour, int(last.split(".")[1]) + 1), flags, 0o600)

    def find(self, at: int, start: bytes) -> Iterator[bytes]:
        """Every line of the hour of `at` (Unix ms) that begins with `start`; cut ones too, so look at what you get."""
        try:
            names = self._names(_hour(at))
        except FileNotFoundError:  # nothing was ever kept
            return
        for name in names:
            try:
                descriptor = os.open(self._folder / name, os.O_RDONLY | os.O_NOFOLLOW)
            except FileNotFoundError:  # dropped since it was listed
                continue
            try:
                yield from _lines(descriptor, start)
            finally:
                os.close(descriptor)

    def sweep(self, now: int) -> None:
        """Drop what is too old or too much, oldest first, at `now` (Unix ms); several workers may do it at once."""
        oldest = _hour(now - self._most_days * _DAY)
        sizes = {name: size for name in self._names() if (size := self._size(name)) is not None}
        total = sum(sizes.values())
        for name, size in sizes.items():
            if total <= self._most_bytes and name >= oldest:
                return
            # Who lists later sees less and drops less; who listed at the same time drops the same.
            (self._folder / name).unlink(missing_ok=True)
            total -= size

    def _size(self, name: str) -> int | None:
        try:
            return (self._folder / name).stat().st_size
        except FileNotFoundError:  # another worker was faster
            return None

    def _names(self, hour: str = "") -> list[str]:
        """The files there are, oldest first."""
        names = (path.name for path in self._folder.iterdir())
        return sorted(name for name in names if name.startswith(hour) and _NAME.fullmatch(name))


def _hour(at: int) -> str:
    return datetime.fromtimestamp(at // _HOUR * 3600, UTC).strftime("%Y-%m-%dT%H")


def _name(hour: str, part: int) -> str:
    return f"{hour}.{part:03d}.jsonl"


def _lines(descriptor: int, start: bytes) -> Iterator[bytes]:
    """The lines of an open file that begin with `start`."""
    needle = b"\n" + start
    block = bytearray(_BLOCK)
    at = 0
    while (size := os.preadv(descriptor, [block], at)) > 0:
        if (found := block.find(needle, 0, size)) >= 0:
            at += found + 1
            yield os.pread(descriptor, _MOST_LINE, at).partition(b"\n")[0]
        elif size < len(needle):
            return
        else:
            at += size - len(needle) + 1  # it may begin in this block and end in the next
