"""Whole answers, kept in Valkey for a while, and who is making a call, told to all workers.

    syntra:answer:<organisation>:<digest>    one answer, sealed for its organisation and its key
    syntra:near:<organisation>:<digest>      questions that differ in their last words alone, newest first, sealed too
    syntra:call:<organisation>:<digest>      the worker that makes a call, for as long as others may join it

What cannot be asked has nothing: an answer that is not found is only asked for again.
"""

from __future__ import annotations

import asyncio
import heapq
import logging
import time
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

import msgspec
import numpy as np
from msgspec import Struct
from nacl.exceptions import CryptoError
from nacl.secret import Aead

from gateway.core.kept import Call, Found, Kept
from gateway.core.likeness import Near, alike
from gateway.stores.breaker import Unavailable
from gateway.stores.valkey import BACKGROUND_DEADLINE, Command, Refused, Valkey

log = logging.getLogger("syntra")

MOST_BYTES: Final = 128 * 1024 * 1024  # of all that one machine keeps at a time
_MOST_NEAR: Final = 32  # questions of one group; the oldest are forgotten
_MOST_UNDER_WAY: Final = 200  # commands that nobody waits for; while Valkey is slow, more are not sent
_SHORTEST: Final = Aead.NONCE_SIZE + Aead.MACBYTES
T = TypeVar("T")
_encode = msgspec.msgpack.Encoder().encode
_decode_call = msgspec.msgpack.Decoder(Call).decode
_decode = msgspec.msgpack.Decoder(Kept).decode


class _Asked(Struct):
    """A question that was answered, and under which key the answer is kept."""

    words: str
    vector: bytes
    key: bytes


_decode_asked = msgspec.msgpack.Decoder(_Asked).decode


class Answers:
    """Keeps answers and finds them; without a Valkey it keeps none."""

    def __init__(self, valkey: Valkey | None, secret: bytes, most: int = MOST_BYTES) -> None:
        self._most = most
        self._kept: list[tuple[float, int]] = []  # a heap: until when, and how many bytes
        self._size = 0
        self._valkey = valkey
        self._box = Aead(secret)
        self._under_way: set[asyncio.Task[None]] = set()

    async def near(self, organisation: str, group: bytes, near: Near) -> bytes | None:
        """The key of the answer to a question that asks the same as this one; takes at most 50 ms."""
        if self._valkey is None:
            return None
        name = _name("near", organisation, group)
        try:
            sealed = await self._valkey.run("LRANGE", name, 0, _MOST_NEAR - 1)
        except Unavailable:
            return None
        mine = np.frombuffer(near.vector, np.float32)
        for one in sealed:
            known = self._opened(name, one, _decode_asked)
            if known is None or float(mine @ np.frombuffer(known.vector, np.float32)) < near.floor:
                continue
            if alike(near.words, known.words):
                return known.key
        return None

    def keep_near(self, organisation: str, group: bytes, near: Near, key: bytes, seconds: float) -> None:
        """Let a question be found by those that ask the same."""
        name = _name("near", organisation, group)
        sealed = self._sealed(name, _encode(_Asked(near.words, near.vector, key)))
        ms = max(1, round(seconds * 1e3))
        if not self._has_room(len(sealed), seconds):
            return
        self._soon(("LPUSH", name, sealed), ("LTRIM", name, 0, _MOST_NEAR - 1), ("PEXPIRE", name, ms))

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
        sealed: bytes = replies[0] if name and replies[0] is not None else b""
        kept = self._opened(name, sealed, _decode) if sealed else None
        theirs = _call(replies[-1]) if claim and replies[-2] is None else None
        return Found(kept, theirs, sealed=sealed)

    async def still(self, organisation: str, key: bytes, sealed: bytes) -> bool:
        """Whether what is kept under `key` is what it was, byte for byte; takes at most 50 ms."""
        if self._valkey is None:
            return False
        try:
            return bool(await self._valkey.run("GET", _name("answer", organisation, key)) == sealed)
        except Unavailable:
            return False

    def over(self, organisation: str, call: bytes) -> None:
        """A call of ours is over; soon nobody is sent to it any more."""
        self._soon(("DEL", _name("call", organisation, call)))

    def keep(self, organisation: str, key: bytes, kept: Kept, seconds: float) -> None:
        """Keep an answer for so long; soon, and nobody waits for it."""
        name = _name("answer", organisation, key)
        sealed = self._sealed(name, _encode(kept))
        if not self._has_room(len(sealed), seconds):
            return
        self._soon(("SET", name, sealed, "PX", max(1, round(seconds * 1e3))))

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

    def _soon(self, *commands: Command) -> None:
        if self._valkey is not None and len(self._under_way) < _MOST_UNDER_WAY:
            task = asyncio.get_running_loop().create_task(self._tell(self._valkey, commands))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)

    async def _tell(self, valkey: Valkey, commands: Sequence[Command]) -> None:
        try:
            await valkey.pipeline(commands, BACKGROUND_DEADLINE)
        except Unavailable as error:
            log.debug("Valkey was not told of an answer: %s", error)

    def _sealed(self, name: str, plain: bytes) -> bytes:
        return bytes(self._box.encrypt(plain, name.encode()))

    def _opened(self, name: str, sealed: bytes, decode: Callable[[bytes], T]) -> T | None:
        """What was sealed under this name; what was not is nothing."""
        try:
            return decode(self._box.decrypt(sealed.ljust(_SHORTEST, b"\0"), name.encode()))
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
