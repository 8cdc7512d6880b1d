"""Counts tokens exactly for prompts near a model's window, in a process of its own.

tiktoken's tables take 0.6 s to load, in which the loop would stand still, and 76 MB. So a child does it, started when
the first prompt needs it; it goes by itself when it has had nothing to do for a while.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import struct
import sys
from collections.abc import Sequence
from typing import Final

PATIENCE: Final = 2.0  # s; such a prompt takes its model longer to read. After it the estimate has to do
PER_MESSAGE: Final = 4  # tokens that OpenAI adds for each message's frame
LENGTH: Final = struct.Struct("!Q")

log = logging.getLogger("syntra")


class Tokenizer:
    """OpenAI's vocabulary behind a pipe; one count at a time."""

    def __init__(self) -> None:
        self._child: asyncio.subprocess.Process | None = None
        self._turn = asyncio.Lock()

    async def count(self, messages: Sequence[bytes | memoryview]) -> int | None:
        """The tokens of a prompt from its messages' own bytes, or None where counting took too long or failed."""
        try:
            async with asyncio.timeout(PATIENCE), self._turn:
                return await self._ask(b"\n".join(messages)) + PER_MESSAGE * len(messages)
        except (TimeoutError, OSError, EOFError) as error:
            log.warning("a prompt's tokens were not counted: %s", type(error).__name__)
            await self.close()  # what a late answer belongs to could not be told any more
            return None

    async def _ask(self, text: bytes) -> int:
        if self._child is None or self._child.returncode is not None:
            self._child = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "gateway.stores.counting",
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
            )
        child = self._child
        if child.stdin is None or child.stdout is None:
            raise EOFError
        child.stdin.write(LENGTH.pack(len(text)) + text)
        await child.stdin.drain()
        (count,) = LENGTH.unpack(await child.stdout.readexactly(LENGTH.size))
        return int(count)

    async def close(self) -> None:
        """End the child."""
        child, self._child = self._child, None
        if child is None:
            return
        with contextlib.suppress(ProcessLookupError):  # it has just gone by itself
            child.kill()
        await child.communicate()  # its pipes are closed when it has been heard out
