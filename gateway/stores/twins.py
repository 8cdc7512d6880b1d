"""The first answer to each Idempotency-Key, kept for a day, for whoever asks the same again.

    syntra:twin:<organisation>:<digest of the key>    who is being answered, or the answer, sealed

A client's key is an organisation's own: another organisation's is another place. What is kept is sealed with a key that
Valkey does not have.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine, Sequence
from hashlib import blake2b
from typing import Any, Final

import msgspec
from msgspec import Struct
from nacl.exceptions import CryptoError
from nacl.secret import Aead

from gateway.core.errors import Conflict, TwinDiffers
from gateway.core.ids import uuid7
from gateway.stores.breaker import Unavailable
from gateway.stores.script import Scripts
from gateway.stores.valkey import BACKGROUND_DEADLINE, Command, Valkey

KEPT_SECONDS: Final = 86_400.0
LEASE_SECONDS: Final = 30.0  # what a worker that was killed was answering may be asked for again after this
MOST_KEPT: Final = 4 * 1024 * 1024  # bytes of an answer; what is longer is not kept


class Kept(Struct, array_like=True):
    """A reply as it was sent."""

    status: int
    headers: Sequence[tuple[bytes, bytes]]
    body: bytes


class _Place(Struct, array_like=True):
    """What stands under a key: of which request, answered by whom, and the answer once it is there."""

    of: bytes
    by: str
    kept: Kept | None = None


_decode = msgspec.msgpack.Decoder(_Place).decode


class Held(Struct):
    """A place that one request has, until it has its answer."""

    name: str
    place: _Place
    sealed: bytes
    renewing: asyncio.Task[None] | None = None


class Twins:
    """Who has been answered; without a Valkey it is always unavailable."""

    def __init__(self, valkey: Valkey | None, key: bytes) -> None:
        self._valkey = valkey
        self._box = Aead(key)
        self._scripts = Scripts({"put": ("twins.lua",)})
        self._tasks: set[asyncio.Task[None]] = set()

    async def begin(self, organisation: str, key: str, request: bytes) -> Held | Kept:
        """The place of a request that is the first with its key, or the reply that the first has got.

        `request` is all that makes two requests the same. Raises Conflict while the first is being answered,
        TwinDiffers where that was another request, Unavailable within 50 ms.
        """
        if self._valkey is None:
            raise Unavailable("there is no Valkey")
        name = f"syntra:twin:{organisation}:{blake2b(key.encode(), digest_size=16).hexdigest()}"
        place = _Place(blake2b(request, digest_size=16).digest(), uuid7())
        held = Held(name, place, self._sealed(name, place))
        try:
            found = await self._valkey.run("SET", name, held.sealed, "NX", "GET", "PX", round(LEASE_SECONDS * 1e3))
        except asyncio.CancelledError:
            self.free(held)  # it may have been taken all the same
            raise
        if found is None:
            held.renewing = self._spawn(self._renew(held))
            return held
        return self._judged(self._opened(name, bytes(found)), place)

    @staticmethod
    def _judged(there: _Place | None, place: _Place) -> Kept:
        if there is None or there.of != place.of:
            raise TwinDiffers("This Idempotency-Key has been used for another request; take a new one for this.")
        if there.kept is None:
            words = "The first request with this Idempotency-Key is still being answered; please ask again."
            raise Conflict(words, code="idempotency_key_in_use", retry_after=1)
        return there.kept

    def keep(self, held: Held, kept: Kept) -> None:
        """The reply is whole: tell it to whoever asks again, for a day; in the background."""
        whole = msgspec.structs.replace(held.place, kept=kept)
        self._put(held, self._sealed(held.name, whole), KEPT_SECONDS)

    def free(self, held: Held) -> None:
        """Nothing came of it that would be worth keeping: who asks again is the first; in the background."""
        self._put(held, b"", 0)

    async def close(self) -> None:
        """Stop; what is being answered is freed by the end of its lease."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _put(self, held: Held, sealed: bytes, seconds: float) -> None:
        if held.renewing is not None:
            held.renewing.cancel()
        call = self._scripts.call("put", [held.name], held.sealed, sealed, round(seconds * 1e3))
        self._spawn(self._tell(call))

    async def _tell(self, call: Command) -> None:
        if self._valkey is not None:
            with contextlib.suppress(Unavailable):
                await self._scripts.pipeline(self._valkey, [call], BACKGROUND_DEADLINE)

    async def _renew(self, held: Held) -> None:
        """Keep the place for as long as the answer takes."""
        call = self._scripts.call("put", [held.name], held.sealed, held.sealed, round(LEASE_SECONDS * 1e3))
        while True:
            await asyncio.sleep(LEASE_SECONDS / 3)
            await self._tell(call)

    def _sealed(self, name: str, place: _Place) -> bytes:
        return bytes(self._box.encrypt(msgspec.msgpack.encode(place), name.encode()))

    def _opened(self, name: str, sealed: bytes) -> _Place | None:
        """What was sealed under this name; None for what was not, as after a change of SECRET_KEY."""
        try:
            return _decode(self._box.decrypt(sealed, name.encode()))
        except (CryptoError, ValueError, msgspec.MsgspecError):
            return None

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
