"""Lets a conversation move between providers: what each wants to see again is kept where the client does not keep it.

A client of chat completions gives back texts and calls and nothing else. So what an answer's issuer wants to see again
is kept for the turn, and put beside the turn's message when the conversation comes back; the wire gives it to its
issuer alone (`upstream/moved.py`). A call's id says that something of its turn is kept, so nobody asks for nothing.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import partial
from hashlib import blake2b
from typing import Final

import msgspec
from msgspec import UNSET, Raw

from gateway.core.artefacts import Artefacts
from gateway.core.caller import Caller
from gateway.core.callids import is_kept, shown
from gateway.core.chat import SYSTEM_ROLES, ChatRequest, Message, is_answered
from gateway.core.closing import Closing
from gateway.core.events import Choice, Chunk, Delta, Text, ToolCallDelta
from gateway.stores.artefacts import ArtefactStore
from gateway.stores.breaker import Unavailable

CARRYING: Final = frozenset({"responses", "messages"})  # surfaces whose clients themselves give thoughts back
DEGRADED: Final = "thoughts"
_WORDY: Final = frozenset({"kimi", "openrouter"})  # want to see the thoughts themselves again
_MOST_TALKS: Final = 50_000  # conversations of which it is known that an answer without calls is kept
_SEEN: Final = 4096  # bytes of the first message that tell such conversations apart
_MOST_TEXT: Final = 512 * 1024  # characters of an answer that are held; thoughts behind a longer one are not kept

Keep = Callable[[Artefacts, str, str], None]  # with the answer's text and the id of its first call

_details = msgspec.json.Decoder(list[Raw] | None)


class Recall:
    """What is kept of a request's turns, while it is asked for."""

    def __init__(self, request: ChatRequest, found: dict[int, Artefacts]) -> None:
        self._request = request
        self._found = found
        self._asked: asyncio.Task[dict[int, Artefacts]] | None = None

    def wait_for(self, asked: asyncio.Task[dict[int, Artefacts]]) -> None:
        """More will come of this."""
        self._asked = asked

    async def recalled(self, request: ChatRequest) -> tuple[ChatRequest, tuple[str, ...]]:
        """A request completed as far as that can be known in time; and what could not be asked for that.

        It is the one that was asked about, or what is left of it: a turn is known by all that was said before it.
        """
        degraded: tuple[str, ...] = ()
        if self._asked is not None:
            try:
                self._found |= await self._asked
            except Unavailable:
                degraded = (DEGRADED,)
        whole, left = self._request.body.messages, request.body.messages
        kept = {
            place - len(whole): artefacts
            for place, artefacts in self._found.items()
            if len(whole) - place <= len(left) and whole[place] == left[place - len(whole)]
        }
        return (msgspec.structs.replace(request, kept=kept) if kept else request), degraded


class Moving:
    """Keeps what issuers want to see again, and finds it."""

    def __init__(self, store: ArtefactStore) -> None:
        self._store = store
        self._talks: OrderedDict[bytes, None] = OrderedDict()

    def recall(self, caller: Caller, request: ChatRequest, closing: Closing, person: str = "") -> Recall | None:
        """Ask for what is kept of the request's turns; at once, so that it travels with what is asked next."""
        if not is_answered(request):
            return None
        owner = _owner(caller, person, request.body.user or "")
        wanted = self._wanted(owner, request)
        found: dict[int, Artefacts] = {}
        missing: dict[int, bytes] = {}
        for place, key in wanted.items():
            artefacts = self._store.here(key)
            if artefacts is not None:
                found[place] = artefacts
            else:
                missing[place] = key
        recall = Recall(request, found)
        if any(_of_a_call(request.body.messages[place]) for place in missing):
            asked = asyncio.get_running_loop().create_task(self._ask(caller.organisation, missing))
            closing.callback(partial(_forget, asked))
            recall.wait_for(asked)
        return recall

    def keeper(
        self, caller: Caller, request: ChatRequest, issuer: str, seed: str, *, carried: bool, person: str = ""
    ) -> Keeper:
        """What looks at an answer of `issuer`; `carried` where the client gives back all but a text's signature."""

        def keep(artefacts: Artefacts, text: str, first_call: str) -> None:
            owner = _owner(caller, person, request.body.user or "")
            if first_call:
                key = _call_key(owner, first_call)
            else:
                self._talk(owner, request)
                told = _told(owner)
                for message in request.body.messages:
                    _tell(told, message)
                key = _turn_key(told, Message(role="assistant", content=text))
            self._store.put(caller.organisation, key, artefacts)

        return Keeper(request, issuer, seed, keep, carried=carried)

    async def _ask(self, organisation: str, missing: dict[int, bytes]) -> dict[int, Artefacts]:
        found = await self._store.elsewhere(organisation, list(missing.values()))
        return {place: found[key] for place, key in missing.items() if key in found}

    def _wanted(self, owner: bytes, request: ChatRequest) -> dict[int, bytes]:
        """The turns of which something may be kept, with what it is kept under.

        Nothing tells from outside whether an answer without calls is one; so it is looked for only where this process
        knows of such a one in the conversation, or asks for others anyway.
        """
        messages = request.body.messages
        answers = [place for place, message in enumerate(messages) if message.role == "assistant"]
        wanted = {
            place: _call_key(owner, messages[place].tool_calls[0].id)  # type: ignore[index]  # it has calls
            for place in answers
            if _of_a_call(messages[place])
        }
        if not wanted and _beginning(owner, request) not in self._talks:
            return {}
        told = _told(owner)
        for place, message in enumerate(messages):
            if message.role == "assistant" and not message.tool_calls:
                wanted[place] = _turn_key(told, message)
            _tell(told, message)
        return wanted

    def _talk(self, owner: bytes, request: ChatRequest) -> None:
        key = _beginning(owner, request)
        self._talks[key] = None
        self._talks.move_to_end(key)
        if len(self._talks) > _MOST_TALKS:
            self._talks.popitem(last=False)


class Keeper:
    """Looks at one answer: gives its calls the client's ids, and keeps what its issuer wants to see again."""

    def __init__(self, request: ChatRequest, issuer: str, seed: str, keep: Keep, *, carried: bool) -> None:
        self._request = request
        self._seed = seed
        self._taken: set[str] | None = None  # ids of calls, once there is one
        self._keep: Keep | None = keep
        self._carried = carried
        self._ids: dict[tuple[int, object], str] = {}
        self._artefacts = Artefacts(issuer, calls={}, details=[])
        self._words: list[str] = []
        self._text = bytearray()  # a thousand pieces would each take seven times what they say
        self._room = _MOST_TEXT
        self._first_call = ""

    def take(self, batch: Sequence[Chunk]) -> None:
        """Chunks on their way to the client; ids are changed in place."""
        for chunk in batch:
            if type(chunk) is Text:
                said = chunk.choices[0]
                if not said.index:
                    self._hear(said.delta.content)
            else:
                for choice in chunk.choices:
                    self._take(choice)

    def _take(self, choice: Choice) -> None:
        delta = choice.delta
        if self._keep is not None and choice.index == 0:
            if delta.content:
                self._hear(delta.content)
            if (
                delta.reasoning_content is not None
                or delta.extra is not UNSET
                or delta.thinking_blocks is not UNSET
                or delta.reasoning_details is not UNSET
            ):
                self._notice(delta)
        if delta.tool_calls:
            for piece in delta.tool_calls:
                self._name(choice, piece)
        if choice.finish_reason is not None and choice.index == 0:
            self._finish()

    def _hear(self, words: str) -> None:
        if self._room >= 0:
            self._room -= len(words)
            self._text += words.encode("utf-8", "surrogatepass")

    def forget(self) -> None:
        """Another goes on with this answer: no single issuer wants to see it again."""
        self._keep, self._room = None, -1

    def _notice(self, delta: Delta) -> None:
        if delta.extra is not UNSET and (sign := delta.extra.get("extra_content")) is not None:
            self._artefacts.sign = sign
        if self._carried:
            return
        if delta.reasoning_content and self._artefacts.issuer.partition(" ")[0] in _WORDY:
            self._words.append(delta.reasoning_content)
        if delta.thinking_blocks is not UNSET:
            self._artefacts.blocks = delta.thinking_blocks
        if delta.reasoning_details is not UNSET:
            self._artefacts.details += _details.decode(delta.reasoning_details) or ()

    def _name(self, choice: Choice, piece: ToolCallDelta) -> None:
        """The client's id for a call, in its first piece and wherever it is said again."""
        index = piece.index if isinstance(piece.index, int) else piece.id
        known = self._ids.get((choice.index, index))
        if known is None:
            kept = self._is_kept(piece) if choice.index == 0 else False
            messages = self._request.body.messages
            if self._taken is None:
                self._taken = {call.id for message in messages for call in message.tool_calls or ()}
            seed = f"{self._seed}\0{len(messages)}\0{choice.index}\0{len(self._ids)}"
            known = self._ids[choice.index, index] = shown(piece.id or "", self._taken, seed, kept=kept)
            self._taken.add(known)
            self._first_call = self._first_call or (known if choice.index == 0 else "")
            piece.id = known
        elif piece.id:
            piece.id = known
        if piece.extra_content is not UNSET and choice.index == 0 and not self._carried:
            self._artefacts.calls[known] = piece.extra_content

    def _is_kept(self, piece: ToolCallDelta) -> bool:
        """Whether there is something of this turn to be seen again, as far as it has come."""
        if self._carried or self._keep is None:
            return False
        return piece.extra_content is not UNSET or bool(self._words or self._artefacts)

    def _finish(self) -> None:
        """The answer is whole, all but its count: what is kept is there before the client can come back."""
        keep, self._keep = self._keep, None
        self._artefacts.words = "".join(self._words)
        found = is_kept(self._first_call) if self._first_call else self._room >= 0
        if keep is not None and self._artefacts and found:
            keep(self._artefacts, self._text.decode("utf-8", "surrogatepass"), self._first_call)


def _forget(asked: asyncio.Task[dict[int, Artefacts]]) -> None:
    """Nobody waits for it any more."""
    asked.cancel()
    if asked.done() and not asked.cancelled():
        asked.exception()


def _of_a_call(message: Message) -> bool:
    return bool(message.tool_calls) and is_kept(message.tool_calls[0].id)  # type: ignore[index]  # it has calls


def _owner(caller: Caller, *named: str) -> bytes:
    """Whose conversation it is; what was thought for one person may have come of that one's memory."""
    said = "\0".join((caller.organisation, caller.key_id, caller.user, *named))
    return blake2b(said.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _call_key(owner: bytes, call_id: str) -> bytes:
    return blake2b(call_id.encode("utf-8", "surrogatepass"), key=owner, digest_size=16, person=b"call").digest()


def _told(owner: bytes) -> blake2b:
    return blake2b(key=owner, digest_size=16, person=b"turn")


def _tell(told: blake2b, message: Message) -> None:
    """Add a message; what the system says may differ from call to call, as the time of day does."""
    if message.role not in SYSTEM_ROLES:
        calls = "\0".join(call.id for call in message.tool_calls or ())
        said = f"{message.role}\0{message.text().strip()}\0{calls}\1"
        told.update(said.encode("utf-8", "surrogatepass"))


def _turn_key(told: blake2b, message: Message) -> bytes:
    """What a turn without calls is kept under: all that was said before it, and it."""
    turn = told.copy()
    _tell(turn, message)
    return turn.digest()


def _beginning(owner: bytes, request: ChatRequest) -> bytes:
    """How a conversation begins, behind what the system says."""
    first = next((message for message in request.body.messages if message.role not in SYSTEM_ROLES), None)
    said = first.text()[:_SEEN] if first is not None else ""
    return blake2b(said.encode("utf-8", "surrogatepass"), key=owner, digest_size=16).digest()
