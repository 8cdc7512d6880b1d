"""`POST /v1/messages` and `POST /v1/messages/count_tokens`, and the models as Anthropic lists them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs

import msgspec
from msgspec import structs

from gateway.core.caller import Caller
from gateway.core.closing import Closing
from gateway.core.deadline import Deadline
from gateway.core.errors import NotAllowed, NothingFits, SyntraError, UnknownModel
from gateway.dialects.messages import names
from gateway.dialects.messages.asked import Asked, Words, conversation_name, parse
from gateway.dialects.messages.events import Events
from gateway.dialects.messages.fold import fold
from gateway.http.chat import wishes_of
from gateway.http.intake import CLAUDE_CODE, LONGEST_NAME, Head
from gateway.http.visit import JSON, Headers, Visit
from gateway.pipeline import Services, Wishes, answer, plan
from gateway.reply import Reply
from gateway.stages.policy import Policies
from gateway.upstream.counter import Counter

if TYPE_CHECKING:
    from litestar.types import ASGIApp, Receive, Scope, Send

PATH: Final = "/v1/messages"
COUNT_PATH: Final = "/v1/messages/count_tokens"


class Messages:
    """Serves messages, streamed or folded, and counts their tokens."""

    def __init__(self, services: Services, counter: Counter, *, body_seconds: float, total_seconds: float) -> None:
        self._services = services
        self._counter = counter
        self._body_seconds = body_seconds
        self._total_seconds = total_seconds

    async def serve(self, visit: Visit, head: Head, caller: Caller) -> None:
        """One request."""
        raw = await visit.body(head, self._body_seconds)
        asked = parse(raw, _words(visit))
        wishes = _wishes(asked, head, visit)
        with Closing() as closing:
            reply = await self._answer(caller, asked, wishes, closing)
            visit.answered(reply.decision.outcome.model, reply.decision.id)
            events = Events(asked, reply.id, head.request_id, len(raw))
            if asked.stream:
                await _stream(visit, reply, events)
            else:
                await _fold(visit, reply, events)

    async def count(self, visit: Visit, head: Head, caller: Caller) -> None:
        """How many tokens a prompt has: as the provider says that would be asked, or else as we count."""
        asked = parse(await visit.body(head, self._body_seconds), _words(visit), counts=True)
        services, request = self._services, asked.request
        wishes = _wishes(asked, head, visit)
        _, route = await plan(services.reader, services.policies.of(caller), caller, request, wishes)
        if isinstance(route, NotAllowed):
            raise route
        counted = None
        if not isinstance(route, SyntraError):
            counted = await self._counter.count(route.candidates[0], caller.credentials, request)
        if counted is None:
            counted = await services.reader.count(request)
        await visit.whole(200, (JSON, *_named(visit)), msgspec.json.encode({"input_tokens": counted}))

    async def _answer(self, caller: Caller, asked: Asked, wishes: Wishes, closing: Closing) -> Reply:
        """The answer; where nobody can search the web, without the search: an answer from memory beats none."""
        deadline = Deadline(self._total_seconds)
        if asked.without_search is None:
            return await answer(self._services, caller, asked.request, wishes, deadline, closing)
        policy = self._services.policies.of(caller)
        _, route = await plan(self._services.reader, policy, caller, asked.request, wishes)
        request = asked.without_search if isinstance(route, NothingFits) else asked.request
        return await answer(self._services, caller, request, wishes, deadline, closing)


class AnthropicModels:
    """Lists what can be asked for, to who says which of Anthropic's versions it speaks."""

    def __init__(self, policies: Policies) -> None:
        self._policies = policies

    async def serve(self, visit: Visit, _: Head, caller: Caller) -> None:
        """A page of the names, Syntra's own first; or one of them."""
        wanted = visit.path.removeprefix("/v1/models").strip("/")
        known, organisation = self._policies.of(caller).names, caller.name
        if wanted:
            name = names.meant(wanted)
            if not known.knows(organisation, name):
                raise UnknownModel(name[:100], known.near(organisation, name))
            told = names.model(name)
        else:
            query = parse_qs(visit.query.decode("latin-1"))
            after, before = query.get("after_id", [""])[-1], query.get("before_id", [""])[-1]
            limit = query.get("limit", ["20"])[-1]
            most = min(names.MOST, int(limit)) if limit.isdecimal() and 0 < len(limit) < 9 and int(limit) else 20
            told = names.page(known.names(organisation), after=after, before=before, limit=most)
        await visit.whole(200, (JSON, *_named(visit)), msgspec.json.encode(told))


def by_version(anthropic: ASGIApp, other: ASGIApp) -> ASGIApp:
    """One route for two shapes: who sends `anthropic-version` gets Anthropic's."""

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        speaks = any(name == b"anthropic-version" for name, _ in scope.get("headers", ()))
        await (anthropic if speaks else other)(scope, receive, send)

    return application


def _words(visit: Visit) -> Words:
    query = "beta=true" if b"beta=true" in visit.query.split(b"&") else ""
    return Words(visit.header(b"anthropic-version"), visit.header(b"anthropic-beta"), query)


def _wishes(asked: Asked, head: Head, visit: Visit) -> Wishes:
    name = conversation_name(asked, head.conversation, visit.header(CLAUDE_CODE)[:LONGEST_NAME])
    return structs.replace(wishes_of(head, visit, "messages"), conversation=name)


def _named(visit: Visit) -> Headers:
    """The request's id under the name that Anthropic's clients read."""
    return ((b"request-id", visit.request_id),)


async def _stream(visit: Visit, reply: Reply, events: Events) -> None:
    """The answer as it comes; its last event only after its real end."""
    await visit.start_stream((*reply.headers(), *_named(visit)), events.fail)
    while chunks := await reply.next():
        if told := events.chunks(chunks):
            await visit.write(told)
    await visit.end(events.end())


async def _fold(visit: Visit, reply: Reply, events: Events) -> None:
    """The same answer in one piece."""
    told = []
    while chunks := await reply.next():
        told.append(events.chunks(chunks))
    told.append(events.end())
    await visit.whole(200, (JSON, *reply.headers(), *_named(visit)), fold(b"".join(told)))
