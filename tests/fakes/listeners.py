"""Clients that listen byte by byte: they come when a test says so, read as fast as it says, and leave when it says so."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from typing import Any, Self


class Listener:
    """One request on a connection of its own; `async with` leaves."""

    def __init__(self, port: int, key: str, body: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> None:
        self._port = port
        self._said = json.dumps(body, separators=(",", ":")).encode()
        self._path = "/v1/chat/completions"
        self._headers = {"authorization": f"Bearer {key}", **(headers or {})}
        self.headers: dict[str, str] = {}
        self.status = 0
        self.body = b""
        self.first_after = 0.0  # s from the request to the first byte of the body
        self.torn = False

    def at(self, path: str) -> Self:
        self._path = path
        return self

    async def __aenter__(self) -> Self:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port, limit=2**20)
        head = [f"POST {self._path} HTTP/1.1", "host: x", "content-type: application/json"]
        head += [f"{name}: {value}" for name, value in self._headers.items()]
        self._asked = time.monotonic()
        self._writer.write("\r\n".join([*head, f"content-length: {len(self._said)}", "", ""]).encode() + self._said)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._writer.transport.abort()

    async def begins(self) -> Self:
        """Wait for the reply's head."""
        lines = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        self.status = int(lines[0].split(" ")[1])
        self.headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:] if line)}
        return self

    async def hears(self, words: bytes) -> Self:
        """Read until these words have come."""
        if not self.status:
            await self.begins()
        while words not in self.body:
            assert await self._more(), self.body
        return self

    async def ends(self) -> Self:
        """Read to the end, whatever that is."""
        if not self.status:
            await self.begins()
        try:
            if "content-length" in self.headers:
                self.body += await self._reader.readexactly(int(self.headers["content-length"]) - len(self.body))
            else:
                while await self._more():
                    pass
        except asyncio.IncompleteReadError:
            self.torn = True
        return self

    async def _more(self) -> bool:
        size = int(await self._reader.readuntil(b"\r\n"), 16)
        block = (await self._reader.readexactly(size + 2))[:-2]
        if block and not self.body:
            self.first_after = time.monotonic() - self._asked
        self.body += block
        return size > 0

    @property
    def text(self) -> str:
        """What was said, of chat completions."""
        if not self.headers["content-type"].startswith("text/event-stream"):
            return str(json.loads(self.body)["choices"][0]["message"]["content"])
        found = [line[6:] for line in self.body.decode().split("\n\n") if line.startswith("data: {")]
        choices = [choice for line in found for choice in json.loads(line).get("choices", ())]
        return "".join(choice["delta"].get("content") or "" for choice in choices)
