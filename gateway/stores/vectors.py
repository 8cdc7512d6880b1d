"""Vectors: what a user has said and been told, found again by meaning and by words, by that user alone.

The handle is the isolation: `of` cannot be called without an organisation and a user, everything that is asked names
both, an id leads only to one's own, and what is found is looked at once more before it is handed out.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import logging
import struct
import time
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple, Protocol, Self

import numpy as np
from msgspec import structs
from numpy.typing import NDArray

from gateway.core.secret import Secret
from gateway.stores import vectors_talk as talk
from gateway.stores.breaker import LATE, Breaker, Unavailable
from gateway.stores.vectors_link import Link

log = logging.getLogger("syntra")

DEADLINE: Final = 0.150  # s; a search that a request waits for
BACKGROUND_DEADLINE: Final = 5.0  # s; what nobody waits for
_HEARTBEAT: Final = 1.0


_TEXT_SHARE: Final = 0.3  # of the score, where a text is looked for by its words too
_KEY: Final = np.dtype([("scope", np.uint64), ("mark", ">i8")])  # of a marked point


class Marks(NamedTuple):
    """Marked points in columns, in no order."""

    marks: NDArray[np.int64]
    scores: NDArray[np.float64]
    near: NDArray[np.float64]  # the cosines of the texts, 0 where it is not among the nearest by text


NOTHING: Final = Marks(np.empty(0, np.int64), np.empty(0), np.empty(0))


class Backend(Protocol):
    """Where the vectors are: the embedded engine, or a server."""

    @property
    def is_linked(self) -> bool:
        """Whether it can be asked."""

    async def start(self) -> None:
        """Connect, without keeping a start waiting."""

    async def close(self) -> None:
        """Disconnect."""

    async def ask(self, request: talk.Request) -> talk.Reply:
        """The answer; raises Unavailable."""


def chosen(socket: str, url: str, api_key: Secret) -> Vectors | None:
    """Vectors on the server at `url`, else in the embedded engine behind `socket`; None where there is neither."""
    if url:
        # Loaded only for those who have a server: Qdrant's client is 43 MB of a worker.
        server = importlib.import_module("gateway.stores.vectors_server")
        return Vectors(server.Server(url, api_key))
    return Vectors(Link(socket)) if socket else None


class Vectors:
    """The store of vectors as a worker uses it."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._hurry = asyncio.Event()
        self._breaker = Breaker("The store of vectors", look=self._hurry.set)
        self._beating: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def start(self) -> None:
        """Connect in the background; a start does not depend on it."""
        await self._backend.start()
        self._beating = asyncio.create_task(self._beat(), name="vectors' heartbeat")

    async def close(self) -> None:
        """Disconnect."""
        if self._beating is not None:
            self._beating.cancel()
            await asyncio.wait([self._beating])
        await self._backend.close()

    @property
    def state(self) -> str:
        """For `/health`: ok, slow or away."""
        if not self._backend.is_linked:
            return "away"
        return "ok" if self._breaker.allows else "slow"

    def of(self, organisation: str, user: str) -> Scoped:
        """The vectors of one user of one organisation."""
        if not organisation or not user:
            raise ValueError("vectors are somebody's: an organisation and a user")
        return Scoped(self, organisation, user)

    async def soon(self, request: talk.Request) -> talk.Reply:
        """The answer to what a request waits for; raises Unavailable after 150 ms."""
        if not self._breaker.allows:
            raise Unavailable("the store of vectors is slow")
        began = time.monotonic()
        try:
            async with asyncio.timeout(DEADLINE):
                reply = await self._backend.ask(request)
        except TimeoutError:
            self._breaker.failed(time.monotonic(), began)
            self._breaker.doubt()
            raise Unavailable(f"no answer from the store of vectors within {DEADLINE * 1000:.0f} ms") from None
        except asyncio.CancelledError:
            if time.monotonic() - began > LATE:  # who asked has less patience than we
                self._breaker.doubt()
            raise
        self._breaker.succeeded()
        return reply

    async def later(self, request: talk.Request) -> talk.Reply:
        """The answer to what nobody waits for; raises Unavailable after some seconds."""
        try:
            async with asyncio.timeout(BACKGROUND_DEADLINE):
                return await self._backend.ask(request)
        except TimeoutError:
            raise Unavailable(f"no answer from the store of vectors within {BACKGROUND_DEADLINE:.0f} s") from None

    async def _beat(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_HEARTBEAT):
                    await self._hurry.wait()
            self._hurry.clear()
            began = time.monotonic()
            try:
                await self.later(talk.Ping())
            except Unavailable:
                continue
            self._breaker.beat(quick=time.monotonic() - began < DEADLINE)


class Scoped:
    """The vectors of one user; made by `Vectors.of`. Everything raises Unavailable where the store is away or slow."""

    def __init__(self, vectors: Vectors, organisation: str, user: str) -> None:
        self._vectors = vectors
        self._organisation, self._user = organisation, user
        self._scope = talk.scope(organisation, user)
        self._turn = int.from_bytes(self._scope[:4])

    def _own(self, words: talk.Words) -> talk.Words:
        """Words by numbers that are this user's alone.

        Who has a word is a list in the store: it would be looked through for one user however many others have it too.
        """
        return talk.Words(tuple([index ^ self._turn for index in words.indices]), words.values)

    async def upsert(self, points: Sequence[talk.Point]) -> None:
        """Keep points; one of the same id is replaced."""
        own = [structs.replace(point, words=self._own(point.words)) for point in points]
        _done(await self._vectors.later(talk.Upsert(self._organisation, self._user, own)))

    async def search(self, text: bytes, where: Mapping[str, str] | None = None, limit: int = 10) -> list[talk.Hit]:
        """The nearest by text, the best first; within 150 ms."""
        reply = await self._vectors.soon(talk.Search(self._organisation, self._user, text, dict(where or {}), limit))
        if not isinstance(reply, talk.Hits):
            _done(reply)
            return []
        mine = [hit for hit in reply.hits if (hit.organisation, hit.user) == (self._organisation, self._user)]
        if len(mine) < len(reply.hits):
            log.error("the store of vectors gave %d points of others; they were dropped", len(reply.hits) - len(mine))
        return mine

    async def marks(self, text: bytes, words: talk.Words, limit: int, dimensions: int = talk.DIMENSIONS) -> Marks:
        """The marks of the nearest by text and by words, so many of each; within 150 ms.

        By words alone where there is no text: among the points that have vectors of so many `dimensions`.
        """
        asked = talk.Nearest(self._organisation, self._user, text, self._own(words), limit, dimensions)
        reply = await self._vectors.soon(asked)
        if not isinstance(reply, talk.Found):
            _done(reply)
            return NOTHING
        keys = np.frombuffer(reply.text_keys + reply.words_keys, _KEY)
        by_text, by_words = np.frombuffer(reply.text_scores, "<f8"), np.frombuffer(reply.words_scores, "<f8")
        near = np.concatenate((by_text, np.zeros(len(by_words))))
        found = Marks(keys["mark"].astype(np.int64), np.concatenate(_shares(by_text, by_words)), near)
        mine = keys["scope"] == np.frombuffer(self._scope, np.uint64)
        if not mine.all():
            log.error("the store of vectors gave %d points of others; they were dropped", len(keys) - int(mine.sum()))
            found = Marks(*(column[mine] for column in found))
        return _each_once(found)

    async def delete(self, ids: Sequence[str] = (), marks: Sequence[int] = ()) -> None:
        """Forget points."""
        _done(await self._vectors.later(talk.Delete(self._organisation, self._user, list(ids), list(marks))))

    async def forget_all(self) -> None:
        """Forget all that this user has."""
        _done(await self._vectors.later(talk.Forget(self._organisation, self._user)))

    async def count(self) -> int:
        """How many points this user has."""
        return _done(await self._vectors.later(talk.Count(self._organisation, self._user)))


def _shares(
    by_text: NDArray[np.float64], by_words: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What either search gives to the score: the weighted sum of both, each brought to 0..1.

    Ranks alone (RRF) would lose how much better one is than the next: 8 points of recall.
    """
    share = _TEXT_SHARE if len(by_words) else 1.0
    if len(by_text):
        low, high = by_text.min(), by_text.max()
        by_text = (by_text - low) * (share / (high - low)) if high > low else np.full(len(by_text), share)
    else:
        share = 0.0
    if len(by_words):
        high = by_words.max()
        by_words = by_words * ((1 - share) / high) if high > 0 else np.full(len(by_words), 1 - share)
    return by_text, by_words


def _each_once(found: Marks) -> Marks:
    """The same, where what was found both by text and by words is one, with the sum of both."""
    if not len(found.marks):
        return NOTHING
    order = found.marks.argsort()
    marks = found.marks[order]
    first = np.flatnonzero(np.append(True, marks[1:] != marks[:-1]))
    scores, near = (np.add.reduceat(column[order], first) for column in found[1:])
    return Marks(marks[first], scores, near)


def vector(numbers: Sequence[float]) -> bytes:
    """A dense vector as it travels."""
    return struct.pack(f"<{len(numbers)}f", *numbers)


def _done(reply: talk.Reply) -> int:
    match reply:
        case talk.Done(count):
            return count
        case talk.Refused(text):
            raise ValueError(f"the store of vectors refuses: {text}")
        case talk.Hits() | talk.Found():
            raise TypeError("hits where none were asked for")
