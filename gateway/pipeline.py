"""The way of a request. Read `answer` first: it is the whole product, top to bottom.

bytes -> ChatRequest -> Caller -> Choice -> ChatRequest' -> Opened -> chunks -> bytes
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import AsyncExitStack

import msgspec
from msgspec import UNSET, Raw, Struct

from gateway.core.caller import Caller
from gateway.core.chat import ChatRequest
from gateway.core.deadline import Deadline
from gateway.core.events import Chunk, Usage, decode_usage
from gateway.core.ids import uuid7
from gateway.core.money import dollars
from gateway.stages.choose import Choice, Choose
from gateway.stages.clean import Clean
from gateway.stages.fallback import Begun, Fallback
from gateway.stages.persona import Persona
from gateway.upstream.prices import Prices
from gateway.upstream.providers import SIMULATED, Candidate


class Services(Struct, frozen=True):
    """The stages, in the order in which a request meets them."""

    choose: Choose
    persona: Persona
    fallback: Fallback
    prices: Prices
    name: str  # what Syntra is called by the persona document


class Wishes(Struct, frozen=True):
    """What the client asked for in headers."""

    persona: bool | None = None
    debug: bool = False
    began: float = 0.0  # time.perf_counter() when the request came in


async def answer(
    services: Services,
    caller: Caller,
    request: ChatRequest,
    wishes: Wishes,
    deadline: Deadline,
    stack: AsyncExitStack,
) -> Reply:
    """One request, from what was asked to a reply whose first chunks are there.

    Whatever is taken on the way is put on `stack`, whose owner gives it back in reverse however the request ends.
    """
    choice = services.choose.candidates(request.body.model)  # 404
    spoken = services.persona.apply(caller, request, wanted=wishes.persona)
    overhead = time.perf_counter() - wishes.began
    begun = await services.fallback.begin(choice.candidates, spoken, deadline, stack)  # 4xx, 429, 502, 504
    voice = not (choice.pinned and wishes.persona is False)
    clean = Clean(services.name, request, voice=voice)
    return Reply(services, request, choice, begun, clean, wishes, overhead)


class Reply:
    """An answer on its way to the client: cleaned, and under the name that the client asked for."""

    def __init__(
        self,
        services: Services,
        request: ChatRequest,
        choice: Choice,
        begun: Begun,
        clean: Clean,
        wishes: Wishes,
        overhead: float,
    ) -> None:
        self.decision = uuid7()
        self.usage: Usage | None = None
        self._services = services
        self._model = request.body.model
        self._masked = not choice.pinned
        self.candidate: Candidate = begun.candidate
        self._opened = begun.opened
        self._waiting: Sequence[Chunk] | None = begun.first
        # A pinned model's own id can be looked up at its provider; a Syntra model's would tell who that is.
        own = next((chunk for chunk in begun.first if chunk.id), None) if choice.pinned else None
        self.id = own.id if own else f"chatcmpl-{uuid7()}"
        self._created = own.created if own and own.created else int(time.time())
        self._clean = clean
        self._wishes = wishes
        self._overhead = overhead
        options = request.body.stream_options
        self._tells_usage = not request.body.stream or bool(options and options.include_usage)

    async def next(self) -> Sequence[Chunk]:
        """Chunks that may leave now; empty when the answer is over and whole. Raises UpstreamError when it breaks."""
        while True:
            if self._waiting is not None:
                batch, self._waiting = self._waiting, None
            else:
                batch = await self._opened.answer.next()
            if not batch:
                return ()
            chunks = [chunk for chunk in self._clean.chunks(batch) if chunk.choices or self._settle(chunk)]
            for chunk in chunks:
                self._stamp(chunk)
            if chunks:
                return chunks

    def _stamp(self, chunk: Chunk) -> None:
        """Our name on it; of a Syntra model nothing tells who stands behind it."""
        chunk.id = self.id
        chunk.created = self._created
        chunk.model = self._model
        chunk.object = "chat.completion.chunk"
        if self._masked:
            chunk.system_fingerprint = UNSET
            chunk.provider = UNSET
            if chunk.extra is not UNSET and "syntra" not in chunk.extra:
                chunk.extra = UNSET
            for choice in chunk.choices:
                choice.native_finish_reason = UNSET

    def _settle(self, chunk: Chunk) -> bool:
        """Take note of the usage, which is the last chunk; whether it goes to the client."""
        if chunk.usage is not UNSET:
            self.usage = decode_usage(chunk.usage)
            if self._wishes.debug:
                facts = Raw(msgspec.json.encode({"cost_usd": self.cost, "model": self.candidate.name}))
                chunk.extra = {"syntra": facts}
        if not self._tells_usage:
            chunk.usage = UNSET
        return self._tells_usage or self._wishes.debug

    @property
    def cost(self) -> str | None:
        """US dollars, or None where the price is not known or the usage not yet."""
        if self.usage is None or self.candidate.provider == SIMULATED:
            return None
        cost = self._services.prices.cost(self.candidate.name, self.usage)
        return None if cost is None else dollars(cost)

    def headers(self) -> list[tuple[bytes, bytes]]:
        """What the reply's head says about the answer."""
        headers = [(b"x-syntra-decision", self.decision.encode())]
        if self.candidate.provider == SIMULATED:
            headers.append((b"x-syntra-simulated", b"true"))
        headers += dropped_header(self._opened.dropped)
        if self._wishes.debug:
            headers += [
                (b"x-syntra-provider", self.candidate.provider.encode()),
                (b"x-syntra-model", self.candidate.name.encode("ascii", "replace")),
                (b"x-syntra-overhead-ms", f"{self._overhead * 1e3:.3f}".encode()),
                (b"x-syntra-cache", b"miss"),
            ]
            if self.usage is not None:
                headers.append((b"x-syntra-cost-usd", (self.cost or "unknown").encode()))
        return headers


def dropped_header(names: Sequence[str]) -> list[tuple[bytes, bytes]]:
    """Which fields of the request the provider's wire could not carry, if any."""
    if not names:
        return []
    told = ", ".join(filter(str.isprintable, names)).encode("ascii", "replace")[:500]
    return [(b"x-syntra-warning", b"dropped fields: " + told)] if told else []
