"""`POST /v1/chat/completions`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.core import chat
from gateway.core.deadline import Deadline
from gateway.core.events import encode_chunk
from gateway.core.fold import Fold
from gateway.http.intake import Head
from gateway.http.visit import JSON, Visit
from gateway.pipeline import Reply, Services, Wishes, answer
from gateway.stages.keys import Keys

if TYPE_CHECKING:
    from litestar.types import Receive, Scope, Send

    from gateway.http.lounge import Lounge


class ChatCompletions:
    """Serves chat completions, streamed or folded."""

    def __init__(
        self, services: Services, keys: Keys, lounge: Lounge, *, body_seconds: float, total_seconds: float
    ) -> None:
        self._services = services
        self._keys = keys
        self._lounge = lounge
        self._body_seconds = body_seconds
        self._total_seconds = total_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        assert scope["type"] == "http"
        await Visit(scope, receive, send, self._lounge).run(self._serve)

    async def _serve(self, visit: Visit, head: Head) -> None:
        caller = self._keys.identify(head.bearer)
        request = chat.parse(await visit.body(head, self._body_seconds))
        wishes = Wishes(head.persona, head.debug, visit.began)
        deadline = Deadline(self._total_seconds)
        async with answer(self._services, caller, request, wishes, deadline) as reply:
            if request.body.stream:
                await _stream(visit, reply)
            else:
                await _fold(visit, reply)


async def _stream(visit: Visit, reply: Reply) -> None:
    """The answer as it comes; `[DONE]` only after its real end."""
    await visit.start_stream(reply.headers())
    while chunks := await reply.next():
        await visit.write(b"".join([b"data: %b\n\n" % encode_chunk(chunk) for chunk in chunks]))
    await visit.end()


async def _fold(visit: Visit, reply: Reply) -> None:
    """The same answer in one piece."""
    fold = Fold()
    while chunks := await reply.next():
        for chunk in chunks:
            fold.add(chunk)
    await visit.whole(200, (JSON, *reply.headers()), fold.completion())
