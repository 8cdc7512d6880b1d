"""What a test asks a fake to say, and how it is to fail while saying it."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from enum import Enum, auto
from itertools import pairwise
from typing import Any


class Fault(Enum):
    """Every way of failing that the fault table names; `fakes/faults.py` acts them out."""

    RESET_BEFORE = auto()  # RST before a single byte
    EMPTY = auto()  # FIN before a single byte
    HANG_BEFORE = auto()  # no head at all
    HANG_HEAD = auto()  # a head, then no event
    RESET_MID = auto()  # RST inside a chunked body
    RESET_MID_UNFRAMED = auto()  # RST inside a body that ends with the connection
    EOF_MID = auto()  # a clean end of the chunked body after some text
    EOF_MID_UNFRAMED = auto()  # FIN inside a body that ends with the connection
    EOF_MID_CHUNKED = auto()  # FIN without the last chunk
    HALF_FRAME = auto()  # half a JSON frame, then a clean end
    HANG_MID = auto()
    DRIP = auto()  # one byte at a time, for ever too slow
    RATE_LIMITED = auto()
    SERVER_ERROR = auto()
    BAD_GATEWAY_HTML = auto()
    UNAVAILABLE = auto()
    OVERLOADED = auto()
    UNAUTHORIZED = auto()  # echoes the key
    FORBIDDEN = auto()
    SPENT = auto()  # the account has no money left
    BAD_REQUEST = auto()
    CONTEXT_LENGTH = auto()
    NO_SUCH_MODEL = auto()
    INBAND_FIRST = auto()
    INBAND_MID = auto()
    MALFORMED = auto()  # a frame that is not JSON, then more good ones
    BAD_UTF8 = auto()
    GIANT_FRAME = auto()  # 2 MiB
    HTML_200 = auto()
    SHORT_BODY = auto()  # content-length promises more than comes
    NO_DONE = auto()  # finish seen, terminal event missing
    NO_END = auto()  # neither terminal nor finish
    DONE_WITHOUT_FINISH = auto()
    DOUBLE_DONE = auto()  # text and a second end after the end
    GZIP = auto()
    REDIRECT = auto()


PROSE = "Provider prose that no client may read: acct_9f3 at gpu-node-17.internal"  # in every error of a fake


@dataclass(frozen=True)
class ToolCall:
    """One tool call; `cuts` are the places where its argument bytes are cut into deltas."""

    id: str
    name: str
    arguments: str
    cuts: tuple[int, ...] = (1, 4)

    @property
    def pieces(self) -> list[str]:
        edges = [0, *(cut for cut in self.cuts if cut < len(self.arguments)), len(self.arguments)]
        return [self.arguments[a:b] for a, b in pairwise(edges)]


@dataclass(frozen=True)
class Usage:
    """Token counts; `cached` is part of `prompt`, `reasoning` is part of `completion`."""

    prompt: int = 21
    completion: int = 9
    cached: int = 0
    reasoning: int = 0


@dataclass(frozen=True)
class Script:
    """One answer. Each wire says it in its own words."""

    pieces: tuple[str, ...] = ("Hello", " from", " the", " fake.")
    reasoning: tuple[str, ...] = ()
    tool_calls: tuple[ToolCall, ...] = ()
    searches: int = 0  # of the provider's own, where the wire can tell of them
    blocks: tuple[dict[str, Any], ...] = ()  # before everything else, in Anthropic's own form; no other wire says them
    refusal: str | None = None
    finish: str | None = None  # in OpenAI's words; worked out when left out
    more_choices: tuple[tuple[str, ...], ...] = ()  # pieces of choices 1, 2, …
    logprobs: bool = False
    usage: Usage | None = Usage()
    delay: float = 0.0  # seconds before each frame
    fault: Fault | None = None
    after: int = 2  # text frames that come through before a fault in the middle
    retry_after: str | None = None
    crlf: bool = False
    no_space: bool = False
    split: int | None = None  # bytes per TCP write
    pings: int = 0  # keep-alive comments or events between frames

    @property
    def text(self) -> str:
        return "".join(self.pieces)

    @property
    def choices(self) -> list[tuple[str, ...]]:
        return [self.pieces, *self.more_choices]

    @property
    def finish_reason(self) -> str:
        return self.finish or ("tool_calls" if self.tool_calls else "stop")

    def but(self, **changes: Any) -> Script:
        return replace(self, **changes)


@dataclass(frozen=True)
class Frame:
    """One server-sent event as bytes, and what it is for, so that a fault knows where to strike."""

    data: bytes
    part: str  # open | delta | finish | usage | done


@dataclass(frozen=True)
class Failure:
    """An error as this provider words it."""

    status: int
    kind: str
    message: str
    code: str | int | None = None
    param: str | None = None


def dumps(value: Any) -> bytes:
    """JSON as providers write it: raw UTF-8, so U+2028 and its like travel unescaped."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
