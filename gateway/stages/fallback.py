"""Asks the candidates in turn until one has begun to answer; after that nothing is tried again."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack

from msgspec import Struct

from gateway.core.chat import ChatRequest
from gateway.core.deadline import Deadline
from gateway.core.errors import UpstreamBusy, UpstreamError
from gateway.core.events import Chunk
from gateway.upstream.answer import Opened
from gateway.upstream.providers import Candidate, Upstream


class Begun(Struct):
    """An answer whose first chunks are there."""

    candidate: Candidate
    opened: Opened
    first: Sequence[Chunk]


class Fallback:
    """The one owner of retries: the next candidate is asked only while nothing has reached the client."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream

    async def begin(
        self, candidates: Sequence[Candidate], request: ChatRequest, deadline: Deadline, stack: AsyncExitStack
    ) -> Begun:
        """The first answer that begins; it is closed with `stack`. Raises what the last candidate failed with."""
        busy: UpstreamBusy | None = None
        for candidate in candidates:
            try:
                return await self._peek(candidate, request, deadline, stack)
            except UpstreamError as error:
                error.provider = candidate.provider
                if isinstance(error, UpstreamBusy) and (busy is None or error.retry_after < busy.retry_after):
                    busy = error
                if not error.retryable or candidate is candidates[-1]:
                    raise busy or error from None
        raise AssertionError("a plan has at least one candidate")

    async def _peek(
        self, candidate: Candidate, request: ChatRequest, deadline: Deadline, stack: AsyncExitStack
    ) -> Begun:
        """Ask and wait for the first chunks, so that a failure still has a status; a failed attempt is closed here."""
        opened = await self._upstream.ask(candidate, request, deadline)
        try:
            first = await opened.answer.next()
        except BaseException:
            opened.close()
            raise
        stack.callback(opened.close)
        return Begun(candidate, opened, first)
