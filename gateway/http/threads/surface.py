"""The routes of threads. An answer is made by the pipeline, as every other; a thread only asks it and keeps it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Final, TypeVar
from urllib.parse import parse_qs
from uuid import UUID

import msgspec
from msgspec import UNSET, Struct, structs

from gateway.core import chat
from gateway.core.caller import Caller
from gateway.core.context import Summary
from gateway.core.errors import BadRequest, StoreAway, Unknown, UnknownRoute, WrongMethod
from gateway.core.noting import own_words
from gateway.core.owner import owner
from gateway.http.chat import wishes_of
from gateway.http.intake import Head
from gateway.http.threads import asked as bodies
from gateway.http.threads import shown
from gateway.http.threads.asked import Wanted
from gateway.http.threads.resume import Resume
from gateway.http.threads.run import Order, Run
from gateway.http.threads.runs import Runs
from gateway.http.visit import JSON, Visit
from gateway.pipeline import Services
from gateway.stages.memory import Scope, person
from gateway.stores.breaker import Unavailable
from gateway.stores.postgres import Postgres
from gateway.stores.streams import Streams
from gateway.stores.threads import Asked, Message, Shelf

PATH: Final = "/api/threads"
_AWAY: Final = "Threads are kept in PostgreSQL, which does not answer now; please try again."
_SYNTRA: Final = "syntra"

T = TypeVar("T")


class At(Struct, frozen=True):
    """One request on its way to a thread: whose it is, and what its path names."""

    visit: Visit
    head: Head
    caller: Caller
    owner: str
    shelf: Shelf
    thread: UUID | None = None
    message: UUID | None = None


Handler = Callable[[At], Awaitable[None]]


class Threads:
    """Serves `/api/threads…`."""

    def __init__(
        self, services: Services, postgres: Postgres, shared: Streams, *, body_seconds: float, total_seconds: float
    ) -> None:
        self._services = services
        self._postgres = postgres
        self._body_seconds = body_seconds
        self._total_seconds = total_seconds
        self.runs = Runs(shared)
        self._resume = Resume(self.runs, shared, total_seconds)
        self._routes: Mapping[str, Mapping[str, Handler]] = {
            "": {"POST": self._make, "GET": self._list},
            "T": {"GET": self._show, "PATCH": self._change, "DELETE": self._delete},
            "T/messages": {"POST": partial(self._ask, stream=False), "GET": self._messages},
            "T/messages/stream": {"POST": partial(self._ask, stream=True), "GET": self._go_on},
            "T/messages/M": {"GET": self._message, "PATCH": self._edit},
            "T/messages/M/regenerate": {"POST": partial(self._again, stream=False)},
            "T/messages/M/regenerate/stream": {"POST": partial(self._again, stream=True)},
        }

    async def serve(self, visit: Visit, head: Head, caller: Caller) -> None:
        """One request, by its path and method."""
        parts = visit.path.removeprefix(PATH).strip("/").split("/")
        named = "/".join(_name(place, part) for place, part in enumerate(parts))
        methods = self._routes.get(named)
        if methods is None:
            raise UnknownRoute(f"Nothing is served at {visit.method} {visit.path[:200]}. See /docs.")
        handler = methods.get(visit.method)
        if handler is None:
            raise WrongMethod(f"This URL takes {' or '.join(methods)}, not {visit.method}.", ", ".join(methods))
        whose = owner(caller, head.user)
        if not caller.user and whose.startswith("user "):
            caller = structs.replace(caller, user=whose.removeprefix("user "))
        thread, message = (_id(parts, at) for at in (0, 2))
        shelf = Shelf(self._postgres, caller.organisation, whose)
        try:
            await handler(At(visit, head, caller, whose, shelf, thread, message))
        except Unavailable:
            raise StoreAway(_AWAY) from None

    # threads

    async def _make(self, at: At) -> None:
        body = bodies.new_thread(await self._body(at))
        made = await at.shelf.make(body.title, body.metadata)
        await _reply(at, shown.thread(made), status=201)

    async def _list(self, at: At) -> None:
        limit, after, _ = _paging(at.visit)
        if after is not None and await at.shelf.find(after) is None:
            raise _bad_cursor()
        await _reply(at, shown.page(await at.shelf.page(limit + 1, after), limit, shown.thread))

    async def _show(self, at: At) -> None:
        await _reply(at, shown.thread(_there(await at.shelf.find(_thread(at)))))

    async def _change(self, at: At) -> None:
        body = bodies.thread_change(await self._body(at))
        title = None if body.title is UNSET else body.title
        metadata = None if body.metadata is UNSET else body.metadata
        await _reply(at, shown.thread(_there(await at.shelf.change(_thread(at), title, metadata))))

    async def _delete(self, at: At) -> None:
        thread = _thread(at)
        if not await at.shelf.delete(thread):
            raise _unknown("thread")
        await _reply(at, shown.Deleted(str(thread)))

    # messages

    async def _messages(self, at: At) -> None:
        limit, after, backward = _paging(at.visit)
        thread = _thread(at)
        found = _there(await at.shelf.messages(thread, limit + 1, after, backward=backward))
        if after is not None and not found and await at.shelf.message(thread, after) is None:
            raise _bad_cursor()
        await _reply(at, shown.page(found, limit, partial(shown.message, str(thread))))

    async def _message(self, at: At) -> None:
        thread = _thread(at)
        found = await at.shelf.message(thread, _message(at))
        await _reply(at, shown.message(str(thread), _there(found, "message")))

    async def _edit(self, at: At) -> None:
        content = bodies.edit(await self._body(at))
        thread, message = _thread(at), _message(at)
        before = _there(await at.shelf.message(thread, message), "message")
        if before.role != "user":
            raise BadRequest("Only what the user said can be edited; an answer can be made anew.", param="message_id")
        await self._unsay(at, before)
        found = await at.shelf.edit(thread, message, content)
        await _reply(at, shown.message(str(thread), _there(found, "message")))

    async def _unsay(self, at: At, question: Message) -> None:
        """Forget what the words of a question have put into memory: they are taken back."""
        who = person(at.caller, at.head.user)
        if self._services.memory is not None and who:
            said = own_words(chat.Message("user", msgspec.json.decode(question.content, type=str | list[chat.Part])))
            scope = Scope(at.caller.organisation, who, "read-write", "")
            await self._services.memory.unsay(scope, said, question.created_at)

    # answers

    async def _ask(self, at: At, *, stream: bool) -> None:
        body = await self._body(at)
        if stream and at.visit.header(
            b"last-event-id"
        ):  # who lost the stream repeats the request, and is not asked twice
            await self._go_on(at)
            return
        wanted = bodies.question(body)
        asked = await at.shelf.ask(_thread(at), wanted.content, wanted.model, wanted.title)
        await self._answer(at, self._start(at, _there(asked), wanted, wanted.model, fresh=True), stream=stream)

    async def _again(self, at: At, *, stream: bool) -> None:
        body = await self._body(at)
        if stream and at.visit.header(b"last-event-id"):
            await self._go_on(at)
            return
        wanted = bodies.again(body)
        asked = _there(await at.shelf.again(_thread(at), _message(at)), "message")
        model = wanted.model or asked.model or _SYNTRA
        await self._answer(at, self._start(at, asked, wanted, model, fresh=False), stream=stream)

    def _start(self, at: At, asked: Asked, wanted: Wanted, model: str, *, fresh: bool) -> Run:
        """Begin the answer; from here on it does not need this visit."""
        wishes = structs.replace(wishes_of(at.head, at.visit, "threads"), conversation=f"thread {asked.thread.hex}")
        request = bodies.request(asked, wanted, model)
        if asked.summary:
            covered = sum(one.turn <= asked.summary_to for one in asked.before)
            wishes = structs.replace(wishes, summary=Summary(covered, asked.summary))
        order = Order(
            self._services, at.shelf, at.owner, at.caller, asked, request, wishes, self._total_seconds, fresh=fresh
        )
        return self.runs.start(order)

    async def _answer(self, at: At, run: Run, *, stream: bool) -> None:
        self.runs.follow(run)
        try:
            await (run.promised.wait() if stream else run.ended())
            if run.error is not None and not (stream and run.asked):
                raise run.error
            if stream:
                await self._resume.tell(at.visit, run)
            else:
                await _whole(at.visit, run)
        finally:
            self.runs.leave(run)

    async def _go_on(self, at: At) -> None:
        """Tell a stream that its client has lost, from behind the last event that it has seen."""
        if at.visit.method == "GET":
            await self._body(at)
        seen = at.visit.header(b"last-event-id") or _query(at.visit).get("last_event_id", "")
        thread = _thread(at)
        await self._resume.go_on(at.visit, at.caller.organisation, at.owner, at.shelf, thread, seen)

    async def _body(self, at: At) -> bytes:
        return await at.visit.body(at.head, self._body_seconds)


async def _whole(visit: Visit, run: Run) -> None:
    """A whole answer in one piece."""
    headers = [] if run.reply is None else run.reply.headers()
    visit.answered(run.model, run.decision)
    await visit.whole(200, (JSON, *headers), shown.encode(shown.made(run)))


async def _reply(at: At, told: object, status: int = 200) -> None:
    await at.visit.whole(status, (JSON,), shown.encode(told))


def _name(place: int, part: str) -> str:
    """A part of the path as the table of routes has it: ids are T and M."""
    if place == 0:
        return "T" if part else ""
    return "M" if place == 2 and part != "stream" else part


def _id(parts: list[str], at: int) -> UUID | None:
    """The id at this place of the path; None for what is none, which is as unknown as one that nothing has."""
    try:
        return UUID(parts[at])
    except (ValueError, IndexError):
        return None


def _thread(at: At) -> UUID:
    if at.thread is None:
        raise _unknown("thread")
    return at.thread


def _message(at: At) -> UUID:
    if at.message is None:
        raise _unknown("message")
    return at.message


def _there(found: T | None, what: str = "thread") -> T:
    if found is None:
        raise _unknown(what)
    return found


def _unknown(what: str) -> Unknown:
    """Nothing of this user's; whether it is another's, nobody is told."""
    return Unknown(f"There is no such {what}.", code=f"{what}_not_found", param=f"{what}_id")


def _bad_cursor() -> BadRequest:
    return BadRequest("This is the `last_id` of the page before.", param="after", code="invalid_value")


def _query(visit: Visit) -> dict[str, str]:
    """What stands behind the question mark, by name; the last of a name."""
    found = parse_qs(visit.query.decode("latin-1"), keep_blank_values=True)
    return {name: values[-1] for name, values in found.items()}


def _paging(visit: Visit) -> tuple[int, UUID | None, bool]:
    """How many, after which, and whether the latest come first."""
    query = _query(visit)
    limit, order, after = query.get("limit", "50"), query.get("order", "asc"), query.get("after", "")
    if not (limit.isascii() and limit.isdigit()) or not 1 <= int(limit[:9]) <= shown.MOST:
        raise BadRequest(f"'limit' is a number from 1 to {shown.MOST}.", param="limit", code="invalid_value")
    if order not in ("asc", "desc"):
        raise BadRequest("'order' is asc or desc.", param="order", code="invalid_value")
    try:
        return int(limit), UUID(after) if after else None, order == "desc"
    except ValueError:
        raise _bad_cursor() from None
