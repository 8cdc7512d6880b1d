"""The same request again while its answer is kept: what was certain the first time is not worked out a second time.

From a request's bytes to the key that its answer is kept under, all hangs on what is compared here: the bytes, what the
head says, the caller with all that the key allows, and the documents. So is the reply's body, on the kept answer. What
may differ is done each time: the store is asked whether the answer is there and the same, limits are taken, the ledger
has its row. Requests that anything else has a part in (memory, artefacts of other turns, a summary, our own question to
a model) are never known here.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from functools import partial
from typing import Final, NamedTuple

from msgspec import Struct, structs

from gateway.core.caller import Caller
from gateway.core.closing import Closing
from gateway.core.ends import ANSWERED
from gateway.core.ids import uuid7
from gateway.core.milliseconds import milliseconds
from gateway.http.intake import Head
from gateway.pipeline import Course, Services, Wishes, admit, settle
from gateway.records.decision import Attempt, Decision, Outcome
from gateway.reply import Certain, Headers, Reply, told
from gateway.stores.answers import Answers
from gateway.upstream.incoming import HIT

_LONGEST: Final = 64 * 1024  # bytes of one request and its answer
_MOST_BYTES: Final = 4 * 1024 * 1024  # of all, in one worker


class Key(NamedTuple):
    """What the same request has the same of."""

    raw: bytes
    caller: tuple[str, str]
    said: tuple[object, ...]  # by its head


class _Known(Struct, frozen=True, eq=False):
    """What a request came to, and the body of its reply."""

    caller: Caller
    certain: Certain
    decision: Decision
    body: bytes
    size: int


class Repeat(Struct, frozen=True):
    """The reply to a request that was known."""

    decision: Decision
    headers: Headers
    body: bytes
    stream: bool


class Repeats:
    """The requests of this worker whose kept answers have been given before; the first known are forgotten first."""

    def __init__(self, services: Services, answers: Answers) -> None:
        self._services = services
        self._answers = answers
        self._known: OrderedDict[Key, _Known] = OrderedDict()
        self._size = 0

    @property
    def any(self) -> bool:
        """Whether one is known at all."""
        return bool(self._known)

    async def answer(self, raw: bytes, head: Head, caller: Caller, wishes: Wishes, closing: Closing) -> Repeat | None:
        """The reply, where the request is known and its answer still kept; what it takes is given back by `closing`."""
        # To look a request up reads all of it, which is 15 ms of the loop for the largest.
        if len(raw) > _LONGEST:
            return None
        key = _key(raw, head, caller)
        known = self._known.get(key)
        if known is None:
            return None
        services, certain, began = self._services, known.certain, time.monotonic()
        holds = known.caller == caller and services.policies.of(caller).library is certain.library
        kept = certain.replayed
        if not holds or time.time() > kept.until or not await self._answers.still(caller.organisation, *kept[:2]):
            self._forget(key)
            return None
        decision = structs.replace(known.decision, id=uuid7(), attempts=[], degraded=[], outcome=Outcome())
        course = Course(decision, certain.request, wishes, key=certain.conversation)
        closing.push(partial(settle, services, course))
        services.settle.require_room()  # 503
        if services.admission.concerns(caller):
            await admit(services, course, caller, certain.route, 0)  # 402, 429
        seen, outcome = known.decision.outcome, decision.outcome
        took = milliseconds(time.monotonic() - began)
        decision.attempts.append(Attempt(seen.model, ttft_ms=took, duration_ms=took, cache=HIT))
        outcome.ended, outcome.model, outcome.usage, outcome.finish = ANSWERED, seen.model, seen.usage, seen.finish
        outcome.ttft_ms, outcome.cache = took, HIT
        headers = [*told(decision, debug=False), *course.admitted.headers, (b"x-syntra-cache", HIT.encode())]
        return Repeat(decision, headers, known.body, bool(certain.request.body.stream))

    def keep(self, raw: bytes, head: Head, caller: Caller, reply: Reply, body: bytes) -> None:
        """Know the request from now on, if it is certain; its reply, which went out just now, had this body."""
        certain = reply.certain
        if certain is None:
            return
        size = len(raw) + len(certain.replayed.sealed) + len(body)
        if size > _LONGEST:
            return
        key = _key(raw, head, caller)
        self._forget(key)
        self._known[key] = _Known(caller, certain, reply.decision, body, size)
        self._size += size
        while self._size > _MOST_BYTES:
            self._forget(next(iter(self._known)))

    def _forget(self, key: Key) -> None:
        known = self._known.pop(key, None)
        if known is not None:
            self._size -= known.size


def _key(raw: bytes, head: Head, caller: Caller) -> Key:
    limits, memory = (head.max_cost, head.max_ttft_ms), (head.user, head.memory)
    said = head.persona, head.debug, head.policy, head.conversation, head.freshness, limits, memory
    return Key(raw, (caller.organisation, caller.key_id), said)
