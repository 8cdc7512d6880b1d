"""The backing services of one worker: PostgreSQL and Valkey, who is known in them, opened and closed together."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from gateway import prepare
from gateway.people import PeopleLater
from gateway.settings import Settings
from gateway.stages.keys import Keys
from gateway.stores import keyfile, valkey_place
from gateway.stores.identities import Identities
from gateway.stores.memberships import Memberships
from gateway.stores.postgres import Postgres
from gateway.stores.valkey import Valkey
from gateway.stores.vault import Vault, masters
from gateway.upstream.wire import Wire


class Backing:
    """Every store of a worker; none must answer for the worker to start."""

    def __init__(self, chosen: Settings, wire: Wire) -> None:
        self.pepper = prepare.pepper(chosen)
        self.postgres = Postgres(prepare.place(chosen))
        self.preparation = prepare.Preparation(chosen, self.postgres, self.pepper)
        self.vault = Vault(masters(chosen.encryption_key or keyfile.read_or_make(chosen.data_path, keyfile.ENCRYPTION)))
        self.identities = Identities(self.postgres, self.vault)
        memberships = Memberships(self.postgres, self.identities)
        self.people = PeopleLater(chosen, self.pepper, memberships, wire)
        self.keys = Keys(self.identities, self.pepper, people=self.people.identify, persona=chosen.persona)
        place = valkey_place.chosen(chosen.valkey_url, chosen.redis_url, chosen.upstash_url, chosen.upstash_token)
        self.valkey = None if place is None else Valkey(place)
        self._tasks: list[asyncio.Task[None]] = []

    async def open(self) -> None:
        """Connect, as far as that goes at once, and look after the connections from then on."""
        await self.postgres.start()
        if self.valkey is not None:
            await self.valkey.start()
        loop = asyncio.get_running_loop()
        self._tasks = [
            loop.create_task(self.preparation.until_done()),
            loop.create_task(self.postgres.listen(self._heard, self._deaf)),
        ]

    async def close(self) -> None:
        """Disconnect."""
        for task in self._tasks:
            task.cancel()
        if self.valkey is not None:
            await self.valkey.close()
        await self.postgres.close()

    def _heard(self, organisation: str) -> None:
        self.keys.heard(organisation)
        self.people.heard(organisation)

    def _deaf(self) -> None:
        self.keys.deaf()
        self.people.deaf()

    @property
    def states(self) -> Mapping[str, str]:
        """For `/health`: how each store is."""
        states = {"postgres": self.postgres.state}
        return states if self.valkey is None else states | {"valkey": self.valkey.state}
