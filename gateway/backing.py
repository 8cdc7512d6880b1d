"""The backing services of one worker: PostgreSQL and Valkey, who is known in them, opened and closed together."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Callable, Mapping
from functools import partial

from gateway import hired, prepare
from gateway.core.limits import Limits
from gateway.outside import Outside
from gateway.people import PeopleLater
from gateway.records import usage
from gateway.remembering import Remembering
from gateway.settings import Settings
from gateway.stages.admission import Admission
from gateway.stages.keys import Keys
from gateway.stages.memory import Counts
from gateway.stages.memory.second import Store
from gateway.stores import valkey_place, vectors
from gateway.stores.answers import MOST_BYTES, Answers
from gateway.stores.artefacts import ArtefactStore
from gateway.stores.bus import Bus
from gateway.stores.dense import Dense
from gateway.stores.embedding import Encoder
from gateway.stores.identities import Identities
from gateway.stores.limits import SharedLimits
from gateway.stores.memberships import Memberships
from gateway.stores.pacer import Pacer
from gateway.stores.postgres import Postgres
from gateway.stores.twins import Twins
from gateway.stores.valkey import Valkey
from gateway.upstream.elsewhere import Elsewhere
from policies.documents import Tempo


class Backing:
    """Every store of a worker; none must answer for the worker to start."""

    def __init__(
        self,
        chosen: Settings,
        vectors_socket: str,
        outside: Outside,
        limited: Callable[[str, str], None],
        tempos: Callable[[], Mapping[str, Tempo]],
        counts: Counts | None = None,
    ) -> None:
        self.pepper = prepare.pepper(chosen)
        self.postgres = Postgres(prepare.place(chosen))
        self.preparation = prepare.Preparation(chosen, self.postgres, self.pepper)
        self.vault = prepare.vault(chosen)
        self.identities = Identities(self.postgres, self.vault)
        memberships = Memberships(self.postgres, self.identities)
        self.people = PeopleLater(chosen, self.pepper, memberships, outside.wire)
        self.keys = Keys(self.identities, self.pepper, people=self.people.identify, persona=chosen.persona)
        place = valkey_place.chosen(chosen.valkey_url, chosen.redis_url, chosen.upstash_url, chosen.upstash_token)
        self.valkey = None if place is None else Valkey(place)
        self.artefacts = ArtefactStore(self.valkey, self.pepper.thoughts)
        self.answers = Answers(self.valkey, self.pepper.answers, MOST_BYTES // chosen.workers)
        self.bus = Bus(self.valkey, self.pepper.answers)
        self.elsewhere = Elsewhere(self.bus)
        outside.sharing.through(self.answers, self.elsewhere)
        self.vectors = vectors.chosen(vectors_socket, chosen.qdrant_url, chosen.qdrant_key)
        self.defaults = Limits(requests_per_day=chosen.requests_per_day, tokens_per_day=chosen.tokens_per_day)
        dense = partial(_dense, chosen, outside)
        self.remembering = Remembering(self.postgres, self.vectors, dense, _second(chosen), counts)
        self.admission = Admission(
            SharedLimits(self.valkey),
            defaults=self.defaults,
            workers=chosen.workers,
            spent=self._spent,
            counted=limited,
        )
        self.twins = Twins(self.valkey, self.pepper.twins)
        self.pacer = Pacer(outside.tempos, tempos, self.valkey, workers=chosen.workers)
        self._tasks: list[asyncio.Task[None]] = []

    async def open(self) -> None:
        """Connect, as far as that goes at once, and look after the connections from then on."""
        await self.postgres.start()
        if self.valkey is not None:
            await self.valkey.start()
            self.bus.start(self.elsewhere.heard, self.elsewhere.deaf)
        if self.vectors is not None:
            await self.vectors.start()
        self.remembering.open()
        await self.admission.start()
        self.pacer.start()
        loop = asyncio.get_running_loop()
        self._tasks = [
            loop.create_task(self.preparation.until_done()),
            loop.create_task(self.postgres.listen(self._heard, self._deaf)),
        ]

    async def close(self) -> None:
        """Disconnect."""
        for task in self._tasks:
            task.cancel()
        await self.admission.close()
        await self.artefacts.close()
        await self.pacer.close()
        await self.twins.close()
        await self.elsewhere.close()
        await self.bus.close()
        await self.answers.close()
        await self.remembering.close()
        if self.valkey is not None:
            await self.valkey.close()
        if self.vectors is not None:
            await self.vectors.close()
        await self.postgres.close()

    async def _spent(self, organisation: str, key_id: str | None) -> tuple[int, int]:
        """What the ledger says has been spent, for a Valkey that has lost it."""
        return await self.postgres.soon(usage.spent(self.postgres, organisation, key_id))

    def _heard(self, organisation: str) -> None:
        self.keys.heard(organisation)
        self.people.heard(organisation)
        self.remembering.recollection.heard(organisation)

    def _deaf(self) -> None:
        self.keys.deaf()
        self.people.deaf()
        self.remembering.recollection.deaf()

    @property
    def states(self) -> Mapping[str, str]:
        """For `/health`: how each store is."""
        stores = {"postgres": self.postgres, "valkey": self.valkey, "vectors": self.vectors}
        found = {name: store.state for name, store in stores.items() if store is not None}
        second = self.remembering.second
        return found if second is None else found | {"supermemory": second.state}


def _second(chosen: Settings) -> Store | None:
    """SuperMemory, where it has a key."""
    if not chosen.supermemory_key:
        return None
    # Loaded only for those who have a key: its client is 25 MB of a worker.
    supermemory = importlib.import_module("gateway.stores.supermemory")
    found: Store = supermemory.Supermemory(chosen.supermemory_key, chosen.supermemory_url)
    return found


def _dense(chosen: Settings, outside: Outside, encoder: Encoder) -> Dense:
    """What makes memories comparable."""
    return hired.chosen(chosen.embedding, chosen.data_path, encoder, outside.embedder, outside.prices)
