"""`POST /v1/completions`."""

from __future__ import annotations

from msgspec import structs

from gateway.core.caller import Caller
from gateway.core.closing import Closing
from gateway.core.deadline import Deadline
from gateway.core.telling import as_chat_in_band
from gateway.dialects import completions
from gateway.dialects.completions import Answer
from gateway.http.chat import wishes_of
from gateway.http.intake import Head
from gateway.http.visit import JSON, Visit
from gateway.pipeline import Services, answer
from gateway.stages.reader import Limits


class Completions:
    """Serves text completions, streamed or whole, one prompt after the other."""

    def __init__(self, services: Services, *, body_seconds: float, total_seconds: float) -> None:
        self._services = services
        self._body_seconds = body_seconds
        self._total_seconds = total_seconds

    async def serve(self, visit: Visit, head: Head, caller: Caller) -> None:
        """One request. Nobody speaks in a text that goes on: no persona unless it is asked for, and no memory."""
        asked = completions.parse(await visit.body(head, self._body_seconds))
        wishes = wishes_of(head, visit, "completions")
        limits = _each(wishes.limits, len(asked.requests))
        wishes = structs.replace(wishes, persona=bool(wishes.persona), memory="off", limits=limits)
        told = Answer(asked)
        deadline = Deadline(self._total_seconds)
        headers: list[tuple[bytes, bytes]] = []
        for prompt, request in enumerate(asked.requests):
            with Closing() as closing:
                reply = await answer(self._services, caller, request, wishes, deadline, closing)
                visit.answered(reply.decision.outcome.model, reply.decision.id)
                if asked.body.stream and not visit.streams:
                    await visit.start_stream(reply.headers(), as_chat_in_band)
                while chunks := await reply.next():
                    events = told.chunks(chunks, prompt)
                    if events and visit.streams:
                        await visit.write(events)
                headers = headers or reply.headers()
        if visit.streams:
            await visit.end(told.end())
        else:
            await visit.whole(200, (JSON, *headers), told.reply())


def _each(limits: Limits, prompts: int) -> Limits:
    """What the limit of all leaves to each."""
    return limits if limits.cost is None else structs.replace(limits, cost=limits.cost // prompts)
