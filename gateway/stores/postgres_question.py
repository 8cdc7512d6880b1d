"""One question to PostgreSQL and its one value: what a request waits for, with nothing of psycopg's between."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from psycopg import AsyncConnection
from psycopg.abc import Buffer
from psycopg.errors import error_from_result
from psycopg.pq import ExecStatus
from psycopg.pq.abc import PGconn, PGresult
from psycopg.rows import DictRow


async def answered(connection: AsyncConnection[DictRow], query: bytes, values: Sequence[Buffer | None]) -> bytes:
    """The one value that a query gives, as PostgreSQL writes it; b"" for null. Raises Error.

    Nobody else may use the connection meanwhile, nor anybody afterwards while it is not idle: where this was cancelled,
    its answer is still to come. psycopg's own wait takes an event, a timer and a task: with the pool's way to a
    connection, a tenth of a recall. It may also keep who leaves for five seconds, where the server stands still.
    """
    server = connection.pgconn
    server.send_query_params(query, values)
    result = (await _heard(server))[-1]  # what comes before it, comes of a server that says more than it was asked
    if result.status != ExecStatus.TUPLES_OK:
        raise error_from_result(result)
    return result.get_value(0, 0) or b""


async def _heard(server: PGconn) -> list[PGresult]:
    loop = asyncio.get_running_loop()
    whole: asyncio.Future[list[PGresult]] = loop.create_future()
    results: list[PGresult] = []
    socket = server.socket

    def goes_on() -> None:
        if whole.done():  # cancelled, and its reader is still to go
            return
        try:
            server.consume_input()
            if not server.flush():  # all of it has been said
                loop.remove_writer(socket)
            while not server.is_busy():
                result = server.get_result()
                if result is None:  # the server waits for the next question
                    loop.remove_reader(socket)
                    whole.set_result(results)
                    return
                results.append(result)
        except Exception as error:  # noqa: BLE001  # whatever it is, who waits shall hear it, not the loop
            quiet()  # at once: libpq has closed it, and the next to be opened has its number
            whole.set_exception(error)

    def quiet() -> None:
        loop.remove_reader(socket)
        loop.remove_writer(socket)

    if server.flush():  # more than the socket takes at once
        loop.add_writer(socket, goes_on)
    loop.add_reader(socket, goes_on)
    try:
        return await whole
    except asyncio.CancelledError:
        quiet()
        raise
