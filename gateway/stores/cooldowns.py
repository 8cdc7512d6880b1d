"""Cooldowns told to and heard from the other workers and machines, through Valkey, never on a request's path.

    syntra:cool:<provider>:<credential>:<model>    why, for as long as it cools: for workers that start or come back
    syntra:cools                                   the names of these, so that nobody has to walk through all keys
    syntra:probe:<provider>:<credential>:<model>   the worker that tries after a cooldown
    syntra:cooldowns                               the channel

What is told are durations, so the clocks of machines may differ. Without Valkey every worker has its own cooldowns.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import secrets
import time
from collections import OrderedDict
from typing import Any, Final, Self

import msgspec
from msgspec import Struct

from gateway.core.health import EVERY_MODEL, PROBE_SECONDS, REASONS, Cooldown, Health, Key
from gateway.stores.breaker import Unavailable
from gateway.stores.valkey import BACKGROUND_DEADLINE, Command, Refused, Valkey

log = logging.getLogger("syntra")

CHANNEL: Final = "syntra:cooldowns"
_NAMES: Final = "syntra:cools"
_NAMES_MS = 600_000  # a cooldown is over long before
_MOST_WAITING = 1_000  # words not yet told; beyond that the oldest are forgotten
_MOST_KNOWN = 10_000
_LONGEST_NAME = 300  # a client may pin any model; what nobody would name so is not carried around
_CHUNK = 200  # cooldowns read in one round trip
_PAUSE = 1.0


class _Word(Struct, frozen=True, omit_defaults=True):
    """One message: a key cools for so many milliseconds, or (without) has recovered."""

    by: str
    name: str
    reason: str = ""
    ms: int = 0


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(_Word)


class Cooldowns:
    """Makes the `Health` of all workers agree; without a Valkey it does nothing and allows everything."""

    def __init__(self, health: Health, valkey: Valkey | None) -> None:
        self._valkey = valkey
        self._health = health
        self._me = secrets.token_hex(8)
        self._outbox: OrderedDict[Key, Cooldown | None] = OrderedDict()  # None: recovered
        self._known: OrderedDict[Key, float] = OrderedDict()  # ends of cooldowns that everybody knows of
        self._mine: dict[str, float] = {}  # names of the probes that are this worker's, and when they end
        self._wake = asyncio.Event()
        self._unread = True  # there may be cooldowns in Valkey that we have not heard of
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def start(self) -> None:
        """Begin to tell and to hear, in one task."""
        if self._valkey is not None:
            self._task = asyncio.create_task(self._share(self._valkey), name="cooldowns")

    async def close(self) -> None:
        """Stop; what is not yet told stays untold."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    def tell(self, cooldown: Cooldown) -> None:
        """Let the others know of a cooldown, soon; what they know already is not told again."""
        if self._known.get(cooldown.key, 0.0) < cooldown.until:
            self._know(cooldown)
            self._put(cooldown.key, cooldown)

    def recovered(self, key: Key) -> None:
        """Let the others know that a key has recovered, soon."""
        self._known.pop(key, None)
        self._put(key, None)

    async def may_probe(self, key: Key) -> bool:
        """Whether the probe that this worker's `Health` allows is allowed among all workers; takes at most 50 ms.

        To be asked after a cooldown alone. Where Valkey cannot be asked, every worker probes for itself.
        """
        scopes = self._health.scopes(key)
        if self._valkey is None or not scopes:
            return True
        name = _name(scopes[-1])  # the credential's, where that was refused: one probe is enough for all its models
        now = time.monotonic()
        if self._mine.get(name, 0.0) > now:
            return True
        try:
            milliseconds = round(PROBE_SECONDS * 1e3)
            reply = await self._valkey.run("SET", _probe(name), self._me, "NX", "PX", milliseconds)
        except Unavailable:
            return True
        except BaseException:  # the client left: another request may take the place
            self._health.released(key)
            raise
        if reply is None:
            self._health.elsewhere(key, now)
            return False
        if len(self._mine) >= _MOST_WAITING:
            self._mine = {mine: end for mine, end in self._mine.items() if end > now}
        self._mine[name] = now + PROBE_SECONDS
        return True

    def _put(self, key: Key, word: Cooldown | None) -> None:
        if self._valkey is None or len(_name(key)) > _LONGEST_NAME:
            return
        self._outbox.pop(key, None)  # what is newer comes later
        if len(self._outbox) >= _MOST_WAITING:
            self._outbox.popitem(last=False)
        self._outbox[key] = word
        self._wake.set()

    def _know(self, cooldown: Cooldown) -> None:
        self._known.pop(cooldown.key, None)
        if len(self._known) >= _MOST_KNOWN:
            self._known.popitem(last=False)
        self._known[cooldown.key] = cooldown.until

    async def _share(self, valkey: Valkey) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(valkey.listen(CHANNEL, self._heard, self._joined))
                group.create_task(self._speak(valkey))
        except* Exception:  # a defect of ours: requests go on with the cooldowns of this worker
            log.exception("Cooldowns are no longer shared")

    async def _speak(self, valkey: Valkey) -> None:
        """Read what was told while we did not listen, then tell what there is to tell, for ever."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                if self._unread:
                    await self._read(valkey)
                    self._unread = False
                await self._empty(valkey)
            except Unavailable:
                await asyncio.sleep(random.uniform(0, _PAUSE))  # noqa: S311  # workers shall not come all at once
                self._wake.set()

    async def _empty(self, valkey: Valkey) -> None:
        while self._outbox:
            key, word = next(iter(self._outbox.items()))
            commands = self._recovery(key) if word is None else self._cooling(word)
            if commands:
                _whole(await valkey.pipeline(commands, BACKGROUND_DEADLINE))
            if key in self._outbox and self._outbox[key] is word:  # nothing newer came meanwhile
                del self._outbox[key]

    def _cooling(self, cooldown: Cooldown) -> list[Command]:
        milliseconds = round(cooldown.left(time.monotonic()) * 1e3)
        if milliseconds <= 0:
            return []
        name = _name(cooldown.key)
        self._mine.pop(name, None)
        return [
            ("SET", _cool(name), cooldown.reason, "PX", milliseconds),
            ("SADD", _NAMES, name),
            ("PEXPIRE", _NAMES, _NAMES_MS),
            ("DEL", _probe(name)),
            ("PUBLISH", CHANNEL, _encoder.encode(_Word(self._me, name, cooldown.reason, milliseconds))),
        ]

    def _recovery(self, key: Key) -> list[Command]:
        names = [_name(key), _name((key[0], key[1], EVERY_MODEL))]  # an answer shows that the credential is taken, too
        for name in names:
            self._mine.pop(name, None)
        return [
            ("DEL", *(_cool(name) for name in names), *(_probe(name) for name in names)),
            ("SREM", _NAMES, *names),
            ("PUBLISH", CHANNEL, _encoder.encode(_Word(self._me, names[0]))),
        ]

    def _joined(self) -> None:
        self._unread = True
        self._wake.set()

    def _heard(self, message: bytes) -> None:
        """What another worker tells; what is no word of a worker is no word."""
        try:
            word = _decoder.decode(message)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return
        key = _key(word.name)
        if word.by == self._me or key is None:
            return
        if word.reason:
            self._cool(key, word.reason, word.ms)
        else:
            self._known.pop(key, None)
            self._health.recover(key, time.monotonic())

    async def _read(self, valkey: Valkey) -> None:
        """Take over every cooldown that runs."""
        names = [bytes(name) for name in await valkey.run("SMEMBERS", _NAMES, within=BACKGROUND_DEADLINE)]
        gone: list[bytes] = []
        for at in range(0, len(names), _CHUNK):
            some = names[at : at + _CHUNK]
            asked: list[Command] = [(verb, b"syntra:cool:" + name) for name in some for verb in ("GET", "PTTL")]
            replies = _whole(await valkey.pipeline(asked, BACKGROUND_DEADLINE))
            for name, reason, milliseconds in zip(some, replies[::2], replies[1::2], strict=True):
                key = _key(name.decode("utf-8", "replace"))
                if reason is None or key is None:
                    gone.append(name)
                else:
                    self._cool(key, reason.decode("utf-8", "replace"), milliseconds)
        if gone:
            await valkey.run("SREM", _NAMES, *gone, within=BACKGROUND_DEADLINE)

    def _cool(self, key: Key, reason: str, milliseconds: int) -> None:
        if reason in REASONS and milliseconds > 0:
            cooldown = self._health.cool(key, reason, milliseconds / 1e3, time.monotonic())
            if cooldown is not None:
                self._know(cooldown)


def _name(key: Key) -> str:
    return ":".join(key)


def _key(name: str) -> Key | None:
    """The key of a name; a model may have colons, a provider and a credential have none."""
    parts = name.split(":", 2)
    return (parts[0], parts[1], parts[2]) if len(parts) == 3 and len(name) <= _LONGEST_NAME else None


def _cool(name: str) -> str:
    return f"syntra:cool:{name}"


def _probe(name: str) -> str:
    return f"syntra:probe:{name}"


def _whole(replies: list[Any]) -> list[Any]:
    """The replies, if none of them is an error."""
    for reply in replies:
        if isinstance(reply, Refused):
            raise reply
    return replies
