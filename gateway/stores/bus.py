"""Words between the workers of all machines, each sealed and for one of them, through Valkey.

    syntra:worker:<worker>    the channel of one worker

A word is heard once or never. Who says one learns whether anybody was there to hear it.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable
from typing import Final

import msgspec
from nacl.exceptions import CryptoError
from nacl.secret import Aead

from gateway.core.kept import Word
from gateway.stores.breaker import Unavailable
from gateway.stores.valkey import BACKGROUND_DEADLINE, Valkey

log = logging.getLogger("syntra")

_LOOK: Final = 1.0  # s between two looks for others
_SHORTEST: Final = Aead.NONCE_SIZE + Aead.MACBYTES
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Word).decode


class Bus:
    """One worker's mouth and ear; without a Valkey it is alone."""

    def __init__(self, valkey: Valkey | None, secret: bytes) -> None:
        self.me = secrets.token_hex(8)
        self._valkey = valkey
        self._box = Aead(secret)
        self._heard: Callable[[Word], None] | None = None
        self._deaf: Callable[[], None] | None = None
        self._listens = False
        self._alone = False
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def meets(self) -> bool:
        """Whether others can be heard, and there may be some."""
        return self._listens and not self._alone

    def start(self, heard: Callable[[Word], None], deaf: Callable[[], None]) -> None:
        """Hear words from now on; after `deaf` some may have been missed."""
        if self._valkey is not None:
            self._heard, self._deaf = heard, deaf
            listening = self._valkey.listen(_channel(self.me), self._take, self._joined)
            self._tasks = [asyncio.create_task(listening), asyncio.create_task(self._look(self._valkey))]

    async def close(self) -> None:
        """Hear no more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()

    async def _look(self, valkey: Valkey) -> None:
        """See whether anybody else listens, for ever: one worker alone need not tell anybody what it does."""
        while True:
            try:
                channels = await valkey.run("PUBSUB", "CHANNELS", _channel("*"), within=BACKGROUND_DEADLINE)
                self._alone = self._listens and len(channels) <= 1
            except Unavailable:  # or a server that does not tell
                self._alone = False
            await asyncio.sleep(_LOOK)

    async def say(self, to: str, word: Word) -> bool:
        """Say a word to another worker; whether it was there."""
        if self._valkey is None:
            return False
        sealed = bytes(self._box.encrypt(_encode(word), to.encode()))
        try:
            return bool(await self._valkey.run("PUBLISH", _channel(to), sealed, within=BACKGROUND_DEADLINE))
        except Unavailable:
            return False

    def _joined(self) -> None:
        if self._listens and self._deaf is not None:
            self._deaf()
        self._listens = True

    def _take(self, sealed: bytes) -> None:
        """A word, if it is one of ours."""
        try:
            word = _decode(self._box.decrypt(sealed.ljust(_SHORTEST, b"\0"), self.me.encode()))
        except (CryptoError, msgspec.MsgspecError):
            return
        if self._heard is not None:
            self._heard(word)


def _channel(worker: str) -> str:
    return f"syntra:worker:{worker}"
