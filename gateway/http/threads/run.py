"""One answer in the making. It belongs to nobody's connection: who follows it may leave, and come back."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

import msgspec
from msgspec import UNSET, Raw, Struct, structs

from gateway.core.caller import Caller
from gateway.core.chat import ChatRequest
from gateway.core.closing import Closing
from gateway.core.context import Shortened
from gateway.core.deadline import Deadline
from gateway.core.errors import Internal, StreamGone, SyntraError, UpstreamError
from gateway.core.events import Chunk
from gateway.core.ids import uuid7
from gateway.core.let_go import let_go
from gateway.http.threads.events import STEPS, encode
from gateway.pipeline import Services, Wishes, answer
from gateway.reply import Reply
from gateway.stores.breaker import Unavailable
from gateway.stores.threads import Answer, Asked, Shelf

log = logging.getLogger("syntra")

MOST_BYTES: Final = 8 * 1024 * 1024  # of events that are held for those who come back; older ones are let go
_TRIES: Final = 4  # to keep an answer
_PAUSE: Final = 1.0  # s between two
_PROMISES: Final = frozenset({"searching", "asking"})  # steps behind which our own refusals lie


class Order(Struct, frozen=True):
    """Everything that one answer takes."""

    services: Services
    shelf: Shelf
    owner: str
    caller: Caller
    asked: Asked
    request: ChatRequest
    wishes: Wishes
    seconds: float  # that it may take
    fresh: bool  # the question is new, and is taken back where nobody was asked


class Run:
    """Makes the answer, tells its events to whoever follows, and keeps it."""

    def __init__(self, order: Order) -> None:
        self.id = uuid7()
        self.order = order
        self.promised = asyncio.Event()  # somebody is being asked, or it is over
        self.asked = False  # somebody was asked
        self.error: SyntraError | None = None
        self.over = False
        self.followers = 0
        self.reply: Reply | None = None
        self.text: list[str] = []
        self.finish = ""
        self.usage: Raw | None = None
        self.stored = False
        self._events: list[bytes] = []
        self._first = 0  # number of the first that is held
        self._size = 0
        self._characters = 0
        self._news = asyncio.Event()
        self._ending = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    def stop(self, reason: SyntraError) -> None:
        """Break off, unless it is at its end anyway; what was said until then is kept."""
        if self._task is not None and self.error is None and not self._ending:
            self.error = reason
            self._task.cancel()

    @property
    def message_id(self) -> str:
        """The answer's id, as a message has it."""
        return str(UUID(self.id))

    @property
    def decision(self) -> str:
        """The decision's id, when somebody has begun to answer."""
        return "" if self.reply is None else self.reply.decision.id

    @property
    def context(self) -> Shortened | None:
        """What became of a conversation that was too long."""
        return None if self.reply is None else self.reply.decision.context

    @property
    def model(self) -> str:
        """Who answers, for the log."""
        return "" if self.reply is None else self.reply.decision.outcome.model

    def heard_by(self, number: int) -> bool:
        """Whether who waits for the event of this number has heard everything."""
        return self.over and number >= self._first + len(self._events)

    @property
    def size(self) -> int:
        """Bytes of the events that are held."""
        return self._size

    @property
    def trimmed(self) -> bool:
        """Whether older events had to be let go."""
        return self._first > 0

    async def ended(self) -> None:
        """Wait until it is over and kept."""
        while not self.over:
            await self._news.wait()

    async def after(self, number: int) -> Sequence[bytes]:
        """The events from this number on, as soon as there are some; none when it is over. Raises StreamGone."""
        while number >= self._first + len(self._events) and not self.over:
            await self._news.wait()
        if number < self._first:
            raise StreamGone(
                "What came after the last event that you have seen is not held any more; read the message."
            )
        return self._events[number - self._first :]

    async def _run(self) -> None:
        try:
            await self._make()
        except UpstreamError as error:
            log.warning("%s: %s", error.provider, error.message)
            self.error = error
        except SyntraError as error:
            self.error = error
        except asyncio.CancelledError:
            if self.error is None or self._task is None:
                raise
            self._task.uncancel()
        except Exception:
            log.exception("a defect")
            self.error = Internal("Syntra failed on this request; the log has more under its request id.")
        self._ending = True
        let_go(self.error)
        await self._end()

    async def _make(self) -> None:
        order = self.order
        wishes = structs.replace(order.wishes, step=self._step)
        with Closing() as closing:
            deadline = Deadline(order.seconds)
            reply = await answer(order.services, order.caller, order.request, wishes, deadline, closing)
            self.reply = reply
            self._tell("route", _route(reply, order.request.body.model, debug=order.wishes.debug))
            while chunks := await reply.next():
                for chunk in chunks:
                    self._hear(chunk)

    def _step(self, name: str) -> None:
        self._tell("thinking", {"step": name, "text": STEPS[name]})
        if name in _PROMISES:
            self.asked = True
            self.promised.set()

    def _hear(self, chunk: Chunk) -> None:
        """Take in a part of the answer, and tell it."""
        for choice in chunk.choices:
            said = choice.delta.content or choice.delta.refusal
            thought = choice.delta.reasoning_content or choice.delta.reasoning
            if thought:
                self._tell("delta", {"reasoning": thought})
            if said:
                self.text.append(said)
                self._characters += len(said)
                self._tell("delta", {"content": said})
            self.finish = choice.finish_reason or self.finish
        if chunk.usage is not UNSET:
            self.usage = chunk.usage
            cost = {} if chunk.extra is UNSET else {"syntra": chunk.extra["syntra"]}
            self._tell("usage", {"usage": chunk.usage, **cost})

    async def _end(self) -> None:
        """Keep the answer, then tell the end: who has heard that finds the message."""
        error = self.error
        self.stored = await self._keep() if error is None or self.text else False
        if error is None:
            told = {"message_id": self.message_id, "status": "complete", "finish_reason": self.finish}
            self._tell("done", {**told, "stored": self.stored})
        else:
            if self.order.fresh and not self.asked:
                await self._take_back()
            kept = {"message_id": self.message_id} if self.stored else {}
            self._tell("error", {**msgspec.json.decode(error.body()), **kept})
        self.over = True
        self.promised.set()
        self._wake()

    async def _keep(self) -> bool:
        """Whether the answer is kept; PostgreSQL may take its time, and a few tries."""
        order = self.order
        kept = Answer(
            UUID(self.id),
            "".join(self.text),
            "cut" if self.error is not None else "complete",
            order.request.body.model,
            self.decision,
            self.finish,
            self.usage,
        )
        for left in reversed(range(_TRIES)):
            try:
                return await order.shelf.answered(order.asked, kept)
            except Unavailable as error:
                log.info("an answer was not kept: %s; %d more tries", error, left)
                await asyncio.sleep(_PAUSE if left else 0)
        return False

    async def _take_back(self) -> None:
        try:
            await self.order.shelf.take_back(self.order.asked)
        except Unavailable as error:
            log.info("a question that nobody was asked stays: %s", error)

    def _tell(self, kind: str, data: object) -> None:
        number = self._first + len(self._events)
        event = encode(self.id, number, self._characters, kind, data)
        self._events.append(event)
        self._size += len(event)
        if self._size > MOST_BYTES:
            half = len(self._events) // 2
            self._size -= sum(map(len, self._events[:half]))
            del self._events[:half]
            self._first += half
        self._wake()

    def _wake(self) -> None:
        self._news.set()
        self._news = asyncio.Event()


def _route(reply: Reply, model: str, *, debug: bool) -> dict[str, Any]:
    """Who answers and why, as far as the reply's headers would tell it."""
    decision = reply.decision
    told: dict[str, Any] = {"decision": decision.id, "model": model, "pinned": decision.pinned}
    if decision.plan is not None:
        told["policy"] = decision.plan.policy
    if decision.facts is not None:
        told |= {"intent": decision.facts.intent, "complexity": decision.facts.complexity}
    if debug:
        told["answered_by"] = decision.outcome.model
    headers = {name: value.decode() for name, value in reply.headers()}
    for name in (b"x-syntra-context", b"x-syntra-degraded", b"x-syntra-warning", b"x-syntra-simulated"):
        if name in headers:
            told[name.decode().removeprefix("x-syntra-")] = headers[name]
    return told
