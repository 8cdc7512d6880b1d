"""Memory as one worker has it: the shelf, what recalls from it and fills it, and what keeps the vectors in step."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from gateway.hired import Hired
from gateway.records.settle import Settle
from gateway.stages.memory import Counts, Recollection
from gateway.stages.memory.index import Index
from gateway.stages.memory.second import Second, Store
from gateway.stages.memory.shelf import Shelf
from gateway.stores.dense import Dense, Static
from gateway.stores.embedding import Encoder
from gateway.stores.memories import Memories
from gateway.stores.postgres import Postgres
from gateway.stores.vectors import Vectors

WRITERS: Final = 2  # turns that are kept at the same time


class Remembering:
    """Opened after the stores, and closed before them."""

    def __init__(
        self,
        postgres: Postgres,
        vectors: Vectors | None,
        embedding: Callable[[Encoder], Dense] = Static,
        store: Store | None = None,
        counts: Counts | None = None,
    ) -> None:
        encoder = Encoder.load()
        memories = Memories(postgres, owes=store is not None)
        self.second = None if store is None else Second(store, memories)
        self.dense = embedding(encoder)
        self._index = Index(memories, vectors, self.dense)
        self.shelf = Shelf(memories, self._index, encoder)
        self.recollection = Recollection(self.shelf, self.second, counts)
        self._tasks: list[asyncio.Task[None]] = []

    def bill(self, settle: Settle) -> None:
        """Where calls of a provider's embedding are recorded."""
        if isinstance(self.dense, Hired):
            self.dense.settle = settle

    def open(self) -> None:
        """Begin to keep what is said; needs the running loop."""
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self._index.follow(), name="the vectors of memories")]
        if self.second is not None:
            self._tasks.append(loop.create_task(self.second.follow(), name="the second store of memories"))
        self._tasks += [loop.create_task(self.recollection.follow(), name="memory") for _ in range(WRITERS)]

    async def close(self) -> None:
        """Keep what still waits, and end."""
        await self.recollection.close()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        if self.second is not None:
            await self.second.close()
