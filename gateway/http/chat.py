"""`POST /v1/chat/completions`."""

from __future__ import annotations

from gateway.core import chat
from gateway.core.caller import Caller
from gateway.core.chat import ChatRequest
from gateway.core.closing import Closing
from gateway.core.deadline import Deadline
from gateway.core.errors import BadRequest
from gateway.core.events import encode_chunk
from gateway.core.fold import Fold
from gateway.core.telling import as_chat_in_band
from gateway.dialects.responses.request import as_chat
from gateway.http.intake import Head
from gateway.http.repeats import Repeat, Repeats
from gateway.http.visit import JSON, Visit
from gateway.pipeline import Services, Wishes, answer
from gateway.reply import Reply
from gateway.stages.reader import Limits

_DONE = b"data: [DONE]\n\n"


class ChatCompletions:
    """Serves chat completions, streamed or folded."""

    def __init__(self, services: Services, repeats: Repeats, *, body_seconds: float, total_seconds: float) -> None:
        self._services = services
        self._repeats = repeats
        self._body_seconds = body_seconds
        self._total_seconds = total_seconds

    async def serve(self, visit: Visit, head: Head, caller: Caller) -> None:
        """One request."""
        raw = await visit.body(head, self._body_seconds)
        wishes, deadline, repeats = wishes_of(head, visit), Deadline(self._total_seconds), self._repeats
        with Closing() as closing:
            again = await repeats.answer(raw, head, caller, wishes, closing) if repeats.any else None
            if again is not None:
                visit.answered(again.decision.outcome.model, again.decision.id)
                await _tell(visit, again)
                return
            request = _read(raw)
            reply = await answer(self._services, caller, request, wishes, deadline, closing)
            visit.answered(reply.decision.outcome.model, reply.decision.id)
            body = await (_stream if request.body.stream else _fold)(visit, reply)
            repeats.keep(raw, head, caller, reply, body)


def _read(raw: bytes) -> ChatRequest:
    """The request; by its body, not by its path: a body of Responses is understood here too."""
    try:
        return chat.parse(raw)
    except BadRequest as error:
        if error.param is None or (request := as_chat(raw)) is None:
            raise
        return request


def wishes_of(head: Head, visit: Visit, surface: str = "chat") -> Wishes:
    """What the headers ask for."""
    limits = Limits(head.max_cost, head.max_ttft_ms)
    return Wishes(
        head.persona,
        head.debug,
        head.policy,
        limits,
        visit.began,
        head.conversation,
        surface,
        head.freshness,
        head.user,
        head.memory,
    )


async def _stream(visit: Visit, reply: Reply) -> bytes:
    """The answer as it comes; `[DONE]` only after its real end. What was told of one that may be told again."""
    told: list[bytes] = []
    await visit.start_stream(reply.headers(), as_chat_in_band)
    while chunks := await reply.next():
        events = b"".join([b"data: %b\n\n" % encode_chunk(chunk) for chunk in chunks])
        if reply.certain is not None:
            told.append(events)
        await visit.write(events)
    await visit.end(_DONE)
    return b"".join(told)


async def _fold(visit: Visit, reply: Reply) -> bytes:
    """The same answer in one piece."""
    fold = Fold()
    while chunks := await reply.next():
        for chunk in chunks:
            fold.add(chunk)
    body = fold.completion()
    await visit.whole(200, (JSON, *reply.headers()), body)
    return body


async def _tell(visit: Visit, again: Repeat) -> None:
    """An answer that is known to its last byte."""
    if not again.stream:
        await visit.whole(200, (JSON, *again.headers), again.body)
        return
    await visit.start_stream(again.headers, as_chat_in_band)
    await visit.end(again.body + _DONE)
