"""A Lua script that Valkey runs as one piece: called by its digest, sent whole only where Valkey does not know it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from gateway.stores.valkey import Command, Refused, Valkey

_HERE: Final = Path(__file__).parent


class Script:
    """One script made of the files that are named, in this order."""

    def __init__(self, *names: str) -> None:
        self._text = "\n".join((_HERE / name).read_text("utf-8") for name in names)
        self._digest = hashlib.sha1(self._text.encode(), usedforsecurity=False).hexdigest()  # how Valkey names scripts

    def call(self, keys: Sequence[str], *arguments: str | bytes | int) -> Command:
        """The command that runs it."""
        return ("EVALSHA", self._digest, len(keys), *keys, *arguments)

    async def pipeline(self, valkey: Valkey, calls: Sequence[Command], within: float | None = None) -> list[Any]:
        """The replies to several calls in one round trip, or two where Valkey has just started."""
        replies = await valkey.pipeline(calls, within)
        if any(isinstance(reply, Refused) and reply.code == "NOSCRIPT" for reply in replies):
            _, *replies = await valkey.pipeline([("SCRIPT", "LOAD", self._text), *calls], within)
        return replies
