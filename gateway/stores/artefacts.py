"""What providers want to see again, for clients that cannot keep it: for an hour here, for a day in Valkey, sealed.

A worker finds what it has kept itself without asking anybody; what another one has kept costs one round trip.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import Struct

from gateway.core.artefacts import Artefacts
from gateway.stores.breaker import Unavailable
from gateway.stores.thoughts import Thoughts
from gateway.stores.valkey import BACKGROUND_DEADLINE, Valkey

log = logging.getLogger("syntra")

MOST_BYTES: Final = 32 * 1024 * 1024  # in this process
MOST_OF_ONE: Final = 512 * 1024  # bytes; a longer thought is not kept
SECONDS: Final = 3600.0
SHARED_MS: Final = 24 * 3600 * 1000
_OVERHEAD: Final = 300  # bytes of an entry beside its own
_MOST_WRITES: Final = 1000  # that Valkey has not confirmed

_encode = msgspec.json.Encoder().encode
_decoder = msgspec.json.Decoder(Artefacts)


class _Entry(Struct, gc=False):
    artefacts: Artefacts
    size: int
    until: float  # monotonic seconds


class Shelf:
    """The most recent artefacts of this process, bounded in size and time."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._entries: OrderedDict[bytes, _Entry] = OrderedDict()
        self._most = most_bytes
        self.size = 0

    def put(self, key: bytes, artefacts: Artefacts, size: int, now: float) -> None:
        """Keep one; the oldest make room."""
        self._drop(key)
        self._entries[key] = _Entry(artefacts, size + _OVERHEAD, now + SECONDS)
        self.size += size + _OVERHEAD
        while self.size > self._most:
            self._drop(next(iter(self._entries)))

    def get(self, key: bytes, now: float) -> Artefacts | None:
        """The artefacts, if they are still here."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        if entry.until <= now:
            self._drop(key)
            return None
        return entry.artefacts

    def __len__(self) -> int:
        return len(self._entries)

    def _drop(self, key: bytes) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self.size -= entry.size


class ArtefactStore:
    """Keeps and finds artefacts of one organisation; `key` is what they are sealed with."""

    def __init__(self, valkey: Valkey | None, key: bytes) -> None:
        self.shelf = Shelf()
        self._valkey = valkey
        self._key = key
        self._writes: set[asyncio.Task[None]] = set()

    def put(self, organisation: str, key: bytes, artefacts: Artefacts) -> None:
        """Keep artefacts here at once, and in Valkey without anybody waiting."""
        plain = _encode(artefacts)
        if len(plain) > MOST_OF_ONE:
            return
        self.shelf.put(key, artefacts, len(plain), time.monotonic())
        if self._valkey is not None and len(self._writes) < _MOST_WRITES:
            sealed = Thoughts(self._key, organisation).seal(plain)
            write = asyncio.get_running_loop().create_task(self._write(self._valkey, key, sealed))
            self._writes.add(write)
            write.add_done_callback(self._writes.discard)

    def here(self, key: bytes) -> Artefacts | None:
        """What this process itself has kept."""
        return self.shelf.get(key, time.monotonic())

    async def elsewhere(self, organisation: str, keys: Sequence[bytes]) -> dict[bytes, Artefacts]:
        """What other workers have kept, in one round trip; raises Unavailable, after 50 ms at the latest."""
        if self._valkey is None or not keys:
            return {}
        replies = await self._valkey.run("MGET", *map(_name, keys))
        thoughts = Thoughts(self._key, organisation)
        found = {key: _opened(thoughts, reply) for key, reply in zip(keys, replies, strict=True) if reply is not None}
        return {key: artefacts for key, artefacts in found.items() if artefacts is not None}

    async def close(self) -> None:
        """Give up what has not been written."""
        for write in self._writes:
            write.cancel()
        await asyncio.gather(*self._writes, return_exceptions=True)

    @staticmethod
    async def _write(valkey: Valkey, key: bytes, sealed: str) -> None:
        try:
            await valkey.run("SET", _name(key), sealed, "PX", SHARED_MS, within=BACKGROUND_DEADLINE)
        except Unavailable as error:
            log.info("a turn's thoughts are kept in this worker alone: %s", error)


def _name(key: bytes) -> str:
    return f"syntra:thoughts:{key.hex()}"


def _opened(thoughts: Thoughts, sealed: bytes) -> Artefacts | None:
    """The artefacts, None where they were not sealed here for this organisation."""
    plain = thoughts.open(sealed.decode("latin-1"))
    try:
        return None if plain is None else _decoder.decode(plain)
    except msgspec.MsgspecError:
        return None
