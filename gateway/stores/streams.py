"""The events of answers in the making, so that any worker can go on telling them.

A list for each answer, whose key holds organisation and thread; it lives some minutes, and an end is an empty element.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from gateway.stores.valkey import Valkey

SECONDS: Final = 300  # that the events live after the last of them
END: Final = b""
_WITHIN: Final = 2.0  # s; no request waits for it


class Streams:
    """Keeps events; everything raises Unavailable where Valkey is away."""

    def __init__(self, valkey: Valkey | None) -> None:
        self._valkey = valkey

    @property
    def away(self) -> bool:
        """Whether nothing can be kept."""
        return self._valkey is None or self._valkey.state != "ok"

    async def add(self, key: str, events: Sequence[bytes]) -> None:
        """Put events behind those that are there."""
        if self._valkey is not None and events:
            await self._valkey.pipeline([("RPUSH", key, *events), ("EXPIRE", key, SECONDS)], _WITHIN)

    async def forget(self, key: str) -> None:
        """Keep nothing of an answer."""
        if self._valkey is not None:
            await self._valkey.run("DEL", key, within=_WITHIN)

    async def after(self, key: str, number: int) -> list[bytes] | None:
        """The events from this number on; None where nothing is kept of this answer."""
        if self._valkey is None:
            return None
        there, found = await self._valkey.pipeline([("EXISTS", key), ("LRANGE", key, number, -1)], _WITHIN)
        return found if there else None


def key(organisation: str, thread: str, answer: str) -> str:
    """Where the events of an answer are."""
    return f"syntra:stream:{organisation}:{thread}:{answer}"
