"""Streams that go on: from this worker's events, from another's, or from the answer that was kept."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Final
from uuid import UUID

import msgspec

from gateway.core.errors import BadRequest, StreamGone, SyntraError, Unknown, UpstreamBroken
from gateway.http.threads.events import Seen, encode, seen
from gateway.http.threads.run import Run
from gateway.http.threads.runs import Runs
from gateway.http.visit import Visit
from gateway.stores import streams
from gateway.stores.breaker import Unavailable
from gateway.stores.streams import END, Streams
from gateway.stores.threads import Message, Shelf

_LOOK: Final = 0.25  # s between two looks at what another worker has told


class Resume:
    """Tells the events of an answer, from wherever they are."""

    def __init__(self, runs: Runs, shared: Streams, seconds: float) -> None:
        self._runs = runs
        self._shared = shared
        self._seconds = seconds

    async def tell(self, visit: Visit, run: Run, number: int = 0) -> None:
        """The events of an answer in the making, to its end; a stream that broke has no clean one."""
        await visit.start_stream((), in_band)
        while events := await run.after(number):
            number += len(events)
            visit.answered(run.model, run.decision)
            await visit.write(b"".join(events))
        if run.error is not None:
            visit.failed = run.error.kind
        await visit.end(b"")

    async def go_on(
        self, visit: Visit, organisation: str, owner: str, shelf: Shelf, thread: UUID, last_event: str
    ) -> None:
        """What came after the last event that the client has seen; 204 where that was the end."""
        after = seen(last_event)
        if after is None:
            raise BadRequest("Last-Event-ID is the id of an event of this thread.", code="invalid_header")
        run = self._runs.find(after.answer, organisation, owner, thread.hex)
        if run is not None:
            await self._follow(visit, run, after)
        elif await shelf.find(thread) is None:
            raise Unknown("There is no such thread.", code="thread_not_found", param="thread_id")
        elif not await self._elsewhere(visit, streams.key(organisation, thread.hex, after.answer), after):
            await _kept(visit, await shelf.message(thread, UUID(after.answer)), after)

    async def _follow(self, visit: Visit, run: Run, after: Seen) -> None:
        self._runs.follow(run)
        try:
            if run.heard_by(after.number + 1):
                await visit.whole(204, (), b"")
            else:
                await run.after(after.number + 1)  # 410 before a status is chosen
                await self.tell(visit, run, after.number + 1)
        finally:
            self._runs.leave(run)

    async def _elsewhere(self, visit: Visit, key: str, after: Seen) -> bool:
        """Tell what another worker tells; False where nothing of it is known."""
        number, until = after.number + 1, time.monotonic() + self._seconds
        while time.monotonic() < until:
            try:
                events = await self._shared.after(key, number)
            except Unavailable:
                events = None
            if events is None:
                if visit.streams:
                    raise StreamGone("The rest of this answer cannot be told here; read the message.")
                return False
            number += len(events)
            if events == [END] and not visit.streams:
                await visit.whole(204, (), b"")
                return True
            if not visit.streams:
                await visit.start_stream((), in_band)
            if events:
                await visit.write(b"".join(events))
            if events[-1:] == [END]:
                await visit.end(b"")
                return True
            await asyncio.sleep(_LOOK)
        raise StreamGone("The rest of this answer did not come in time; read the message.")


async def _kept(visit: Visit, message: Message | None, after: Seen) -> None:
    """What is missing of an answer that is over, from where it is kept."""
    if message is None or message.role != "assistant":
        raise StreamGone("This stream is over, and no answer of it is kept.")
    text = msgspec.json.decode(message.content, type=str)
    await visit.start_stream((), in_band)
    events: list[tuple[str, object]] = []
    if text[after.characters :]:
        events.append(("delta", {"content": text[after.characters :]}))
    if message.usage is not None:
        events.append(("usage", {"usage": message.usage}))
    end = {"message_id": str(message.id), "status": "complete", "finish_reason": message.finish_reason}
    if message.status == "complete":
        events.append(("done", {**end, "stored": True}))
    else:
        cut = UpstreamBroken("The answer broke off; what was said until then is kept.")
        events.append(("error", {**msgspec.json.decode(cut.body()), "message_id": str(message.id)}))
    await visit.end(_encoded(events, after, len(text)))


def _encoded(events: Sequence[tuple[str, object]], after: Seen, characters: int) -> bytes:
    return b"".join(
        encode(after.answer, after.number + place, characters, kind, data)
        for place, (kind, data) in enumerate(events, 1)
    )


def in_band(error: SyntraError) -> bytes:
    """A failure of the telling, not of the answer: the client may come back."""
    return b"event: error\ndata: %b\n\n" % error.body()
