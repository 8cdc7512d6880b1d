"""The audit trail, verified: every organisation's chain of hashes is recomputed here, row by row.

The database is what is doubted, so it is not asked whether it is right: the text of a row is put together here, as
`audit_text` of schema.sql does it where rows are written. Whoever may do everything in the database can still write a
whole new chain, or cut one and its head alike. Against that, an end that was noted elsewhere helps: `expected`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final

from msgspec import Struct

from gateway.stores.organisations import Cursor
from gateway.stores.postgres import Postgres, Row

_BATCH: Final = 1000  # rows in memory at a time
_BEFORE: Final = -(2**63)  # also a row that nobody has numbered so is found
_END: Final = """
    select h.seq, h.hash, (select coalesce(max(a.seq), 0) from audit a) as last
    from (values (1)) as one left join audit_head h on true
"""
_ROWS: Final = """
    select org_id, seq, at, actor, act, subject, detail::text as detail, prev, hash from audit
    where seq > %s and seq <= %s order by seq limit %s
"""


class End(Struct, frozen=True):
    """Where a chain ends: the number of its last row, and the hash of that and all before."""

    seq: int
    hash: bytes

    def __str__(self) -> str:
        return f"{self.seq}:{self.hash.hex()}"


class Broken(Struct, frozen=True):
    """The first row that is not as it was written."""

    seq: int
    what: str


class Chain(Struct, frozen=True):
    """One organisation's chain as it was found."""

    rows: int
    end: End
    broken: Broken | None


async def organisations(postgres: Postgres) -> list[tuple[str, str]]:
    """Ids and names of all organisations that ever were. Raises Unavailable."""
    rows = await postgres.call("select org_id, name from chains()")
    return [(str(row["org_id"]), row["name"]) for row in rows]


async def verify(postgres: Postgres, organisation: str, expected: End | None = None) -> Chain:
    """Recompute a chain, from its first row to the end that its head tells. Raises Unavailable."""
    async with postgres.tenant(organisation) as cursor:
        await cursor.execute(_END)
        head = await cursor.fetchone() or {}
        walk, after = _Walk(expected), _BEFORE
        while walk.broken is None and (rows := await _batch(cursor, after, head["last"])):
            for row in rows:
                if walk.broken is None:
                    walk.take(row)
            after = rows[-1]["seq"]
        return Chain(walk.rows, End(walk.seq, walk.hash), walk.broken or walk.ended(head))


async def _batch(cursor: Cursor, after: int, last: int) -> list[Row]:
    """The next rows; what has come since the head was read is for the next time."""
    await cursor.execute(_ROWS, (after, last, _BATCH))
    return await cursor.fetchall()


class _Walk:
    """What is known of a chain, up to a row."""

    def __init__(self, expected: End | None) -> None:
        self._expected = expected
        self.rows = self.seq = 0
        self.hash = b""
        self.broken: Broken | None = None

    def take(self, row: Mapping[str, Any]) -> None:
        """The next row; notes what is wrong with it."""
        seq = row["seq"]
        if seq <= self.seq:
            self.broken = Broken(seq, "stands before the first row")
            return
        if seq != self.seq + 1:
            gone = self.seq + 1 if seq == self.seq + 2 else f"{self.seq + 1} to {seq - 1}"
            self.broken = Broken(self.seq + 1, f"missing: {gone}")
            return
        if row["prev"] != self.hash:
            self.broken = Broken(seq, "does not follow from the row before it")
            return
        self.rows, self.seq = self.rows + 1, seq
        self.hash = sha256(row["prev"] + text(row).encode()).digest()
        if self.hash != row["hash"]:
            self.broken = Broken(seq, "was changed: its hash is not that of what it says")
        elif self._expected is not None and seq == self._expected.seq and self.hash != self._expected.hash:
            self.broken = Broken(seq, "is not the row whose hash was noted")

    def ended(self, head: Mapping[str, Any]) -> Broken | None:
        """What is wrong with the end of a chain whose rows are right."""
        seq, kept = head["seq"] or 0, head["hash"] or b""
        if self.seq < seq:
            return Broken(self.seq + 1, f"missing: the chain goes up to {seq}")
        if self.seq > seq:
            return Broken(seq + 1, f"stands behind the end of the chain, which is {seq}")
        if kept != self.hash:
            return Broken(seq, "is not the end that the head of the chain tells")
        if self._expected is not None and self.seq < self._expected.seq:
            return Broken(self.seq + 1, f"missing: {self._expected.seq} was noted as the end")
        return None


def text(row: Mapping[str, Any]) -> str:
    """A row as the text that is hashed: PostgreSQL's own form of a JSON array, whose last member stands as it is."""
    told = [str(row["org_id"]), row["seq"], f"{row['at']:%Y-%m-%dT%H:%M:%S.%f}Z"]
    told += [row["actor"], row["act"], row["subject"]]
    return f"[{', '.join(json.dumps(one, ensure_ascii=False) for one in told)}, {row['detail']}]"
