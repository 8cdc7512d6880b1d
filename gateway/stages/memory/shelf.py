"""A user's memories as they are kept, found, corrected and forgotten: true in PostgreSQL, found through the vectors."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

from gateway.core import stems
from gateway.core.memories import Memory, New
from gateway.stages.memory.index import Index
from gateway.stages.memory.ranking import rank
from gateway.stages.memory.relevance import MATTERS, Question
from gateway.stores.breaker import Unavailable
from gateway.stores.embedding import Encoder
from gateway.stores.memories import Gone, Kept, Memories

log = logging.getLogger("syntra")

MOST: Final = 100  # memories that a search gives at most
_BATCH: Final = 50  # memories that are kept at once


class Told(NamedTuple):
    """A memory that was found; from 0.8 on, `relevance` means that it is about what was asked."""

    memory: Memory
    relevance: float

    @property
    def matters(self) -> bool:
        """Whether it is worth telling a model."""
        return self.relevance >= MATTERS


class Shelf:
    """The memories of everybody; whose they are is said each time."""

    def __init__(self, memories: Memories, index: Index, encoder: Encoder) -> None:
        self._memories = memories
        self._index = index
        self._encoder = encoder

    def of(self, organisation: str, person: str) -> Kept:
        """What is kept of one person."""
        return self._memories.of(organisation, person)

    async def search(self, kept: Kept, text: str, limit: int, lacking: Callable[[], None] = lambda: None) -> list[Told]:
        """The memories that are likeliest to be about a text, the best first; raises Unavailable.

        `lacking` hears where some may be missing, because not everybody who could know them has answered.
        """
        words = stems.content(text)
        question = Question(text, words, self._encoder, spells=self._index.spells)
        sought = [*words, *question.facts.words]
        if not sought:
            return []
        hits = await self._index.search(kept, text, sought, lacking)
        ranked = rank(hits, time.time(), min(limit, MOST))
        marks = ranked.marks.tolist()
        if not marks:
            return []
        found = await kept.told(marks)
        nearest = hits.near[hits.near != 0]
        least = self._index.near(float(nearest.min())) if nearest.size else 0.0
        told = []
        for mark, near in zip(marks, ranked.near.tolist(), strict=True):
            memory = found.get(mark)
            if memory is not None:  # what is not true any more is not told, whatever the vectors say
                told.append(Told(memory, question.relevance(memory, self._index.near(near) or least)))
        return told

    async def add(self, kept: Kept, wanted: Sequence[New]) -> tuple[list[Memory], bool]:
        """Keep these; what is kept of each, and whether it can be found already. Raises Unavailable."""
        added: list[Memory] = []
        findable = True
        for some in _batches(wanted):
            kept_now, superseded = await kept.add(some)
            added += kept_now
            findable = await self._tried(kept, kept_now, superseded) and findable
        return added, findable

    async def correct(self, kept: Kept, memory_id: str, corrected: New) -> Memory | None:
        """Put another text in a memory's place, and forget what was derived from the old one."""
        memory = await kept.correct(memory_id, corrected)
        if memory is None:
            return None
        derived = [one for one in await kept.derived([memory_id]) if one != memory_id]
        gone = await kept.delete(derived) if derived else []
        await self._tried(kept, [memory], gone)
        return memory

    async def forget(self, kept: Kept, memory_id: str, *, cascade: bool) -> list[str]:
        """Forget a memory, with `cascade` all that was derived from it too; the ids of what is gone."""
        ids = await kept.derived([memory_id]) if cascade else [memory_id]
        gone = await kept.delete(ids)
        await self._tried(kept, [], gone)
        return [one.id for one in gone]

    async def forget_all(self, kept: Kept) -> int:
        """Forget all that is kept of a person; how many there were."""
        gone = await kept.delete_all()
        await self._tried(kept, [], gone)
        return len(gone)

    async def _tried(self, kept: Kept, added: Sequence[Memory], gone: Sequence[Gone]) -> bool:
        """Bring the vectors up to date; where they are away, `Index.follow` will."""
        try:
            await self._index.put(kept, added)
            await self._index.drop(kept, [one.mark for one in gone])
        except Unavailable as error:
            log.info("memories will be indexed later: %s", error)
            self._index.behind()
            return False
        return True


def _batches(wanted: Sequence[New]) -> Iterator[Sequence[New]]:
    """Parts that keep the loop for a few milliseconds each; what was derived stays with what it was derived from."""
    if any(one.source is not None for one in wanted):
        yield wanted
        return
    for start in range(0, len(wanted), _BATCH):
        yield wanted[start : start + _BATCH]
