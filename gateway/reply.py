"""An answer on its way to the client: cleaned, and under the name that the client asked for."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import msgspec
from msgspec import UNSET, Raw, Struct, structs

from gateway.continuing import Continuing, Segment, summed
from gateway.core.chat import ChatRequest
from gateway.core.ends import ANSWERED, CUT
from gateway.core.errors import UpstreamError
from gateway.core.events import Chunk, Text, Usage, encode_usage
from gateway.core.ids import uuid7
from gateway.core.kept import Replayed
from gateway.core.let_go import let_go
from gateway.core.milliseconds import milliseconds
from gateway.records import billing
from gateway.records.decision import Attempt, Decision
from gateway.stages.clean import Clean
from gateway.stages.fallback import Begun
from gateway.stages.moving import Keeper
from gateway.stages.policy import Route
from gateway.upstream.count import OTHER_MODEL
from gateway.upstream.incoming import MISS
from gateway.upstream.prices import Prices
from gateway.upstream.providers import SIMULATED
from policies.library import Library

Headers = list[tuple[bytes, bytes]]

_MOST_HELD = 0.5  # of the time of a stream, for which its client may hold it up and its speed still be the model's


class Watch(Struct, frozen=True):
    """What looks at every chunk of an answer on its way."""

    clean: Clean
    keeper: Callable[[str, str], Keeper]  # of an issuer's answer with this id
    continuing: Continuing | None = None  # where another may go on with it


class Certain(Struct, frozen=True, eq=False):
    """All that a request which got a kept answer has hung on, beside what its key allows and what its head says."""

    request: ChatRequest
    route: Route
    conversation: bytes  # its key
    library: Library
    replayed: Replayed


class Reply:
    """Chunks for one client; what is learned of the answer on the way is noted in its decision.

    Whoever makes it closes it, so that an answer that was not heard to its end is counted too.
    """

    certain: Certain | None = None  # where the same bytes would come to the same

    def __init__(
        self,
        request: ChatRequest,
        route: Route,
        begun: Begun,
        watch: Watch,
        decision: Decision,
        prices: Prices,
        *,
        debug: bool,
        limits: Sequence[tuple[bytes, bytes]] = (),
    ) -> None:
        self.decision = decision
        self._begun = begun
        self._clean = watch.clean
        self._continuing = watch.continuing
        self._prices = prices
        self._debug = debug
        self._cut: UpstreamError | None = None  # what has first cut the answer
        self._limits = limits
        self._model = request.body.model
        self._masked = not route.pinned
        self._waiting: Sequence[Chunk] | None = begun.first
        # A pinned model's own id can be looked up at its provider; a Syntra model's would tell who that is. Who gets
        # the same answer gets it under the same id.
        own = _named(begun.first) if route.pinned else None
        share = begun.opened.share
        self.id = own.id if own else share.id or f"chatcmpl-{uuid7()}"
        self._keeper = watch.keeper(begun.candidate.issuer, self.id)
        self._created = own.created if own and own.created else share.created or int(time.time())
        options = request.body.stream_options
        self._tells_usage = not request.body.stream or bool(options and options.include_usage)
        # A reply in one piece has no first word, several choices come at once, and what others have read has waited.
        streams = bool(request.body.stream) and (request.body.n or 1) == 1
        self._tells_speed = streams and share.cache == MISS
        self._left = time.monotonic()  # when the client was last given something
        self._held = 0.0  # s that it has taken for all that it was given
        self._attend(begun)
        decision.outcome.ttft_ms, decision.outcome.cache = self._attempt.ttft_ms, share.cache

    @property
    def issuer(self) -> str:
        """Whose its thoughts are."""
        return self._begun.candidate.issuer

    async def next(self) -> Sequence[Chunk]:
        """Chunks that may leave now; empty when the answer is over and whole. Raises UpstreamError when it breaks."""
        self._held += time.monotonic() - self._left
        while True:
            if self._waiting is not None:
                batch, self._waiting = self._waiting, None
            else:
                batch = await self._more()
            if not batch:
                self.decision.outcome.ended = ANSWERED
                return ()
            if self._continuing is not None:
                self._continuing.take(batch)
            chunks = [chunk for chunk in self._clean.chunks(batch) if chunk.choices or self._last(chunk)]
            if chunks:
                self._keeper.take(chunks)
                self._stamp(chunks)
                self._left = time.monotonic()
                return chunks

    def _attend(self, begun: Begun) -> None:
        """From now on it is this one that answers."""
        self._begun, self._share = begun, begun.opened.share
        self._spoke = time.monotonic()
        self._began = self._spoke - begun.ttft
        self._used = Usage()
        ttft = milliseconds(begun.ttft)
        odd = _other_model(begun)
        self._attempt = Attempt(begun.candidate.name, ttft_ms=ttft, odd=odd, cache=self._share.cache)
        self.decision.attempts.append(self._attempt)
        self.decision.outcome.model = begun.candidate.name

    async def _more(self) -> Sequence[Chunk]:
        while True:
            try:
                return await self._begun.opened.answer.next()
            except UpstreamError as error:
                error.provider = error.provider or self._begun.candidate.provider
                self._begun.broken(error)
                pieced = self._continuing
                begun = await pieced.begun_by_another(self._begun.candidate, error) if pieced is not None else None
                self._cut = self._cut or error
                let_go(error)  # it is kept here and by the answer that has failed
                if begun is None or pieced is None:
                    self.decision.outcome.ended = CUT
                    raise self._cut from None  # not of what came of going on
                self._hand_over(begun, pieced, error)

    def _hand_over(self, begun: Begun, pieced: Continuing, error: UpstreamError) -> None:
        """Another goes on; what came so far is in the books under whose it was."""
        self._begun.opened.close()
        self._attempt.outcome = error.kind
        self.close()
        pieced.ended(self._attempt.model, self._used, error.kind)
        self._keeper.forget()
        self._attend(begun)

    def _stamp(self, chunks: Sequence[Chunk]) -> None:
        """Our name on them; of a Syntra model nothing tells who stands behind it."""
        name, created, model, masked = self.id, self._created, self._model, self._masked
        for chunk in chunks:
            chunk.id = name
            chunk.created = created
            chunk.model = model
            chunk.object = "chat.completion.chunk"
            if type(chunk) is Text:
                if masked:
                    chunk.system_fingerprint = chunk.provider = chunk.choices[0].native_finish_reason = UNSET
                continue
            for choice in chunk.choices:
                if choice.finish_reason is not None:
                    self.decision.outcome.finish = choice.finish_reason
                if masked:
                    choice.native_finish_reason = UNSET
            if masked:
                chunk.system_fingerprint = UNSET
                chunk.provider = UNSET
                if chunk.extra is not UNSET and "syntra" not in chunk.extra:
                    chunk.extra = UNSET

    def _last(self, chunk: Chunk) -> bool:
        """Take note of the end, which the usage is; whether it goes to the client."""
        outcome, pieced = self.decision.outcome, self._continuing
        told: dict[str, object] = {}
        if chunk.usage is not UNSET:
            outcome.ended = ANSWERED  # whole: who leaves from now on leaves after it
            self._count()
            writing = time.monotonic() - self._spoke
            if self._tells_speed and self._held <= _MOST_HELD * writing:
                self._attempt.writing_ms = milliseconds(writing)
            if self._debug:
                told = {"cost_usd": outcome.cost_usd, "model": outcome.model}
            if pieced is not None and pieced.segments and outcome.usage is not None:
                chunk.usage = encode_usage(outcome.usage)
                told["segments"] = self._segments(pieced)
            if told:
                chunk.extra = {"syntra": Raw(msgspec.json.encode(told))}
        if not self._tells_usage:
            chunk.usage = UNSET
        return self._tells_usage or bool(told)

    def _segments(self, pieced: Continuing) -> list[Segment]:
        """What the answer was pieced together from; by whom, only for who asks."""
        pieced.ended(self._attempt.model, self._used)
        return [one if self._debug else structs.replace(one, model="") for one in pieced.segments]

    def close(self) -> None:
        """Count what has come, if the end has not."""
        self._attempt.duration_ms = milliseconds(time.monotonic() - self._began)
        if self._attempt.usage is None:
            self._count()

    def _count(self) -> None:
        counted = self._begun.opened.answer.counted()
        if self._share.pays():
            billing.count(self._attempt, counted, self._prices)
        outcome, self._used = self.decision.outcome, counted.usage
        outcome.usage = self._used
        if self._continuing is not None and self._continuing.segments:
            outcome.usage = summed([*(segment.usage for segment in self._continuing.segments), self._used])
        if self._debug:
            outcome.cost = billing.total(self.decision.attempts)

    def headers(self) -> Headers:
        """What the reply's head says about the answer."""
        headers = [*told(self.decision, debug=self._debug), *self._limits]
        headers.append((b"x-syntra-cache", self._share.cache.encode()))
        if self._begun.candidate.provider == SIMULATED:
            headers.append((b"x-syntra-simulated", b"true"))
        if self._begun.opened.dropped or self.decision.instead_of:
            headers += warning(self._begun.opened.dropped, self._stand_in())
        if self._debug:
            headers.append((b"x-syntra-overhead-ms", f"{self.decision.outcome.overhead_ms:.3f}".encode()))
        return headers

    def _stand_in(self) -> str:
        """That another model answers than was asked for."""
        absent = self.decision.instead_of
        return f"no key for {absent}, answered by {self._begun.candidate.name}" if absent else ""


def _other_model(begun: Begun) -> tuple[str, ...]:
    """Whether another model answers than was asked; a name with a date behind it is the same."""
    for chunk in begun.first:
        if chunk.model:
            asked = begun.candidate.model.rpartition("/")[2]
            return () if begun.candidate.provider == SIMULATED or asked in chunk.model else (OTHER_MODEL,)
    return ()


def _named(first: Sequence[Chunk]) -> Chunk | None:
    """The first chunk that says the answer's id."""
    for chunk in first:
        if chunk.id:
            return chunk
    return None


def warning(dropped: Sequence[str], stand_in: str = "") -> Headers:
    """What is otherwise than asked: another model, fields that the provider's wire cannot carry."""
    fields = ", ".join(filter(str.isprintable, dropped))
    told = "; ".join(filter(None, (stand_in, f"dropped fields: {fields}" if fields else "")))
    return [(b"x-syntra-warning", told.encode("ascii", "replace")[:500])] if told else []


def told(decision: Decision, *, debug: bool) -> Headers:
    """The headers that every reply has, errors too; with `debug`, what was decided and who was asked."""
    headers = [(b"x-syntra-decision", decision.id.encode())]
    if decision.degraded:
        headers.append((b"x-syntra-degraded", ", ".join(decision.degraded).encode()))
    if decision.context is not None:
        context = decision.context
        headers.append((b"x-syntra-context", b"%d of %d messages summarised" % (context.summarised, context.messages)))
    if not debug:
        return headers
    if decision.facts is not None:
        headers.append((b"x-syntra-intent", decision.facts.intent.encode("ascii", "replace")))
    if decision.attempts:
        model = decision.attempts[-1].model
        headers.append((b"x-syntra-provider", model.partition("/")[0].encode("ascii", "replace")))
        headers.append((b"x-syntra-model", model.encode("ascii", "replace")))
    headers.append((b"x-syntra-memory", str(len(decision.notes)).encode()))
    outcome = decision.outcome
    if outcome.usage is not None:
        headers.append((b"x-syntra-cost-usd", (outcome.cost_usd or "unknown").encode()))
    return headers
