"""Bytes to server-sent events, whatever way they are cut.

Lines end at LF, CRLF or CR and nowhere else: U+2028, U+2029 and U+0085 are text (a decoder that splits on them loses
whole answers). Only `data` matters here; the event's name stands again inside every provider's JSON. Source: WHATWG
HTML, section 9.2.6.
"""

from __future__ import annotations

from gateway.core.errors import UpstreamBroken

FRAME_LIMIT = 1024 * 1024  # bytes; above any real event, below what a broken provider could pile up
# Where a number is sought, `in` is ten times as quick: bytes it takes for a number first, by way of an exception.
_LF, _CR = b"\n\r"


class Frames:
    """Cuts a byte stream into the data of its events."""

    def __init__(self, limit: int = FRAME_LIMIT) -> None:
        self.seen = 0  # whole frames so far, comments too: a provider that sends them is alive
        self.failure: UpstreamBroken | None = None  # set behind the last good event: no more can be read
        self._limit = limit + len(b"data: ")  # of a frame whose data is at the limit
        self._pieces: list[bytes] = []  # of the frame that is not whole yet
        self._size = 0
        self._ends_in_cr = False
        self._first = True

    def feed(self, block: bytes) -> list[bytes]:
        """The data of every event that `block` completes."""
        if self._first:
            block = self._without_bom(block)
        if self._ends_in_cr or _CR in block:
            block = self._unix(block)
        if self._pieces:
            if block.find(b"\n\n") < 0 and not (block.startswith(b"\n") and self._pieces[-1].endswith(b"\n")):
                self._keep(block)  # joined only when there is an end, so that no byte is searched twice
                return []
            block = b"".join((*self._pieces, block))
            self._pieces.clear()
            self._size = 0
        *frames, rest = block.split(b"\n\n")
        self.seen += len(frames)
        found: list[bytes] = []
        limit = self._limit
        for frame in frames:
            if len(frame) > limit:
                self._fail()
                return found
            data = frame[6:] if frame.startswith(b"data: ") and _LF not in frame else _data(frame)
            if data:
                found.append(data)
        self._keep(rest)
        return found

    @property
    def rest(self) -> bytes:
        """What came after the last whole event."""
        return b"".join(self._pieces)

    def _keep(self, rest: bytes) -> None:
        if rest:
            self._pieces.append(rest)
            self._size += len(rest)
            if self._size - rest.endswith(b"\n") > self._limit:
                self._fail()

    def _fail(self) -> None:
        self.failure = UpstreamBroken("An event of the provider is larger than 1 MiB.")

    def _without_bom(self, block: bytes) -> bytes:
        """A byte order mark may stand before everything else."""
        block = self.rest + block
        self._pieces.clear()
        self._size = 0
        if len(block) < 3 and b"\xef\xbb\xbf".startswith(block):
            self._keep(block)
            return b""
        self._first = False
        return block.removeprefix(b"\xef\xbb\xbf")

    def _unix(self, block: bytes) -> bytes:
        """CRLF and CR to LF; a CRLF may be cut in two."""
        if self._ends_in_cr and block.startswith(b"\n"):
            block = block[1:]
            self._ends_in_cr = False
        if block:
            self._ends_in_cr = block.endswith(b"\r")
        return block.replace(b"\r\n", b"\n").replace(b"\r", b"\n")


def _data(frame: bytes) -> bytes | None:
    """The joined data lines of one frame, or None where it has none (a comment, a bare event name)."""
    lines = [line for line in frame.split(b"\n") if line.startswith(b"data")]
    values = [line[5:].removeprefix(b" ") for line in lines if line[4:5] in (b":", b"")]
    return b"\n".join(values) if values else None
