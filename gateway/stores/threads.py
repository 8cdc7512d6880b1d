"""Threads: whole conversations, kept for front ends until they are deleted.

A `Shelf` is made with an organisation and an owner, so nothing of another user's can be asked for: the database keeps
the organisations apart, and every statement here names the owner. A turn has a number, a question and, when one has
come, an answer; that stands beside its own question whatever was asked meanwhile.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec
from msgspec import Raw, Struct
from psycopg import AsyncCursor
from psycopg.rows import DictRow

from gateway.core.ids import uuid7
from gateway.stores.postgres import Postgres

MOST_BYTES: Final = 16 * 1024 * 1024  # of a conversation; no window has so much text
_STEPS: Final = 4  # the first turn of a longer one moves by such a part of it, so that a provider's cache holds

_THREAD: Final = "select id, title, metadata, turns, created_at, updated_at from thread"
_PAGE: Final = """
    select id, title, metadata, turns, created_at, updated_at from thread
    where owner = %(owner)s and (%(after)s::uuid is null or (updated_at, id) <
        (select updated_at, id from thread where owner = %(owner)s and id = %(after)s))
    order by updated_at desc, id desc limit %(limit)s
"""
_CHANGE: Final = """
    update thread set title = coalesce(%(title)s, title), metadata = coalesce(%(metadata)s::jsonb, metadata)
    where owner = %(owner)s and id = %(id)s
    returning id, title, metadata, turns, created_at, updated_at
"""
_LISTED: Final = """
    select id, turn, role, content::text, status, model, decision, finish_reason, usage::text, created_at, edited_at
    from message where thread_id = %(thread)s
"""
_FORWARD: Final = """
    and (%(after)s::uuid is null or (turn, role = 'assistant') >
        (select turn, role = 'assistant' from message where thread_id = %(thread)s and id = %(after)s))
    order by turn, role = 'assistant' limit %(limit)s
"""
_BACKWARD: Final = """
    and (%(after)s::uuid is null or (turn, role = 'assistant') <
        (select turn, role = 'assistant' from message where thread_id = %(thread)s and id = %(after)s))
    order by turn desc, role = 'assistant' desc limit %(limit)s
"""
_NEXT: Final = """
    update thread set turns = turns + 1, updated_at = now(), title = case title when '' then %(title)s else title end
    where owner = %(owner)s and id = %(id)s returning turns, summary, summary_to
"""
_ASK: Final = """
    insert into message (org_id, id, thread_id, turn, role, content, model)
    values (current_setting('app.org_id')::uuid, %(id)s, %(thread)s, %(turn)s, 'user', %(content)s, %(model)s)
"""
# As one text, because thousands of rows would keep the loop.
_BEFORE: Final = """
    with said as (
        select turn, role, content::text as content, octet_length(content::text)::bigint as size from message
        where thread_id = %(thread)s and (turn < %(turn)s or (turn = %(turn)s and role = 'user'))
    ), placed as (
        select *, sum(size) over () as whole,
            coalesce(sum(size) over (order by turn range between unbounded preceding and 1 preceding), 0) as before
        from said
    )
    select '[' || string_agg('[' || turn || ',"' || role || '",' || content || ']', ','
        order by turn, role = 'assistant') || ']' as said
    from placed where before >= (ceil(whole / %(step)s) - %(steps)s) * %(step)s or turn = %(turn)s
"""
_QUESTION: Final = """
    select q.id, q.turn, q.edited_at, q.model, t.turns, t.summary, t.summary_to from message m
    join message q on q.thread_id = m.thread_id and q.turn = m.turn and q.role = 'user'
    join thread t on t.id = m.thread_id
    where m.thread_id = %(thread)s and m.id = %(id)s
"""
_EDIT: Final = """
    update message set content = %(content)s, edited_at = clock_timestamp()
    where thread_id = %(thread)s and id = %(id)s and role = 'user' returning turn
"""
_FORGET_AFTER: Final = """
    delete from message where thread_id = %(thread)s
        and (turn > %(turn)s or (turn = %(turn)s and role = 'assistant')) and turn <= %(last)s
"""
# A summary of words that were changed or taken back is no summary.
_UNSUMMARISE: Final = """
    update thread set summary = '', summary_to = 0 where id = %(thread)s and summary_to >= %(turn)s
"""
# The question as it was when it was asked: an answer to words that were changed or taken back is nobody's.
_STANDS: Final = """
    select from message
    where thread_id = %(thread)s and id = %(question)s and edited_at is not distinct from %(edited_at)s for update
"""
_ANSWER: Final = """
    insert into message (org_id, id, thread_id, turn, role, content, status, model, decision, finish_reason, usage)
    values (current_setting('app.org_id')::uuid, %(id)s, %(thread)s, %(turn)s, 'assistant', %(content)s, %(status)s,
        %(model)s, %(decision)s, %(finish_reason)s, %(usage)s)
    on conflict (org_id, thread_id, turn, role) do nothing
"""

_said = msgspec.json.Decoder(list[tuple[int, str, Raw]])


class Thread(Struct, frozen=True):
    """A conversation without its messages."""

    id: UUID
    title: str
    metadata: Mapping[str, str]
    turns: int
    created_at: datetime
    updated_at: datetime


class Message(Struct, frozen=True):
    """A question or an answer."""

    id: UUID
    turn: int
    role: str
    content: Raw
    status: str
    model: str
    decision: str
    finish_reason: str
    usage: Raw | None
    created_at: datetime
    edited_at: datetime | None


class Said(Struct, frozen=True):
    """A message as a model is given it."""

    turn: int
    role: str
    content: Raw


class Asked(Struct, frozen=True):
    """A question in its place, with all that was said before it and itself, oldest first."""

    thread: UUID
    question: UUID
    turn: int
    last: int  # the thread's last turn when it was asked
    edited_at: datetime | None
    before: Sequence[Said]
    model: str = ""  # that it was asked of before
    summary: str = ""  # a model's, of what was said up to and with turn `summary_to`
    summary_to: int = 0


class Answer(Struct, frozen=True):
    """What a model has said."""

    id: UUID
    content: str
    status: str
    model: str
    decision: str
    finish_reason: str
    usage: Raw | None


class Shelf:
    """One user's threads; everything raises Unavailable where PostgreSQL does not answer in time."""

    def __init__(self, postgres: Postgres, organisation: str, owner: str) -> None:
        self._postgres = postgres
        self._organisation = organisation
        self._owner = owner

    async def make(self, title: str, metadata: Mapping[str, str]) -> Thread:
        """A new thread."""
        return await self._postgres.soon(self._make(title, metadata))

    async def page(self, limit: int, after: UUID | None) -> list[Thread]:
        """Threads, the one that was last written to first; none where `after` is not one of them."""
        values = {"owner": self._owner, "limit": limit, "after": after}
        return await self._postgres.soon(self._threads(_PAGE, values))

    async def find(self, thread_id: UUID) -> Thread | None:
        """The thread of this id."""
        found = await self._postgres.soon(
            self._threads(f"{_THREAD} where owner = %(owner)s and id = %(id)s", {"owner": self._owner, "id": thread_id})
        )
        return found[0] if found else None

    async def change(self, thread_id: UUID, title: str | None, metadata: Mapping[str, str] | None) -> Thread | None:
        """The thread with another title or other metadata; None leaves one as it is."""
        encoded = None if metadata is None else _json(metadata)
        values = {"owner": self._owner, "id": thread_id, "title": title, "metadata": encoded}
        found = await self._postgres.soon(self._threads(_CHANGE, values))
        return found[0] if found else None

    async def delete(self, thread_id: UUID) -> bool:
        """Forget a thread with all that was said in it; whether there was one."""
        return await self._postgres.soon(self._delete(thread_id))

    async def messages(
        self, thread_id: UUID, limit: int, after: UUID | None, *, backward: bool = False
    ) -> list[Message] | None:
        """Messages in their order, or the latest first; None where there is no such thread."""
        return await self._postgres.soon(self._messages(thread_id, limit, after, backward=backward))

    async def message(self, thread_id: UUID, message_id: UUID) -> Message | None:
        """One message."""
        return await self._postgres.soon(self._message(thread_id, message_id))

    async def ask(self, thread_id: UUID, content: bytes, model: str, title: str) -> Asked | None:
        """Put a question at the end; None where there is no such thread. The first one names it, if nothing has."""
        return await self._postgres.soon(self._ask(thread_id, content, model, title))

    async def again(self, thread_id: UUID, message_id: UUID) -> Asked | None:
        """The question of this message's turn, as it was asked."""
        return await self._postgres.soon(self._again(thread_id, message_id))

    async def edit(self, thread_id: UUID, message_id: UUID, content: bytes) -> Message | None:
        """The question in other words; its answer and what came later are forgotten. None where it is no question."""
        return await self._postgres.soon(self._edit(thread_id, message_id, content))

    async def take_back(self, asked: Asked) -> None:
        """Forget a question that nobody was asked."""
        await self._postgres.soon(self._take_back(asked))

    async def answered(self, asked: Asked, answer: Answer) -> bool:
        """Keep an answer in place of those that it replaces; whether its question still stands.

        One that was cut never replaces another. Nobody waits for this, so it takes its time.
        """
        async with self._own(asked.thread) as cursor:
            if cursor is None:
                return False
            values = {"thread": asked.thread, "question": asked.question, "edited_at": asked.edited_at}
            await cursor.execute(_STANDS, values)
            if not cursor.rowcount:
                return False
            place: dict[str, object] = {"thread": asked.thread, "turn": asked.turn}
            if answer.status == "complete":
                await cursor.execute(_FORGET_AFTER, {**place, "last": asked.last})
                await cursor.execute(_UNSUMMARISE, place)
            told = msgspec.structs.asdict(answer) | {
                "content": _json(answer.content),
                "usage": None if answer.usage is None else bytes(answer.usage).decode(),
            }
            await cursor.execute(_ANSWER, {**place, **told})
            await cursor.execute("update thread set updated_at = now() where id = %(thread)s", place)
            return True

    async def summary_to(self, thread_id: UUID) -> int:
        """The last turn that the thread's summary is of; 0 where there is none."""
        async with self._own(thread_id, to_change=False) as cursor:
            if cursor is None:
                return 0
            await cursor.execute("select summary_to from thread where id = %s", (thread_id,))
            row = await cursor.fetchone()
            return int(row["summary_to"]) if row is not None else 0

    async def summarised(self, asked: Asked, turn: int, text: str) -> None:
        """Keep a summary of what was said up to and with this turn, unless its question was changed meanwhile."""
        async with self._own(asked.thread) as cursor:
            if cursor is None:
                return
            values = {"thread": asked.thread, "question": asked.question, "edited_at": asked.edited_at}
            await cursor.execute(_STANDS, values)
            if cursor.rowcount:
                query = "update thread set summary = %s, summary_to = %s where id = %s"
                await cursor.execute(query, (text, turn, asked.thread))

    async def _make(self, title: str, metadata: Mapping[str, str]) -> Thread:
        async with self._postgres.tenant(self._organisation) as cursor:
            await cursor.execute(
                "insert into thread (org_id, id, owner, title, metadata) values"
                " (current_setting('app.org_id')::uuid, %s, %s, %s, %s::jsonb)"
                " returning id, title, metadata, turns, created_at, updated_at",
                (UUID(uuid7()), self._owner, title, _json(metadata)),
            )
            return msgspec.convert(await cursor.fetchone(), Thread)

    async def _threads(self, query: Any, values: Mapping[str, object]) -> list[Thread]:
        async with self._postgres.tenant(self._organisation) as cursor:
            await cursor.execute(query, values)
            return [msgspec.convert(row, Thread) for row in await cursor.fetchall()]

    async def _delete(self, thread_id: UUID) -> bool:
        async with self._postgres.tenant(self._organisation) as cursor:
            await cursor.execute("delete from thread where owner = %s and id = %s", (self._owner, thread_id))
            return cursor.rowcount > 0

    @asynccontextmanager
    async def _own(self, thread_id: UUID, *, to_change: bool = True) -> AsyncIterator[AsyncCursor[DictRow] | None]:
        """A transaction about a thread of this owner's, which nobody else changes meanwhile; None where it is not."""
        lock = " for no key update" if to_change else ""
        async with self._postgres.tenant(self._organisation) as cursor:
            query: Any = f"select from thread where owner = %s and id = %s{lock}"
            await cursor.execute(query, (self._owner, thread_id))
            yield cursor if cursor.rowcount else None

    async def _messages(
        self, thread_id: UUID, limit: int, after: UUID | None, *, backward: bool
    ) -> list[Message] | None:
        async with self._own(thread_id, to_change=False) as cursor:
            if cursor is None:
                return None
            values = {"thread": thread_id, "limit": limit, "after": after}
            await cursor.execute(_LISTED + (_BACKWARD if backward else _FORWARD), values)
            return [_message(row) for row in await cursor.fetchall()]

    async def _message(self, thread_id: UUID, message_id: UUID) -> Message | None:
        async with self._own(thread_id, to_change=False) as cursor:
            return None if cursor is None else await _one(cursor, thread_id, message_id)

    async def _ask(self, thread_id: UUID, content: bytes, model: str, title: str) -> Asked | None:
        async with self._postgres.tenant(self._organisation) as cursor:
            await cursor.execute(_NEXT, {"owner": self._owner, "id": thread_id, "title": title})
            row = await cursor.fetchone()
            if row is None:
                return None
            question, turn = UUID(uuid7()), row["turns"]
            values = {"id": question, "thread": thread_id, "turn": turn, "content": content.decode(), "model": model}
            await cursor.execute(_ASK, values)
            before = await _before(cursor, thread_id, turn)
            return Asked(
                thread_id, question, turn, turn, None, before, summary=row["summary"], summary_to=row["summary_to"]
            )

    async def _again(self, thread_id: UUID, message_id: UUID) -> Asked | None:
        async with self._own(thread_id, to_change=False) as cursor:
            if cursor is None:
                return None
            await cursor.execute(_QUESTION, {"thread": thread_id, "id": message_id})
            row = await cursor.fetchone()
            if row is None:
                return None
            before = await _before(cursor, thread_id, row["turn"])
            return Asked(
                thread_id,
                row["id"],
                row["turn"],
                row["turns"],
                row["edited_at"],
                before,
                row["model"],
                row["summary"],
                row["summary_to"],
            )

    async def _edit(self, thread_id: UUID, message_id: UUID, content: bytes) -> Message | None:
        async with self._own(thread_id) as cursor:
            if cursor is None:
                return None
            values: dict[str, object] = {"thread": thread_id, "id": message_id}
            await cursor.execute(_EDIT, {**values, "content": content.decode()})
            row = await cursor.fetchone()
            if row is None:
                return None
            await cursor.execute(_FORGET_AFTER, {**values, "turn": row["turn"], "last": 2**31 - 1})
            await cursor.execute(_UNSUMMARISE, {**values, "turn": row["turn"]})
            await cursor.execute("update thread set updated_at = now() where id = %(thread)s", values)
            return await _one(cursor, thread_id, message_id)

    async def _take_back(self, asked: Asked) -> None:
        async with self._own(asked.thread) as cursor:
            if cursor is not None:
                await cursor.execute(
                    "delete from message where thread_id = %s and id = %s", (asked.thread, asked.question)
                )


async def _one(cursor: AsyncCursor[DictRow], thread_id: UUID, message_id: UUID) -> Message | None:
    await cursor.execute(f"{_LISTED} and id = %(id)s", {"thread": thread_id, "id": message_id})
    row = await cursor.fetchone()
    return None if row is None else _message(row)


async def _before(cursor: AsyncCursor[DictRow], thread_id: UUID, turn: int) -> list[Said]:
    """What was said up to and with the question of a turn; of more than MOST_BYTES the latest part."""
    values = {"thread": thread_id, "turn": turn, "step": MOST_BYTES // _STEPS, "steps": _STEPS}
    await cursor.execute(_BEFORE, values)
    row = await cursor.fetchone()
    return [] if row is None else [Said(*said) for said in _said.decode(row["said"] or "[]")]


def _message(row: Mapping[str, Any]) -> Message:
    usage = None if row["usage"] is None else Raw(row["usage"].encode())
    return Message(**{**row, "content": Raw(row["content"].encode()), "usage": usage})


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
