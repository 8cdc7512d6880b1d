"""Whole answers, kept in Valkey for a while.

    syntra:answer:<organisation>:<digest>    one answer, sealed for its organisation and its key

What cannot be asked has nothing: an answer that is not found is only asked for again.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final

import msgspec
from nacl.exceptions import CryptoError
from nacl.secret import Aead

from gateway.core.kept import Found, Kept
from gateway.stores.breaker import Unavailable
from gateway.stores.valkey import BACKGROUND_DEADLINE, Valkey

log = logging.getLogger("syntra")

_MOST_UNDER_WAY: Final = 200  # answers that are on their way to Valkey; while it is slow, more are not kept
_SHORTEST: Final = Aead.NONCE_SIZE + Aead.MACBYTES
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Kept).decode


class Answers:
    """Keeps answers and finds them; without a Valkey it keeps none."""

    def __init__(self, valkey: Valkey | None, secret: bytes) -> None:
        self._valkey = valkey
        self._box = Aead(secret)
        self._under_way: set[asyncio.Task[None]] = set()

    async def find(self, organisation: str, key: bytes) -> Found:
        """What is kept under a key; takes at most 50 ms."""
        if self._valkey is None:
            return Found(None)
        name = _name(organisation, key)
        try:
            sealed = await self._valkey.run("GET", name)
        except Unavailable:
            return Found(None, asked=False)
        return Found(None if sealed is None else self._opened(name, sealed))

    def keep(self, organisation: str, key: bytes, kept: Kept, seconds: float) -> None:
        """Keep an answer for so long; soon, and nobody waits for it."""
        if self._valkey is not None and len(self._under_way) < _MOST_UNDER_WAY:
            name = _name(organisation, key)
            sealed = bytes(self._box.encrypt(_encode(kept), name.encode()))
            task = asyncio.get_running_loop().create_task(self._set(self._valkey, name, sealed, round(seconds * 1e3)))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)

    async def _set(self, valkey: Valkey, name: str, sealed: bytes, milliseconds: int) -> None:
        try:
            await valkey.run("SET", name, sealed, "PX", max(1, milliseconds), within=BACKGROUND_DEADLINE)
        except Unavailable as error:
            log.debug("an answer was not kept: %s", error)

    def _opened(self, name: str, sealed: bytes) -> Kept | None:
        """What was sealed under this name; what was not is nothing."""
        try:
            return _decode(self._box.decrypt(sealed.ljust(_SHORTEST, b"\0"), name.encode()))
        except (CryptoError, msgspec.MsgspecError):
            return None

    async def close(self) -> None:
        """Let what is under way come to its end."""
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=1.0)


def _name(organisation: str, key: bytes) -> str:
    return f"syntra:answer:{organisation}:{key.hex()}"
