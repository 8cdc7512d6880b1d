"""The tables as the administrative API sees them, and the one way in which its statements reach the database.

`Rows` is only made inside a transaction of `Postgres.tenant`, so there is no statement without an organisation. It is
loaded with the API, when somebody first administers something: SQLAlchemy and pydantic are 30 MB that a gateway which
only serves can do without.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import date, datetime
from typing import Any, Final, LiteralString, TypeVar, cast
from uuid import UUID

from psycopg.types.json import Jsonb
from sqlalchemy import ClauseElement, Column, Delete, Dialect, Insert, Update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlmodel import Field, SQLModel
from sqlmodel.sql.expression import SelectOfScalar

from gateway.stores.organisations import Cursor, audit
from gateway.stores.postgres import Postgres, Row

_DIALECT: Final[Dialect] = PGDialect_psycopg()  # type: ignore[no-untyped-call]


class OrganisationRow(SQLModel, table=True):
    """An organisation; its own id is what the database isolates it by."""

    __tablename__ = "organisation"

    id: UUID = Field(primary_key=True)
    name: str
    operator: bool
    limits: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    ceiling: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    created_at: datetime
    deleted_at: datetime | None


class MemberRow(SQLModel, table=True):
    """A person in an organisation."""

    __tablename__ = "member"

    org_id: UUID = Field(primary_key=True)
    id: UUID = Field(primary_key=True)
    email: str
    name: str
    role: str
    created_at: datetime


class KeyRow(SQLModel, table=True):
    """A virtual key."""

    __tablename__ = "api_key"

    org_id: UUID = Field(primary_key=True)
    id: UUID = Field(primary_key=True)
    public: str
    digest: bytes
    name: str
    role: str
    person: str
    persona: bool
    memory: str
    scopes: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    limits: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_on: date | None
    created_at: datetime


class ProviderKeyRow(SQLModel, table=True):
    """An organisation's own key for a provider, sealed."""

    __tablename__ = "provider_key"

    org_id: UUID = Field(primary_key=True)
    id: UUID = Field(primary_key=True)
    provider: str
    sealed: bytes
    master: str
    last4: str
    is_active: bool
    created_at: datetime
    updated_at: datetime
    verified_at: datetime | None


class AuditRow(SQLModel, table=True):
    """A link of an organisation's audit trail; written by `audit_add` alone."""

    __tablename__ = "audit"

    org_id: UUID = Field(primary_key=True)
    seq: int = Field(primary_key=True)
    at: datetime
    actor: str
    act: str
    subject: str
    detail: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    prev: bytes
    hash: bytes


class DecisionRow(SQLModel, table=True):
    """Why a request went where it went."""

    __tablename__ = "decision"

    org_id: UUID = Field(primary_key=True)
    id: UUID = Field(primary_key=True)
    at: datetime
    record: str  # JSON


class LedgerRow(SQLModel, table=True):
    """One attempt of a request (numbered from 1), or what it came to (0)."""

    __tablename__ = "ledger"

    org_id: UUID = Field(primary_key=True)
    request_id: UUID = Field(primary_key=True)
    attempt: int = Field(primary_key=True)
    at: datetime
    key_id: str
    person: str
    surface: str
    asked: str
    model: str
    policy: str
    intent: str
    status: str
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    reasoning_tokens: int
    cost: int | None
    estimated: bool
    ttft_ms: float | None
    duration_ms: float
    cache: str


M = TypeVar("M", bound=SQLModel)


class SilentAct(Exception):
    """Something was changed, and the audit trail was not told: the transaction is undone."""


class Rows:
    """Statements in one organisation's transaction."""

    def __init__(self, cursor: Cursor) -> None:
        self.cursor = cursor  # for the statements that are written as SQL
        self._changed = self._told = self._over = False

    async def all(self, statement: SelectOfScalar[M]) -> list[M]:
        """Every row that is found."""
        model = cast("type[M]", statement.column_descriptions[0]["entity"])
        await self._execute(statement)
        return [model(**row) for row in await self.cursor.fetchall()]

    async def first(self, statement: SelectOfScalar[M]) -> M | None:
        """The first row, or None."""
        return next(iter(await self.all(statement)), None)

    async def change(self, statement: Insert | Update | Delete) -> int:
        """How many rows were changed."""
        self._changed = True
        await self._execute(statement)
        return self.cursor.rowcount

    async def tell(self, actor: str, act: str, subject: str, detail: Mapping[str, Any]) -> None:
        """Add what was done to the audit trail; `detail` must hold no secret."""
        self._told = True
        await audit(self.cursor, actor, act, subject, detail)

    async def tell_elsewhere(
        self, organisation: str, actor: str, act: str, subject: str, detail: Mapping[str, Any]
    ) -> None:
        """Add it to another organisation's trail too, in the same transaction, which is over with that.

        The operator makes and ends organisations that it may not look into, and still must find in its own trail that
        it did.
        """
        self._over = True
        await self.cursor.execute("select set_config('app.org_id', %s, true)", (organisation,))
        await audit(self.cursor, actor, act, subject, detail)

    def check(self) -> None:
        """Raise SilentAct for a change that was not told."""
        if self._changed and not self._told:
            raise SilentAct

    async def _execute(self, statement: ClauseElement) -> None:
        if self._over:
            raise RuntimeError("this transaction was left for another organisation's trail")
        compiled = statement.compile(dialect=_DIALECT, compile_kwargs={"render_postcompile": True})
        values: Row = {
            name: Jsonb(value) if isinstance(value, dict) else value for name, value in compiled.params.items()
        }
        await self.cursor.execute(_literal(str(compiled)), values)


@asynccontextmanager
async def reading(postgres: Postgres, organisation: str) -> AsyncIterator[Rows]:
    """A transaction of an organisation that the database lets change nothing. Raises Unavailable."""
    async with postgres.tenant(organisation) as cursor:
        await cursor.execute("set transaction read only")
        yield Rows(cursor)


@asynccontextmanager
async def acting(postgres: Postgres, organisation: str) -> AsyncIterator[Rows]:
    """A transaction of an organisation that is undone when it changed something and did not say so."""
    async with postgres.tenant(organisation) as cursor:
        rows = Rows(cursor)
        yield rows
        rows.check()


def _literal(statement: str) -> LiteralString:
    """SQLAlchemy has written it: names from the classes above, and every value a parameter."""
    return cast("LiteralString", statement)  # type: ignore[redundant-cast]
