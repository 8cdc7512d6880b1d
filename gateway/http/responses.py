"""`/v1/responses`: created, streamed or whole; looked up, listed and forgotten."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Sequence
from typing import Final, TypeVar
from urllib.parse import parse_qs

from msgspec import Raw, structs

from gateway.core.caller import Caller
from gateway.core.chat import ChatRequest
from gateway.core.closing import Closing
from gateway.core.deadline import Deadline
from gateway.core.errors import BadRequest, StoreAway, SyntraError, Unknown, UnknownRoute, WrongMethod
from gateway.core.ids import uuid7
from gateway.dialects.responses import body as bodies
from gateway.dialects.responses import keeping
from gateway.dialects.responses.answer import Answer
from gateway.dialects.responses.body import Received
from gateway.dialects.responses.request import ENCRYPTED, Asked, understand
from gateway.http.chat import wishes_of
from gateway.http.intake import Head
from gateway.http.visit import JSON, Visit
from gateway.pipeline import Services, Wishes, answer, plan
from gateway.reply import Reply
from gateway.stages.policy import Route
from gateway.stores.breaker import Unavailable
from gateway.stores.responses import MOST_BYTES, Kept, Responses
from gateway.stores.thoughts import Thoughts

PATH: Final = "/v1/responses"
log = logging.getLogger("syntra")

T = TypeVar("T")

_STORE: Final = "store"
_AWAY: Final = "The store of responses does not answer now, so this one could not be looked up; please try again."


class ResponsesSurface:
    """Serves responses."""

    def __init__(
        self, services: Services, kept: Responses, thoughts: bytes, *, body_seconds: float, total_seconds: float
    ) -> None:
        self._services = services
        self._kept = kept
        self._thoughts = thoughts
        self._body_seconds = body_seconds
        self._total_seconds = total_seconds

    async def serve(self, visit: Visit, head: Head, caller: Caller) -> None:
        """One request, by its path and method."""
        response_id, _, rest = visit.path.removeprefix(PATH).strip("/").partition("/")
        asked = f"{visit.method} {rest}" if response_id else f"{visit.method} /"
        if asked == "POST /":
            await self._create(visit, head, caller)
        elif asked == "GET ":
            await self._retrieve(visit, caller, response_id)
        elif asked == "DELETE ":
            await self._delete(visit, caller, response_id)
        elif asked == "GET input_items":
            await self._list(visit, caller, response_id)
        elif asked == "POST cancel":
            await self._found(caller, response_id)
            raise BadRequest("Only a response in the background can be cancelled, and there are none here.")
        else:
            raise _nowhere(visit, response_id, rest)

    async def _create(self, visit: Visit, head: Head, caller: Caller) -> None:
        received = bodies.parse(await visit.body(head, self._body_seconds))
        before = await self._before(caller, received.body.previous_response_id)
        thoughts = Thoughts(self._thoughts, caller.organisation)
        asked = understand(received, thoughts, before=before, kept=await self._referred(caller, received))
        keeps = received.body.keeps
        if keeps and self._kept.away:
            caller = structs.replace(caller, degraded=(*caller.degraded, _STORE))
            keeps = False
        deadline = Deadline(self._total_seconds)
        with Closing() as closing:
            wishes = wishes_of(head, visit, "responses")
            request = await self._meant(caller, asked, wishes)
            reply = await answer(self._services, caller, request, wishes, deadline, closing)
            visit.answered(reply.decision.outcome.model, reply.decision.id)
            told = Answer(asked, f"resp_{uuid7()}", reply.issuer, thoughts, stored=keeps)
            if received.body.stream:
                await self._stream(visit, caller, asked, reply, told)
            else:
                await self._whole(visit, caller, asked, reply, told)

    async def _meant(self, caller: Caller, asked: Asked, wishes: Wishes) -> ChatRequest:
        """The request; where Syntra chooses a model and some can search, one for those, if a search is wanted."""
        if asked.searching is None:
            return asked.request
        policy = self._services.policies.of(caller)
        _, route = await plan(self._services.reader, policy, caller, asked.searching, wishes)
        chosen = isinstance(route, Route) and not route.pinned
        return asked.searching if chosen else asked.request

    async def _stream(self, visit: Visit, caller: Caller, asked: Asked, reply: Reply, told: Answer) -> None:
        """The events as they come; the last one says whether the answer was kept, so it is kept before."""
        await visit.start_stream(reply.headers(), told.fail)
        events = told.begin()
        while chunks := await reply.next():
            events += told.chunks(chunks)
            if events:
                await visit.write(events)
                events = b""
        await self._keep(caller, asked, told)
        await visit.end(events + told.end())

    async def _whole(self, visit: Visit, caller: Caller, asked: Asked, reply: Reply, told: Answer) -> None:
        while chunks := await reply.next():
            told.chunks(chunks)
        headers = reply.headers()
        if not await self._keep(caller, asked, told):
            headers.append((b"x-syntra-degraded", _STORE.encode()))
        await visit.whole(200, (JSON, *headers), told.reply())

    async def _keep(self, caller: Caller, asked: Asked, told: Answer) -> bool:
        """Keep the answer where that is wanted; whether all went as wanted. The response says what became of it."""
        if not told.stored:
            return True
        rest, output = keeping.parts(told.response(kept=True))
        kept = Kept(told.id, asked.body.previous_response_id, asked.items, output, rest)
        try:
            if kept.size > MOST_BYTES:
                raise Unavailable("too large to be kept")
            await self._kept.save(caller.organisation, kept)
        except Unavailable as error:
            log.info("%s was not kept: %s", told.id, error)
            told.stored = False
        return told.stored

    async def _retrieve(self, visit: Visit, caller: Caller, response_id: str) -> None:
        query = _query(visit)
        if query.get("stream", ["false"])[-1].lower() == "true":
            raise BadRequest("A response that is over cannot be streamed again; leave 'stream' out.", param="stream")
        kept = await self._found(caller, response_id)
        included = [*query.get("include", ()), *query.get("include[]", ())]
        body = keeping.told_again(kept.reply, kept.output, sealed=ENCRYPTED in included)
        await visit.whole(200, (JSON,), body)

    async def _delete(self, visit: Visit, caller: Caller, response_id: str) -> None:
        if not await _there(self._kept.delete(caller.organisation, response_id)):
            raise _unknown(response_id, "response_id")
        await visit.whole(200, (JSON,), keeping.deleted(response_id))

    async def _list(self, visit: Visit, caller: Caller, response_id: str) -> None:
        """The items that the answer was made from, those of earlier turns too as far back as they are kept."""
        kept = await self._found(caller, response_id)
        before = [] if kept.previous is None else await _there(self._kept.left(caller.organisation, kept.previous))
        await visit.whole(200, (JSON,), keeping.listed([*before, *kept.input], _query(visit)))

    async def _found(self, caller: Caller, response_id: str) -> Kept:
        kept = await _there(self._kept.find(caller.organisation, response_id))
        if kept is None:
            raise _unknown(response_id, "response_id")
        return kept

    async def _before(self, caller: Caller, previous: str | None) -> Sequence[Raw]:
        """The items of the conversation so far."""
        if previous is None:
            return ()
        items = await _there(self._kept.before(caller.organisation, previous))
        if items is None:
            raise _unknown(previous, "previous_response_id", "previous_response_not_found")
        return items

    async def _referred(self, caller: Caller, received: Received) -> dict[str, Raw]:
        """The kept items that the input refers to."""
        wanted = received.references()
        if not wanted:
            return {}
        return await _there(self._kept.items(caller.organisation, wanted))


def _query(visit: Visit) -> dict[str, list[str]]:
    """What stands behind the question mark, by name."""
    return parse_qs(visit.query.decode("latin-1"), keep_blank_values=True)


async def _there(asked: Awaitable[T]) -> T:
    """What the store says, which this cannot do without."""
    try:
        return await asked
    except Unavailable:
        raise StoreAway(_AWAY) from None


def _unknown(response_id: str, param: str, code: str = "not_found") -> Unknown:
    """Nothing of this organisation's; whether it is another's, nobody is told."""
    return Unknown(f"Response with id '{response_id[:100]}' not found.", param=param, code=code)


def _nowhere(visit: Visit, response_id: str, rest: str) -> SyntraError:
    """Another method than the path has, or no path at all."""
    allowed = {"": "GET, DELETE", "input_items": "GET", "cancel": "POST"}.get(rest) if response_id else "POST"
    if allowed is None:
        return UnknownRoute(f"Nothing is served at {visit.method} {visit.whole_path[:200]}. See the routes at /docs.")
    return WrongMethod(f"This URL takes {allowed}, not {visit.method}.", allowed)
