"""Asks the candidates in turn until one has begun to answer; after that nothing is tried again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from functools import partial

import msgspec
from msgspec import Struct

from gateway.core.caller import Credential
from gateway.core.chat import ChatRequest
from gateway.core.deadline import Deadline
from gateway.core.errors import Internal, SyntraError, UpstreamBroken, UpstreamBusy, UpstreamError, UpstreamSilent
from gateway.core.events import Chunk
from gateway.core.health import Health
from gateway.core.pace import Pace
from gateway.core.tokens import estimate_prompt
from gateway.stores.cooldowns import Cooldowns
from gateway.upstream.answer import Opened, Sent
from gateway.upstream.flights import MISS, Cache
from gateway.upstream.providers import SIMULATED, Candidate, Upstream
from gateway.upstream.share import Circle


class Begun(Struct):
    """An answer whose first chunks are there."""

    candidate: Candidate
    opened: Opened
    first: Sequence[Chunk]
    ttft: float  # seconds
    broken: Callable[[SyntraError], None]  # tells of a failure after the first chunks


class Tried(Struct, frozen=True):
    """A candidate that was asked in vain; or was not asked, because another request is probing it."""

    candidate: Candidate
    error: SyntraError | None
    left: bool = False  # the client did not wait for the first word
    prompt: int = 0  # tokens that the provider may have read, and may bill
    seconds: float = 0.0
    cache: Cache = MISS


class Fallback:
    """The one owner of retries: the next candidate is asked only while nothing has reached the client."""

    def __init__(
        self,
        upstream: Upstream,
        health: Health,
        pace: Pace,
        cooldowns: Cooldowns,
        *,
        counted: Callable[[str, str], None],
    ) -> None:
        self._upstream = upstream
        self._health = health
        self._pace = pace
        self._cooldowns = cooldowns
        self._counted = counted

    async def begin(
        self,
        candidates: Sequence[Candidate],
        credentials: Mapping[str, Credential],
        request: ChatRequest,
        deadline: Deadline,
        stack: AsyncExitStack,
        *,
        tried: Callable[[Tried], None],
        circle: Circle | None = None,
    ) -> Begun:
        """The first answer that begins; it is closed with `stack`. Raises what the last candidate failed with.

        `credentials` are the caller's own keys, by provider; the others are the environment's. Within a `circle`
        the answer may be one that others have asked for.
        """
        ask = partial(self._upstream.ask, credentials=credentials, deadline=deadline, circle=circle)
        failure: SyntraError | None = None
        for candidate in candidates:
            # The last is asked whatever is thought of it, if nobody was: better than to answer nothing. A pin is one.
            last_hope = failure is None and candidate is candidates[-1]
            if not last_hope and not await self._may_try(candidate):
                tried(Tried(candidate, None))
                continue
            sent, began = Sent(), time.monotonic()
            try:
                return await self._peek(ask, candidate, request, stack, sent)
            except UpstreamError as error:
                error.provider = candidate.provider
                tried(in_vain(candidate, partial(estimate_prompt, request), sent, began, error))
                failure = _worse(failure, error)
                if not error.retryable:
                    break
            except asyncio.CancelledError:
                tried(in_vain(candidate, partial(estimate_prompt, request), sent, began, None))
                raise
        raise failure or Internal("A route without candidates was asked.")

    async def _may_try(self, candidate: Candidate) -> bool:
        """Whether a candidate may be asked: after its rest by one request alone, until that has its answer."""
        if not self._health.recovering(candidate.key):
            return True
        return self._health.try_probe(candidate.key, time.monotonic()) and await self._cooldowns.may_probe(
            candidate.key
        )

    async def _peek(
        self,
        ask: Callable[..., Awaitable[Opened]],
        candidate: Candidate,
        request: ChatRequest,
        stack: AsyncExitStack,
        sent: Sent,
    ) -> Begun:
        """Ask and wait for the first chunks, so that a failure still has a status; a failed attempt is closed here."""
        began = time.monotonic()
        try:
            taken, left_out = request.without(candidate.without)
            opened = await ask(candidate, request=taken.at_most(candidate.most_output), sent=sent)
            if left_out:
                opened = msgspec.structs.replace(opened, dropped=(*opened.dropped, *left_out))
            try:
                first = await opened.answer.next()
            except BaseException:
                opened.close()
                raise
        except SyntraError as error:
            self._failed(candidate, began, sent, error)
            raise
        except BaseException:  # the client left: that says nothing of the provider
            self._health.released(candidate.key, began)
            raise
        stack.callback(opened.close)
        ttft = time.monotonic() - began
        if candidate.provider != SIMULATED and sent.cache == MISS:
            self._began(candidate, ttft, streamed=bool(request.body.stream))
        return Begun(candidate, opened, first, ttft, partial(self._failed, candidate, began, sent))

    def _failed(self, candidate: Candidate, began: float, sent: Sent, error: SyntraError) -> None:
        """Tell the others of a failure, before the first word or after it; of a shared call one tells it for all."""
        if sent.cache != MISS:
            return
        cooldown = self._health.failed(candidate.key, error, time.monotonic(), began)
        if cooldown is not None:
            self._counted(candidate.provider, cooldown.reason)
            self._cooldowns.tell(cooldown)

    def _began(self, candidate: Candidate, ttft: float, *, streamed: bool) -> None:
        """The first words are there; how soon says something only of a stream, which has a first word."""
        usual = self._pace.ttft_ms(candidate.pace_key) / 1e3
        now = time.monotonic()
        if self._health.succeeded(candidate.key, ttft if streamed else 0.0, now, usual, began=now - ttft):
            self._cooldowns.recovered(candidate.key)
        elif (cooldown := self._health.cooling(candidate.key, now)) is not None and cooldown.since == now:
            self._counted(candidate.provider, cooldown.reason)
            self._cooldowns.tell(cooldown)
        if streamed:
            self._pace.first_token(candidate.pace_key, ttft * 1e3, now)


def in_vain(
    candidate: Candidate, prompt: Callable[[], int], sent: Sent, began: float, error: UpstreamError | None
) -> Tried:
    """An attempt without a first word; where it may have been at work on the prompt, it has a price all the same."""
    may_have_run = sent.out and (error is None or isinstance(error, UpstreamBroken | UpstreamSilent))
    tokens = prompt() if may_have_run else 0
    return Tried(candidate, error, error is None, tokens, time.monotonic() - began, sent.cache)


def _worse(before: SyntraError | None, error: UpstreamError) -> SyntraError:
    """Which of two failures is told: a wait is better news than a failure, and a short one than a long one."""
    if not isinstance(before, UpstreamBusy):
        return error
    sooner = isinstance(error, UpstreamBusy) and error.retry_after < before.retry_after
    return error if sooner else before
