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

import msgspec
from msgspec import Struct

from gateway.core.kept import Call, Found, Kept, Replayed
from gateway.core.likeness import Near
from gateway.upstream.dialect import Outbound
from gateway.upstream.elsewhere import Elsewhere
from gateway.upstream.flights import Dial, Flight, Passenger
from gateway.upstream.incoming import HIT, JOINED, MISS, Incoming, Progress

_DIGEST: Final = 20  # bytes of a key
_encode = msgspec.json.Encoder().encode
_FORM: Final = "1"  # of what is kept; another one is not found


class Circle(Struct, frozen=True):
    """Those who may share the answer to a request, and how."""

    organisation: str
    scope: str  # within it: a person, or a key that is nobody's
    joins_s: float = 0.0  # seconds for which others may join a call after its start
    oldest_s: float = 0.0  # seconds that a kept answer may be old; 0: none is looked for
    kept_s: float = 0.0  # seconds that the answer is kept; 0: it is not
    most_kept: int = 0  # bytes of it
    near: Near | None = None  # its last words, where an answer to others that ask the same will do
    away: Callable[[], None] | None = None  # told where answers cannot be looked for now


class Answers(Protocol):
    """Where answers are kept."""

    async def find(
        self, organisation: str, key: bytes | None, call: bytes | None = None, mine: Call | None = None, ms: int = 0
    ) -> Found:
        """What is kept under `key`, and who makes `call`: from now on, for so long, `mine`, if nobody does."""

    def over(self, organisation: str, call: bytes) -> None:
        """A call of ours is over."""

    def keep(self, organisation: str, key: bytes, kept: Kept, seconds: float) -> None:
        """Keep an answer."""

    async def near(self, organisation: str, group: bytes, near: Near) -> bytes | None:
        """The key of the answer to a question that asks the same, among those that differ in their last words alone."""

    def keep_near(self, organisation: str, group: bytes, near: Near, key: bytes, seconds: float) -> None:
        """Let a question be found by those that ask the same."""


class Forms(Protocol):
    """A request in other forms, as it would go out."""

    def whole(self) -> Outbound:
        """Without a stream: what an answer is kept for."""

    def beginning(self) -> Outbound:
        """The same without its last words: what must be the same where those only mean the same."""


class _Kept(Struct, frozen=True):
    """Under what an answer is kept."""

    key: bytes
    group: bytes | None


class Replay:
    """An answer that was kept, as if it came in."""

    status = 200

    def __init__(self, kept: Kept) -> None:
        self.headers: Mapping[str, str] = {"content-type": kept.media_type}
        self.ended = False
        self._rest = kept.body

    @property
    def complete(self) -> bool:
        """Whether all of the body has been read."""
        return not self._rest

    async def head(self) -> None:
        """It is there."""

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
        self._elsewhere: Elsewhere | None = None
        self._flying: dict[tuple[object, ...], Flight] = {}

    def through(self, answers: Answers, elsewhere: Elsewhere | None) -> None:
        """Where answers are kept from now on, and how other workers are met, if there can be any."""
        self._answers, self._elsewhere = answers, elsewhere

    async def board(self, circle: Circle, outbound: Outbound, forms: Forms, dial: Dial, sent: Progress) -> Passenger:
        """The call of this request: one that is under way, or a new one that `dial` makes. Raises as `dial` does."""
        whose = circle.organisation, circle.scope, circle.oldest_s
        key = *whose, outbound.url, tuple(outbound.headers), outbound.body
        flight = self._flying.get(key)
        if flight is None or not flight.joinable:
            until = asyncio.get_running_loop().time() + circle.joins_s
            flight = self._flying[key] = Flight(until, partial(self._gone, key))
            passenger = flight.board(sent)
            if self._asks(circle):
                flight.start(self._dial(circle, outbound, forms, dial))
            else:
                flight.dial = dial
        else:
            passenger = flight.board(sent)
        try:
            await passenger.head()
        except BaseException:
            passenger.close()
            raise
        return passenger

    def _asks(self, circle: Circle) -> bool:
        """Whether stores or other workers are asked before a call is made."""
        others = circle.joins_s and self._elsewhere is not None and self._elsewhere.me
        return self._answers is not None and bool(circle.kept_s or others)

    def _dial(self, circle: Circle, outbound: Outbound, forms: Forms, dial: Dial) -> Dial:
        """Makes a call where nobody else has the answer."""
        kept = None
        if circle.kept_s:
            group = digest(circle, forms.beginning(), "near") if circle.near is not None else None
            kept = _Kept(digest(circle, forms.whole()), group)
        return partial(self._begin, circle, digest(circle, outbound, str(circle.oldest_s)), kept, dial)

    async def _begin(self, circle: Circle, key: bytes, kept: _Kept | None, dial: Dial, flight: Flight) -> Incoming:
        """The answer that is kept, where there is one that is new enough; or another worker's call; else a call."""
        if self._answers is None:
            return await dial(flight)
        look = kept if circle.oldest_s else None
        answers = self._answers
        me = self._elsewhere.me if self._elsewhere is not None and circle.joins_s else ""
        if look is not None or me:
            claim = (key, Call(me, flight.id, flight.created), round(circle.joins_s * 1e3)) if me else ()
            if self._elsewhere is not None and me:  # who finds the claim may ask before we have heard that it is ours
                self._elsewhere.lead(key, flight)
                flight.led = partial(self._unled, self._elsewhere, flight.id)
            found = await answers.find(circle.organisation, None if look is None else look.key, *claim)
            if not found.asked and look is not None and circle.away is not None:
                circle.away()
            if found.kept is None and found.asked and look is not None:
                found = found._replace(kept=await self._near(circle, look, answers))
            elif found.kept is not None and look is not None:
                flight.replayed = Replayed(look.key, found.sealed, found.kept.created + circle.oldest_s)
            theirs = await self._theirs(circle, found, key, flight)
            if theirs is not None:
                return theirs
            if self._elsewhere is not None and me and found.asked and found.call is None:
                flight.led = partial(self._landed, self._elsewhere, answers, circle.organisation, key)
        flight.replayed = None  # too old, if there was one
        if kept is not None:
            flight.most_kept = circle.most_kept
            flight.keep = partial(self._keep, answers, circle, kept, flight)
        return await dial(flight)

    @staticmethod
    async def _near(circle: Circle, look: _Kept, answers: Answers) -> Kept | None:
        """The answer to a question that asks the same, where the documents let it do."""
        if not look.group or circle.near is None:
            return None
        near = await answers.near(circle.organisation, look.group, circle.near)
        return None if near is None else (await answers.find(circle.organisation, near)).kept

    async def _theirs(self, circle: Circle, found: Found, key: bytes, flight: Flight) -> Incoming | None:
        """An answer that is there, or on its way to another worker."""
        if found.kept is not None and time.time() - found.kept.created <= circle.oldest_s:
            flight.cache, flight.billed = HIT, False
            flight.answers_as(found.kept.id, found.kept.created)
            return Replay(found.kept)
        if found.call is None or self._elsewhere is None:
            return None
        flight.cache, flight.billed = JOINED, False
        theirs = await self._elsewhere.hear(found.call, key, partial(setattr, flight, "billed", True))
        if theirs is None:
            flight.cache, flight.billed = MISS, True
        else:
            flight.answers_as(found.call.id, found.call.created)
        return theirs

    @staticmethod
    def _unled(elsewhere: Elsewhere, call: str, _: Flight) -> None:
        elsewhere.over(call)

    @staticmethod
    def _landed(elsewhere: Elsewhere, answers: Answers, organisation: str, key: bytes, flight: Flight) -> None:
        elsewhere.over(flight.id)
        if asyncio.get_running_loop().time() < flight.until:
            answers.over(organisation, key)

    @staticmethod
    def _keep(answers: Answers, circle: Circle, kept: _Kept, flight: Flight, body: bytes) -> None:
        if flight.incoming is not None:
            media_type = flight.incoming.headers.get("content-type", "")
            answer = Kept(flight.id, flight.created, media_type, body)
            answers.keep(circle.organisation, kept.key, answer, circle.kept_s)
            if kept.group is not None and circle.near is not None:
                answers.keep_near(circle.organisation, kept.group, circle.near, kept.key, circle.kept_s)

    def _gone(self, key: tuple[object, ...], flight: Flight) -> None:
        if self._flying.get(key) is flight:
            del self._flying[key]


def digest(circle: Circle, outbound: Outbound, more: str = "") -> bytes:
    """The key: no two requests that differ have the same, since every part is told from the next."""
    head = _encode((_FORM, circle.organisation, circle.scope, more, outbound.url, outbound.headers))
    whole = blake2b(head, digest_size=_DIGEST)
    whole.update(outbound.body)
    return whole.digest()
