"""PostgreSQL: every row of an organisation is behind one door, `tenant`.

Row-level security is the database's; what is here only says for whom. The organisation is set inside the transaction,
never on the connection, so the next user of the connection begins without one, and without one nothing can be read.
"""

from __future__ import annotations

import asyncio
import logging
import random
import select
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final, LiteralString, Self, TypeVar

from psycopg import AsyncConnection, AsyncCursor, Error, OperationalError
from psycopg.abc import Buffer
from psycopg.pq import TransactionStatus
from psycopg.rows import DictRow, dict_row
from psycopg.types.string import StrDumper
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from gateway.core.let_go import let_go
from gateway.stores.breaker import LATE, Breaker, Unavailable
from gateway.stores.postgres_place import PostgresPlace
from gateway.stores.postgres_question import answered

log = logging.getLogger("syntra")
logging.getLogger("psycopg.pool").setLevel(logging.CRITICAL)  # what it has to say is said here

DEADLINE: Final = 0.25  # s; what a request waits for
BACKGROUND_DEADLINE: Final = 10.0  # s; what nobody waits for, or only an administrator
CHANNEL: Final = "syntra"

_MOST_CONNECTIONS = 4
_FIRST_SECONDS = 0.5  # what a start waits for the first connection
_HEARTBEAT = 1.0
_DEAD = 1.0  # a listening connection that does not answer for so long is given up: what it would have told is not known
_PAUSE = 1.0
MAY_TOO_MUCH: Final = """
    select r.rolsuper or r.rolbypassrls or r.rolcreaterole or pg_has_role(c.relowner, 'member')
        or has_table_privilege(c.oid, 'truncate') as too_much
    from pg_roles r, pg_class c where r.rolname = current_user and c.oid = 'syntra.ledger'::regclass
"""

_text: Final = StrDumper(str).dump
Row = dict[str, Any]
T = TypeVar("T")


class ProudRole(Exception):
    """The role that serves may do more than it should."""


class _Connection(AsyncConnection[DictRow]):
    """One that leaves nothing behind where it cannot be made: psycopg's own is held by its error, and that by it.

    It is tried several times a second while the database is away, and each would hold 14 KB.
    """

    @classmethod
    async def connect(cls, conninfo: str = "", **options: Any) -> Self:  # all that there are
        """The connection; raises Error."""
        try:
            return await super().connect(conninfo, **options)
        except Error as error:
            let_go(error)
            raise


class Postgres:
    """The database as a worker uses it: connects by itself, again and again, and says at once when it is away."""

    def __init__(self, place: PostgresPlace) -> None:
        self.place = place
        self._breaker = Breaker("PostgreSQL", look=self._look)
        self._away = True
        self._looking: asyncio.Task[None] | None = None
        self._abandoned: set[asyncio.Task[Any]] = set()
        self._at_hand: AsyncConnection[DictRow] | None = None
        self._pool = AsyncConnectionPool[AsyncConnection[DictRow]](
            place.serving.reveal(),
            connection_class=_Connection,
            min_size=1,
            max_size=_MOST_CONNECTIONS,
            open=False,
            kwargs={"row_factory": dict_row, "autocommit": True, "prepare_threshold": None},
            configure=_check_humble,
            check=_check_open,
            reconnect_timeout=5.0,
            name="syntra",
        )

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def start(self) -> None:
        """Connect in the background; waits half a second at most, so a start does not depend on PostgreSQL."""
        await self._pool.open()
        try:  # not the pool's own `wait`: that gives the pool up
            async with self._pool.connection(timeout=_FIRST_SECONDS):
                self._away = False
        except PoolTimeout as error:
            let_go(error)

    async def close(self) -> None:
        """Disconnect."""
        for task in (*self._abandoned, *filter(None, [self._looking])):
            task.cancel()
        await self._pool.close(timeout=1.0)  # first: what is asked at this moment keeps nothing at hand afterwards
        if self._at_hand is not None:
            await self._pool.putconn(self._at_hand)

    @property
    def state(self) -> str:
        """For `/health`: ok, slow or away."""
        if not self._breaker.allows:
            return "slow"
        return "away" if self._away else "ok"

    @asynccontextmanager
    async def tenant(self, organisation: str) -> AsyncIterator[AsyncCursor[DictRow]]:
        """A transaction that sees one organisation's rows; raises Unavailable where there is no database."""
        async with self._connection() as connection, connection.transaction(), connection.cursor() as cursor:
            await cursor.execute("select set_config('app.org_id', %s, true)", (organisation,))
            yield cursor

    async def call(self, query: LiteralString, *values: object) -> list[Row]:
        """The rows of a function that looks before the organisation is known (`schema.sql` lists them)."""
        async with self._connection() as connection, connection.cursor() as cursor:
            await cursor.execute(query, values)
            return await cursor.fetchall()

    async def value(self, query: bytes, *values: str) -> bytes:
        """The one value that a function gives, as PostgreSQL writes it; b"" for null.

        For what every request waits for: within 250 ms, else Unavailable, over a connection that is kept at hand for
        it. A cursor with its rows takes 0.2 ms of the loop more.
        """
        told = [_text(value) for value in values]  # refuses NUL, at which a text would end, and name somebody else
        self._must_be_well()
        kept, self._at_hand = self._at_hand, None
        if kept is None or not _is_quiet(kept):
            return await self.soon(self._asked_anew(kept, query, told))
        with self._timed(), self._told_of_trouble():
            async with asyncio.timeout(DEADLINE):
                return await self._asked(kept, query, told)

    async def _asked_anew(
        self, gone: AsyncConnection[DictRow] | None, query: bytes, told: Sequence[Buffer | None]
    ) -> bytes:
        """The value over one of the pool's connections, which is kept at hand afterwards."""
        if gone is not None:
            gone.pgconn.finish()
            await self._pool.putconn(gone)
        with self._told_of_trouble():
            connection = await self._pool.getconn(BACKGROUND_DEADLINE)
            self._well()
            return await self._asked(connection, query, told)

    async def _asked(self, connection: AsyncConnection[DictRow], query: bytes, told: Sequence[Buffer | None]) -> bytes:
        try:
            return await answered(connection, query, told)
        finally:
            if connection.pgconn.transaction_status != TransactionStatus.IDLE:  # its answer may be still to come,
                connection.pgconn.finish()  # and be taken for that to another question
            if self._at_hand is None and not (connection.closed or self._pool.closed):
                self._at_hand = connection
            else:
                await self._pool.putconn(connection)

    async def soon(self, work: Coroutine[Any, Any, T]) -> T:
        """What a request waits for: the result within 250 ms, else Unavailable."""
        try:
            self._must_be_well()
        except Unavailable:
            work.close()
            raise
        with self._timed():
            return await self._at_most(work, DEADLINE)

    def _must_be_well(self) -> None:
        """Raises Unavailable while it is away or slow, so that nobody waits to hear that again."""
        if self._away or not self._breaker.allows:
            raise Unavailable(f"PostgreSQL is {self.state}")

    @contextmanager
    def _timed(self) -> Iterator[None]:
        """The breaker hears how it went with what a request waits for, and TimeoutError is Unavailable."""
        began = time.monotonic()
        try:
            yield
        except TimeoutError:
            self._breaker.failed(time.monotonic(), began)
            self._breaker.doubt()
            raise Unavailable(f"no answer from PostgreSQL within {DEADLINE * 1000:.0f} ms") from None
        except asyncio.CancelledError:
            if time.monotonic() - began > LATE:  # who asked has less patience than we
                self._breaker.doubt()
            raise
        self._breaker.succeeded()

    async def _at_most(self, work: Coroutine[Any, Any, T], seconds: float) -> T:
        """The result in time, or TimeoutError.

        What is late is left behind rather than cancelled and awaited: a server that does not answer would not hear of
        that either, and psycopg waits five seconds for it.
        """
        task = asyncio.ensure_future(work)
        try:
            await asyncio.wait([task], timeout=seconds)
            if not task.done():
                self._abandon(task)
                raise TimeoutError
            return task.result()
        except asyncio.CancelledError:  # what was begun for somebody who has left comes to its end all the same
            self._abandoned.add(task)
            task.add_done_callback(self._forget)
            raise
        finally:
            del task  # no circle where it has failed: core/let_go.py

    def _look(self) -> None:
        self._looking = asyncio.get_running_loop().create_task(self._ask_for_life())

    async def _ask_for_life(self) -> None:
        """Tell a slow query from a server that stands still."""
        try:
            await self._at_most(self.call("select 1"), DEADLINE)
        except (Unavailable, Error, TimeoutError):
            self._breaker.beat(quick=False)
        else:
            self._breaker.beat(quick=True)

    async def listen(self, heard: Callable[[str], None], deaf: Callable[[], None]) -> None:
        """Hear of changes, for ever: `heard` gets the organisation's id; after `deaf` anything may have changed.

        It is also how a worker learns within a second that PostgreSQL is away, or back: no request has to find out.
        """
        while True:
            try:
                await self._listen(heard)
            except (Error, OSError, TimeoutError) as error:
                self._trouble(error)
            deaf()
            await asyncio.sleep(random.uniform(0, _PAUSE))  # noqa: S311  # workers shall not come all at once

    async def _listen(self, heard: Callable[[str], None]) -> None:
        connection = await _Connection.connect(self.place.serving.reveal(), autocommit=True)
        asked: asyncio.Task[Any] | None = None
        try:
            await connection.execute(f"listen {CHANNEL}")
            self._well()
            while True:
                async for notice in connection.notifies(timeout=_HEARTBEAT):
                    heard(notice.payload)
                began = time.monotonic()
                asked = asyncio.ensure_future(connection.execute("select 1"))
                await asyncio.wait([asked], timeout=_DEAD)
                if not asked.done():
                    raise TimeoutError
                asked.result()
                self._breaker.beat(quick=time.monotonic() - began < DEADLINE)
                self._well()
        finally:
            if asked is None or asked.done():
                await connection.close()
            else:  # not before it has ended: the loop still watches the socket, and libuv aborts over one that is gone
                self._abandon(asked)
                asked.add_done_callback(lambda _: connection.pgconn.finish())

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[AsyncConnection[DictRow]]:
        with self._told_of_trouble():
            async with self._pool.connection(timeout=BACKGROUND_DEADLINE) as connection:
                self._well()
                yield connection

    @contextmanager
    def _told_of_trouble(self) -> Iterator[None]:
        """Unavailable where the server has gone, or has given up one statement."""
        try:
            yield
        except (OperationalError, PoolTimeout) as error:
            let_go(error)
            if _of_a_statement(error):
                raise Unavailable(f"PostgreSQL gave up: {type(error).__name__}") from None
            self._trouble(error)
            raise Unavailable("PostgreSQL is away") from None

    def _well(self) -> None:
        if self._away:
            log.info("PostgreSQL at %s answers", self.place)
        self._away = False

    def _trouble(self, error: Exception) -> None:
        if not self._away:
            log.warning("PostgreSQL at %s: %s; going on without it until it answers", self.place, type(error).__name__)
        self._away = True

    def _abandon(self, task: asyncio.Task[Any]) -> None:
        self._abandoned.add(task)
        task.cancel()
        task.add_done_callback(self._forget)

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._abandoned.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.debug("an abandoned query failed: %s", type(task.exception()).__name__)


def _of_a_statement(error: Exception) -> bool:
    """Whether the server has said no to one statement, as to one half of a deadlock, and is there for the others."""
    state = (error.sqlstate or "") if isinstance(error, OperationalError) else ""
    return state[:2] not in ("", "08", "53", "57", "58")  # connection, resources, operator's doing, system


async def _check_open(connection: AsyncConnection[DictRow]) -> None:
    """Refuse a connection whose server has gone: a question tells what it is that has come unasked."""
    if not _is_quiet(connection):
        await connection.execute("")


def _is_quiet(connection: AsyncConnection[DictRow]) -> bool:
    """Whether nothing has come unasked: a server that goes closes its end, which costs no question to see."""
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return not poll.poll(0)


async def _check_humble(connection: AsyncConnection[DictRow]) -> None:
    """Refuse to serve as anybody who could pass row-level security by."""
    cursor = await connection.execute(MAY_TOO_MUCH)
    row = await cursor.fetchone()
    if row is None or row["too_much"]:
        raise ProudRole("the role that serves may do more than it should")
