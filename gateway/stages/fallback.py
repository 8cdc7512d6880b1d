"""Asks the candidates in turn until one has begun to answer; after that nothing is tried again."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial

import msgspec
from msgspec import Struct

from gateway.core.caller import Credential
from gateway.core.chat import ChatRequest
from gateway.core.closing import Closing
from gateway.core.deadline import Deadline
from gateway.core.ends import LEFT, OUTRUN, RESTING
from gateway.core.errors import (
    ContextTooLong,
    Internal,
    Paced,
    SyntraError,
    UpstreamBroken,
    UpstreamBusy,
    UpstreamError,
    UpstreamSilent,
    UpstreamUnwilling,
)
from gateway.core.events import Chunk
from gateway.core.health import REFUSED, Cooldown, Health
from gateway.core.let_go import let_go
from gateway.core.pace import Pace
from gateway.core.retries import Retries, pause
from gateway.core.tokens import estimate_prompt
from gateway.stores.cooldowns import Cooldowns
from gateway.stores.pacer import Pacer
from gateway.upstream.answer import Opened, Sent
from gateway.upstream.count import Counted
from gateway.upstream.incoming import MISS, Cache
from gateway.upstream.providers import SIMULATED, Candidate, Upstream
from gateway.upstream.share import Circle
from policies.documents import CONTENT_POLICY, CONTEXT_LENGTH, LATENESS

log = logging.getLogger("syntra")


class Begun(Struct):
    """An answer whose first chunks are there."""

    candidate: Candidate
    opened: Opened
    first: Sequence[Chunk]
    ttft: float  # seconds
    broken: Callable[[SyntraError], None]  # tells of a failure after the first chunks


class Tried(Struct, frozen=True):
    """A candidate that was asked in vain, or not at all."""

    candidate: Candidate
    error: SyntraError | None = None
    ended: str = RESTING  # where there is no error
    prompt: int = 0  # tokens that the provider may have read, and may bill
    seconds: float = 0.0
    counted: Counted | None = None  # of an answer that had begun
    cache: Cache = MISS


class _Asked(Struct, frozen=True):
    """One request while somebody is looked for who answers it."""

    credentials: Mapping[str, Credential]
    circle: Circle | None
    last: Candidate  # who is asked when nobody else could
    organisation: str
    request: ChatRequest
    deadline: Deadline
    moves: Collection[str]
    tried: Callable[[Tried], None]
    failures: list[SyntraError]
    seen: set[str]  # the candidates that were asked
    heard: list[SyntraError]  # those of the failures that were of calls which others had made
    outrun: set[str]  # those that are called off because another was first


class Fallback:
    """The one owner of retries: the next candidate is asked only while nothing has reached the client."""

    def __init__(
        self,
        upstream: Upstream,
        health: Health,
        pace: Pace,
        cooldowns: Cooldowns,
        pacer: Pacer,
        *,
        counted: Callable[[str, str], None],
        retried: Callable[..., None],
    ) -> None:
        self._upstream = upstream
        self._health = health
        self._pace = pace
        self._cooldowns = cooldowns
        self._pacer = pacer
        self._counted = counted
        self._retried = retried
        self._retries = Retries()

    async def begin(
        self,
        candidates: Sequence[Candidate],
        credentials: Mapping[str, Credential],
        request: ChatRequest,
        deadline: Deadline,
        closing: Closing,
        *,
        tried: Callable[[Tried], None],
        circle: Circle | None = None,
        organisation: str = "",
        moves: Collection[str] = (),
    ) -> Begun:
        """The first answer that begins; it is closed with `closing`. Raises what the last candidate failed with.

        `credentials` are the caller's own keys, by provider; the others are the environment's. Within a `circle` the
        answer may be one that others have asked for; among `organisation`s the wait for a provider is shared fairly.
        `moves` are what the policy moves on for, beside failures.
        """
        self._retries.request(time.monotonic())
        asked = _Asked(
            credentials, circle, candidates[-1], organisation, request, deadline, moves, tried, [], set(), [], set()
        )
        try:
            begun = await self._in_turn(candidates, asked)
        finally:
            for failure in asked.failures:
                let_go(failure)
        closing.callback(begun.opened.close)
        return begun

    async def _in_turn(self, candidates: Sequence[Candidate], asked: _Asked) -> Begun:
        """The first answer that begins, of candidates that are asked one after the other."""
        for at, candidate in enumerate(candidates):
            # The last is asked whatever is thought of it, if nobody was: better than to answer nothing. A pin is one.
            last_hope = not asked.failures and candidate is candidates[-1]
            if asked.failures and (candidate.name in asked.seen or not _is_for(candidate, asked.failures[-1])):
                continue
            if not last_hope and not await self._may_try(candidate):
                asked.tried(Tried(candidate))
                continue
            if asked.failures and not await self._once_more(candidate, asked):
                break
            hedged = LATENESS in asked.moves and not asked.failures
            try:
                if hedged and (others := candidates[at + 1 :]):
                    return await self._whoever_is_first(candidate, others, asked)
                return await self._attempt(candidate, asked)
            except (UpstreamError, ContextTooLong) as error:
                if not _moves_on(error, asked.moves):
                    break
        raise _worst(asked.failures)

    async def _once_more(self, candidate: Candidate, asked: _Asked) -> bool:
        """Whether there is budget for another attempt; who has just failed is given a moment first."""
        if all(isinstance(error, Paced) for error in asked.failures):
            return True  # nobody has been asked yet
        if any(asked.failures[-1] is error for error in asked.heard):
            return True  # the call was another's, and so is its retry
        if not self._may_retry():
            return False
        failures = sum(
            isinstance(error, UpstreamError) and error.provider == candidate.provider
            for error in asked.failures
            if not isinstance(error, Paced)
        )
        if failures:
            await asyncio.sleep(asked.deadline.left(pause(failures)))
        return True

    def _may_retry(self) -> bool:
        """Whether the budget has room for one more attempt, which is then counted."""
        made = self._retries.take(time.monotonic())
        self._retried(made=made)
        return made

    async def _whoever_is_first(self, candidate: Candidate, others: Sequence[Candidate], asked: _Asked) -> Begun:
        """The candidate's answer; or another's, who is asked as soon as this one is late."""
        first = asyncio.create_task(self._attempt(candidate, asked))
        running = {first: candidate}
        try:
            await asyncio.wait(running, timeout=self._pace.late_ms(candidate.pace_key) / 1e3)
            other = next((one for one in others if not self._health.recovering(one.key)), None)
            if not first.done() and other is not None and self._may_retry():
                running[asyncio.create_task(self._attempt(other, asked))] = other
            begun = await _first_that_begins(running)
        except BaseException:
            await self._call_off(running, asked)
            raise
        asked.outrun.update(one.name for one in running.values())
        try:
            await self._call_off(running, asked)
        except BaseException:
            begun.opened.close()
            raise
        return begun

    async def _call_off(self, running: Mapping[asyncio.Task[Begun], Candidate], asked: _Asked) -> None:
        """End the attempts that are still under way."""
        for task in running:
            task.cancel()
        for ended in await asyncio.gather(*running, return_exceptions=True):
            if isinstance(ended, Begun):  # both began in the same moment, and only one can be told
                share = ended.opened.share
                counted = ended.opened.answer.counted() if share.pays() else None
                ended.opened.close()
                tried = Tried(ended.candidate, ended=OUTRUN, seconds=ended.ttft, counted=counted, cache=share.cache)
                asked.tried(tried)

    async def _attempt(self, candidate: Candidate, asked: _Asked) -> Begun:
        """Ask one candidate; what comes of it in vain is told and remembered."""
        sent, began = Sent(), time.monotonic()
        asked.seen.add(candidate.name)
        try:
            return await self._peek(candidate, asked, sent)
        except (UpstreamError, ContextTooLong) as error:
            if isinstance(error, UpstreamError):
                error.provider = candidate.provider
            asked.failures.append(error)
            if sent.cache != MISS:
                asked.heard.append(error)
            asked.tried(in_vain(candidate, partial(estimate_prompt, asked.request), sent, began, error))
            raise
        except asyncio.CancelledError:
            ended = OUTRUN if candidate.name in asked.outrun else LEFT
            if ended == OUTRUN:  # it takes at least as long as this
                now = time.monotonic()
                self._pace.first_token(candidate.pace_key, (now - began) * 1e3, now)
            asked.tried(in_vain(candidate, partial(estimate_prompt, asked.request), sent, began, None, ended))
            raise

    async def _may_try(self, candidate: Candidate) -> bool:
        """Whether a candidate may be asked: after its rest by one request alone, until that has its answer."""
        if not self._health.recovering(candidate.key):
            return True
        return self._health.try_probe(candidate.key, time.monotonic()) and await self._cooldowns.may_probe(
            candidate.key
        )

    async def _peek(self, candidate: Candidate, asked: _Asked, sent: Sent) -> Begun:
        """Ask and wait for the first chunks, so that a failure still has a status; a failed attempt is closed here."""
        began, request = time.monotonic(), asked.request
        waited = 0.0  # for our own pace: that is not the provider's slowness

        async def entry() -> Callable[[], None]:
            nonlocal waited
            came = time.monotonic()
            last = candidate is asked.last
            release = await self._pacer.enter(candidate.key, asked.organisation, asked.deadline, last=last)
            waited = time.monotonic() - came
            return release

        try:
            taken, left_out = request.without(candidate.without) if candidate.without else (request, ())
            if taken.lenient:
                taken = taken.at_most(candidate.most_output)
            opened = await self._upstream.ask(
                candidate, asked.credentials, taken, asked.deadline, sent, asked.circle, entry
            )
            if sent.cache == MISS:
                self._pacer.heard(candidate.key, opened.headers)
            if left_out:
                opened = msgspec.structs.replace(opened, dropped=(*opened.dropped, *left_out))
            try:
                first = await opened.answer.next()
                if CONTENT_POLICY in asked.moves and _says_nothing(first):
                    raise UpstreamUnwilling(f"{candidate.provider} would not answer this.")
            except BaseException:
                opened.close()
                raise
        except SyntraError as error:
            self._failed(candidate, began, sent, error)
            raise
        except BaseException:  # the client left: that says nothing of the provider
            self._health.released(candidate.key, began)
            raise
        ttft = time.monotonic() - began - waited
        if candidate.provider != SIMULATED and sent.cache == MISS:
            self._began(candidate, ttft, streamed=bool(request.body.stream))
        return Begun(candidate, opened, first, ttft, partial(self._failed, candidate, began, sent))

    def _failed(self, candidate: Candidate, began: float, sent: Sent, error: SyntraError) -> None:
        """Tell the others of a failure, before the first word or after it; of a shared call one tells it for all."""
        if sent.cache != MISS or candidate.provider == SIMULATED:
            return
        if isinstance(error, Paced):  # nobody has been asked
            self._health.released(candidate.key, began)
            return
        if isinstance(error, UpstreamBusy):
            self._pacer.limited(candidate.key, error.retry_after)
        cooldown = self._health.failed(candidate.key, error, time.monotonic(), began)
        if cooldown is not None:
            self._rests(cooldown)

    def _rests(self, cooldown: Cooldown) -> None:
        """Announce that a key is left alone for a while."""
        provider, credential, model = cooldown.key
        self._counted(provider, cooldown.reason)
        self._cooldowns.tell(cooldown)
        if cooldown.reason == REFUSED:
            words = "%s refuses our key (%s): nothing is sent with it for %d s, then one request tries it"
            log.error(words, provider, credential, round(cooldown.seconds))
        else:
            log.info("%s/%s: %s, left alone for %.1f s", provider, model, cooldown.reason, cooldown.seconds)

    def _began(self, candidate: Candidate, ttft: float, *, streamed: bool) -> None:
        """The first words are there; how soon says something only of a stream, which has a first word."""
        usual = self._pace.ttft_ms(candidate.pace_key) / 1e3
        now = time.monotonic()
        if self._health.succeeded(candidate.key, ttft if streamed else 0.0, now, usual, began=now - ttft):
            self._cooldowns.recovered(candidate.key)
        elif (cooldown := self._health.cooling(candidate.key, now)) is not None and cooldown.since == now:
            self._rests(cooldown)
        if streamed:
            self._pace.first_token(candidate.pace_key, ttft * 1e3, now)


def in_vain(
    candidate: Candidate,
    prompt: Callable[[], int],
    sent: Sent,
    began: float,
    error: SyntraError | None,
    ended: str = LEFT,
) -> Tried:
    """An attempt without a first word; where it may have been at work on the prompt, it has a price all the same."""
    worked = error is None or isinstance(error, UpstreamBroken | UpstreamSilent | UpstreamUnwilling)
    tokens = prompt() if sent.out and worked else 0
    return Tried(candidate, error, ended, tokens, time.monotonic() - began, cache=sent.cache)


async def _first_that_begins(running: dict[asyncio.Task[Begun], Candidate]) -> Begun:
    """The first of these answers that begins, taken out of `running`; raises the last failure if none does."""
    while True:
        done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        for future in done:
            del running[future]
        begun = [future for future in done if future.exception() is None]
        for future in begun[1:]:
            running[future] = future.result().candidate
        if begun or not running:
            return (begun or list(done))[0].result()


def _moves_on(error: SyntraError, moves: Collection[str]) -> bool:
    """Whether another candidate may be asked after this failure."""
    if isinstance(error, ContextTooLong):
        return CONTEXT_LENGTH in moves
    if isinstance(error, UpstreamUnwilling):
        return CONTENT_POLICY in moves
    return error.retryable


def _is_for(candidate: Candidate, failure: SyntraError) -> bool:
    """Whether a candidate may do better: for a prompt that was too long, only one with a window beyond that."""
    if not isinstance(failure, ContextTooLong):
        return True
    return candidate.window > max(failure.most, failure.tokens)


def _says_nothing(first: Sequence[Chunk]) -> bool:
    """Whether an answer is over before its first word, because the provider's filter has held it back."""
    choices = [choice for chunk in first for choice in chunk.choices]
    filtered = bool(choices) and all(choice.finish_reason in (None, "content_filter") for choice in choices)
    return (
        filtered
        and any(choice.finish_reason for choice in choices)
        and not any(choice.delta.content or choice.delta.tool_calls for choice in choices)
    )


def _worst(failures: Sequence[SyntraError]) -> SyntraError:
    """Which of the failures is told: a wait is better news than a failure, and a short one than a long one."""
    waits = [error for error in failures if isinstance(error, UpstreamBusy)]
    if waits:
        return min(waits, key=lambda error: error.retry_after)
    return failures[-1] if failures else Internal("A route without candidates was asked.")
