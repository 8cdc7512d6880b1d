"""What is asked of a store of vectors and what it answers, over whatever wire.

Every question names whose vectors it is about: there is no way to say it otherwise.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

import msgspec
from msgspec import Struct

DIMENSIONS: Final = 256  # of the embedding that comes with the gateway
LEAST, MOST = 256, 4096  # that a model may have
TEXT: Final = "text"  # the name of the dense vector
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
    mark: int | None = None  # instead of its id, what it is stored by; 64 bits that come back from Nearest


class Hit(Struct, frozen=True):
    """A point that was found; whose it is comes with it, so that it can be checked again."""

    id: str
    score: float
    organisation: str
    user: str
    data: dict[str, Any]


class Ping(Struct, tag=True):
    """A sign of life, please."""


class Upsert(Struct, tag=True):
    """Keep these points; one of the same id is replaced."""

    organisation: str
    user: str
    points: list[Point]


class Search(Struct, tag=True):
    """The nearest by text, with what they say of themselves; `where` names values that `data` must have."""

    organisation: str
    user: str
    text: bytes
    where: dict[str, str] = {}
    limit: int = 10


class Nearest(Struct, tag=True):
    """The marked points that are nearest by text and by words, so many of each kind.

    Where there is no text, `dimensions` says among which points: those of another length are another model's. Where
    nobody knows which are the latest it is 0: among all.
    """

    organisation: str
    user: str
    text: bytes
    words: Words
    limit: int
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
    """What a Search has found, the best first."""

    hits: list[Hit]


class Found(Struct, tag=True):
    """What a Nearest has found, in columns: to read what points say, or to make objects, takes longer than to find."""

    text_keys: bytes = b""  # 16 bytes each
    text_scores: bytes = b""  # the cosines: float64, little-endian
    words_keys: bytes = b""
    words_scores: bytes = b""  # how much of the words it has, weighed by how rare they are


class Refused(Struct, tag=True):
    """It cannot be done, and will not be the next time."""

    text: str


Scored = tuple[bytes, float]  # the key of a point, and its score

Request = Ping | Upsert | Search | Nearest | Delete | Forget | Count
Reply = Done | Hits | Found | Refused


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


def found(by_text: Sequence[Scored], by_words: Sequence[Scored]) -> Found:
    """What two searches have found, in columns."""
    return Found(*_columns(by_text), *_columns(by_words))


def _columns(scored: Sequence[Scored]) -> tuple[bytes, bytes]:
    if not scored:
        return b"", b""
    keys, scores = zip(*scored, strict=True)
    return b"".join(keys), struct.pack(f"<{len(scores)}d", *scores)


def hit(score: float, said: dict[str, Any] | None) -> Hit:
    """A point that was found, from what it says of itself."""
    told = said or {}
    return Hit(told.get("id", ""), score, told.get(ORGANISATION, ""), told.get(USER, ""), told.get("data", {}))


def length(text: bytes) -> int:
    """The numbers of a dense vector; raises ValueError where no model has so many."""
    if len(text) % 4 or not LEAST <= len(text) // 4 <= MOST:
        raise ValueError(f"a vector of {len(text)} bytes, where {4 * LEAST} to {4 * MOST} are expected")
    return len(text) // 4


def among(asked: Nearest) -> int:
    """The length of the points that are looked through; 0 for any."""
    return length(asked.text) if asked.text else asked.dimensions


def joined(scored: Iterable[Scored]) -> list[Scored]:
    """What several searches by words have found, each point once."""
    best: dict[bytes, float] = {}
    for key, score in scored:
        best[key] = max(score, best.get(key, score))
    return list(best.items())


def floats(text: bytes) -> list[float]:
    """A dense vector as the engines want it."""
    return list(struct.unpack(f"<{length(text)}f", text))
