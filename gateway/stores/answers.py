"""Whole answers, kept in Valkey for a while, and who is making a call, told to all workers.

    syntra:answer:<organisation>:<digest>    one answer, sealed for its organisation and its key
    syntra:call:<organisation>:<digest>      the worker that makes a call, for as long as others may join it

What cannot be asked has nothing: an answer that is not found is only asked for again.
"""

from __future__ import annotations

import asyncio
import heapq
import logging
import time
from typing import Final

import msgspec
from nacl.exceptions import CryptoError
from nacl.secret import Aead

from gateway.core.kept import Call, Found, Kept
from gateway.stores.breaker import Unavailable
from gateway.stores.valkey import BACKGROUND_DEADLINE, Command, Refused, Valkey

log = logging.getLogger("syntra")

MOST_BYTES: Final = 128 * 1024 * 1024  # of all that one machine keeps at a time
_MOST_UNDER_WAY: Final = 200  # commands that nobody waits for; while Valkey is slow, more are not sent
_SHORTEST: Final = Aead.NONCE_SIZE + Aead.MACBYTES
_encode = msgspec.msgpack.Encoder().encode
_decode_call = msgspec.msgpack.Decoder(Call).decode
_decode = msgspec.msgpack.Decoder(Kept).decode


class Answers:
    """Keeps answers and finds them; without a Valkey it keeps none."""

    def __init__(self, valkey: Valkey | None, secret: bytes, most: int = MOST_BYTES) -> None:
        self._most = most
        self._kept: list[tuple[float, int]] = []  # a heap: until when, and how many bytes
        self._size = 0
        self._valkey = valkey
        self._box = Aead(secret)
        self._under_way: set[asyncio.Task[None]] = set()

    async def find(
        self, organisation: str, key: bytes | None, call: bytes | None = None, mine: Call | None = None, ms: int = 0
    ) -> Found:
        """What is kept under `key`, and who makes `call`: from now on, for so long, `mine`, if nobody does.

        One round trip, of 50 ms at most.
        """
        if self._valkey is None:
            return Found()
        asked: list[Command] = []
        name = claim = ""
        if key is not None:
            name = _name("answer", organisation, key)
            asked.append(("GET", name))
        if call is not None and mine is not None:
            claim = _name("call", organisation, call)
            asked += [("SET", claim, _encode(mine), "NX", "PX", ms), ("GET", claim)]
        try:
            replies = await self._valkey.pipeline(asked)
        except Unavailable:
            return Found(asked=False)
        if any(isinstance(reply, Refused) for reply in replies):
            return Found(asked=False)
        kept = self._opened(name, replies[0]) if name and replies[0] is not None else None
        theirs = _call(replies[-1]) if claim and replies[-2] is None else None
        return Found(kept, theirs)

    def over(self, organisation: str, call: bytes) -> None:
        """A call of ours is over; soon nobody is sent to it any more."""
        self._soon("DEL", _name("call", organisation, call))

    def keep(self, organisation: str, key: bytes, kept: Kept, seconds: float) -> None:
        """Keep an answer for so long; soon, and nobody waits for it."""
        name = _name("answer", organisation, key)
        sealed = bytes(self._box.encrypt(_encode(kept), name.encode()))
        if not self._has_room(len(sealed), seconds):
            return
        self._soon("SET", name, sealed, "PX", max(1, round(seconds * 1e3)))

    def _has_room(self, size: int, seconds: float) -> bool:
        """Whether so much more may be kept for so long: limits and leases live in the same memory."""
        now = time.monotonic()
        while self._kept and self._kept[0][0] < now:
            self._size -= heapq.heappop(self._kept)[1]
        if self._size + size > self._most:
            return False
        heapq.heappush(self._kept, (now + seconds, size))
        self._size += size
        return True

    def _soon(self, *command: str | bytes | int) -> None:
        if self._valkey is not None and len(self._under_way) < _MOST_UNDER_WAY:
            task = asyncio.get_running_loop().create_task(self._tell(self._valkey, command))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)

    async def _tell(self, valkey: Valkey, command: Command) -> None:
        try:
            await valkey.run(*command, within=BACKGROUND_DEADLINE)
        except Unavailable as error:
            log.debug("Valkey was not told of an answer: %s", error)

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


def _name(kind: str, organisation: str, key: bytes) -> str:
    return f"syntra:{kind}:{organisation}:{key.hex()}"


def _call(told: bytes | None) -> Call | None:
    try:
        return None if told is None else _decode_call(told)
    except msgspec.MsgspecError:
        return None
