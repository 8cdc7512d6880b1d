"""What a user has told Syntra, told to whoever answers; and what this user tells now, kept after the reply."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Final, TypeVar

from msgspec import Struct, field
from psycopg import Error

from gateway.core.caller import Caller
from gateway.core.chat import ChatRequest
from gateway.core.conversations import CALLS
from gateway.core.let_go import let_go
from gateway.core.memories import Memory, Mode, least
from gateway.core.noting import last_words, own_words, with_notes
from gateway.core.owner import person_of
from gateway.stages.memory import notes
from gateway.stages.memory.second import Second
from gateway.stages.memory.shelf import Shelf
from gateway.stages.memory.worth import statements
from gateway.stores.breaker import Unavailable
from gateway.stores.memories import Kept

log = logging.getLogger("syntra")

MEMORY: Final = "memory"  # what a request goes without, as it is told
SECOND: Final = "supermemory"
DEADLINE: Final = 0.150  # s; what an answer may wait for its notes
LONGEST_PERSON: Final = 256  # characters of a user's name; a longer one goes by its digest
_LOOKED_AT: Final = 16  # memories, of which those are told that matter and fit
_SEEN: Final = 200_000  # characters of what the user wrote in this conversation, in which nothing is told again
_REMEMBERED: Final = 10_000  # conversations whose notes are known, and persons whose choice is
_FRESH: Final = 60.0  # s for which a person's choice is believed
_MOST_WAITING: Final = 1000  # turns that wait to be kept; more are not
_CLOSE: Final = 2.0  # s that a stop waits for them
_KEPT: Final = CALLS | {"", "stop"}  # ends of answers that were no accident

K = TypeVar("K")
V = TypeVar("V")


class Counts(Struct, frozen=True):
    """Who counts what becomes of memories."""

    recalled: Callable[[float, int], None] = lambda _, __: None  # after so many seconds, so many notes
    kept: Callable[[str], None] = lambda _: None  # a memory of this kind
    skipped: Callable[[str], None] = lambda _: None  # a turn, for this reason


class Scope(Struct, frozen=True):
    """Whose memory a request speaks from, and what it may do with it."""

    organisation: str
    person: str
    mode: Mode  # as the key and the request have it; the person's own choice comes on top
    conversation: str

    @property
    def speaks(self) -> bool:
        """Whether there is anything to do at all."""
        return bool(self.person) and self.mode != "off"


class Recalled(Struct, frozen=True):
    """The request with its notes."""

    request: ChatRequest
    notes: Sequence[str] = ()  # ids of the memories that were told
    second: Sequence[str] = ()  # those among them that the second store found
    degraded: Sequence[str] = ()  # what did not answer: there might have been more


class _Heard(Struct):
    """What is told of a recall beside its memories."""

    lacking: set[str] = field(default_factory=set)
    second: set[str] = field(default_factory=set)


class Turn(Struct, frozen=True):
    """What a user said, to be kept if it is worth it."""

    scope: Scope
    text: str
    decision: str


def person(caller: Caller, *named: str | None) -> str:
    """Who is speaking: whose key it is, else whom the request names; a shared key alone is nobody."""
    found = caller.user or person_of(next(filter(None, named), ""))
    if len(found) <= LONGEST_PERSON:
        return found
    return blake2b(found.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


class Recollection:
    """Recalls before an answer, and remembers after it."""

    def __init__(self, shelf: Shelf, second: Second | None = None, counts: Counts | None = None) -> None:
        self._counts = counts or Counts()
        self._shelf = shelf
        self._second = second
        self._told: OrderedDict[bytes, Sequence[str]] = OrderedDict()  # what one turn was told, for its next steps
        self._choices: OrderedDict[tuple[str, str], tuple[Mode, float]] = OrderedDict()
        self._turns: asyncio.Queue[Turn] = asyncio.Queue(_MOST_WAITING)

    async def recall(self, scope: Scope, request: ChatRequest, tokens: int, words: str | None = None) -> Recalled:
        """The request with what its user said before that matters now, in so many tokens; late or never is without.

        `words` are the user's last ones made self-contained, where they lean on the conversation.
        """
        at = last_words(request)
        if not scope.speaks or at is None:
            return Recalled(request)
        began = time.monotonic()
        recalled = await self._recalled(scope, request, words or own_words(request.body.messages[at]), tokens)
        self._counts.recalled(time.monotonic() - began, len(recalled.notes))
        return recalled

    async def _recalled(self, scope: Scope, request: ChatRequest, text: str, tokens: int) -> Recalled:
        heard = _Heard()
        try:
            async with asyncio.timeout(DEADLINE):
                fitting = await self._matching(scope, request, text, tokens, heard)
        except (TimeoutError, Unavailable, Error) as error:
            log.debug("nothing was recalled: %s", error or "it was late")
            let_go(error)
            return Recalled(request, degraded=(MEMORY,))
        degraded = tuple(sorted(heard.lacking))
        if not fitting:
            return Recalled(request, degraded=degraded)
        ids = [one.memory.id for one in fitting]
        second = [one for one in ids if one in heard.second]
        return Recalled(with_notes(request, notes.told(fitting)), ids, second, degraded)

    def remember(self, scope: Scope, request: ChatRequest, decision: str, finish: str) -> None:
        """Keep what the user has just said, later; not from a step of a tool loop, nor where the answer was cut."""
        if not scope.person:
            return
        last = request.body.messages[-1]
        if scope.mode != "read-write":
            self._counts.skipped("off")
        elif finish not in _KEPT:
            self._counts.skipped("unfinished")
        elif last.role != "user":
            self._counts.skipped("step")
        elif not (text := own_words(last)):
            self._counts.skipped("nothing")
        else:
            self._wait(Turn(scope, text, decision))

    async def unsay(self, scope: Scope, text: str, since: datetime) -> None:
        """Forget what these words of a user's have put into memory since then; raises Unavailable."""
        if wanted := statements(text, since, scope.conversation, ""):
            await self._shelf.unsay(self._shelf.of(scope.organisation, scope.person), wanted, since)

    def unanswered(self, scope: Scope) -> None:
        """What the user has just said is not kept: its answer failed or was cut."""
        if scope.person:
            self._counts.skipped("unfinished" if scope.mode == "read-write" else "off")

    def _wait(self, turn: Turn) -> None:
        try:
            self._turns.put_nowait(turn)
        except asyncio.QueueFull:
            self._counts.skipped("full")
            log.warning("a turn was not remembered: too many wait")

    async def follow(self) -> None:
        """Keep what is to be remembered, for ever."""
        while True:
            await self._keep(await self._turns.get())
            self._turns.task_done()

    async def close(self) -> None:
        """Keep what still waits, as far as that goes quickly."""
        until = time.monotonic() + _CLOSE
        while not self._turns.empty() and time.monotonic() < until:
            await self._keep(self._turns.get_nowait())

    async def mode(self, scope: Scope) -> Mode:
        """What key, request and the person's own choice allow together; raises Unavailable."""
        whose = scope.organisation, scope.person
        known = self._choices.get(whose)
        if known is None or time.monotonic() - known[1] > _FRESH:
            choice = await self._shelf.of(*whose).choice()
            known = choice, time.monotonic()
            _put(self._choices, whose, known)
        return least(scope.mode, known[0])

    def heard(self, organisation: str) -> None:
        """Something of an organisation has changed: its persons may have chosen otherwise."""
        for whose in [whose for whose in self._choices if whose[0] == organisation]:
            del self._choices[whose]

    def deaf(self) -> None:
        """Changes are not heard of for the moment."""
        self._choices.clear()

    async def _matching(
        self, scope: Scope, request: ChatRequest, text: str, tokens: int, heard: _Heard
    ) -> list[notes.Note]:
        """The notes to tell; in a tool loop the same at each step, so that the prompt goes on as it began."""
        if await self.mode(scope) == "off":
            return []
        kept = self._shelf.of(scope.organisation, scope.person)
        turn = f"{scope.organisation}\0{scope.person}\0{scope.conversation}\0{text}"
        key = blake2b(turn.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        if last_words(request) != len(request.messages) - 1 and (before := self._told.get(key)) is not None:
            found = await kept.find(before) if before else {}
            return notes.chosen([found[one] for one in before if one in found], tokens)
        said = request.users_words()[-_SEEN:]
        found_now = await self._found(kept, text, heard)
        whole = {one.id for one in found_now}  # a fact stands in the words that it was read in
        new = (one for one in found_now if one.text not in said and one.source not in whole)
        fitting = notes.chosen(new, tokens)
        _put(self._told, key, [one.memory.id for one in fitting])
        return fitting

    async def _found(self, kept: Kept, text: str, heard: _Heard) -> list[Memory]:
        """What matters of both stores, ours first."""
        search = self._shelf.search(kept, text, _LOOKED_AT, lambda: heard.lacking.add(MEMORY))
        if self._second is None:
            return [told.memory for told in await search if told.matters]
        ours, more = await asyncio.gather(search, self._second.search(kept, text))
        found = {told.memory.id: told.memory for told in ours if told.matters}
        if more is None:
            heard.lacking.add(SECOND)
        for memory in more or ():
            if memory.id not in found:
                found[memory.id] = memory
                heard.second.add(memory.id)
        return list(found.values())

    async def _keep(self, turn: Turn) -> None:
        scope = turn.scope
        try:
            if await self.mode(scope) != "read-write":
                self._counts.skipped("off")
                return
            worth = statements(turn.text, datetime.now(UTC), scope.conversation, turn.decision)
            if not worth:
                self._counts.skipped("nothing")
                return
            added, _ = await self._shelf.add(self._shelf.of(scope.organisation, scope.person), worth)
            for memory in added:
                self._counts.kept(memory.kind)
        except (Unavailable, Error) as error:
            self._counts.skipped("away")
            log.warning("a turn was not remembered: %s", type(error).__name__)


def _put(known: OrderedDict[K, V], key: K, value: V) -> None:
    known[key] = value
    known.move_to_end(key)
    if len(known) > _REMEMBERED:
        known.popitem(last=False)
