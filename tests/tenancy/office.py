"""The administrative API behind the real door, over a real PostgreSQL, in a loop of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import httpx
from litestar import Litestar, asgi

from gateway.core.errors import UpstreamUnreachable
from gateway.core.limits import NO_LIMITS, Limits
from gateway.core.secret import Secret
from gateway.http.admin.door import PATH, Administration
from gateway.http.admin.parts import Parts
from gateway.http.door import Door
from gateway.http.lounge import Lounge
from gateway.http.public import failed
from gateway.stages.keys import Keys
from gateway.stores import organisations, postgres_place
from gateway.stores.identities import Identities
from gateway.stores.organisations import NewKey
from gateway.stores.postgres import Postgres
from gateway.stores.vault import Vault
from tests.fakes.doors import NO_TWINS
from tests.fakes.tenants import PEPPER

T = TypeVar("T")

MASTER = Secret("0" * 64)
PROVIDERS = ("openai", "anthropic", "google", "perplexity", "kimi", "openrouter")


async def verify(provider: str, key: Secret) -> bool:
    """A provider that takes keys that begin with sk-good, and is away for those that begin with sk-away."""
    if key.reveal().startswith("sk-away"):
        raise UpstreamUnreachable("The provider could not be reached.", provider=provider)
    return key.reveal().startswith("sk-good")


class Office:
    """One worker that serves the administrative API, asked from another thread."""

    def __init__(self, database: str, defaults: Limits = NO_LIMITS) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()
        self.place = postgres_place.place(database)
        self.statuses: list[int] = []
        self._made: dict[str, str] = {}
        self.run(self._open(defaults))

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Do something in the worker's loop."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(60)

    async def _open(self, defaults: Limits) -> None:
        self.postgres = Postgres(self.place)
        await self.postgres.start()
        self.vault = Vault([MASTER])
        self.keys = Keys(Identities(self.postgres, self.vault), PEPPER)
        self._listening = asyncio.create_task(self.postgres.listen(self.keys.heard, self.keys.deaf))
        parts = Parts(self.postgres, PEPPER, self.vault, verify, PROVIDERS, defaults)
        lounge = Lounge(1.0)
        door = Door(self.keys.identify, lounge, lambda surface, visit: self.statuses.append(visit.status), NO_TWINS)
        self.administration = Administration(parts)
        serve = door.route(None, "admin", "viewer", self.administration.serve)
        app = Litestar(
            [asgi(PATH, is_mount=True, copy_scope=True)(serve)],
            exception_handlers={Exception: failed},
            logging_config=None,
        )
        self._client = httpx.AsyncClient(  # noqa: TID251  # it dials nobody
            transport=httpx.ASGITransport(app, raise_app_exceptions=False), base_url="http://office"
        )

    def close(self) -> None:
        self.run(self._close())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()

    async def _close(self) -> None:
        self._listening.cancel()
        await asyncio.wait([self._listening])
        await self._client.aclose()
        await self.postgres.close()
        rest = asyncio.all_tasks() - {asyncio.current_task()}  # what is asked because of what was heard just now
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)

    def ask(self, method: str, path: str, key: str | None = None, **options: Any) -> httpx.Response:
        """One request to `/api/orgs` and what follows it."""
        headers = {**({"authorization": f"Bearer {key}"} if key else {}), **options.pop("headers", {})}
        return self.run(self._client.request(method, PATH + path, headers=headers, **options))

    def ok(self, method: str, path: str, key: str, **options: Any) -> Any:
        """The body of a request that must succeed."""
        reply = self.ask(method, path, key, **options)
        assert reply.status_code in (200, 201), reply.text
        return reply.json()

    def refused(self, status: int, method: str, path: str, key: str | None, **options: Any) -> dict[str, Any]:
        """The error of a request that must fail so."""
        reply = self.ask(method, path, key, **options)
        assert reply.status_code == status, reply.text
        error: dict[str, Any] = reply.json()["error"]
        assert set(error) == {"message", "type", "param", "code"}
        return error

    def key(self, organisation: str, role: str = "owner", **wanted: Any) -> str:
        """A key made beside the API, the same when asked for again; its organisation is made where there is none."""
        asked = f"{organisation} {role} {wanted}"
        if asked not in self._made:
            self._made[asked] = self.run(self._key(organisation, role, **wanted))
        return self._made[asked]

    async def _key(self, organisation: str, role: str, **wanted: Any) -> str:
        found = await organisations.organisation_named(self.postgres, organisation)
        found = found or await organisations.create_organisation(
            self.postgres, organisation, "test", operator=organisation == organisations.FIRST
        )
        assert found is not None
        wished = NewKey(**{"name": f"{role} of {organisation}", **wanted, "role": role})
        _, key = await organisations.create_key(self.postgres, PEPPER, found.id, wished, "test")
        return key.reveal()


@contextmanager
def office_at(database: str, defaults: Limits = NO_LIMITS) -> Iterator[Office]:
    made = Office(database, defaults)
    try:
        yield made
    finally:
        made.close()
