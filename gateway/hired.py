"""Which model makes memories comparable: ours, a stronger one in a file, or any provider's, asked on our own wire."""

from __future__ import annotations

import asyncio
import importlib
import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
from msgspec import Struct

from gateway import embedding
from gateway.core import embeddings
from gateway.core.deadline import Deadline
from gateway.core.ends import ANSWERED
from gateway.core.errors import SyntraError, UpstreamError
from gateway.core.ids import uuid7
from gateway.core.milliseconds import milliseconds
from gateway.records import billing
from gateway.records.decision import Attempt, Decision
from gateway.records.settle import Settle
from gateway.stages.fallback import in_vain
from gateway.stores.breaker import Respite, Unavailable
from gateway.stores.dense import PAIRS, Dense, Ruler, Static
from gateway.stores.embedding import Encoder, Floats, direction
from gateway.stores.vectors_talk import LEAST, MOST
from gateway.upstream.answer import Sent, at_once
from gateway.upstream.embed import Embedder
from gateway.upstream.prices import Prices
from gateway.upstream.providers import Candidate

log = logging.getLogger("syntra")

SECONDS: Final = 0.1  # that a question waits for a provider; then it is looked for by its words
_BACKGROUND: Final = 20.0  # s for what nobody waits for
_BATCH: Final = 16  # texts of one call: their numbers are read in 2 ms
_SURFACE: Final = "memory"  # in the ledger
_encode = msgspec.json.Encoder().encode


class _Vector(Struct):
    index: int
    embedding: list[float]


class _Reply(Struct):
    data: list[_Vector]


_reply = msgspec.json.Decoder(_Reply)


def chosen(name: str, data: Path, encoder: Encoder, embedder: Embedder, prices: Prices) -> Dense:
    """The model of this name, which `embedding.check` has been through."""
    static = Static(encoder)
    if name in ("", embedding.OURS):
        return static
    if name == embedding.MINILM:
        # Loaded only for those who want it: onnxruntime is 60 MB of a worker.
        minilm = importlib.import_module("gateway.stores.minilm")
        found: Dense = minilm.MiniLM(embedding.file(data), static.ruler())
        return found
    provider, _, model = name.partition("/")
    return Hired(Candidate(provider, model), embedder, prices, static.ruler())


class Hired:
    """A provider's model: what is remembered and asked goes to it, and every call is in the ledger.

    Its first call measures it, so nothing of it is known before. A question that it answers late is answered to nobody,
    but keeps its connection.
    """

    spells = False

    def __init__(self, candidate: Candidate, embedder: Embedder, prices: Prices, reference: Ruler) -> None:
        self.name = candidate.name
        self.settle: Settle | None = None  # where calls are recorded, once there is such a place
        self._candidate = candidate
        self._embedder = embedder
        self._prices = prices
        self._reference = reference
        self._respite = Respite(f"The embedding {candidate.name}")
        self._patience = Respite(f"The embedding {candidate.name}, to be measured,")
        self._measured: tuple[Ruler, int] | None = None
        self._measuring: asyncio.Task[None] | None = None
        self._late: set[asyncio.Task[Sequence[Floats]]] = set()
        self._refused = ""

    async def ready(self) -> int:
        """As its first vectors were; who asks five times in vain does not wait for them any more."""
        if not self._length:
            now = time.monotonic()
            if self._measuring is None or self._measuring.done():
                self._measuring = asyncio.create_task(self._measure(), name="the embedding's measure")
            if self._patience.allows(now):
                await asyncio.wait([self._measuring], timeout=SECONDS)
                if not self._length:
                    self._patience.failed(time.monotonic(), now)
        if not self._length:
            raise Unavailable(f"{self.name} has not answered yet")
        return self._length

    @property
    def _length(self) -> int:
        """The numbers of its vectors, 0 until it has been measured."""
        return self._measured[1] if self._measured is not None else 0

    async def question(self, text: str, words: Sequence[str], organisation: str) -> Floats:
        """Of the whole text, if it comes within 100 ms."""
        now = time.monotonic()
        if not self._respite.allows(now):
            raise Unavailable(f"{self.name} is slow")
        asked = asyncio.create_task(self._ask([text], organisation))
        self._late.add(asked)
        asked.add_done_callback(self._over)
        await asyncio.wait([asked], timeout=SECONDS)
        if not asked.done():
            self._respite.failed(time.monotonic(), now)
            raise Unavailable(f"no answer from {self.name} within {SECONDS * 1000:.0f} ms")
        try:
            (found,) = asked.result()
        except Unavailable:
            self._respite.failed(time.monotonic(), now)
            raise
        self._respite.succeeded()
        return found

    async def texts(self, texts: Sequence[str], words: Sequence[Sequence[str]], organisation: str) -> Sequence[Floats]:
        """Some at a time."""
        vectors: list[Floats] = []
        for start in range(0, len(texts), _BATCH):
            vectors += await self._ask(texts[start : start + _BATCH], organisation)
        return vectors

    def near(self, cosine: float) -> float:
        """By the rulers of both."""
        return cosine if self._measured is None else self._measured[0].on(self._reference, cosine)

    async def _measure(self) -> None:
        """Find out how long its vectors are, and how near it puts things."""
        try:
            found = await self._ask([text for pair in PAIRS for text in pair], "")
            ruler = Ruler.of(found[::2], found[1::2])
        except (Unavailable, ValueError) as error:
            if str(error) != self._refused:
                log.warning("%s makes no vectors, so memories are not found: %s", self.name, error)
            self._refused = str(error)
            return
        self._measured, self._refused = (ruler, len(found[0])), ""

    async def _ask(self, texts: Sequence[str], organisation: str) -> Sequence[Floats]:
        model = self._candidate.model
        request = embeddings.parse(_encode({"model": model, "input": texts, "encoding_format": "float"}))
        sent, began, deadline = Sent(), time.monotonic(), Deadline(_BACKGROUND)
        try:
            embedded = await self._embedder.embed(self._candidate, {}, model, request, deadline, sent, at_once)
        except (SyntraError, asyncio.CancelledError) as error:
            failure = error if isinstance(error, UpstreamError) else None
            tried = in_vain(self._candidate, lambda: request.tokens, sent, began, failure)
            self._record(billing.in_vain(tried, self._prices), organisation, error, began)
            if isinstance(error, SyntraError):
                raise Unavailable(f"{self.name}: {error.kind}") from None
            raise
        attempt = Attempt(self.name)
        billing.count(attempt, embedded.counted, self._prices)
        self._record(attempt, organisation, None, began)
        return _vectors(embedded.body, len(texts))

    def _record(self, attempt: Attempt, organisation: str, error: BaseException | None, began: float) -> None:
        """What a call has come to, as the organisation's whose memory it is; our own measuring is nobody's."""
        if self.settle is None or not organisation:
            return
        seconds = time.monotonic() - began
        attempt.duration_ms = milliseconds(seconds)
        decision = Decision(uuid7(), organisation, "", self.name, _SURFACE, "")
        decision.attempts.append(attempt)
        if error is None:
            outcome = decision.outcome
            outcome.ended, outcome.model, outcome.usage = ANSWERED, attempt.model, attempt.usage
        self.settle.settle(decision, error, seconds)

    def _over(self, asked: asyncio.Task[Sequence[Floats]]) -> None:
        self._late.discard(asked)
        if not asked.cancelled() and (error := asked.exception()) is not None:
            log.debug("a question was not embedded: %s", error)


def _vectors(body: bytes, count: int) -> Sequence[Floats]:
    """The vectors in a reply, in the order of what was asked, at length one; raises Unavailable."""
    try:
        found = sorted(_reply.decode(body).data, key=lambda one: one.index)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Unavailable(f"a reply without vectors: {error}") from None
    lengths = {len(one.embedding) for one in found}
    if len(found) != count or len(lengths) != 1 or not LEAST <= min(lengths) <= MOST:
        raise Unavailable(f"{len(found)} vectors of {sorted(lengths)} numbers, where {count} were asked for")
    vectors = [direction(np.array(one.embedding, np.float32)) for one in found]
    if not all(np.isfinite(one).all() for one in vectors):
        raise Unavailable("a vector with numbers that are none")
    return vectors
