"""Cleans an answer chunk by chunk: every text of every choice goes through a sanitizer of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from msgspec import UNSET

from gateway.core.chat import ChatRequest
from gateway.core.events import Choice, Chunk, Delta, Text, TextDelta
from gateway.stages.sanitize import Sanitizer

Field = Literal["content", "reasoning_content", "reasoning", "refusal"]
_ASIDE: tuple[Field, ...] = ("reasoning_content", "reasoning", "refusal")
_ALL: tuple[Field, ...] = ("content", *_ASIDE)


class Clean:
    """The sanitizers of one answer; tool arguments, audio and JSON pass untouched."""

    def __init__(self, name: str, request: ChatRequest, *, voice: bool) -> None:
        self._name = name
        self._request = request
        self._voice = voice and not request.body.wants_json
        self._open: dict[tuple[int, Field], Sanitizer] = {}
        self._aside: set[int] = set()  # choices that have spoken beside their content

    def chunks(self, batch: Sequence[Chunk]) -> list[Chunk]:
        """The batch, cleaned; what could still become a match is held back until it is decided."""
        cleaned: list[Chunk] = []
        for chunk in batch:
            if type(chunk) is not Text or self._aside:
                self._clean_all(chunk, cleaned)
                continue
            choice = chunk.choices[0]
            delta = choice.delta
            sanitizer = self._open.get((choice.index, "content")) or self._begin(choice.index, "content")
            delta.content = said = sanitizer.feed(delta.content)
            if said or _says_something(choice):
                cleaned.append(chunk)
        return cleaned

    def _clean_all(self, chunk: Chunk, cleaned: list[Chunk]) -> None:
        held: list[Choice] = []
        for choice in chunk.choices:
            self._clean(choice, held)
        if held:
            cleaned.append(Chunk(choices=held))
        if not chunk.choices or any(map(_says_something, chunk.choices)):
            cleaned.append(chunk)

    def _clean(self, choice: Choice, held: list[Choice]) -> None:
        """Clean one choice's delta in place; text that was held goes before a tool call, an event or the end."""
        delta = choice.delta
        if delta.content:
            if choice.index in self._aside:  # its thoughts are over
                self._release(choice, held, _ASIDE)
            delta.content = self._feed(choice.index, "content", delta.content)
        if delta.reasoning_content is not None or delta.reasoning is not None or delta.refusal is not None:
            for field in _ASIDE:
                if text := getattr(delta, field):
                    self._aside.add(choice.index)
                    setattr(delta, field, self._feed(choice.index, field, text))
        if choice.finish_reason is not None or delta.tool_calls or delta.native is not UNSET:
            self._release(choice, held, _ALL)

    def _feed(self, index: int, field: Field, text: str) -> str:
        return (self._open.get((index, field)) or self._begin(index, field)).feed(text)

    def _begin(self, index: int, field: Field) -> Sanitizer:
        sanitizer = self._open[index, field] = Sanitizer(self._name, self._request.users_words, voice=self._voice)
        return sanitizer

    def _release(self, choice: Choice, held: list[Choice], fields: tuple[Field, ...]) -> None:
        """Nothing more will decide what is held: it goes out, in this chunk where the chunk has the text already."""
        self._aside.discard(choice.index)
        index = choice.index
        for field in fields:
            if not self._open:
                break
            sanitizer = self._open.pop((index, field), None)
            rest = sanitizer.finish() if sanitizer is not None else ""
            if not rest:
                continue
            text = getattr(choice.delta, field)
            if text is not None:
                setattr(choice.delta, field, text + rest)
            else:
                delta = Delta()
                setattr(delta, field, rest)
                held.append(Choice(index, delta))


_NOTHING = (Delta(content=""), Delta(), TextDelta(content=""))


def _says_something(choice: Choice) -> bool:
    """Whether anything is left of a choice after all of its text was held back."""
    if choice.delta.content or choice.finish_reason is not None or choice.delta.role is not None:
        return True
    return choice.delta not in _NOTHING or bytes(choice.logprobs) != b"null"
