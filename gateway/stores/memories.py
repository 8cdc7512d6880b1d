"""Memories in PostgreSQL, where they are true: what the vectors say is looked up here before anybody is told.

The handle is the isolation, as with vectors: `of` cannot be called without an organisation and a person. The database
keeps organisations apart; every statement here names the person.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, LiteralString, NamedTuple

import msgspec
from psycopg import AsyncCursor
from psycopg.types.json import Jsonb

from gateway.core.ids import uuid7
from gateway.core.memories import Memory, Mode, New, place, says_more
from gateway.stores.postgres import Postgres, Row

_SHOWN: Final = "id, text, at, kind, thread, slot, place, mark, source"
_LOCK: Final = "select pg_advisory_xact_lock(hashtextextended(current_setting('app.org_id') || %(person)s, 0))"
_ADD: Final = """
    insert into memory (org_id, id, person, place, tail, kind, text, slot, thread, at, digest, source, decision)
    select current_setting('app.org_id')::uuid, x.id, %(person)s,
           (select coalesce(max(place), 0) from memory where person = %(person)s) + x.number,
           x.tail, x.kind, x.text, x.slot, x.thread, x.at, decode(x.digest, 'hex'),
           coalesce((select said.id from memory said where said.person = %(person)s and said.superseded_by is null
                     and said.digest = decode(x.of, 'hex') offset 0), x.source), x.decision
    from jsonb_to_recordset(%(rows)s) as x(id uuid, number int, tail bigint, kind text, text text, slot text,
         thread text, at timestamptz, digest text, source uuid, of text, decision uuid)
    order by x.number
    on conflict (org_id, person, digest) where superseded_by is null do nothing
    returning id, text, kind, slot, thread, at, place, mark, source, digest
"""
_SAID: Final = f"""
    select said.* from unnest(%(digests)s::bytea[]) as one(digest) cross join lateral (
        select {_SHOWN}, digest from memory
        where person = %(person)s and digest = one.digest and superseded_by is null offset 0
    ) said
"""  # noqa: S608  # names of our own
_SINCE: Final = """
    select said.id from unnest(%(digests)s::bytea[]) as one(digest) cross join lateral (
        select id from memory
        where person = %(person)s and digest = one.digest and superseded_by is null
          and decision is not null and at >= %(since)s offset 0
    ) said
"""
_FACTS: Final = "select id from memory where person = %(person)s and source = any(%(ids)s)"
# The latest fact of a slot is in force.
_SUPERSEDE: Final = """
    update memory old set superseded_by = new.id from memory new
    where old.person = %(person)s and new.person = %(person)s and new.id = any(%(ids)s) and new.kind = 'fact'
      and new.superseded_by is null and old.kind = 'fact' and old.slot = new.slot and old.place < new.place
      and old.superseded_by is null
    returning old.id, old.mark, old.source, new.id as by
"""
# Statements of whose facts none is in force any more, with these: those that say nothing else are not either.
_EMPTIED: Final = """
    select said.id, said.text, array_agg(fact.text) as facts from memory said
    join memory fact on fact.org_id = said.org_id and fact.source = said.id
    where said.person = %(person)s and said.id = any(%(sources)s) and said.superseded_by is null
    group by said.id, said.text having bool_and(fact.superseded_by is not null)
"""
_EMPTY: Final = """
    update memory said set superseded_by = one.by from unnest(%(ids)s::uuid[], %(bys)s::uuid[]) as one(id, by)
    where said.person = %(person)s and said.id = one.id
    returning said.id, said.mark
"""
_TOLD: Final = b"select memories_told_as_json($1, $2, $3)"
_FIND: Final = f"select {_SHOWN} from memory where person = %(person)s and id = any(%(ids)s) and superseded_by is null"  # noqa: S608
_PAGE: Final = f"""
    select {_SHOWN} from memory
    where person = %(person)s and superseded_by is null
      and place < coalesce((select place from memory where person = %(person)s and id = %(after)s), %(most)s)
    order by place desc limit %(limit)s
"""  # noqa: S608
_CORRECT: Final = f"""
    update memory set text = %(text)s, digest = %(digest)s, indexed = ''
    where person = %(person)s and id = %(id)s and superseded_by is null
      and not exists (select from memory other where other.person = %(person)s and other.digest = %(digest)s
                      and other.superseded_by is null and other.id <> %(id)s)
    returning {_SHOWN}
"""  # noqa: S608
_DERIVED: Final = """
    with recursive derived as (
        select id from memory where person = %(person)s and id = any(%(ids)s)
        union
        select m.id from memory m join derived d on m.source = d.id or m.superseded_by = d.id
        where m.person = %(person)s
    )
    select id from derived
"""
_DELETE: Final = """
    with deleted as (
        delete from memory where person = %(person)s and id = any(%(ids)s) returning org_id, id, person, mark
    )
    insert into memory_gone (org_id, id, person, mark) select org_id, id, person, mark from deleted
    on conflict do nothing returning id, mark
"""
_DELETE_ALL: Final = """
    with deleted as (delete from memory where person = %(person)s returning org_id, id, person, mark)
    insert into memory_gone (org_id, id, person, mark) select org_id, id, person, mark from deleted
    on conflict do nothing returning id, mark
"""
_BEHIND: Final = f"""
    select {_SHOWN} from memory
    where person = %(person)s and indexed <> %(generation)s and superseded_by is null order by place limit %(limit)s
"""  # noqa: S608
_MARK: Final = """
    update memory set indexed = %(generation)s from unnest(%(ids)s::uuid[], %(texts)s::text[]) as has(id, text)
    where memory.person = %(person)s and memory.id = any(%(ids)s::uuid[]) and memory.id = has.id
      and memory.text = has.text and memory.superseded_by is null
    returning memory.mark
"""
_GONE: Final = "select id, mark from memory_gone where person = %(person)s limit %(limit)s"
_FORGOTTEN: Final = "delete from memory_gone where person = %(person)s and mark = any(%(marks)s)"
_OWE: Final = """
    insert into memory_owed (org_id, id, person, known)
    select current_setting('app.org_id')::uuid, id, %(person)s, %(known)s from unnest(%(ids)s::uuid[]) as id
    on conflict (org_id, id) do update set known = true, at = clock_timestamp()
"""
_OWED: Final = f"""
    select o.id as owed, o.known, o.at as since, m.* from memory_owed o
    left join (select {_SHOWN} from memory where person = %(person)s and superseded_by is null) m on m.id = o.id
    where o.person = %(person)s order by o.at limit %(limit)s
"""  # noqa: S608
_PAID: Final = """
    delete from memory_owed using unnest(%(ids)s::uuid[], %(since)s::timestamptz[]) as paid(id, since)
    where memory_owed.person = %(person)s and memory_owed.id = paid.id and memory_owed.at = paid.since
"""
_CHOOSE: Final = """
    insert into memory_choice (org_id, person, mode) values (current_setting('app.org_id')::uuid, %(person)s, %(mode)s)
    on conflict (org_id, person) do update set mode = excluded.mode
"""
_CHOICE: Final = "select mode from memory_choice where person = %(person)s"

_read: Final = msgspec.json.Decoder(list[Memory]).decode


class Gone(NamedTuple):
    """A memory that is not true any more."""

    id: str
    mark: int  # what its vectors are called


class Owed(NamedTuple):
    """What SuperMemory has not heard yet: the memory as it is, None where it is not true any more."""

    id: str
    memory: Memory | None
    known: bool  # it may have an earlier state of it
    since: datetime


class Memories:
    """The store of memories; everything raises Unavailable where PostgreSQL does not answer in time."""

    def __init__(self, postgres: Postgres, *, owes: bool = False) -> None:
        self._postgres = postgres
        self._owes = owes  # another store hears of what changes

    def of(self, organisation: str, person: str) -> Kept:
        """What is kept of one person of one organisation."""
        if not organisation or not person:
            raise ValueError("memories are somebody's: an organisation and a person")
        return Kept(self._postgres, organisation, person, owes=self._owes)

    async def owing(self) -> list[tuple[str, str]]:
        """Organisations and persons of whom another store has not heard everything."""
        rows = await self._postgres.call("select org_id, person from memory_owing()")
        return [(str(row["org_id"]), row["person"]) for row in rows]

    async def behind(self, generation: str) -> list[tuple[str, str]]:
        """Organisations and persons of whom the vectors of this generation lack something, or have too much."""
        rows = await self._postgres.call("select org_id, person from memory_behind(%s)", generation)
        return [(str(row["org_id"]), row["person"]) for row in rows]


class Kept:
    """What is kept of one person; made by `Memories.of`."""

    def __init__(self, postgres: Postgres, organisation: str, person: str, *, owes: bool = False) -> None:
        self._postgres = postgres
        self._owes = owes
        self.organisation, self.person = organisation, person

    async def add(self, wanted: Sequence[New]) -> tuple[list[Memory], list[Gone]]:
        """Keep these, in their order, and what is kept of each; what was said before is kept once.

        Then what they supersede: facts of the same slots, and statements that say nothing else.
        """
        ids = [uuid7() for _ in wanted]
        digests = [one.digest for one in wanted]
        rows = [
            {
                "id": ids[k],
                "number": k + 1,
                "tail": one.tail,
                "kind": one.kind,
                "text": one.text,
                "slot": one.slot,
                "thread": one.thread,
                "at": one.at.isoformat(),
                "digest": digests[k].hex(),
                "source": ids[one.source] if isinstance(one.source, int) else one.source,
                "of": digests[one.source].hex() if isinstance(one.source, int) else None,  # it may be kept already
                "decision": one.decision,
            }
            for k, one in enumerate(wanted)
        ]
        values = {"person": self.person, "rows": Jsonb(rows)}
        async with self._postgres.tenant(self.organisation) as cursor:
            await cursor.execute(_LOCK, values)
            await cursor.execute(_ADD, values)
            kept = {row["digest"]: _memory(row) for row in await cursor.fetchall()}
            await self._owe(cursor, [one.id for one in kept.values()], known=False)
            if said := [digest for digest in digests if digest not in kept]:
                await cursor.execute(_SAID, {"person": self.person, "digests": said})
                kept |= {row["digest"]: _memory(row) for row in await cursor.fetchall()}
            added = [kept[digest] for digest in digests]
            if not any(one.kind == "fact" for one in wanted):
                return added, []
            gone = await self._superseded(cursor, [one.id for one in added])
            await self._owe(cursor, [one.id for one in gone], known=True)
            return added, gone

    async def _superseded(self, cursor: AsyncCursor[Row], ids: Sequence[str]) -> list[Gone]:
        """What these memories leave nothing true of."""
        await cursor.execute(_SUPERSEDE, {"person": self.person, "ids": ids})
        facts = await cursor.fetchall()
        by = {row["source"]: row["by"] for row in facts if row["source"] is not None}
        if not by:
            return _gone(facts)
        await cursor.execute(_EMPTIED, {"person": self.person, "sources": list(by)})
        empty = [row["id"] for row in await cursor.fetchall() if not says_more(row["text"], row["facts"])]
        await cursor.execute(_EMPTY, {"person": self.person, "ids": empty, "bys": [by[one] for one in empty]})
        return _gone([*facts, *await cursor.fetchall()])

    async def find(self, ids: Sequence[str]) -> dict[str, Memory]:
        """Those of these that are in force, by id; within 250 ms."""
        rows = await self._postgres.soon(self._rows(_FIND, {"ids": list(ids)}))
        return {row["id"].hex: _memory(row) for row in rows}

    async def told(self, marks: Sequence[int]) -> dict[int, Memory]:
        """Those with these marks that are in force, by mark; within 250 ms."""
        places = f"{{{','.join([str(place(mark)) for mark in marks])}}}"
        told = await self._postgres.value(_TOLD, self.organisation, self.person, places)
        found = {one.mark: one for one in _read(told)} if told else {}
        return {mark: found[mark] for mark in marks if mark in found}

    async def page(self, after: str | None, limit: int) -> list[Memory]:
        """So many, the latest first, that were said before the one with the id `after`."""
        values = {"after": after, "limit": limit, "most": 2**62}
        return [_memory(row) for row in await self._rows(_PAGE, values)]

    async def correct(self, memory_id: str, corrected: New) -> Memory | None:
        """Put another text in its place; None where there is no such memory, or another says this already."""
        values = {"id": memory_id, "text": corrected.text, "digest": corrected.digest}
        rows = await self._changed(_CORRECT, values)
        return _memory(rows[0]) if rows else None

    async def said(self, wanted: Sequence[New], since: datetime) -> list[str]:
        """Those of these that are in force because they were said in a conversation since then."""
        digests = [one.digest for one in wanted]
        return _ids(await self._rows(_SINCE, {"digests": digests, "since": since}))

    async def facts(self, ids: Sequence[str]) -> list[str]:
        """The facts in these statements."""
        return _ids(await self._rows(_FACTS, {"ids": list(ids)}))

    async def derived(self, ids: Sequence[str]) -> list[str]:
        """These, and all that was derived from them or had given way to them."""
        return _ids(await self._rows(_DERIVED, {"ids": list(ids)}))

    async def delete(self, ids: Sequence[str]) -> list[Gone]:
        """Forget these; those that there were."""
        return _gone(await self._changed(_DELETE, {"ids": list(ids)}))

    async def delete_all(self) -> list[Gone]:
        """Forget everything; what there was."""
        return _gone(await self._changed(_DELETE_ALL, {}))

    async def behind(self, generation: str, limit: int) -> list[Memory]:
        """Memories that the vectors of this generation lack."""
        return [_memory(row) for row in await self._rows(_BEHIND, {"generation": generation, "limit": limit})]

    async def mark(self, memories: Sequence[Memory], generation: str) -> set[int]:
        """Note that the vectors have these, unless they have changed meanwhile; the marks of those that have not."""
        texts = {"ids": [one.id for one in memories], "texts": [one.text for one in memories]}
        return {row["mark"] for row in await self._rows(_MARK, texts | {"generation": generation})}

    async def gone(self, limit: int) -> list[Gone]:
        """Forgotten memories that the vectors may still have."""
        return _gone(await self._rows(_GONE, {"limit": limit}))

    async def forgotten(self, marks: Sequence[int]) -> None:
        """Note that the vectors do not have these any more."""
        await self._run(_FORGOTTEN, {"marks": list(marks)})

    async def owed(self, limit: int) -> list[Owed]:
        """What another store has not heard yet, the longest first."""
        rows = await self._rows(_OWED, {"limit": limit})
        return [
            Owed(row["owed"].hex, None if row["id"] is None else _memory(row), row["known"], row["since"])
            for row in rows
        ]

    async def paid(self, owed: Sequence[Owed]) -> None:
        """Note that the other store has heard of these, unless they have changed meanwhile."""
        await self._run(_PAID, {"ids": [one.id for one in owed], "since": [one.since for one in owed]})

    async def choose(self, mode: Mode) -> None:
        """Keep the person's own choice."""
        await self._run(_CHOOSE, {"mode": mode})

    async def choice(self) -> Mode:
        """The person's own choice; within 250 ms."""
        rows = await self._postgres.soon(self._rows(_CHOICE, {}))
        return rows[0]["mode"] if rows else "read-write"

    async def _rows(self, query: LiteralString, values: Mapping[str, Any]) -> list[Row]:
        async with self._postgres.tenant(self.organisation) as cursor:
            await cursor.execute(query, {"person": self.person, **values})
            return await cursor.fetchall()

    async def _changed(self, query: LiteralString, values: Mapping[str, Any]) -> list[Row]:
        """The rows that a statement has changed, of which another store will hear."""
        async with self._postgres.tenant(self.organisation) as cursor:
            await cursor.execute(query, {"person": self.person, **values})
            rows = await cursor.fetchall()
            await self._owe(cursor, [row["id"] for row in rows], known=True)
            return rows

    async def _owe(self, cursor: AsyncCursor[Row], ids: Sequence[object], *, known: bool) -> None:
        if self._owes and ids:
            await cursor.execute(_OWE, {"person": self.person, "ids": list(ids), "known": known})

    async def _run(self, query: LiteralString, values: Mapping[str, Any]) -> None:
        async with self._postgres.tenant(self.organisation) as cursor:
            await cursor.execute(query, {"person": self.person, **values})


def _ids(rows: Sequence[Row]) -> list[str]:
    return [row["id"].hex for row in rows]


def _gone(rows: Sequence[Row]) -> list[Gone]:
    return [Gone(row["id"].hex, row["mark"]) for row in rows]


def _memory(row: Row) -> Memory:
    source = row["source"]
    return Memory(
        row["id"].hex,
        row["text"],
        row["at"],
        row["kind"],
        row["thread"],
        row["slot"],
        row["place"],
        row["mark"],
        None if source is None else source.hex,
    )
