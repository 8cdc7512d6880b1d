"""Valkey, or Redis: one connection on which the commands of a whole worker go out as they come.

Replies come in the order of the commands, so many requests share one connection without waiting for each other, and a
caller that gives up leaves a reply behind that is read and thrown away, never handed to the next. What is down is said
at once, what is slow is said after 50 ms, and after five of those in a row nobody waits any more.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import random
import ssl
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, NoReturn, Self

from libvalkey import Reader, pack_command
from msgspec import Struct
from valkey.asyncio.connection import AbstractConnection, Connection, SSLConnection, UnixDomainSocketConnection
from valkey.exceptions import AuthenticationError, InvalidResponse, ResponseError, ValkeyError

from gateway.stores.breaker import Breaker, Unavailable
from gateway.stores.valkey_place import Place

log = logging.getLogger("syntra")

Command = tuple[str | bytes | int, ...]
Heard = Callable[[bytes], None]

DEADLINE = 0.050  # s; an operation that a request waits for
BACKGROUND_DEADLINE = 5.0  # s; one that nobody waits for

_DIAL_SECONDS = 5.0
_FIRST_SECONDS = 0.25  # what a start waits for the first connection
_HEARTBEAT = 1.0
_HELD_UP = 0.005  # s; a timer that is later than this tells of a loop that was busy with something else
_GRACE = 0.002  # s; time enough to read what has arrived meanwhile
_TOGETHER = 64  # that are sent at once
_DEAD = 5.0  # a connection that has not answered for so long is given up
_LEAST_PAUSE, _MOST_PAUSE = 0.05, 5.0


class Refused(Unavailable):
    """Valkey answered with an error; `code` is its first word (NOSCRIPT, READONLY, OOM, WRONGTYPE, …)."""

    def __init__(self, code: str) -> None:
        super().__init__(f"Valkey refused a command ({code})")
        self.code = code


class Unheard(Unavailable):
    """No answer came; what was asked may have been done all the same."""


class Late(Unheard):
    """No answer came in time."""


def dial(place: Place) -> AbstractConnection:
    """A connection that is made when the first command is sent on it; each wait is timed by its user."""
    make: Callable[..., AbstractConnection]
    if place.path:
        make = partial(UnixDomainSocketConnection, path=place.path)
    elif place.tls:
        # The library's own default is not to look at the name in the certificate.
        checked = partial(SSLConnection, ssl_check_hostname=True, ssl_ca_certs=place.authorities or None)
        make = partial(checked, host=place.host, port=place.port)
    else:
        make = partial(Connection, host=place.host, port=place.port)
    return make(
        db=place.database,
        username=place.user or None,
        password=place.password.reveal() or None,
        socket_timeout=None,
        lib_name=None,  # two round trips less before the first command
        lib_version=None,
    )


def _beneath(connection: AbstractConnection) -> asyncio.WriteTransport:
    """What a connection that was made speaks through; the library itself has no name for it."""
    writer = connection._writer  # noqa: SLF001
    if writer is None:
        raise ValkeyError("the connection was not made")
    return writer.transport


class _Asked(Struct, eq=False):
    """Commands that were handed over together, and where their replies go."""

    commands: Sequence[Command]
    answer: asyncio.Future[list[Any]]
    replies: list[Any]
    timer: asyncio.TimerHandle


class _Link(asyncio.Protocol):
    """One connection: commands go out as they are handed over, replies come back in their order.

    The library dials and signs in; its streams and its reading would be half of what limits cost a request.
    """

    def __init__(self, connection: AbstractConnection) -> None:
        self._loop = asyncio.get_running_loop()
        self._replies = Reader(replyError=_refused, protocolError=InvalidResponse)
        self._unsent: deque[_Asked] = deque()  # while more is on its way than the other side takes
        self._sent: deque[_Asked] = deque()
        self._is_full = False
        self.lost: asyncio.Future[Exception] = self._loop.create_future()  # why it has ended
        self._transport = _beneath(connection)
        self._transport.set_protocol(self)

    def ask(self, commands: Sequence[Command], within: float) -> asyncio.Future[list[Any]]:
        """Hand over commands; their replies come together, an error reply as a `Refused` among them, or else `Late`."""
        answer: asyncio.Future[list[Any]] = self._loop.create_future()
        timer = self._loop.call_later(within, self._late, answer, within, self._loop.time() + within)
        if not self._unsent:
            self._loop.call_soon(self._send)  # with what else is asked in this turn of the loop
        self._unsent.append(_Asked(commands, answer, [], timer))
        return answer

    def _late(self, answer: asyncio.Future[list[Any]], within: float, due: float) -> None:
        """The time is over; but if it was this loop that was held up, the answer may be there already, unread."""
        if answer.done():
            return
        if self._loop.time() > due + _HELD_UP:
            self._loop.call_later(_GRACE, self._late, answer, within, math.inf)
        else:
            answer.set_exception(Late(f"no answer from Valkey within {within * 1000:.0f} ms"))

    def _send(self) -> None:
        """Send what is handed over, as far as it is taken; who gave up in time is not heard."""
        while self._unsent and not self._is_full:
            some = [self._unsent.popleft() for _ in range(min(_TOGETHER, len(self._unsent)))]
            asked = [one for one in some if not one.answer.done()]
            self._sent.extend(asked)
            # In C: the connection's own `pack_commands` takes seven times as long.
            self._transport.write(b"".join([pack_command(command) for one in asked for command in one.commands]))

    def pause_writing(self) -> None:
        """The other side takes no more for now."""
        self._is_full = True

    def resume_writing(self) -> None:
        """It takes more again."""
        self._is_full = False
        self._send()

    def data_received(self, data: bytes) -> None:
        """Give each reply to whom it belongs."""
        self._replies.feed(data)
        try:
            while (reply := self._replies.gets()) is not False:  # which is what there is while a reply is not whole
                self._hand_out(reply)
        except ValkeyError as error:
            self.connection_lost(error)

    def _hand_out(self, reply: Any) -> None:
        if not self._sent:
            raise ValkeyError("a reply that nobody asked for")
        asked = self._sent[0]
        asked.replies.append(reply)
        if len(asked.replies) == len(asked.commands):
            self._sent.popleft()
            asked.timer.cancel()
            if not asked.answer.done():
                asked.answer.set_result(asked.replies)

    def connection_lost(self, error: Exception | None) -> None:
        """The connection ends."""
        if not self.lost.done():
            self.lost.set_result(error or ConnectionResetError("Valkey ended the connection"))

    async def end(self) -> NoReturn:
        """Wait until the connection ends, and raise why."""
        raise await self.lost

    async def beat(self, breaker: Breaker, quick: float) -> None:
        """Ask for a sign of life every second, for ever; raises TimeoutError when there is none."""
        while True:
            await asyncio.sleep(_HEARTBEAT)
            began = self._loop.time()
            try:
                await self.ask([("PING",)], _DEAD)
            except Late:
                raise TimeoutError from None
            breaker.beat(quick=self._loop.time() - began < quick)

    def fail(self) -> None:
        """Tell everybody who still waits that nothing will come."""
        for asked in (*self._sent, *self._unsent):
            asked.timer.cancel()
            if not asked.answer.done():
                asked.answer.set_exception(Unheard("the connection to Valkey broke"))
        self._sent.clear()
        self._unsent.clear()


def _refused(words: str) -> Refused:
    """An error reply: its first word says what kind it is."""
    first = words.partition(" ")[0]
    return Refused(first if first.isalpha() and first.isupper() else "ERR")


class Valkey:
    """Valkey as a worker uses it; it connects by itself, again and again, and never keeps a request waiting."""

    def __init__(self, place: Place, breaker: Breaker | None = None) -> None:
        self.place = place
        self._breaker = breaker or Breaker("Valkey")
        self._link: _Link | None = None
        self._task: asyncio.Task[None] | None = None
        self._linked = asyncio.Event()
        self._told: str | None = None  # of what is wrong, so that each trouble is logged once

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def start(self) -> None:
        """Connect in the background; waits a quarter of a second at most, so a start does not depend on Valkey."""
        self._task = asyncio.create_task(self._stay(), name="valkey")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_FIRST_SECONDS):
                await self._linked.wait()

    async def close(self) -> None:
        """Disconnect; whoever still waits gets `Unavailable`."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            self._task = None

    @property
    def state(self) -> str:
        """For `/health`: ok, slow or away."""
        if self._link is None:
            return "away"
        return "slow" if self._breaker.is_open else "ok"

    async def run(self, *command: str | bytes | int, within: float | None = None) -> Any:
        """The reply to one command; raises Unavailable, after 50 ms at the latest.

        With `within`, seconds, for work that no request waits for, the breaker has no say and is not told.
        """
        (reply,) = await self.pipeline([command], within)
        if isinstance(reply, Refused):
            raise reply
        return reply

    async def pipeline(self, commands: Sequence[Command], within: float | None = None) -> list[Any]:
        """The replies to several commands in one round trip, an error reply as a `Refused` among them."""
        link = self._link
        if link is None:
            raise Unavailable("Valkey is away")
        if within is None and not self._breaker.allows:
            raise Unavailable("Valkey is slow")
        began = time.monotonic()
        try:
            # Not by a name: no circle where it fails (core/let_go.py).
            replies = await link.ask(commands, DEADLINE if within is None else within)
        except Late:
            if within is None:
                self._breaker.failed(time.monotonic(), began)
            raise
        if within is None:
            self._breaker.succeeded()
        return replies

    async def listen(self, channel: str, heard: Heard, joined: Callable[[], None]) -> None:
        """Hear what is published in a channel, for ever; `joined` is called whenever it begins (again) to hear."""
        await self._again(lambda well: self._hear(channel, heard, joined, well))

    async def _stay(self) -> None:
        """Be connected, for ever."""
        await self._again(self._serve)

    async def _again(self, work: Callable[[Callable[[], None]], Awaitable[None]]) -> None:
        """Do work that ends only by failing, again and again, with a pause of growing and random length between."""
        failures = 0

        def well() -> None:
            nonlocal failures
            failures = 0

        while True:
            try:
                await work(well)
            except* (ValkeyError, OSError, TimeoutError) as group:
                self._trouble(_first(group))
            failures += 1
            longest = min(_MOST_PAUSE, _LEAST_PAUSE * 2 ** min(failures, 20))
            await asyncio.sleep(random.uniform(0, longest))  # noqa: S311  # workers shall not come all at once

    async def _serve(self, well: Callable[[], None]) -> None:
        """One connection for commands, from its making to its end."""
        connection = dial(self.place)
        link: _Link | None = None
        try:
            async with asyncio.timeout(_DIAL_SECONDS):
                await connection.send_command("PING")
                await connection.read_response()
            link = self._link = _Link(connection)
            self._linked.set()
            self._well()
            well()
            async with asyncio.TaskGroup() as group:
                group.create_task(link.end())
                group.create_task(link.beat(self._breaker, DEADLINE))
        finally:
            self._link = None
            if link is not None:
                link.fail()
            await connection.disconnect(nowait=True)

    async def _hear(self, channel: str, heard: Heard, joined: Callable[[], None], well: Callable[[], None]) -> None:
        """One connection for listening, from its making to its end."""
        connection = dial(self.place)
        try:
            async with asyncio.timeout(_DIAL_SECONDS):
                await connection.send_command("SUBSCRIBE", channel)
                await connection.read_response()
            well()
            joined()
            asked = False
            while True:
                reply = await connection.read_response(timeout=_DEAD)
                if reply is not None:
                    asked = False
                    if reply[0] == b"message":
                        heard(reply[2])
                elif asked:
                    raise TimeoutError
                else:
                    asked = True
                    await connection.send_command("PING", check_health=False)
        finally:
            await connection.disconnect(nowait=True)

    def _well(self) -> None:
        if self._told is not None:
            log.info("Valkey at %s answers again", self.place)
        self._told = None

    def _trouble(self, error: BaseException) -> None:
        words = _words(error)
        if words != self._told:
            log.warning("Valkey at %s: %s; going on without it until it answers", self.place, words)
        self._told = words


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _words(error: BaseException) -> str:
    """What is wrong, in words of ours: the library's may quote the place, the server's may quote anything."""
    if isinstance(error, AuthenticationError):
        return "the user or password is refused"
    if isinstance(error, ResponseError):
        return f"it refuses to talk ({_refused(str(error)).code})"
    if isinstance(error.__context__, ssl.SSLError):
        return "its certificate is not trusted, or it does not speak TLS"
    if isinstance(error, TimeoutError):
        return "it does not answer in time"
    return "there is no connection to it"
