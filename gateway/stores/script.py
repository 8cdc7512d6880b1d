"""Lua scripts that Valkey runs as one piece: called by digest, sent whole only where Valkey does not know them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from gateway.stores.valkey import Command, Refused, Valkey

_HERE: Final = Path(__file__).parent


class Scripts:
    """Some scripts by their names, each made of the files that are given, in this order."""

    def __init__(self, files: Mapping[str, Sequence[str]]) -> None:
        self._texts = {
            name: "\n".join((_HERE / part).read_text("utf-8") for part in parts) for name, parts in files.items()
        }
        self._digests = {name: _digest(text) for name, text in self._texts.items()}

    def call(self, name: str, keys: Sequence[str], *arguments: str | bytes | int) -> Command:
        """The command that runs one of them."""
        return ("EVALSHA", self._digests[name], len(keys), *keys, *arguments)

    async def pipeline(self, valkey: Valkey, calls: Sequence[Command], within: float | None = None) -> list[Any]:
        """The replies to several calls in one round trip, or two where Valkey has just started."""
        replies = await valkey.pipeline(calls, within)
        if any(isinstance(reply, Refused) and reply.code == "NOSCRIPT" for reply in replies):
            loads: list[Command] = [("SCRIPT", "LOAD", text) for text in self._texts.values()]
            replies = (await valkey.pipeline([*loads, *calls], within))[len(loads) :]
        return replies


def _digest(text: str) -> str:
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()  # how Valkey names scripts
