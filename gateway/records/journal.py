"""Lines that outlive the process: on disk before the loop's next turn, read from there, and gone when they are done.

A journal is a row of segments, files of some MiB. Each is held locked by its process for as long as that lives, so a
segment that can be locked has lost its process, and whoever locks it takes it over. Lines are appended; a segment whose
lines are all done is emptied or removed, mostly before the disk has had to write any of it.
"""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import re
import time
from asyncio import AbstractEventLoop
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from msgspec import Struct

from gateway.core.ids import uuid7

MOST_BYTES: Final = 1024 * 1024 * 1024  # that may wait; above, no new work is taken
_SEGMENT_BYTES: Final = 8 * 1024 * 1024  # after which the next one begins
_BLOCK_BYTES: Final = 1024 * 1024  # read at once: half a millisecond of the loop
_WRITE_BYTES: Final = 1024 * 1024  # written at once
_MOST_HELD: Final = 64 * 1024 * 1024  # bytes in memory while the disk takes none
_PROBE: Final = b"\n" * 65_536  # empty lines, which mean nothing
_MOST_SEARCHED: Final = 64 * 1024 * 1024
_SEARCH_BYTES: Final = 256 * 1024  # searched at once: that holds the interpreter for 0.2 ms
_MOST_LINE: Final = 1024 * 1024
_STALE: Final = 60.0  # s after which an empty segment without a process is one that is not just being made
_NAME: Final = re.compile(r"[0-9a-f]{32}\.jsonl")

log = logging.getLogger("syntra")


class Segment(Struct, eq=False):
    """One file of a journal."""

    path: Path
    descriptor: int
    size: int = 0  # bytes of whole lines
    done: int = 0  # bytes from the start that need not be read again
    synced: int = 0  # bytes that survive a power cut
    torn: bool = False  # there is half a line behind `size`, so nothing may follow

    @property
    def waiting(self) -> int:
        """Bytes that are not done."""
        return self.size - self.done


class Block(Struct, frozen=True):
    """Some lines in their order, and where they end; without a segment where the disk has not taken them."""

    lines: Sequence[bytes]
    segment: Segment | None = None
    end: int = 0
    more: bool = False  # there were more when it was read


class Journal:
    """The journal of this process, with those that the dead have left in the same folder.

    `trouble` is what keeps the disk from taking lines; they wait in memory then.
    """

    def __init__(self, folder: Path, *, most_bytes: int = MOST_BYTES) -> None:
        self.trouble: OSError | None = None
        self.lost = 0  # lines for which there was no room, neither on disk nor in memory
        self.folder = folder
        self._most_bytes = most_bytes
        self._own: deque[Segment] = deque()
        self._left: deque[Segment] = deque()
        self._lines: list[bytes] = []  # not on disk yet
        self._held = 0  # their bytes
        self._out: list[bytes] = []  # not on disk either, and just being read
        self._out_held = 0
        self._soon = False
        self._loop: AbstractEventLoop | None = None

    def open(self, loop: AbstractEventLoop) -> None:
        """Begin; the disk may be in trouble from the start."""
        self._loop = loop
        self.retry(probe=True)
        self.adopt()

    @property
    def waiting(self) -> int:
        """Bytes that are not done."""
        size = self._held + self._out_held
        for segments in (self._own, self._left):  # each request asks, so without what a sum of properties costs
            for segment in segments:
                size += segment.size - segment.done
        return size

    @property
    def full(self) -> bool:
        """Whether nothing more can be promised to be kept."""
        return self.trouble is not None or self.waiting > self._most_bytes

    def add(self, line: bytes) -> None:
        """Take a line, which is written when the loop has its next turn; neither waits nor fails."""
        self._lines.append(line)
        self._held += len(line)
        if self.trouble is not None:
            self._let_go()
        elif not self._soon and self._loop is not None:
            self._soon = True
            self._loop.call_soon(self.flush)

    def flush(self) -> None:
        """Write what was taken."""
        self._soon = False
        while self._lines:
            count, size = len(self._lines), self._held
            if size > _WRITE_BYTES:
                count, size = _some(self._lines)
            if not self._write(b"\n%b\n" % b"\n".join(self._lines[:count])):
                return
            del self._lines[:count]
            self._held -= size

    def retry(self, *, probe: bool = False) -> None:
        """See whether the disk takes lines again."""
        self.flush()
        if (probe or self.trouble is not None) and not self._lines and self._write(_PROBE):
            segment = self._own[-1]
            segment.size -= len(_PROBE)
            self._cut(segment)

    def _write(self, data: bytes) -> bool:
        """Append all of it or nothing; whether it was taken."""
        try:
            segment = self._current()
            written = os.write(segment.descriptor, data)
            if written < len(data):  # there was room for a part, which is taken back
                self._cut(segment)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            if self.trouble is None:
                log.error("the ledger's journal cannot be written, so no new work is taken: %s", error)  # noqa: TRY400
            self.trouble = error
            return False
        segment.size += written
        if self.trouble is not None:
            log.warning("the ledger's journal is written again")
            self.trouble = None
        return True

    @staticmethod
    def _cut(segment: Segment) -> None:
        """Take back what stands behind its lines; where that fails nothing more is written to it."""
        try:
            os.ftruncate(segment.descriptor, segment.size)
        except OSError as error:
            log.warning("%s cannot be cut: %s", segment.path.name, error)
            segment.torn = True

    def _current(self) -> Segment:
        """The segment to write to."""
        if self._own and not self._own[-1].torn and self._own[-1].size < _SEGMENT_BYTES:
            return self._own[-1]
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = self.folder / f"{uuid7()}.jsonl"
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)  # somebody who looks for the dead may hold it for a moment
        except OSError:
            os.close(descriptor)
            raise
        self._own.append(Segment(path, descriptor))
        return self._own[-1]

    def _let_go(self) -> None:
        """Forget the oldest lines where there are too many: for those that were under way there was room."""
        while self._held > _MOST_HELD:
            self._held -= len(self._lines.pop(0))
            self.lost += 1

    # Reading.

    def read(self) -> Block | None:
        """The next lines of this process; whatever was read before and is not done comes again."""
        self._take_back()
        if self.trouble is None:
            self.flush()
        block = _next(self._own)
        if block is None and self._lines:  # the disk is in trouble, the reader need not be
            self._out, self._out_held = self._lines, self._held
            self._lines, self._held = [], 0
            return Block(self._out)
        return block

    def _take_back(self) -> None:
        """What was read from memory and is not done waits again, before everything that came later."""
        self._lines[:0] = self._out
        self._held += self._out_held
        self._out, self._out_held = [], 0

    def read_left(self) -> Block | None:
        """The next lines of the dead."""
        return _next(self._left)

    def done(self, block: Block) -> None:
        """These lines need not be kept any longer."""
        segment = block.segment
        if segment is None:
            self._out, self._out_held = [], 0
            return
        segment.done = block.end
        if segment.waiting:
            return
        if self._own and segment is self._own[-1] and not segment.torn:
            segment.size = segment.done = segment.synced = 0
            self._cut(segment)
            return
        (self._own if segment in self._own else self._left).remove(segment)
        segment.path.unlink(missing_ok=True)
        os.close(segment.descriptor)

    def adopt(self) -> None:
        """Take over the segments whose processes have died."""
        for path in sorted(self.folder.glob("*.jsonl")):
            if _NAME.fullmatch(path.name):
                try:
                    segment = _locked(path)
                except OSError as error:
                    log.warning("a journal that was left behind cannot be opened: %s", error)
                    continue
                if segment is not None:
                    self._left.append(segment)

    # Surviving a power cut, and the end.

    def unsynced(self) -> list[tuple[Segment, int, int]]:
        """What a power cut would take: segments with their sizes and copies of their descriptors, for `sync`."""
        return [(one, one.size, os.dup(one.descriptor)) for one in self._own if one.synced < one.size]

    def synced(self, segments: Sequence[tuple[Segment, int, int]]) -> None:
        """A power cut would not take them any more."""
        for segment, size, _ in segments:
            segment.synced = min(size, segment.size)

    def close(self) -> None:
        """Leave what is not done for the next who starts."""
        self._take_back()
        self.flush()
        self.lost += len(self._lines)
        for segment in (*self._own, *self._left):
            if not segment.waiting:
                segment.path.unlink(missing_ok=True)
            os.close(segment.descriptor)
        self._own.clear()
        self._left.clear()

    # Finding one line.

    def find(self, start: bytes) -> bytes | None:
        """The line that begins so, of any process on this machine; blocks, for a thread."""
        searched = 0
        for path in sorted(self.folder.glob("*.jsonl"), reverse=True):  # the latest first
            try:
                descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
            except FileNotFoundError:  # done since it was listed
                continue
            try:
                searched += os.fstat(descriptor).st_size
                if (line := next(_lines(descriptor, start), None)) is not None:
                    return line
            finally:
                os.close(descriptor)
            if searched > _MOST_SEARCHED:
                break
        return next((line for line in (*self._lines, *self._out) if line.startswith(start)), None)


def sync(folder: Path, descriptors: Sequence[int]) -> None:
    """Wait until the disk has these files, and close them; blocks, for a thread."""
    try:
        for descriptor in descriptors:
            os.fsync(descriptor)
    finally:
        for descriptor in descriptors:
            os.close(descriptor)
    directory = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _some(lines: Sequence[bytes]) -> tuple[int, int]:
    """How many of the lines make one write, and their bytes."""
    size = 0
    for count, line in enumerate(lines):
        if count and size + len(line) > _WRITE_BYTES:
            return count, size
        size += len(line)
    return len(lines), size


def _next(segments: Sequence[Segment]) -> Block | None:
    """The next lines that are not done; the rest of a segment that was cut inside its last line is left out."""
    segment = next((segment for segment in segments if segment.waiting), None)
    if segment is None:
        return None
    most = _BLOCK_BYTES
    while True:
        data = os.pread(segment.descriptor, min(most, segment.waiting), segment.done)
        end = data.rfind(b"\n") + 1
        if end:
            lines = [line for line in data[:end].split(b"\n") if line]
            return Block(lines, segment, segment.done + end, end < segment.waiting or segment is not segments[-1])
        if len(data) < most:
            log.warning("%s ends inside a line, which is left out", segment.path.name)
            return Block((), segment, segment.size)
        most *= 2


def _locked(path: Path) -> Segment | None:
    """A segment whose process has died, locked by us; None while it lives, or where somebody else was faster."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        found = os.fstat(descriptor)
        if found.st_nlink and found.st_size:
            return Segment(path, descriptor, size=found.st_size)
        if found.st_nlink and time.time() - found.st_mtime > _STALE:
            path.unlink(missing_ok=True)
    except BlockingIOError:
        pass
    except OSError:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None


def _lines(descriptor: int, start: bytes) -> Iterator[bytes]:
    """The whole lines of an open file that begin with `start`."""
    needle = b"\n" + start
    block = bytearray(_SEARCH_BYTES)
    at = 0
    while (size := os.preadv(descriptor, [block], at)) > 0:
        if (found := block.find(needle, 0, size)) >= 0:
            at += found + 1
            line, end, _ = os.pread(descriptor, _MOST_LINE, at).partition(b"\n")
            if end and line.startswith(start):  # the segment may have begun anew between two looks
                yield line
        elif size < len(needle):
            return
        else:
            at += size - len(needle) + 1  # it may begin in this block and end in the next
