"""The one statement that stores a batch of requests: rows, decisions, and on which day a key was last used."""

from __future__ import annotations

from typing import Final

from msgspec import Struct, inspect
from psycopg.sql import SQL, Identifier, Literal

_TYPES: Final[dict[type[inspect.Type], SQL]] = {
    inspect.StrType: SQL("text"),
    inspect.IntType: SQL("bigint"),
    inspect.FloatType: SQL("double precision"),
    inspect.BoolType: SQL("boolean"),
    inspect.DateTimeType: SQL("timestamptz"),
}

# A key is written once a day. Who else writes it at this moment, another worker as a rule, is not waited for: two that
# waited for each other would both be too late, and the next batch tells the same.
_USED: Final = SQL("""
    update api_key set last_used_on = late.day
    from (
        select key.id, told.day
        from (
            select case when key_id ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then key_id::uuid end as id,
                   (max(at) at time zone 'UTC')::date as day
            from row group by key_id
        ) as told
        join api_key key using (id)
        where key.last_used_on is null or key.last_used_on < told.day
        for no key update of key skip locked
    ) as late
    where api_key.id = late.id
""")


def storing(row: type[Struct], sole: str) -> bytes:
    """The statement as it is sent; a column that a row leaves out has the row's own default.

    `row` is what a row is told as, and its last field, `sole`, what its only attempt took, which is then a row too. The
    statement takes `org`, `rows` (a JSON array) and `records` (a line for each request).
    """
    fields = inspect.type_info(row).fields  # type: ignore[attr-defined]  # of a struct
    read = SQL(", ").join(SQL("{} {}").format(Identifier(one.name), _type(one)) for one in fields)
    values = [
        Identifier(one.name)
        if one.required or one.default is None
        else SQL("coalesce({}, {})").format(Identifier(one.name), Literal(one.default))
        for one in fields[:-1]
    ]
    attempt = dict(zip(row.__struct_fields__, values, strict=False)) | {
        "attempt": SQL("1"),
        "duration_ms": Identifier(sole),
    }
    return (
        SQL("""
        with row as materialized (
            select * from json_to_recordset(%(rows)s::json) as given ({read})
        ), recorded as (
            insert into ledger (org_id, {columns})
            select %(org)s::uuid, {values} from row
            union all
            select %(org)s::uuid, {attempt} from row where {sole} is not null
            on conflict do nothing
        ), used as ({used})
        insert into decision (org_id, id, at, record)
        select %(org)s::uuid, request_id, at, record
        from (select request_id, at, row_number() over () as number from row where attempt = 0) as final
        join string_to_table(%(records)s, E'\\n') with ordinality as line (record, number) using (number)
        on conflict do nothing
    """)
        .format(
            read=read,
            columns=SQL(", ").join(Identifier(one.name) for one in fields[:-1]),
            values=SQL(", ").join(values),
            attempt=SQL(", ").join(attempt[one.name] for one in fields[:-1]),
            sole=Identifier(sole),
            used=_USED,
        )
        .as_bytes(None)
    )


def _type(field: inspect.Field) -> SQL:
    """What a field is read as."""
    if field.name == "request_id":
        return SQL("uuid")
    kind = field.type.types[0] if isinstance(field.type, inspect.UnionType) else field.type
    return _TYPES[type(kind)]
