"""Who called tools in a conversation last, told to the other workers: the next step may come to any of them.

    syntra:turns    the channel

A step is on its way for as long as its tool takes, so a word that travels beside is there before it: no request waits
for one. Without Valkey every worker knows its own conversations.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import secrets
import time
from collections.abc import Callable
from typing import Final

import msgspec
from msgspec import Struct

from gateway.core.conversations import Turn
from gateway.stores.breaker import Unavailable
from gateway.stores.valkey import BACKGROUND_DEADLINE, Valkey

log = logging.getLogger("syntra")

CHANNEL: Final = "syntra:turns"
_MOST_WAITING: Final = 1_000  # turns not yet told; beyond that none are added
_PAUSE: Final = 1.0


class _Word(Struct, frozen=True, array_like=True):
    """Turns of some conversations: a conversation's key, who answered, and the tokens of it."""

    by: str
    turns: list[tuple[bytes, str, int]]


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Word).decode


class Turns:
    """One worker's mouth and ear; without a Valkey it does nothing."""

    def __init__(self, valkey: Valkey | None, heard: Callable[[bytes, Turn], None]) -> None:
        self._valkey = valkey
        self._heard = heard
        self._me = secrets.token_hex(8)
        self._untold: list[tuple[bytes, str, int]] = []
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to tell and to hear."""
        if self._valkey is not None:
            self._task = asyncio.create_task(self._share(self._valkey), name="turns")

    async def close(self) -> None:
        """Stop; what is not yet told stays untold."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    def tell(self, key: bytes, turn: Turn) -> None:
        """Let the others know who goes on with a conversation, soon."""
        if self._task is not None and len(self._untold) < _MOST_WAITING:
            self._untold.append((key, turn.model, turn.tokens))
            self._wake.set()

    async def _share(self, valkey: Valkey) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(valkey.listen(CHANNEL, self._take, lambda: None))
                group.create_task(self._speak(valkey))
        except* Exception:  # a defect of ours: requests go on with what this worker knows
            log.exception("Turns are no longer shared")

    async def _speak(self, valkey: Valkey) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            told, self._untold = self._untold, []
            try:
                await valkey.run("PUBLISH", CHANNEL, _encode(_Word(self._me, told)), within=BACKGROUND_DEADLINE)
            except Unavailable:  # these steps find their model by themselves
                await asyncio.sleep(random.uniform(0, _PAUSE))  # noqa: S311  # workers shall not come all at once

    def _take(self, data: bytes) -> None:
        try:
            word = _decode(data)
        except msgspec.MsgspecError:
            return
        if word.by != self._me:
            for key, model, tokens in word.turns:
                self._heard(key, Turn(model, tokens, time.monotonic()))
