"""The log: a line for each thing that was noticed and each request that did not go well, as JSON or text, on stderr.

| field | |
| --- | --- |
| time, level, logger, message | of every line; time as RFC 3339 in UTC |
| request_id, organisation, surface | where a request was being served |
| status, duration_ms, provider, model, decision | of a request's own line, logger `syntra.requests` |
| exception | type, place and frames; its words only where they cannot hold what somebody sent |

No prompt, no answer, no header and no secret is ever given to it; what looks like a credential is blotted out all the
same, since exceptions of others have words of their own. No character of a line can begin another.

At the level `info` a request that was refused, failed or left has a line, at `debug` every request: under full load a
line for each took a tenth of a core and more. It is kept as a tuple, and written with others four times a second
from a thread, so a slow reader of stderr slows nobody; when it does not read at all, lines are counted instead of kept.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
import select
import sys
import time
import traceback
from collections.abc import Iterable, Iterator, Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import partial
from types import TracebackType
from typing import Any, Final, Literal, TextIO

import msgspec
from msgspec import Struct

from gateway.core.milliseconds import milliseconds
from gateway.core.precedence import in_thread

Kind = Literal["json", "text"]
ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None]

REQUESTS: Final = "syntra.requests"
log = logging.getLogger(REQUESTS)
_TICK: Final = 0.25  # s
_MOST_WAITING: Final = 50_000  # lines; 20 s of a busy worker
_PATIENCE_MS: Final = 1000
_LONGEST: Final = 2_000  # characters of a message

_SECRET: Final = re.compile(
    r"sk-[\w-]{6,}"  # keys of ours and of most providers
    r"|AIza[\w-]{20,}|pplx-[\w-]{6,}"  # Google's, Perplexity's
    r"|eyJ[\w-]{6,}(?:\.[\w-]*)+"  # sessions and identity tokens
    r"|(?<=://)[^\s/@]+(?=@)"  # user and password in a URL
    r"|(?i:(?<=bearer )|(?<=basic ))\S+"
)
_FORGING: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
# Whose words tell of code and not of data; others may quote a prompt, a key, a row.
_SPEAKING: Final = (TypeError, AttributeError, NameError, ImportError, NotImplementedError)
_OURS: Final = ("gateway", "policies")


class About(Struct):
    """The request that is being served: filled in as it becomes known."""

    request_id: str = ""
    organisation: str = ""
    surface: str = ""


_NOTHING: Final = About()
about: ContextVar[About] = ContextVar("about", default=_NOTHING)


def kind_of(setting: str, stream: TextIO) -> Kind:
    """What SYNTRA_LOG says, else text for people at a terminal and JSON for whoever collects it."""
    if setting in ("json", "text"):
        return "json" if setting == "json" else "text"
    return "text" if stream.isatty() else "json"


def configure(kind: Kind, level: str, stream: TextIO = sys.stderr) -> None:
    """Write everything that is logged in this process to `stream`, in one form."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines() if kind == "json" else TextLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())


class JsonLines(logging.Formatter):
    """A record as one JSON object, in ASCII: no reader takes any character of it for the end of a line."""

    def format(self, record: logging.LogRecord) -> str:
        told = {"time": _time(record.created), "level": record.levelname.lower(), "logger": record.name}
        told["message"] = _message(record)
        request = about.get()
        told |= {name: value for name in request.__struct_fields__ if (value := getattr(request, name))}
        if record.exc_info and record.exc_info[0] is not None:
            told["exception"] = "\n".join(_exception(record.exc_info))
        return json.dumps(told)


class TextLines(logging.Formatter):
    """A record for people: what would begin a line of its own is escaped, and a traceback is indented."""

    def format(self, record: logging.LogRecord) -> str:
        request = about.get()
        told = f" [{request.request_id}]" if request.request_id else ""
        lines = [f"{_time(record.created)} {record.levelname:<7} {record.name}{told}: {_message(record)}"]
        if record.exc_info and record.exc_info[0] is not None:
            lines += [f"    {line}" for line in _exception(record.exc_info)]
        return "\n".join(_FORGING.sub(_escaped, line) for line in lines)


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _message(record: logging.LogRecord) -> str:
    text = record.getMessage()
    if record.name == "asyncio":  # its later lines show exceptions and coroutines with all that they hold
        text = text.partition("\n")[0]
    if len(text) > _LONGEST:
        text = f"{text[:_LONGEST]}…"
    return _SECRET.sub("[redacted]", text)


def _exception(info: ExcInfo | tuple[None, None, None]) -> list[str]:
    """The exception's frames and those of what led to it, oldest first."""
    lines: list[str] = []
    error = info[1]
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        frames = [
            f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(error.__traceback__)
        ]
        lines = [*frames, _named(error), *lines]
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return lines


def _named(error: BaseException) -> str:
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    if isinstance(error, OSError):
        return f"{name}: {error.strerror}"
    if isinstance(error, _SPEAKING) or kind.__module__.partition(".")[0] in _OURS:
        return f"{name}: {_SECRET.sub('[redacted]', str(error)[:_LONGEST])}"
    return name


def _escaped(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode()


class _Line(Struct, omit_defaults=True):
    """A request's line; the fields in the order in which they are written."""

    time: datetime
    level: str
    logger: str
    message: str
    request_id: str
    surface: str
    status: int
    duration_ms: float
    organisation: str = ""
    provider: str = ""
    model: str = ""
    decision: str = ""


_Waiting = tuple[float, str, int, str, float, str, str, str]
_encode = msgspec.json.Encoder().encode


class Requests:
    """The lines of requests, kept for a moment and written together; `follow` must run for them to be written."""

    def __init__(self, kind: Kind, descriptor: int | None = None, *, every: bool | None = None) -> None:
        self._line = _json if kind == "json" else _text
        self._descriptor = sys.stderr.fileno() if descriptor is None else descriptor
        self._waiting: list[_Waiting] = []
        self._lost = 0  # lines that were not kept
        self._unsaid = 0  # lines that were lost, of which the log does not know yet
        self.on = log.isEnabledFor(logging.INFO)
        self._every = log.isEnabledFor(logging.DEBUG) if every is None else every  # else those that went wrong

    def wants(self, status: int) -> bool:
        """Whether a request with this status has a line."""
        return self.on and (status >= 400 or self._every)

    def add(
        self,
        surface: str,
        status: int,
        request_id: str,
        seconds: float,
        organisation: str = "",
        model: str = "",
        decision: str = "",
    ) -> None:
        """A request was answered, or its client left; `model` is provider/model of who answered."""
        if not self.wants(status):
            return
        if len(self._waiting) >= _MOST_WAITING:
            self._lost += 1
            return
        self._waiting.append((time.time(), surface, status, request_id, seconds, organisation, model, decision))

    async def follow(self) -> None:
        """Write what has come, four times a second, until cancelled."""
        while True:
            await asyncio.sleep(_TICK)
            if self._waiting:
                await in_thread(partial(self._write, *self._taken()))

    def flush(self) -> None:
        """Write what has come now. Blocks; for the end."""
        self._write(*self._taken())

    def _taken(self) -> tuple[list[_Waiting], int]:
        """What has come and how many were lost; on the loop, where lines are added."""
        taken = self._waiting, self._lost
        self._waiting, self._lost = [], 0
        return taken

    def _write(self, waiting: list[_Waiting], lost: int) -> None:
        self._unsaid += lost
        read = True
        for block, lines in _blocks(map(self._line, waiting)):
            read = read and _written(self._descriptor, block)
            self._unsaid += 0 if read else lines
        if self._unsaid and read:  # else this would wait for the reader, too
            log.warning("%d lines of requests were lost: the log is not read fast enough", self._unsaid)
            self._unsaid = 0


def _blocks(lines: Iterable[bytes]) -> Iterator[tuple[bytes, int]]:
    """Lines put together as far as a pipe takes them at once, so that those of several workers do not mix."""
    block, number = b"", 0
    for line in lines:
        if number and len(block) + len(line) > select.PIPE_BUF:
            yield block, number
            block, number = b"", 0
        block, number = block + line, number + 1
    if number:
        yield block, number


def _written(descriptor: int, block: bytes) -> bool:
    """Whether somebody read within a second, so that it could be written."""
    try:
        ready = select.poll()
        ready.register(descriptor, select.POLLOUT)
        if not ready.poll(_PATIENCE_MS):
            return False
        view = memoryview(block)
        while view:
            view = view[os.write(descriptor, view) :]
    except OSError:  # the reader is gone
        return False
    return True


def _json(one: _Waiting) -> bytes:
    at, surface, status, request_id, seconds, organisation, model, decision = one
    provider, _, name = model.partition("/")
    line = _Line(
        datetime.fromtimestamp(at, UTC),
        "info",
        REQUESTS,
        f"{surface} {status}",
        request_id,
        surface,
        status,
        milliseconds(seconds),
        organisation,
        provider,
        name,
        decision,
    )
    try:
        written = _encode(line)
    except UnicodeEncodeError:  # half a character in the name of a model
        written = b"\xff"
    if not written.isascii():
        plain: Mapping[str, Any] = {name: value for name in line.__struct_fields__ if (value := getattr(line, name))}
        written = json.dumps({**plain, "time": _time(at)}).encode()
    return written + b"\n"


def _text(one: _Waiting) -> bytes:
    at, surface, status, request_id, seconds, organisation, model, _ = one
    told = " ".join(filter(None, (surface, str(status), f"{seconds * 1e3:.1f} ms", model, organisation)))
    line = f"{_time(at)} INFO    {REQUESTS} [{request_id}]: {told}"
    return _FORGING.sub(_escaped, line).encode() + b"\n"
