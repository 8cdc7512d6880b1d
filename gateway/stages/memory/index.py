"""Keeps the vectors in step with the memories: they can be lost, emptied or made by another model, and are made anew.

The collection itself says which model made it, in a point of its own, with a name for this filling of it. Each memory
says which filling has it; whatever another one had is put again, in the background.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Sequence
from typing import Final

from psycopg import Error

from gateway.core import stems
from gateway.core.ids import uuid7
from gateway.core.memories import Memory
from gateway.stores.breaker import Unavailable
from gateway.stores.dense import Dense, sliced
from gateway.stores.embedding import Floats
from gateway.stores.memories import Kept, Memories
from gateway.stores.vectors import Marks, Scoped, Vectors, vector
from gateway.stores.vectors_talk import Point, Words

log = logging.getLogger("syntra")

# How words are weighed and points are told apart; another name means another filling, as another model does.
WORDS: Final = "content-words-3 own-words turbo-8"
_CANDIDATES: Final = 64  # of each kind, of which the best are chosen
_BATCH: Final = 64  # points that are put at once
_EARLY, _LATE = 1500, 500  # characters of what is asked that a model reads
_PAUSE: Final = 10.0  # s between two looks for what is behind
_BREATH: Final = 0.05  # s between two batches that nobody waits for
_MARK: Final = ("syntra", "index")  # no organisation has this id


class Index:
    """The vectors of memories; everything raises Unavailable where they are away, slow or not ours."""

    def __init__(self, memories: Memories, vectors: Vectors | None, dense: Dense) -> None:
        self._memories = memories
        self._vectors = vectors
        self._dense = dense
        self._model = f"{dense.name} {WORDS}"
        self._generation = ""
        self._wake = asyncio.Event()

    async def search(self, kept: Kept, text: str, words: Sequence[str], lacking: Callable[[], None]) -> Marks:
        """What may be about a text, in which these words say what it is about; within 150 ms.

        By its words alone where the model of texts is away or late, which `lacking` hears.
        """
        asked = stems.asked(words)
        sparse = Words(tuple(asked), tuple(asked.values()))
        dimensions = 0  # of what was made by whatever model
        try:
            dimensions = await self._dense.ready()
            dense = _packed(await self._dense.question(_ends(text), words, kept.organisation))
        except Unavailable as error:
            log.debug("memories are looked for by words alone: %s", error)
            lacking()
            dense = b""
        try:
            return await self._of(kept).marks(dense, sparse, _CANDIDATES, dimensions)
        except ValueError as error:  # a collection of other dimensions
            raise Unavailable(str(error)) from None

    def near(self, cosine: float) -> float:
        """How near two texts are; 0 where nothing is known of that."""
        return self._dense.near(cosine) if cosine else 0.0

    @property
    def spells(self) -> bool:
        """Whether the model spells out what our vocabulary does not have."""
        return self._dense.spells

    async def put(self, kept: Kept, memories: Sequence[Memory]) -> None:
        """Make memories findable."""
        generation = await self._filling()
        for start in range(0, len(memories), _BATCH):
            batch = memories[start : start + _BATCH]
            words = [stems.content(memory.text) async for memory in sliced(batch)]
            vectors = await self._dense.texts([one.text for one in batch], words, kept.organisation)
            points = [_point(*one) async for one in sliced(zip(batch, words, vectors, strict=True))]
            try:
                await self._of(kept).upsert(points)
            except ValueError as error:
                raise Unavailable(str(error)) from None
            true = await kept.mark(batch, generation)
            if other := [one.mark for one in batch if one.mark not in true]:  # changed or forgotten while it was put
                still = await kept.told(other)
                await self.drop(kept, [mark for mark in other if mark not in still])

    async def drop(self, kept: Kept, marks: Sequence[int]) -> None:
        """Make memories findable no more."""
        for start in range(0, len(marks), _BATCH):
            batch = marks[start : start + _BATCH]
            await self._of(kept).delete(marks=batch)
            await kept.forgotten(batch)

    def behind(self) -> None:
        """Something could not be put or dropped: look soon."""
        self._wake.set()

    async def follow(self) -> None:
        """Put and drop whatever could not be, for ever."""
        while True:
            try:
                await self._catch_up()
            except (Unavailable, Error, ValueError) as error:
                log.debug("memories are not all indexed: %s", error)
                self._generation = ""  # the vectors may come back empty
            try:
                async with asyncio.timeout(_PAUSE * random.uniform(0.5, 1.5)):  # noqa: S311  # workers spread
                    await self._wake.wait()
            except TimeoutError:
                pass
            else:
                self._wake.clear()
                await asyncio.sleep(1.0)

    async def _catch_up(self) -> None:
        self._generation = ""  # a shard that was emptied has lost its mark
        generation = await self._filling()
        while behind := await self._memories.behind(generation):
            for organisation, person in behind:
                kept = self._memories.of(organisation, person)
                await self.drop(kept, [one.mark for one in await kept.gone(_BATCH)])
                await self.put(kept, await kept.behind(generation, _BATCH))
                await asyncio.sleep(_BREATH)

    async def _filling(self) -> str:
        """The name of the filling that the collection holds; of one by another model, or of none, a new one."""
        if self._vectors is None:
            raise Unavailable("there is no store of vectors")
        if self._generation:
            return self._generation
        mark, nowhere = self._vectors.of(*_MARK), vector([1.0] * await self._dense.ready())
        try:
            found = [hit.data for hit in await mark.search(nowhere, limit=1)]
            if not found or found[0].get("model") != self._model:
                told = {"model": self._model, "filling": uuid7()}
                await mark.upsert([Point("model", nowhere, data=told)])
                found = [told]
        except ValueError as error:
            raise Unavailable(str(error)) from None
        self._generation = str(found[0]["filling"])
        return self._generation

    def _of(self, kept: Kept) -> Scoped:
        if self._vectors is None:
            raise Unavailable("there is no store of vectors")
        return self._vectors.of(kept.organisation, kept.person)


def _point(memory: Memory, words: Sequence[str], of: Floats) -> Point:
    weighed = stems.weighed(words)
    return Point(memory.id, _packed(of), Words(tuple(weighed), tuple(weighed.values())), mark=memory.mark)


def _ends(text: str) -> str:
    """The beginning and the end of a long text, where it says what it wants."""
    return text if len(text) <= _EARLY + _LATE else f"{text[:_EARLY]}\n{text[-_LATE:]}"


def _packed(of: Floats) -> bytes:
    """Little endian, as it travels."""
    return of.astype("<f4").tobytes()
