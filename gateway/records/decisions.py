"""Every answer's decision, kept for a week, found again by its id by any worker, also after a restart.

Keeping is an append to a queue in memory; a task writes it to disk four times a second. So nobody ever waits for the
disk, and a worker that is killed loses its last quarter of a second. When organisations move into PostgreSQL these do
too: `keep`, `find`, `start` and `close` are all that the rest of the house knows.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import re
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
from msgspec import Raw, Struct

from gateway.records.hours import Hours

log = logging.getLogger("syntra")

DAYS = 7  # long enough to ask on Monday about Thursday
MOST_BYTES = 512 * 1024 * 1024  # about 300,000 decisions; what a small machine can spare
_PART_BYTES = 64 * 1024 * 1024  # what is dropped at once when it is too much: an eighth
_MOST_WAITING = 8192  # decisions, about 4 s of a busy worker: the disk may stumble, not stop
_MOST_BATCH = 256 * 1024  # bytes of one write; what is joined for it exists three times over
_MOST_LINE = 512 * 1024  # bytes; a decision of 40 candidates has 10 KB
_TICK = 0.25  # s between two writes
_SLICE = 0.002  # s of encoding after which others get the loop
_MINUTE = 60.0  # s between two looks at what is too old, and between two words about what was lost
_MOST_SCANS = 2  # at a time: each is a thread, and writing needs one too
_AHEAD = 60_000  # ms that another worker's clock may be before ours
_TOO_SLOW = "the disk did not take them in time"
_ID = re.compile(r"[0-9a-f]{12}7[0-9a-f]{3}[89ab][0-9a-f]{15}")

_encode = msgspec.json.Encoder().encode
_json = msgspec.json.Decoder(Raw)


class _Line(Struct, frozen=True, gc=False):
    """A decision as it will stand in the file; `at` is its id's time in Unix ms."""

    at: int
    start: bytes
    record: bytes

    @property
    def text(self) -> bytes:
        return b"%b%b}" % (self.start, self.record)


class Decisions:
    """Decisions of this process on their way to disk, and everybody's on disk; `count` is told how many were lost."""

    def __init__(self, folder: Path, *, count: Callable[[int], None] = lambda _: None) -> None:
        self._hours = Hours(folder, most_days=DAYS, most_bytes=MOST_BYTES, part_bytes=_PART_BYTES)
        self._count = count
        self._waiting: deque[tuple[str, str, Struct]] = deque(maxlen=_MOST_WAITING)
        self._lines: list[_Line] = []  # encoded, not known to be on disk
        self._lost = 0  # since it was last told to `count`
        self._unsaid = 0  # since it was last said in the log
        self._reason = _TOO_SLOW
        self._trouble: OSError | None = None
        self._next_minute = 0.0
        self._scans = asyncio.Semaphore(_MOST_SCANS)
        self._closing = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def keep(self, decision_id: str, organisation: str, record: Struct) -> None:
        """Remember a decision; `record` must not change any more. When the disk can't keep up the oldest are lost."""
        if len(self._waiting) == _MOST_WAITING:
            self._lost += 1
        self._waiting.append((decision_id, organisation, record))

    async def find(self, decision_id: str, organisation: str) -> bytes | None:
        """A decision's JSON, if it is this organisation's; of another's one learns as much as of one that never was."""
        if _ID.fullmatch(decision_id) is None:
            return None
        at, now = _time(decision_id), _now()
        if not now - DAYS * 86_400_000 <= at <= now + _AHEAD:
            return None
        for waiting in self._waiting:
            if waiting[:2] == (decision_id, organisation):
                return _encode(waiting[2])
        start = _start(decision_id, organisation)
        for line in self._lines:
            if line.start == start:
                return line.record
        async with self._scans:
            return await asyncio.to_thread(self._scan, at, start)

    def _scan(self, at: int, start: bytes) -> bytes | None:
        for line in self._hours.find(at, start):
            record = line[len(start) : -1]
            if line.endswith(b"}") and _whole(record):  # else it was cut, and may stand whole further on
                return record
        return None

    def start(self) -> None:
        """Begin to write; needs the running loop."""
        self._task = asyncio.get_running_loop().create_task(self._work())

    async def close(self) -> None:
        """Write what is left, if the disk takes it."""
        self._closing.set()
        if self._task is not None:
            await self._task
        self._lost += len(self._waiting) + len(self._lines)
        self._waiting.clear()
        self._lines.clear()
        self._tell(urgent=True)

    async def _work(self) -> None:
        closing = False
        while not closing:  # once more after the call to close
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_TICK):
                    await self._closing.wait()
            closing = self._closing.is_set()
            try:
                await self._turn()
            except Exception:  # whatever it is, the next ones shall be kept
                log.exception("a defect while decisions were written")
                self._lost += len(self._lines)
                self._lines.clear()

    async def _turn(self) -> None:
        """Write all there is, then see to the rest."""
        while await self._encode_some() and await self._write():
            continue
        self._tell()
        if time.monotonic() >= self._next_minute:
            self._next_minute = time.monotonic() + _MINUTE
            if self._trouble is None:
                await asyncio.to_thread(self._sweep)

    async def _encode_some(self) -> bool:
        """Encode a batch in short slices; whether there is anything to write."""
        size = sum(len(line.record) for line in self._lines)
        until = time.perf_counter() + _SLICE
        while self._waiting and size < _MOST_BATCH:
            line = self._encoded(*self._waiting.popleft())
            if line is not None:
                self._lines.append(line)
                size += len(line.record)
            if time.perf_counter() > until:
                await asyncio.sleep(0)
                until = time.perf_counter() + _SLICE
        return bool(self._lines)

    def _encoded(self, decision_id: str, organisation: str, record: Struct) -> _Line | None:
        try:
            text = _encode(record)
            if b"\n" in text:  # JSON that was carried along as it came
                text = msgspec.json.format(text, indent=-1)
            if len(text) > _MOST_LINE:
                raise ValueError(f"{len(text)} bytes are too many")
            return _Line(_time(decision_id), _start(decision_id, organisation), text)
        except (TypeError, ValueError, OverflowError, RecursionError, msgspec.MsgspecError) as error:
            self._lost, self._reason = self._lost + 1, str(error)
            return None

    async def _write(self) -> bool:
        """Write the batch; whether to go on at once."""
        done, trouble = await asyncio.to_thread(self._append, self._lines)
        del self._lines[:done]
        if trouble is not None and self._trouble is None:
            log.error("decisions cannot be written, the latest %d wait in memory: %s", _MOST_WAITING, trouble)
        elif trouble is None and self._trouble is not None:
            log.warning("decisions are written again")
        self._trouble = trouble
        return trouble is None

    def _append(self, lines: Sequence[_Line]) -> tuple[int, OSError | None]:
        """How many of the lines are on disk now, and why not all."""
        done = 0
        try:
            for _, group in itertools.groupby(lines, lambda line: line.at // 3_600_000):
                same = list(group)
                done += (written := self._hours.append(same[0].at, [line.text for line in same]))
                if written < len(same):
                    break
        except OSError as error:
            return done, error
        return done, None

    def _sweep(self) -> None:
        try:
            self._hours.sweep(_now())
        except FileNotFoundError:
            log.debug("no decision was ever kept")
        except OSError as error:
            log.warning("old decisions cannot be dropped: %s", error)

    def _tell(self, *, urgent: bool = False) -> None:
        """Count what was lost; say so once a minute."""
        if self._lost:
            self._count(self._lost)
            self._unsaid, self._lost = self._unsaid + self._lost, 0
        if self._unsaid and (urgent or time.monotonic() >= self._next_minute):
            log.warning("%d decisions were lost: %s", self._unsaid, self._reason)
            self._unsaid, self._reason = 0, _TOO_SLOW


def _start(decision_id: str, organisation: str) -> bytes:
    """How the line begins: the whole of it is searched for, so another organisation's is not even found."""
    return b'{"id":"%b","organisation":%b,"record":' % (decision_id.encode(), _encode(organisation))


def _whole(record: bytes) -> bool:
    try:
        _json.decode(record)
    except msgspec.DecodeError:
        return False
    return True


def _time(decision_id: str) -> int:
    """The Unix ms in a uuid7."""
    return int(decision_id[:12], 16)


def _now() -> int:
    return time.time_ns() // 1_000_000
