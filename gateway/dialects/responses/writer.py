"""Events as bytes, numbered in the order in which they are said."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw

_encode = msgspec.json.Encoder().encode


class Writer:
    """Writes the events of one response; `take` gives what was written since the last time."""

    def __init__(self) -> None:
        self.number = 0  # of the next event
        self._out: list[bytes] = []

    def event(self, kind: str, /, **fields: Any) -> None:
        """One event."""
        data = _encode({"type": kind, **fields, "sequence_number": self.number})
        self.number += 1
        self._out.append(b"event: %b\ndata: %b\n\n" % (kind.encode(), data))

    def piece(self, head: bytes, text: str, tail: bytes = b"}\n\n") -> None:
        """One more piece of a text, whose event is the same but for the piece and the number: `head` is all before."""
        self._out.append(b'%b%d,"delta":%b%b' % (head, self.number, _encode(text), tail))
        self.number += 1

    def take(self) -> bytes:
        """What was written since the last time."""
        out, self._out = self._out, []
        return b"".join(out)


def head(kind: str, **where: Any) -> bytes:
    """The bytes of a `delta` event up to its number, for `Writer.piece`."""
    fields = _encode({"type": kind, **where})
    return b'event: %b\ndata: %b,"sequence_number":' % (kind.encode(), fields[:-1])


def encoded(value: Any) -> Raw:
    """A value as it is written."""
    return Raw(_encode(value))
