"""`/api/memories`: what is kept of a user, to be listed, searched, added to, corrected, exported and forgotten."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Annotated, Any, Final
from urllib.parse import parse_qs

import msgspec
from msgspec import Meta, Struct

from gateway.core.caller import Caller
from gateway.core.chat import check_text, decode
from gateway.core.errors import BadRequest, Conflict, StoreAway, Unknown, UnknownRoute, WrongMethod
from gateway.core.memories import LONGEST, Memory, Mode, New, cleaned, least
from gateway.http.intake import Head
from gateway.http.visit import JSON, Visit
from gateway.stages.memory import person
from gateway.stages.memory.shelf import MOST, Shelf
from gateway.stages.memory.worth import facts_of
from gateway.stores.breaker import Unavailable
from gateway.stores.memories import Kept

PATH: Final = "/api/memories"

_MOST_ADDED: Final = 1000  # in one request
_PAGE: Final = 20
_EXPORTED: Final = 1000  # rows that are read at once
_ID: Final = re.compile(r"[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_AWAY: Final = "The store of memories does not answer now; please try again."
_EARLIEST, _LATEST = datetime(1900, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
_NOBODY: Final = (
    "Whose memories? Use a key that is one person's, or name the user in the header x-syntra-user or in `?user=`."
)

Text = Annotated[str, Meta(min_length=1, max_length=LONGEST)]
_encode = msgspec.json.Encoder().encode


class Said(Struct, frozen=True, forbid_unknown_fields=True):
    """A memory as a client adds it."""

    text: Text
    at: Annotated[datetime, Meta(tz=True)] | None = None
    thread: Annotated[str, Meta(max_length=200)] = ""


class Several(Struct, frozen=True, forbid_unknown_fields=True):
    """Many of them, in the order in which they were said."""

    memories: Annotated[list[Said], Meta(min_length=1, max_length=_MOST_ADDED)]


class Corrected(Struct, frozen=True, forbid_unknown_fields=True):
    """What a memory shall say."""

    text: Text


class Chosen(Struct, frozen=True, forbid_unknown_fields=True):
    """A person's own choice."""

    memory: Mode


_said = msgspec.json.Decoder(Said)
_several = msgspec.json.Decoder(Several)
_corrected = msgspec.json.Decoder(Corrected)
_chosen = msgspec.json.Decoder(Chosen)
_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])


class _Asked(Struct, frozen=True):
    """One request for somebody's memories."""

    visit: Visit
    head: Head
    caller: Caller
    kept: Kept
    name: str  # a memory's id, where the path names one
    query: dict[str, list[str]]

    def value(self, name: str, default: str = "") -> str:
        """What stands behind the question mark under this name."""
        return self.query.get(name, [default])[-1]


class MemoriesDesk:
    """Serves the memories of whoever is speaking, and nobody else's."""

    def __init__(self, shelf: Shelf, *, body_seconds: float) -> None:
        self._shelf = shelf
        self._body_seconds = body_seconds
        self._routes: dict[str, dict[str, Callable[[_Asked], Awaitable[None]]]] = {
            "": {"GET": self._list, "POST": self._add, "DELETE": self._forget_all},
            "export": {"GET": self._export},
            "settings": {"GET": self._settings, "PUT": self._choose},
            "{id}": {"GET": self._show, "PATCH": self._correct, "DELETE": self._forget},
        }

    async def serve(self, visit: Visit, head: Head, caller: Caller) -> None:
        """One request, by its path and method; somebody else's memory is as unknown as none at all."""
        query = parse_qs(visit.query.decode("latin-1"), keep_blank_values=True)
        who = person(caller, head.user, query.get("user", [""])[-1])
        if not who:
            raise BadRequest(_NOBODY, param="user", code="no_user")
        if not who.isprintable():
            raise BadRequest("A user's name has no control characters.", param="user", code="invalid_value")
        name = visit.path.removeprefix(PATH).strip("/")
        routes = self._routes.get(name, self._routes["{id}"])
        if "/" in name:
            raise UnknownRoute(f"Nothing is served at {visit.method} {visit.path[:200]}. /docs lists the routes.")
        if visit.method not in routes:
            allowed = ", ".join(routes)
            raise WrongMethod(f"This URL takes {allowed}, not {visit.method}.", allowed)
        kept = self._shelf.of(caller.organisation, who)
        try:
            await routes[visit.method](_Asked(visit, head, caller, kept, name, query))
        except Unavailable:
            raise StoreAway(_AWAY) from None

    async def _list(self, asked: _Asked) -> None:
        """What is kept, the latest first; with `query` what is about that, the best first.

        A `relevance` of 0.8 or more means that a model would be told.
        """
        limit = _limit(asked)
        if text := asked.value("query").strip():
            told = await self._shelf.search(asked.kept, text, limit)
            ranked = [_shown(one.memory) | {"relevance": round(one.relevance, 3)} for one in told]
            await _told(asked, {"object": "list", "data": ranked, "has_more": False})
            return
        found = await asked.kept.page(await _cursor(asked), limit + 1)
        data = [_shown(one) for one in found[:limit]]
        ends = {"first_id": data[0]["id"] if data else None, "last_id": data[-1]["id"] if data else None}
        await _told(asked, {"object": "list", "data": data, **ends, "has_more": len(found) > limit})

    async def _add(self, asked: _Asked) -> None:
        body = await self._body(asked)
        several = "memories" in decode(_fields, body)
        said = decode(_several, body).memories if several else [decode(_said, body)]
        mode = least(asked.caller.memory, asked.head.memory, await asked.kept.choice())
        if mode != "read-write":
            raise Conflict(f"Nothing may be remembered: memory is {mode} for this key, user or request.")
        now = datetime.now(UTC)
        wanted: list[New] = []
        for one in said:
            statement = New(_text(one.text), _moment(one.at) or now, thread=one.thread)
            wanted += [statement, *facts_of(statement, len(wanted))]
            await asyncio.sleep(0)  # a thousand of them take a second
        added, findable = await self._shelf.add(asked.kept, wanted)
        shown = [_shown(one) for one, new in zip(added, wanted, strict=True) if new.source is None]
        late = () if findable else ((b"x-syntra-degraded", b"memory"),)
        told = {"object": "list", "data": shown} if several else shown[0]
        await asked.visit.whole(201, (JSON, *late), _encode(told))

    async def _forget_all(self, asked: _Asked) -> None:
        gone = await self._shelf.forget_all(asked.kept)
        await _told(asked, {"object": "memories.deleted", "deleted": gone})

    async def _export(self, asked: _Asked) -> None:
        """All of it, the oldest first, in one JSON object."""
        data: list[dict[str, Any]] = []
        after = None
        while page := await asked.kept.page(after, _EXPORTED):
            data += [_shown(one) for one in page]
            after = page[-1].id
        attached = (b"content-disposition", b'attachment; filename="memories.json"')
        body = {"object": "memories.export", "memory": await asked.kept.choice(), "data": data[::-1]}
        await asked.visit.whole(200, (JSON, attached), _encode(body))

    async def _settings(self, asked: _Asked) -> None:
        await _told(asked, {"object": "memory.settings", "memory": await asked.kept.choice()})

    async def _choose(self, asked: _Asked) -> None:
        chosen = decode(_chosen, await self._body(asked))
        await asked.kept.choose(chosen.memory)
        await _told(asked, {"object": "memory.settings", "memory": chosen.memory})

    async def _show(self, asked: _Asked) -> None:
        await _told(asked, _shown(await _found(asked)))

    async def _correct(self, asked: _Asked) -> None:
        text = _text(decode(_corrected, await self._body(asked)).text)
        before = await _found(asked)
        memory = await self._shelf.correct(asked.kept, before, text)
        if memory is None:
            await _found(asked)  # 404 where it was forgotten meanwhile
            raise Conflict("Another memory says just this already.")
        await _told(asked, _shown(memory))

    async def _forget(self, asked: _Asked) -> None:
        cascade = asked.value("cascade").lower() in ("true", "1")
        memory = await _found(asked)
        gone = await self._shelf.forget(asked.kept, memory.id, cascade=cascade)
        if not gone:
            raise _unknown(asked.name)
        await _told(asked, {"id": memory.id, "object": "memory.deleted", "deleted": True, "ids": gone})

    async def _body(self, asked: _Asked) -> bytes:
        body = await asked.visit.body(asked.head, self._body_seconds)
        check_text(body)
        return body


async def _told(asked: _Asked, told: dict[str, Any]) -> None:
    await asked.visit.whole(200, (JSON,), _encode(told))


async def _found(asked: _Asked) -> Memory:
    wanted = _id(asked.name)
    memory = (await asked.kept.find([wanted])).get(wanted) if wanted else None
    if memory is None:
        raise _unknown(asked.name)
    return memory


def _shown(memory: Memory) -> dict[str, Any]:
    told: dict[str, Any] = {"id": memory.id, "object": "memory", "text": memory.text, "kind": memory.kind}
    told["at"] = memory.at.astimezone(UTC)
    if memory.slot:
        told["about"] = memory.slot
    if memory.thread:
        told["thread"] = memory.thread
    if memory.source:
        told["derived_from"] = memory.source
    return told


def _text(text: str) -> str:
    found = cleaned(text)
    if not found:
        raise BadRequest("There is nothing in 'text'.", param="text", code="invalid_value")
    return found


def _moment(at: datetime | None) -> datetime | None:
    """When something was said, where that can be: no calendar of ours goes on for ever."""
    if at is not None and not _EARLIEST < at < _LATEST:
        raise BadRequest(f"'at' lies between {_EARLIEST.year} and {_LATEST.year}.", param="at", code="invalid_value")
    return at


async def _cursor(asked: _Asked) -> str | None:
    """The memory behind which a page begins; one that is gone has no place any more."""
    name = asked.value("after")
    after = _id(name)
    if name and not (after and await asked.kept.find([after])):
        raise BadRequest("'after' is the id of a memory that is kept.", param="after", code="invalid_value")
    return after or None


def _limit(asked: _Asked) -> int:
    wanted = asked.value("limit", str(_PAGE))
    if not wanted.isascii() or not wanted.isdigit() or not 1 <= int(wanted[:9]) <= MOST:
        raise BadRequest(f"'limit' is a number from 1 to {MOST}.", param="limit", code="invalid_value")
    return int(wanted)


def _id(name: str) -> str:
    """The id as we write it; empty for what is none."""
    return name.replace("-", "") if _ID.fullmatch(name) else ""


def _unknown(name: str) -> Unknown:
    return Unknown(f"There is no memory '{name[:100]}'.", param="id")
