"""A provider's reply while it comes in, and whose it is: what everybody who reads one, or shares one, must know."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, Protocol

from gateway.core.kept import Replayed
from gateway.upstream.count import Counted

Cache = Literal["hit", "joined", "miss"]
HIT: Final = "hit"  # an answer that was kept
JOINED: Final = "joined"  # one that another request had asked for and still heard
MISS: Final = "miss"  # one of its own


class Progress(Protocol):
    """How far an attempt has come."""

    out: bool  # the provider has the request and has not refused it: it may be at work, and may bill it
    cache: Cache


class Incoming(Protocol):
    """A reply while it comes in; whoever has it closes it."""

    status: int  # 0 until the head is there
    headers: Mapping[str, str]
    ended: bool  # set by the reader at the terminal event: what follows is only the end of the body

    @property
    def complete(self) -> bool:
        """Whether all of the body has been read: who asks for more gets the end."""

    async def head(self) -> None:
        """Wait for status and headers; who is interrupted leaves it to the next who asks. Raises UpstreamError."""

    async def read(self) -> bytes:
        """All of the body that has come since the last read; empty at its end. Raises UpstreamError."""

    async def body(self) -> bytes:
        """The whole body."""

    def expect(self, seconds: float) -> None:
        """The next event must come within `seconds` from now."""

    def close(self) -> None:
        """Nobody reads any more."""


class Share(Protocol):
    """What is to be known of an answer that others may have too."""

    cache: Cache

    @property
    def replayed(self) -> Replayed | None:
        """What it is, where it is an answer that was kept under this request's own key."""

    @property
    def id(self) -> str:
        """The answer's, the same for everybody who gets it; empty where nobody else does."""

    @property
    def created(self) -> int:
        """When it was begun, where it has an id."""

    def pays(self) -> bool:
        """Whether the call is to be billed to this one; who asks before the answer's end leaves, and passes it on."""

    def whole(self, counted: Counted, *, well: bool) -> None:
        """The answer was heard to its end, and came to this; `well` where it stopped by itself."""

    def counted(self) -> Counted | None:
        """What the whole answer came to, where somebody has heard its end."""


class Alone:
    """The share of an answer that nobody else has."""

    cache: Cache = MISS
    replayed: Replayed | None = None
    id = ""
    created = 0

    def pays(self) -> bool:
        """Who else."""
        return True

    def whole(self, counted: Counted, *, well: bool) -> None:
        """Nobody needs to know."""

    def counted(self) -> Counted | None:
        """Its own reader knows."""


ALONE: Final = Alone()
