"""What is asked of a store of vectors and what it answers, over whatever wire.

Every question names whose vectors it is about: there is no way to say it otherwise.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from operator import itemgetter
from typing import Any, Final, TypeVar
from uuid import UUID

import msgspec
from msgspec import Struct

DIMENSIONS: Final = 256  # of the embedding that comes with the gateway
LEAST, MOST = 256, 4096  # that a model may have
TEXT: Final = "text"  # the name of the dense vector
TEXT_SHARE: Final = 0.3  # of the score, where a text is looked for by its words too
WORDS: Final = "words"  # the name of the sparse one, weighed by how rare a word is among the same user's texts
ORGANISATION: Final = "organisation"
USER: Final = "user"
OWNER: Final = "owner"  # both in one: a second condition would double what a search takes

LENGTH: Final = struct.Struct("!I")  # stands before every message on the engine's socket
MOST_BYTES: Final = 16_000_000


class Frames:
    """Messages out of what comes in on the engine's socket."""

    def __init__(self) -> None:
        self._held = bytearray()

    def cut(self, data: bytes) -> Iterator[bytes]:
        """Those that are whole now; raises ValueError where one is too long."""
        self._held += data
        while len(self._held) >= LENGTH.size:
            (length,) = LENGTH.unpack_from(self._held)
            if length > MOST_BYTES:
                raise ValueError(f"a message of {length} bytes")
            end = LENGTH.size + length
            if len(self._held) < end:
                return
            told = bytes(self._held[LENGTH.size : end])
            del self._held[:end]
            yield told


def framed(told: bytes) -> bytes:
    """A message as it goes into the socket."""
    return LENGTH.pack(len(told)) + told


class Words(Struct, frozen=True):
    """A sparse vector: words as numbers, and their weights."""

    indices: tuple[int, ...]
    values: tuple[float, ...]


class Point(Struct, frozen=True):
    """Something to be found again: by `text`, float32 in little-endian bytes, by its words, by what `data` says."""

    id: str
    text: bytes
    words: Words = Words((), ())
    data: dict[str, Any] = {}
    mark: int | None = None  # instead of its id, what it is stored by; 64 bits that come back with a bare search


class Hit(Struct, frozen=True):
    """A point that was found; whose it is comes with it, so that it can be checked again."""

    id: str
    score: float
    organisation: str
    user: str
    data: dict[str, Any]
    near: float = 0.0  # the cosine of the texts, where it is among the nearest by text


class Ping(Struct, tag=True):
    """A sign of life, please."""


class Upsert(Struct, tag=True):
    """Keep these points; one of the same id is replaced."""

    organisation: str
    user: str
    points: list[Point]


class Search(Struct, tag=True):
    """The nearest by text, by words, or by both; `where` names values that `data` must have.

    `limit` is of each kind: by both, twice as many may be found. Where there is no text, `dimensions` says among which
    points: those of another length are another model's. Where nobody knows which are the latest it is 0: among all.
    """

    organisation: str
    user: str
    text: bytes = b""
    words: Words = Words((), ())
    where: dict[str, str] = {}
    limit: int = 10
    bare: bool = False  # only names and scores: to read what a point says of itself takes longer than to find it
    dimensions: int = DIMENSIONS


class Delete(Struct, tag=True):
    """Forget these points."""

    organisation: str
    user: str
    ids: list[str] = []
    marks: list[int] = []


class Forget(Struct, tag=True):
    """Forget all points."""

    organisation: str
    user: str


class Count(Struct, tag=True):
    """How many points there are."""

    organisation: str
    user: str


class Done(Struct, tag=True):
    """It is done; for a Count, how many."""

    count: int = 0


class Hits(Struct, tag=True):
    """What was found, the best first."""

    hits: list[Hit]


class Bare(Struct, tag=True):
    """What a bare search has found, the best first, in columns: to make objects of it takes longer than to find it."""

    keys: bytes = b""  # 16 bytes each
    scores: bytes = b""  # float64, little-endian
    near: bytes = b""  # the same: the cosines where the text was near, else 0


class Refused(Struct, tag=True):
    """It cannot be done, and will not be the next time."""

    text: str


K = TypeVar("K")
Scored = tuple[K, float]
_score = itemgetter(1)

Request = Ping | Upsert | Search | Delete | Forget | Count
Reply = Done | Hits | Bare | Refused


def key(organisation: str, user: str, name: str) -> str:
    """The id that a point is stored by. It follows from whose it is, so nobody can name another's."""
    parts = msgspec.msgpack.encode([organisation, user, name])
    return str(UUID(bytes=hashlib.blake2b(parts, digest_size=16).digest()))


def scope(organisation: str, user: str) -> bytes:
    """The half of a marked point's key that says whose it is; for another's there is no other half."""
    return hashlib.blake2b(msgspec.msgpack.encode([organisation, user]), digest_size=8).digest()


def owner(organisation: str, user: str) -> str:
    """Whose a point is, in one word that no other user of any organisation has."""
    return hashlib.blake2b(msgspec.msgpack.encode([organisation, user]), digest_size=16).hexdigest()


def marked(organisation: str, user: str, mark: int) -> str:
    """The id that a marked point is stored by."""
    return str(UUID(bytes=scope(organisation, user) + mark.to_bytes(8, "big")))


def stored_by(organisation: str, user: str, point: Point) -> str:
    """The id that a point is stored by."""
    return key(organisation, user, point.id) if point.mark is None else marked(organisation, user, point.mark)


def wanted(organisation: str, user: str, where: Mapping[str, str] | None = None) -> dict[str, str]:
    """What a stored point must say of itself to be found."""
    return {OWNER: owner(organisation, user)} | {f"data.{name}": value for name, value in (where or {}).items()}


def payload(organisation: str, user: str, point: Point) -> dict[str, Any]:
    """What a stored point says of itself; what is found by its mark is never read."""
    whose = {ORGANISATION: organisation, OWNER: owner(organisation, user)}
    return whose if point.mark is not None else whose | {USER: user, "id": point.id, "data": point.data}


def bare(found: Sequence[tuple[bytes, float, float]]) -> Bare:
    """Keys, scores and cosines in columns."""
    if not found:
        return Bare()
    keys, scores, near = zip(*found, strict=True)
    numbers = struct.Struct(f"<{len(found)}d")
    return Bare(b"".join(keys), numbers.pack(*scores), numbers.pack(*near))


def hit(score: float, said: dict[str, Any] | None, near: float = 0.0) -> Hit:
    """A point that was found, from what it says of itself."""
    found = said or {}
    return Hit(
        found.get("id", ""), score, found.get(ORGANISATION, ""), found.get(USER, ""), found.get("data", {}), near
    )


def fused(by_text: Sequence[Scored[K]], by_words: Sequence[Scored[K]]) -> list[tuple[K, float, float]]:
    """What two searches have found, the best first, by key: the score, and the cosine where the text was near.

    The score is the weighted sum of both, each brought to 0..1. Ranks alone (RRF) would lose how much better one is
    than the next: 8 points of recall.
    """
    share = 1.0 if not by_words else TEXT_SHARE if by_text else 0.0
    scores: dict[K, float] = {}
    near = dict(by_text)
    if near:
        low, high = min(near.values()), max(near.values())
        scale = share / (high - low) if high > low else 0.0
        scores = {key: (score - low) * scale if scale else share for key, score in by_text}
    high = max((score for _, score in by_words), default=0.0)
    for key, score in by_words:
        scores[key] = scores.get(key, 0.0) + (1 - share) * (score / high if high > 0 else 1.0)
    best = sorted(scores.items(), key=_score, reverse=True)
    return [(key, score, near.get(key, 0.0)) for key, score in best]


def length(text: bytes) -> int:
    """The numbers of a dense vector; raises ValueError where no model has so many."""
    if len(text) % 4 or not LEAST <= len(text) // 4 <= MOST:
        raise ValueError(f"a vector of {len(text)} bytes, where {4 * LEAST} to {4 * MOST} are expected")
    return len(text) // 4


def among(asked: Search) -> int:
    """The length of the points that are looked through; 0 for any."""
    return length(asked.text) if asked.text else asked.dimensions


def joined(several: Iterable[Sequence[Scored[K]]]) -> list[tuple[K, float, float]]:
    """What several searches by words have found, the best first, each point once."""
    best: dict[K, float] = {}
    for key, score in chain.from_iterable(several):
        best[key] = max(score, best.get(key, score))
    return [(key, score, 0.0) for key, score in sorted(best.items(), key=_score, reverse=True)]


def floats(text: bytes) -> list[float]:
    """A dense vector as the engines want it."""
    return list(struct.unpack(f"<{length(text)}f", text))
