"""A provider of embeddings on OpenAI's wire, that knows which words mean the same."""

from __future__ import annotations

import asyncio
import hashlib
import json
import math
import re
from collections.abc import Sequence
from typing import Final

from tests.fakes.server import Reply, Request, Server

MEANS: Final = {"physician": "doctor", "cello": "instrument", "tea": "drink", "dog": "pet", "violin": "instrument"}
_WORD: Final = re.compile(r"[a-z]+")


class Embeddings(Server):
    """Vectors of so many numbers: the sum of a direction for each word."""

    def __init__(self, dimensions: int = 384) -> None:
        super().__init__(self._handle)
        self.dimensions = dimensions
        self.seconds = 0.0  # that an answer takes
        self.status = 200
        self.texts: list[str] = []

    async def _handle(self, request: Request, reply: Reply) -> None:
        assert request.path == "/v1/embeddings", request.path
        asked = json.loads(request.body)
        await asyncio.sleep(self.seconds)
        if self.status != 200:
            await reply.whole(self.status, b'{"error": {"message": "no"}}', ("content-type", "application/json"))
            return
        self.texts += asked["input"]
        data = [
            {"object": "embedding", "index": k, "embedding": self.vector(text)} for k, text in enumerate(asked["input"])
        ]
        tokens = sum(len(text.split()) for text in asked["input"])
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        body = {"object": "list", "data": data[::-1], "model": asked["model"], "usage": usage}
        await reply.whole(200, json.dumps(body).encode(), ("content-type", "application/json"))

    def vector(self, text: str) -> Sequence[float]:
        words = [MEANS.get(word, word) for word in _WORD.findall(text.lower()) if len(word) > 2] or ["nothing"]
        rows = [hashlib.shake_256(word.encode()).digest(self.dimensions) for word in words]
        summed = [sum(row[k] for row in rows) - 127.5 * len(rows) for k in range(self.dimensions)]
        length = math.hypot(*summed)
        return [number / length for number in summed]
