"""Events of a provider that speaks Responses itself, passed on: with our numbers, and with the text as it was cleaned.

The texts do not come with their events but as chunks, through every stage; what was said in the end stands in the
events that tell it whole.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec
from msgspec import Raw

from gateway.core.artefacts import marked
from gateway.core.events import Choice
from gateway.dialects.responses.parts import REFUSAL, SUMMARY, TEXT, THOUGHT, Kind, Part
from gateway.dialects.responses.writer import Writer

_KINDS: Final = {kind.part: kind for kind in (TEXT, REFUSAL, SUMMARY, THOUGHT)}
_ENDS: Final = frozenset(f"response.{kind.stem}.done" for kind in _KINDS.values())
_LISTS: Final = ("content", "summary")
_object = msgspec.json.Decoder(dict[str, Any])


class Forwarder:
    """Passes the events of one response on."""

    def __init__(self, writer: Writer, shown: Callable[[dict[str, Any]], dict[str, Any]], issuer: str) -> None:
        self.items: dict[int, dict[str, Any]] = {}  # that are whole, by their place
        self.response: dict[str, Any] = {}  # what the provider says of the response itself
        self._writer = writer
        self._shown = shown
        self._issuer = issuer
        self._parts: dict[tuple[int, str, int], Part] = {}
        self._current: dict[Kind, Part] = {}  # the part of each kind that was opened last

    def take(self, choice: Choice, event: Raw | None) -> None:
        """One more piece: text, and then an event, if there is one."""
        delta = choice.delta
        if delta.reasoning:
            self._add(THOUGHT, delta.reasoning)
        if delta.reasoning_content:
            self._add(SUMMARY, delta.reasoning_content)
        if delta.content:
            logprobs = choice.logprobs if bytes(choice.logprobs) != b"null" else None
            self._add(TEXT, delta.content, logprobs)
        if delta.refusal:
            self._add(REFUSAL, delta.refusal)
        if event is not None:
            self._event(_object.decode(event))

    def _add(self, kind: Kind, text: str, logprobs: Raw | None = None) -> None:
        part = self._current.get(kind)
        if part is not None:
            part.add(self._writer, text, logprobs)

    def _event(self, event: dict[str, Any]) -> None:
        kind = event.pop("type")
        event.pop("sequence_number", None)
        item = event.get("item")
        if item is not None and item.get("type") == "reasoning" and item.get("encrypted_content"):
            item["encrypted_content"] = marked(item["encrypted_content"], self._issuer)
        if kind == "response.ended":
            self.response = event["response"]
        elif kind in (TEXT.added, SUMMARY.added) and event["part"]["type"] in _KINDS:
            self._open(event)
        elif kind in _ENDS:
            if (part := self._part(kind, event)) is not None:
                part.end(self._writer)
        elif kind in (TEXT.done, SUMMARY.done) and event["part"]["type"] in _KINDS:
            where = _KINDS[event["part"]["type"]]
            part = self._parts.get((event["output_index"], where.place, event[where.place]))
            event["part"] = _with_text(event["part"], part)
            self._writer.event(kind, **event)
        elif kind == "response.output_item.done":
            self._done(event)
        else:
            self._writer.event(kind, **event)

    def _open(self, event: dict[str, Any]) -> None:
        kind = _KINDS[event["part"]["type"]]
        at, index = event["output_index"], event[kind.place]
        part = self._parts[at, kind.place, index] = Part(kind, event["item_id"], at, index)
        self._current[kind] = part
        part.open(self._writer)

    def _part(self, ended: str, event: dict[str, Any]) -> Part | None:
        place = "summary_index" if "summary_index" in event else "content_index"
        return self._parts.get((event["output_index"], place, event[place]))

    def _done(self, event: dict[str, Any]) -> None:
        """An item is whole: the texts in it are those that were told."""
        at, item = event["output_index"], event["item"]
        for name, place in zip(_LISTS, ("content_index", "summary_index"), strict=True):
            if isinstance(item.get(name), list):
                item[name] = [_with_text(part, self._parts.get((at, place, k))) for k, part in enumerate(item[name])]
        self.items[at] = item
        self._writer.event("response.output_item.done", **(event | {"item": self._shown(item)}))

    def finish(self, status: str) -> None:
        """The answer is over; the provider has closed everything itself."""


def _with_text(told: dict[str, Any], part: Part | None) -> dict[str, Any]:
    """A part as the provider tells it, with the text as the client has it."""
    return told if part is None else {**told, part.kind.field: part.text}
