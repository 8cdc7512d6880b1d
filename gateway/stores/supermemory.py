"""SuperMemory, through its own client: a second place in which what a person has said is found. Loaded only with a key.

Each person of each organisation has a namespace there, named by a digest. What is put there says whose it is and which
memory of ours it is; what is found is looked at for both once more.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Sequence
from hashlib import blake2b
from typing import Any, Final, TypeVar

import msgspec
from supermemory import AsyncSupermemory
from supermemory.core.api_error import ApiError

from gateway.core.memories import Memory
from gateway.core.secret import Secret
from gateway.stores.breaker import Unavailable

log = logging.getLogger("syntra")

_SECONDS: Final = 10.0  # s; what nobody waits for
_SCOPE: Final = "syntra_scope"
_MEMORY: Final = "syntra_memory"
_LEAST: Final = 0.6  # of 1; what is less like what is asked is beside the point

T = TypeVar("T")


class Supermemory:
    """The store as a worker uses it; everything raises Unavailable where it is away or slow."""

    def __init__(self, key: Secret, base_url: str) -> None:
        # One attempt at a time, to no other place than the one that was named: who waits has retries of their own.
        self._client = AsyncSupermemory(
            api_key=key.reveal(),
            base_url=base_url or None,
            timeout=_SECONDS,
            max_retries=0,
            follow_redirects=False,
        )
        self._away = False

    @property
    def state(self) -> str:
        """For `/health`: ok or away."""
        return "away" if self._away else "ok"

    async def close(self) -> None:
        """Disconnect."""
        await self._client._client_wrapper.httpx_client.httpx_client.aclose()  # noqa: SLF001  # it has no other way

    async def search(self, organisation: str, person: str, text: str, limit: int) -> list[str]:
        """The ids of memories that may be about a text, the likeliest first."""
        scope = namespace(organisation, person)
        asked = self._client.search(scope, query=text, limit=limit, threshold=_LEAST, search_mode="hybrid")
        return list(dict.fromkeys(_ids(await self._asked(asked), scope)))

    async def put(self, organisation: str, person: str, memory: Memory) -> None:
        """Keep a memory there."""
        scope = namespace(organisation, person)
        said: dict[str, Any] = {_SCOPE: scope, _MEMORY: memory.id}
        await self._later(
            self._client.add(scope, content=memory.text, id=memory.id, metadata=said, date=memory.at.date().isoformat())
        )

    async def drop(self, organisation: str, person: str, ids: Sequence[str]) -> None:
        """Forget memories there, with all that was made of them; those that it does not have are forgotten already."""
        done = await self._later(self._client.documents.delete(namespace(organisation, person), ids=list(ids)))
        errors = [str(getattr(one, "error", "")) for one in getattr(done, "errors", None) or ()]
        if kept := [error for error in errors if "not found" not in error.lower()]:
            raise Unavailable(f"SuperMemory has not forgotten {len(kept)} memories")

    async def _later(self, asked: Awaitable[T]) -> T | None:
        try:
            async with asyncio.timeout(_SECONDS):
                return await self._asked(asked)
        except TimeoutError:
            raise Unavailable(f"no answer from SuperMemory within {_SECONDS:.0f} s") from None

    async def _asked(self, asked: Awaitable[T]) -> T | None:
        """What it answers; nothing where there is no such namespace or document yet."""
        try:
            found = await asked
        except ApiError as error:
            if error.status_code == 404:
                return None
            self._trouble(f"status {error.status_code}")
            raise Unavailable(f"SuperMemory: status {error.status_code}") from None
        except Exception as error:  # noqa: BLE001  # of their client, of httpx, of what a reply was taken for
            self._trouble(type(error).__name__)
            raise Unavailable(f"SuperMemory: {type(error).__name__}") from None
        if self._away:
            log.info("SuperMemory answers again")
        self._away = False
        return found

    def _trouble(self, words: str) -> None:
        if not self._away:
            log.warning("SuperMemory: %s; going on without it until it answers", words)
        self._away = True


def namespace(organisation: str, person: str) -> str:
    """The name of one person's namespace: nobody's can be made up from another's, and it tells nobody's name."""
    whose = blake2b(msgspec.msgpack.encode([organisation, person]), digest_size=16)
    return f"syntra-{whose.hexdigest()}"


def _ids(found: Any, scope: str) -> list[str]:
    """Which of our memories were found, if they are this person's: their client checks nothing of what it is told."""
    ids = []
    results = getattr(found, "results", None)
    for one in results if isinstance(results, list) else ():
        metadata, similarity = getattr(one, "metadata", None), getattr(one, "similarity", None)
        if not isinstance(metadata, dict) or not isinstance(similarity, int | float) or similarity < _LEAST:
            continue
        if metadata.get(_SCOPE) != scope:
            log.error("SuperMemory gave what is another's or nobody's; it was dropped")
        elif isinstance(metadata.get(_MEMORY), str):
            ids.append(metadata[_MEMORY])
    return ids
