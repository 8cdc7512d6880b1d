"""Every request's end, recorded exactly once: into the journal at once, and from there into PostgreSQL in batches.

A row has the request's id and the attempt's number for a key, so writing it twice is writing it once: whatever is not
known to be in PostgreSQL is written again, by this process or by the next.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import Struct
from psycopg import AsyncCursor, DataError, Error

from gateway.core.precedence import in_thread
from gateway.records import statement
from gateway.records.journal import Block, Journal, sync
from gateway.stores.breaker import Unavailable
from gateway.stores.postgres import Postgres

REFUSED: Final = "refused.jsonl"  # what PostgreSQL will never take, for people to look at

_TICK: Final = 0.25  # s between two batches, ...
_MOST_TICK: Final = 0.8  # ... and at most, where they take long: many organisations are many transactions
_SLICE: Final = 128  # lines that are taken apart before others get the loop
_SHARE: Final = 20  # of the time of a batch that is waited until the next
_BEHIND: Final = 1.0  # s; what has waited for so long is made sure of
_ADOPT: Final = 60.0  # s between two looks for journals of the dead
_CLOSE: Final = 3.0  # s that a stop waits for the last batch
_MOST_LINE: Final = 512 * 1024  # bytes; a line of 40 candidates has 10 KB
_MOST_TEXT: Final = 500  # characters that are kept of a text in a line that is longer
_FOR_GOOD: Final = ("22", "23", "54")  # classes of SQLSTATE: the data's own fault, and the same the next time

log = logging.getLogger("syntra")


class Row(Struct, omit_defaults=True, gc=False):
    """A row of the table `ledger`: attempts from 1, and 0 for the request; the organisation is the transaction's."""

    request_id: str
    attempt: int
    at: datetime
    key_id: str
    surface: str
    asked: str
    status: str
    person: str = ""
    model: str = ""
    policy: str = ""
    intent: str = ""
    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    cost: int | None = None
    estimated: bool = False
    ttft_ms: float | None = None
    duration_ms: float = 0.0
    cache: str = "miss"
    sole_ms: float | None = None  # what its only attempt took, where that differs in nothing else: it is no row here


class _Line(Struct, gc=False):
    """A request as it stands in the journal; the names are short, and the order is what `_entry` reads by."""

    org: str
    id: str
    at: datetime
    rows: Sequence[Row]
    decision: Any


class _Entry(NamedTuple):
    """A line, taken apart."""

    rows: bytes  # JSON objects without their brackets
    record: bytes  # JSON
    line: bytes


class Refused(Exception):
    """PostgreSQL will not take it, today or tomorrow."""


SOLE: Final = "sole_ms"
_STORE: Final = statement.storing(Row, SOLE)
_HEAD: Final = b'{"org":"'
_BACKSLASH, _LF = b"\\\n"
_encode = msgspec.json.Encoder().encode


class Ledger:
    """Keeps what requests have used and decided; `refused` is told how many records PostgreSQL would not take."""

    def __init__(self, journal: Journal, postgres: Postgres, *, refused: Callable[[int], None]) -> None:
        self._journal = journal
        self._postgres = postgres
        self._refused = refused
        self._level = time.monotonic()  # when everything was last in PostgreSQL
        self._trouble = ""
        self._closing = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def full(self) -> bool:
        """Whether nothing more can be promised to be recorded: then no new work may be taken."""
        return self._journal.full

    @property
    def waiting(self) -> int:
        """Bytes that are not in PostgreSQL yet."""
        return self._journal.waiting

    @property
    def state(self) -> str:
        """For `/health`: ok, behind or full."""
        if self.full:
            return "full"
        return "behind" if self._behind else "ok"

    @property
    def _behind(self) -> bool:
        return time.monotonic() - self._level > _BEHIND and self._journal.waiting > 0

    def keep(self, organisation: str, request_id: str, at: datetime, rows: Sequence[Row], decision: Struct) -> None:
        """Record the end of a request; neither waits nor fails, and nothing of it may change any more."""
        line = _Line(organisation, request_id, at, rows, decision)
        try:
            text = _encode(line)
        except UnicodeEncodeError:  # half a surrogate pair in a name that a client gave
            text = _encode(_cleaned(msgspec.to_builtins(line)))
        # One character is looked for twenty times as fast, as a number, and few names have a backslash.
        if (_BACKSLASH in text and b"\\u0000" in text) or _LF in text or len(text) > _MOST_LINE:
            text = _encode(_cleaned(msgspec.json.decode(text)))
        self._journal.add(text)

    async def find(self, organisation: str, request_id: str) -> bytes | None:
        """The decision of a request that is not in PostgreSQL yet, if it is on this machine."""
        self._journal.flush()
        # The whole beginning is searched for, so that another organisation's is not even found.
        start = b'{"org":%b,"id":%b,' % (_encode(organisation), _encode(request_id))
        line = await in_thread(partial(self._journal.find, start))
        entry = None if line is None else _entry(line)
        return None if entry is None else entry.record

    def start(self) -> None:
        """Begin to write; needs the running loop."""
        loop = asyncio.get_running_loop()
        self._journal.open(loop)
        self._level = time.monotonic()
        self._tasks = [loop.create_task(self._work()), loop.create_task(self._tend())]

    async def close(self) -> None:
        """Write what is left, within three seconds; else it stays in the journal for the next start."""
        self._closing.set()
        if self._tasks:
            await asyncio.wait(self._tasks[:1], timeout=_CLOSE)
            for task in self._tasks:
                task.cancel()
            await asyncio.wait(self._tasks, timeout=1.0)  # a server that is silent does not hear of it either
        self._journal.close()
        if self._journal.lost:
            log.error("%d requests could not be recorded", self._journal.lost)

    # Into PostgreSQL.

    async def _work(self) -> None:
        closing, took = False, 0.0
        while not closing:  # once more after the call to close
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(max(_TICK, _SHARE * took), _MOST_TICK)):
                    await self._closing.wait()
            closing = self._closing.is_set()
            began = time.monotonic()
            try:
                await self._turn()
            except Unavailable:
                self._say("PostgreSQL does not answer")
            except Error as error:
                self._say(f"PostgreSQL: {_words(error)}")
            except OSError as error:
                self._say(f"the disk: {error}")
            except Exception:  # whatever it is, the next ones shall be recorded
                log.exception("a defect while requests were recorded")
            else:
                self._say("")
            took = time.monotonic() - began

    async def _turn(self) -> None:
        """Write all there is: this process's own first, and what others have left in between."""
        more = True
        while more:
            began = time.monotonic()
            own = self._journal.read()
            if own is not None:
                await self._store(own)
            left = self._journal.read_left()
            if left is not None:
                await self._store(left)
            more = left is not None or (own is not None and own.more)
        self._level = began

    async def _store(self, block: Block) -> None:
        """Write a block's lines, each organisation's in a transaction of its own."""
        groups: dict[bytes, list[_Entry]] = {}
        broken = []
        for number, line in enumerate(block.lines, start=1):
            entry = _entry(line)
            if entry is None:
                broken.append(line)
            else:
                groups.setdefault(_organisation(entry), []).append(entry)
            if not number % _SLICE:
                await asyncio.sleep(0)  # streams go on meanwhile
        self._put_aside(broken, "not a line of the ledger")
        for organisation, entries in groups.items():
            await self._insert(organisation.decode("utf-8", "replace"), entries)
        self._journal.done(block)

    async def _insert(self, organisation: str, entries: Sequence[_Entry]) -> None:
        """Write these; whatever PostgreSQL refuses for good is found by halves and put aside."""
        try:
            async with self._postgres.tenant(organisation) as cursor:
                await _execute(cursor, organisation, entries)
        except Refused as why:
            if len(entries) == 1:
                self._put_aside([entries[0].line], str(why))
                return
            half = len(entries) // 2
            await self._insert(organisation, entries[:half])
            await self._insert(organisation, entries[half:])

    def _put_aside(self, lines: Sequence[bytes], why: str) -> None:
        if not lines:
            return
        path = self._journal.folder / REFUSED
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            os.write(descriptor, b"%b\n" % b"\n".join(lines))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        log.error("%d records of requests are not what PostgreSQL takes (%s); see %s", len(lines), why, path)
        self._refused(len(lines))

    def _say(self, trouble: str) -> None:
        """Tell of trouble once, and of its end."""
        if trouble and trouble != self._trouble:
            log.warning("requests are recorded in the journal alone: %s", trouble)
        elif self._trouble and not trouble:
            log.info("requests are recorded in PostgreSQL again")
        self._trouble = trouble

    # Beside that.

    async def _tend(self) -> None:
        """Look after the disk once a second, and for journals of the dead once a minute."""
        next_look = time.monotonic() + _ADOPT
        while True:
            await asyncio.sleep(_BEHIND)
            try:
                if self._journal.trouble is not None:
                    self._journal.retry()
                if self._behind and (unsynced := self._journal.unsynced()):
                    await asyncio.to_thread(sync, self._journal.folder, [copy for _, _, copy in unsynced])
                    self._journal.synced(unsynced)
                if time.monotonic() > next_look:
                    next_look = time.monotonic() + _ADOPT
                    self._journal.adopt()
            except OSError as error:
                log.error("the ledger's journal may not survive a power cut: %s", error)  # noqa: TRY400


def folder(data: Path) -> Path:
    """Where the journals of a data directory lie."""
    return data / "ledger"


def started(request_id: str) -> datetime:
    """When a request began: its id says so."""
    return datetime.fromtimestamp(int(request_id[:12], 16) / 1000, UTC)


async def _execute(cursor: AsyncCursor[Any], organisation: str, entries: Sequence[_Entry]) -> None:
    """Insert; raises Refused where it is the data that is to blame. psycopg itself refuses a NUL, without a state."""
    try:
        await cursor.execute(_STORE, _parameters(organisation, entries))
    except Error as error:
        if isinstance(error, DataError) or (error.sqlstate or "")[:2] in _FOR_GOOD:
            raise Refused(_words(error)) from None
        raise


def _words(error: Error) -> str:
    return f"{error.sqlstate or type(error).__name__} {error.diag.message_primary or ''}".strip()


def _entry(line: bytes) -> _Entry | None:
    """A line, taken apart where its marks are: no text inside can have them, since its quotes are escaped."""
    head, _, rest = line.partition(b',"rows":[')
    rows, mark, record = rest.partition(b'],"decision":')
    if not mark or not head.startswith(_HEAD) or not record.endswith(b"}"):
        return None
    return _Entry(rows, record[:-1], line)


def _organisation(entry: _Entry) -> bytes:
    return entry.line[len(_HEAD) : entry.line.index(b'"', len(_HEAD))]


def _cleaned(value: object) -> object:
    """The same without what PostgreSQL cannot store: NULs, halves of surrogate pairs, and texts without end."""
    if isinstance(value, str):
        return value[:_MOST_TEXT].encode("utf-8", "replace").decode().replace("\0", "\ufffd")
    if isinstance(value, dict):
        return {_cleaned(name): _cleaned(inner) for name, inner in value.items()}
    return [_cleaned(inner) for inner in value] if isinstance(value, list) else value


def _parameters(organisation: str, entries: Sequence[_Entry]) -> dict[str, object]:
    rows, records = b",".join([entry.rows for entry in entries]), b"\n".join([entry.record for entry in entries])
    return {
        "org": organisation,
        "rows": f"[{rows.decode('utf-8', 'replace')}]",
        "records": records.decode("utf-8", "replace"),
    }
