"""Who shares an answer: requests of one circle whose bytes to the provider are the same.

The key is made of what goes out, after every stage has had its say, and of the circle; so nothing that could make a
difference can be forgotten in it, and nobody outside the circle can come to it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from functools import partial
from hashlib import blake2b
from typing import Final, Protocol

from msgspec import Struct

from gateway.core.kept import Found, Kept
from gateway.upstream.dialect import Outbound
from gateway.upstream.flights import HIT, Dial, Flight, Incoming, Passenger, Progress

_DIGEST: Final = 20  # bytes of a key
_FORM: Final = "1"  # of what is kept; another one is not found


class Circle(Struct, frozen=True):
    """Those who may share the answer to a request, and how."""

    organisation: str
    scope: str  # within it: a person, or a key that is nobody's
    joins_s: float = 0.0  # seconds for which others may join a call after its start
    oldest_s: float = 0.0  # seconds that a kept answer may be old; 0: none is looked for
    kept_s: float = 0.0  # seconds that the answer is kept; 0: it is not
    most_kept: int = 0  # bytes of it
    away: Callable[[], None] | None = None  # told where answers cannot be looked for now


class Answers(Protocol):
    """Where answers are kept."""

    async def find(self, organisation: str, key: bytes) -> Found:
        """What is kept under a key."""

    def keep(self, organisation: str, key: bytes, kept: Kept, seconds: float) -> None:
        """Keep an answer."""


class Replay:
    """An answer that was kept, as if it came in."""

    status = 200

    def __init__(self, kept: Kept) -> None:
        self.headers: Mapping[str, str] = {"content-type": kept.media_type}
        self.ended = False
        self._rest = kept.body

    async def read(self) -> bytes:
        """All of it, then nothing."""
        rest, self._rest = self._rest, b""
        return rest

    async def body(self) -> bytes:
        """All of it."""
        return await self.read()

    def expect(self, seconds: float) -> None:
        """It is there."""

    def close(self) -> None:
        """It holds nothing."""


class Sharing:
    """Lets requests of one circle hear one call, and one answer."""

    def __init__(self) -> None:
        self._answers: Answers | None = None
        self._flying: dict[bytes, Flight] = {}

    def keep_in(self, answers: Answers) -> None:
        """Where answers are kept from now on."""
        self._answers = answers

    async def board(
        self, circle: Circle, outbound: Outbound, plain: Callable[[], Outbound], dial: Dial, sent: Progress
    ) -> Passenger:
        """The call of this request: one that is under way, or a new one that `dial` makes. Raises as `dial` does.

        `plain` is the same request without a stream, which is what an answer is kept for.
        """
        key = digest(circle, outbound, str(circle.oldest_s))
        flight = self._flying.get(key)
        if flight is None or not flight.joinable:
            until = asyncio.get_running_loop().time() + circle.joins_s
            flight = self._flying[key] = Flight(until, partial(self._gone, key))
            passenger = flight.board(sent)
            flight.start(dial if not circle.kept_s else partial(self._begin, circle, digest(circle, plain()), dial))
        else:
            passenger = flight.board(sent)
        try:
            await passenger.opened()
        except BaseException:
            passenger.close()
            raise
        return passenger

    async def _begin(self, circle: Circle, key: bytes, dial: Dial, flight: Flight) -> Incoming:
        """The answer that is kept, where there is one that is new enough; else a call."""
        if self._answers is None:
            return await dial(flight)
        if circle.oldest_s:
            found = await self._answers.find(circle.organisation, key)
            if found.kept is not None and time.time() - found.kept.created <= circle.oldest_s:
                flight.cache, flight.id, flight.created = HIT, found.kept.id, found.kept.created
                return Replay(found.kept)
            if not found.asked and circle.away is not None:
                circle.away()
        flight.most_kept = circle.most_kept
        flight.keep = partial(self._keep, self._answers, circle, key, flight)
        return await dial(flight)

    @staticmethod
    def _keep(answers: Answers, circle: Circle, key: bytes, flight: Flight, body: bytes) -> None:
        if flight.incoming is not None:
            media_type = flight.incoming.headers.get("content-type", "")
            kept = Kept(flight.id, flight.created, media_type, body)
            answers.keep(circle.organisation, key, kept, circle.kept_s)

    def _gone(self, key: bytes, flight: Flight) -> None:
        if self._flying.get(key) is flight:
            del self._flying[key]


def digest(circle: Circle, outbound: Outbound, more: str = "") -> bytes:
    """The key: no two requests that differ have the same, since each part is told with its length."""
    whole = blake2b(digest_size=_DIGEST)
    headers = [part for header in outbound.headers for part in header]
    for part in (_FORM, circle.organisation, circle.scope, more, outbound.url, *headers):
        encoded = part.encode()
        whole.update(b"%d " % len(encoded) + encoded)
    whole.update(outbound.body)
    return whole.digest()
