"""A user's memories as they are kept, found, corrected and forgotten: true in PostgreSQL, found through the vectors."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from msgspec import structs

from gateway.core import stems
from gateway.core.memories import Memory, New, cleaned
from gateway.stages.memory.index import Index
from gateway.stages.memory.ranking import rank
from gateway.stages.memory.relevance import MATTERS, Question
from gateway.stages.memory.worth import facts_of
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

    async def correct(self, kept: Kept, before: Memory, text: str) -> Memory | None:
        """Put another text in a memory's place, and in its statement's; what was derived from the old one goes.

        None where it was forgotten meanwhile, or another says this already.
        """
        corrected = New(text, before.at, before.kind, before.thread, before.slot)
        memory = await kept.correct(before.id, corrected)
        if memory is None:
            return None
        derived = [one for one in await kept.derived([memory.id]) if one != memory.id]
        gone = await kept.delete(derived) if derived else []
        await self._tried(kept, [memory], gone)
        if before.source is not None:
            await self._restate(kept, before.source, before.text, text)
        elif facts := facts_of(corrected, memory.id):
            await self.add(kept, facts)
        return memory

    async def _restate(self, kept: Kept, source: str, old: str, new: str) -> None:
        """Put the new words of a fact in the place of the old ones in its statement; where that cannot be, it goes."""
        said = (await kept.find([source])).get(source)
        if said is None:
            return
        text = cleaned(said.text.replace(old, new))
        restated = None
        if old in said.text:
            restated = await kept.correct(source, New(text, said.at, said.kind, said.thread))
        gone = await kept.delete([source]) if restated is None else []
        await self._tried(kept, [restated] if restated else [], gone)

    async def forget(self, kept: Kept, memory_id: str, *, cascade: bool) -> list[str]:
        """Forget a memory and the facts in it, with `cascade` what had given way to it too; the ids of what is gone."""
        gone = await kept.delete(await kept.derived([memory_id]) if cascade else await _with_facts(kept, [memory_id]))
        await self._tried(kept, [], gone)
        return [one.id for one in gone]

    async def unsay(self, kept: Kept, wanted: Sequence[New], since: datetime) -> None:
        """Forget those of these that were said in a conversation since then, as if they had not been."""
        said = await kept.said(wanted, since)
        if said:
            await self._tried(kept, [], await kept.delete(await _with_facts(kept, said)))

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


async def _with_facts(kept: Kept, ids: Sequence[str]) -> list[str]:
    return [*ids, *await kept.facts(ids)]


def _batches(wanted: Sequence[New]) -> Iterator[Sequence[New]]:
    """Parts that keep the loop for a few milliseconds each; what was derived stays with what it was derived from."""
    start = 0
    for at in range(_BATCH, len(wanted)):
        if at >= start + _BATCH and wanted[at].source is None:
            yield _part(wanted, start, at)
            start = at
    yield _part(wanted, start, len(wanted))


def _part(wanted: Sequence[New], start: int, end: int) -> Sequence[New]:
    """Some of these, each with the place of its source among them."""
    part = wanted[start:end]
    return [structs.replace(one, source=one.source - start) if isinstance(one.source, int) else one for one in part]
