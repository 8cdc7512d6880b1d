"""Answers of /v1/responses that their clients may go on from; of an organisation's, nobody else's, for 30 days."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, LiteralString

import msgspec
from msgspec import Raw, Struct

from gateway.stores.postgres import Postgres

MOST_BYTES: Final = 8 * 1024 * 1024  # of one answer with its input; what is larger is not kept
_LONGEST: Final = 500  # answers of one conversation

_SAVE: Final = """
    with kept as (
        insert into response (org_id, id, previous, input, output, reply)
        values (current_setting('app.org_id')::uuid, %(id)s, %(previous)s, %(input)s, %(output)s, %(reply)s)
        on conflict do nothing returning org_id
    )
    insert into response_item (org_id, id, response_id)
    select kept.org_id, item, %(id)s from kept, (select distinct unnest(%(items)s::text[])) as named (item)
    on conflict (org_id, id) do update set response_id = excluded.response_id -- a server may count its items anew
"""
# As text: psycopg would decode the JSON, only for us to encode it again.
_FIND: Final = """
    select previous, input::text, output::text, reply::text from response
    where id = %s and at > now() - interval '30 days'
"""
_CHAIN: Final = """
    with recursive chain as (
        select id, previous, input, output, 1 as back from response
        where id = %(id)s and at > now() - interval '30 days'
        union all
        select r.id, r.previous, r.input, r.output, c.back + 1 from response r join chain c on r.id = c.previous
        where c.back < %(longest)s
    )
    select previous, input::text, output::text from chain order by back desc
"""
_ITEMS: Final = """
    select r.output::text from response_item i join response r on r.org_id = i.org_id and r.id = i.response_id
    where i.id = any(%s)
"""
_DELETE: Final = "delete from response where id = %s"

_encode = msgspec.json.Encoder().encode
_raws = msgspec.json.Decoder(list[Raw])


class _Named(Struct):
    id: str | None = None


class Kept(Struct, frozen=True):
    """One answer as it is kept."""

    id: str
    previous: str | None
    input: Sequence[Raw]
    output: Sequence[Raw]
    reply: bytes  # a JSON object

    @property
    def size(self) -> int:
        """Bytes, about."""
        return len(self.reply) + sum(map(len, map(bytes, self.input))) + sum(map(len, map(bytes, self.output)))


class Responses:
    """Keeps answers; everything raises Unavailable where PostgreSQL does not answer in time."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres

    @property
    def away(self) -> bool:
        """Whether nothing can be kept now."""
        return self._postgres.state != "ok"

    async def save(self, organisation: str, kept: Kept) -> None:
        """Keep one answer."""
        values = {
            "id": kept.id,
            "previous": kept.previous,
            "input": _encode(kept.input).decode(),
            "output": _encode(kept.output).decode(),
            "reply": kept.reply.decode(),
            "items": [name for item in kept.output if (name := _id(item)) is not None],
        }
        await self._postgres.soon(self._run(organisation, _SAVE, values))

    async def find(self, organisation: str, response_id: str) -> Kept | None:
        """The answer of this id."""
        rows = await self._postgres.soon(self._rows(organisation, _FIND, (response_id,)))
        return _kept(response_id, rows[0]) if rows else None

    async def before(self, organisation: str, response_id: str) -> list[Raw] | None:
        """Every item of the conversation up to and with this answer; None where a part of it is not kept any more."""
        rows = await self._chain(organisation, response_id)
        return None if not rows or rows[0]["previous"] is not None else _items_of(rows)

    async def left(self, organisation: str, response_id: str) -> list[Raw]:
        """The same as far back as it is kept."""
        return _items_of(await self._chain(organisation, response_id))

    async def items(self, organisation: str, wanted: Sequence[str]) -> dict[str, Raw]:
        """Items of outputs, by id; what is not there is left out."""
        rows = await self._postgres.soon(self._rows(organisation, _ITEMS, (list(wanted),)))
        found = {name: item for row in rows for item in _raws.decode(row["output"]) if (name := _id(item)) is not None}
        return {name: found[name] for name in wanted if name in found}

    async def delete(self, organisation: str, response_id: str) -> bool:
        """Forget an answer; whether there was one."""
        return await self._postgres.soon(self._run(organisation, _DELETE, (response_id,))) > 0

    async def _chain(self, organisation: str, response_id: str) -> list[dict[str, Any]]:
        """The answers up to this one, the first that is kept first."""
        values = {"id": response_id, "longest": _LONGEST}
        return await self._postgres.soon(self._rows(organisation, _CHAIN, values))

    async def _run(self, organisation: str, query: LiteralString, values: Any) -> int:
        async with self._postgres.tenant(organisation) as cursor:
            await cursor.execute(query, values)
            return cursor.rowcount

    async def _rows(self, organisation: str, query: LiteralString, values: Any) -> list[dict[str, Any]]:
        async with self._postgres.tenant(organisation) as cursor:
            await cursor.execute(query, values)
            return await cursor.fetchall()


def _kept(response_id: str, row: Mapping[str, Any]) -> Kept:
    output = _raws.decode(row["output"])
    return Kept(response_id, row["previous"], _raws.decode(row["input"]), output, row["reply"].encode())


def _items_of(rows: Sequence[Mapping[str, Any]]) -> list[Raw]:
    return [item for row in rows for side in ("input", "output") for item in _raws.decode(row[side])]


def _id(item: Raw) -> str | None:
    return msgspec.json.decode(item, type=_Named).id
