"""What one worker has of cooldowns, over a Valkey: what it hears, tells and may ask."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from gateway.core.health import FAILING, Cooldown, Health, Key
from gateway.stores.cooldowns import Cooldowns
from gateway.stores.valkey import Valkey
from gateway.stores.valkey_place import place
from tests.fakes.valkey import until

MINI = ("openai", "env", "gpt-4o-mini")
BIG = ("openai", "env", "gpt-4o")


@dataclass
class Worker:
    """What one worker has of all this, and the lines of the fallback stage that use it."""

    health: Health
    valkey: Valkey
    cooldowns: Cooldowns

    def fails(self, key: Key, seconds: float, reason: str = FAILING) -> Cooldown:
        found = self.health.cool(key, reason, seconds, time.monotonic())
        assert found is not None
        self.cooldowns.tell(found)
        return found

    def hears(self, key: Key, error: Any) -> None:
        found = self.health.failed(key, error, time.monotonic())
        if found is not None:
            self.cooldowns.tell(found)

    def succeeds(self, key: Key) -> bool:
        recovered = self.health.succeeded(key, 0.0, time.monotonic())
        if recovered:
            self.cooldowns.recovered(key)
        return recovered

    async def may_ask(self, key: Key) -> bool:
        if not self.health.recovering(key):
            return True
        return self.health.try_probe(key, time.monotonic()) and await self.cooldowns.may_probe(key)

    def reason(self, key: Key) -> str | None:
        found = self.health.cooling(key, time.monotonic())
        return found.reason if found else None

    @property
    def listens(self) -> bool:
        return self.valkey.state == "ok" and not self.cooldowns._unread


@asynccontextmanager
async def worker(url: str, *, ready: bool = True) -> AsyncIterator[Worker]:
    health = Health()
    async with Valkey(place(url)) as valkey, Cooldowns(health, valkey) as cooldowns:
        one = Worker(health, valkey, cooldowns)
        if ready:
            await until(lambda: one.listens)
        yield one
