"""An answer that its provider has cut goes on in another's words, where the policy has it so.

Only a text can go on: a call, JSON for a program, and what came in the client's own dialect end with an error in the
band, as every answer does by default.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

import msgspec
from msgspec import UNSET, Raw, Struct, structs

from gateway.core.chat import ChatRequest, Message
from gateway.core.errors import SyntraError, UpstreamBroken, UpstreamError
from gateway.core.events import Chunk, CompletionDetails, PromptDetails, Usage
from gateway.core.native import Aside
from gateway.core.seam import NoSeam, Seam, asks_for, last_words
from gateway.core.tokens import estimate
from gateway.stages.fallback import Begun
from gateway.upstream.answer import Answer
from gateway.upstream.count import Counted
from gateway.upstream.providers import Candidate

_LEAST_LEFT = 16  # tokens that whoever goes on may write, however much has been written

_encode = msgspec.json.Encoder().encode

Ask = Callable[[Sequence[Candidate], ChatRequest], Awaitable[Begun]]


class Segment(Struct, omit_defaults=True):
    """A part of an answer, as the client is told of it."""

    characters: int
    usage: Usage
    model: str = ""  # told only where nobody minds
    error: str = ""  # the kind of what has cut it


class Continuing:
    """Watches one answer, and finds who goes on with it."""

    def __init__(self, request: ChatRequest, candidates: Sequence[Candidate], ask: Ask) -> None:
        self._request = request
        self._left = list(candidates)
        self._ask = ask
        self._may = True
        self._text: list[str] = []
        self.segments: list[Segment] = []  # that are over
        self._length = 0  # characters of those

    def take(self, batch: Sequence[Chunk]) -> None:
        """Chunks as they came from the provider."""
        if not self._may:
            return
        for chunk in batch:
            for choice in chunk.choices:
                delta = choice.delta
                if delta.content:
                    self._text.append(delta.content)
                if delta.tool_calls or delta.native is not UNSET or delta.refusal or delta.audio is not UNSET:
                    self._may = False  # and it stays so: half a call cannot go on
                if choice.finish_reason is not None:
                    self._may = False

    async def begun_by_another(self, by: Candidate, error: UpstreamError) -> Begun | None:
        """Who goes on after this failure, with an answer that has only what is new; None where nobody may or can."""
        place = self._left.index(by) + 1 if by in self._left else 0
        self._left = self._left[place:]
        if not self._may or not self._left or not error.retryable:
            return None
        text = "".join(self._text)
        anchor = last_words(text)
        try:
            begun = await self._ask(self._left, continued(self._request, text, anchor))
        except SyntraError:  # each attempt is in the books; the client is told of what has cut the answer
            return None
        rest = Rest(begun.first, begun.opened.answer, Seam(anchor))
        opened = structs.replace(begun.opened, answer=rest)
        return structs.replace(begun, opened=opened, first=(), broken=rest.blames(begun.broken))

    def ended(self, model: str, usage: Usage, error: str = "") -> None:
        """A segment is over; one that brought nothing is none."""
        length = sum(map(len, self._text))
        if length > self._length or not error:
            self.segments.append(Segment(length - self._length, usage, model, error))
            self._length = length


def can_continue(request: ChatRequest) -> bool:
    """Whether what is asked for is a text."""
    body = request.body
    return (body.n or 1) == 1 and not body.wants_json and not body.audio


class Rest:
    """The answer of who goes on, without what the client has already; an Answer itself."""

    def __init__(self, first: Sequence[Chunk], answer: Answer, seam: Seam) -> None:
        self._first: Sequence[Chunk] | None = first
        self._answer = answer
        self._seam = seam
        self._astray = False

    def blames(self, broken: Callable[[SyntraError], None]) -> Callable[[SyntraError], None]:
        """Tells of a failure, but not of a model that was asked to go on and did not: it is well otherwise."""
        return lambda error: None if self._astray else broken(error)

    async def next(self) -> Sequence[Chunk]:
        """What is new; raises UpstreamBroken where it does not go on where the text was cut."""
        while True:
            first, self._first = self._first, None
            batch = first if first is not None else await self._answer.next()
            if not batch:
                return ()
            try:
                fresh = [chunk for chunk in batch if self._is_fresh(chunk)]
            except NoSeam:
                self._astray = True
                raise UpstreamBroken("The provider did not go on where the answer was cut.") from None
            if fresh:
                return fresh

    def counted(self) -> Counted:
        """The tokens of this part."""
        return self._answer.counted()

    def _is_fresh(self, chunk: Chunk) -> bool:
        """Take out what is not for the client; whether anything is left. Thoughts behind a text would end it."""
        for choice in chunk.choices:
            delta = choice.delta
            if delta.tool_calls and not self._seam.passed:
                raise NoSeam
            delta.role = delta.reasoning_content = delta.reasoning = None
            delta.reasoning_details = delta.thinking_blocks = delta.extra = UNSET
            said = self._seam.feed(delta.content) if delta.content else ""
            if choice.finish_reason is not None:
                said += self._seam.finish()
            delta.content = said or None
        empty = all(
            choice.delta.content is None and not choice.delta.tool_calls and choice.finish_reason is None
            for choice in chunk.choices
        )
        return not (chunk.choices and empty)


def continued(request: ChatRequest, text: str, anchor: str) -> ChatRequest:
    """The request that asks for the rest of an answer; the same request where nothing of it was said yet."""
    if not anchor:
        return request
    added = [Message(role="assistant", content=text), Message(role="user", content=asks_for(anchor))]
    raws = [_encode({"role": message.role, "content": message.content}) for message in added]
    asides = {name: _behind(aside, len(added)) for name, aside in request.asides.items()}
    body = structs.replace(request.body, messages=[*request.body.messages, *added])
    fields = dict(request.fields)
    for name in ("max_tokens", "max_completion_tokens"):
        limit = getattr(body, name)
        if limit is not None:
            setattr(body, name, max(_LEAST_LEFT, limit - estimate(len(text))))
            fields[name] = Raw(_encode(getattr(body, name)))
    return structs.replace(
        request,
        body=body,
        fields=fields,
        messages=(*request.messages, *raws),
        native=None,
        asides=asides,
        kept={place - len(added): artefacts for place, artefacts in request.kept.items()},
    )


def _behind(aside: Aside, count: int) -> Aside:
    """The same with its messages where they are after so many more."""
    return structs.replace(aside, messages={place - count: raw for place, raw in aside.messages.items()})


def summed(usages: Sequence[Usage]) -> Usage:
    """The usage of all segments together."""
    whole = Usage()
    for usage in usages:
        whole.prompt_tokens += usage.prompt_tokens
        whole.completion_tokens += usage.completion_tokens
        whole.total_tokens += usage.total_tokens or usage.prompt_tokens + usage.completion_tokens
        if (read := usage.prompt_tokens_details) is not None:
            kept = whole.prompt_tokens_details = whole.prompt_tokens_details or PromptDetails()
            for name in PromptDetails.__struct_fields__:
                _add(kept, read, name)
        if (said := usage.completion_tokens_details) is not None:
            told = whole.completion_tokens_details = whole.completion_tokens_details or CompletionDetails()
            for name in CompletionDetails.__struct_fields__:
                _add(told, said, name)
    return whole


def _add(to: Struct, more: Struct, name: str) -> None:
    value = getattr(more, name)
    if value is not None:
        setattr(to, name, (getattr(to, name) or 0) + value)
