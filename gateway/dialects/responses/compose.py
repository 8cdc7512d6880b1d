"""Chunks of any provider to the items of a response, each opened, told piece by piece, and closed.

One thing is said at a time: a thought ends where text begins, text ends where a call begins. Only calls stay open until
the end, because some providers write several at once.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

import msgspec
from msgspec import UNSET, Raw, Struct, field

from gateway.core.events import Choice, Chunk, Delta, ToolCallDelta
from gateway.dialects.responses import calling as callings
from gateway.dialects.responses.calling import Callee, Calling
from gateway.dialects.responses.memory import Memory
from gateway.dialects.responses.parts import REFUSAL, SUMMARY, TEXT, Kind, Part
from gateway.dialects.responses.writer import Writer, head

_WANTS_ITS_WORDS: Final = frozenset({"kimi"})  # refuses the next step of a tool loop whose thoughts are missing
_MARKER: Final = re.compile(r"\[(\d{1,2})\]")
_DATA: Final = re.compile(r"data:image/[\w.+-]+;base64,")
COMPLETED: Final = "completed"
INCOMPLETE: Final = "incomplete"

_list = msgspec.json.Decoder(list[Raw] | None)
_objects = msgspec.json.Decoder(list[dict[str, Any]] | None)
_any = msgspec.json.Decoder()


class _Call(Struct):
    """A call while its arguments come in."""

    at: int
    item: dict[str, Any]
    callee: Callee
    head: bytes
    pieces: list[str] = field(default_factory=list)


class _Open(Struct):
    """A message or a thought while it is told."""

    at: int
    item: dict[str, Any]
    told: list[dict[str, Any]]  # its parts that are whole
    part: Part | None = None


class Composer:
    """Makes the items of one response."""

    def __init__(
        self,
        writer: Writer,
        calling: Calling,
        identity: Callable[[str, int], str],
        memory: Memory,
        sealed: Callable[[Memory], str],
        shown: Callable[[dict[str, Any]], dict[str, Any]],
    ) -> None:
        self.items: dict[int, dict[str, Any]] = {}  # that are whole, by their place
        self._writer = writer
        self._calling = calling
        self._identity = identity
        self._memory = memory
        self._sealed = sealed
        self._shown = shown
        self._count = 0
        self._unsealed = False  # whether the memory has grown since it was last sealed
        self._message: _Open | None = None
        self._thought: _Open | None = None
        self._calls: dict[int, _Call] = {}
        self._sources: tuple[Raw | None, Raw | None] = (None, None)

    def take(self, choice: Choice) -> None:
        """One more piece of the answer."""
        delta = choice.delta
        if delta.reasoning_content:
            self._think(delta.reasoning_content)
        self._remember(delta)
        if delta.content:
            logprobs = choice.logprobs if bytes(choice.logprobs) != b"null" else None
            self._say(TEXT, delta.content, logprobs)
        if delta.refusal:
            self._say(REFUSAL, delta.refusal)
        if delta.annotations is not UNSET:
            self._annotate(delta.annotations)
        if delta.images is not UNSET:
            self._show(delta.images)
        for piece in delta.tool_calls or ():
            self._call(piece)

    def source(self, chunk: Chunk) -> None:
        """The pages that a searching provider has read; it tells them again and again."""
        if chunk.citations is not UNSET:
            self._sources = chunk.citations, None if chunk.search_results is UNSET else chunk.search_results

    def finish(self, status: str) -> None:
        """The answer is over: whatever is open is closed, in the order in which it was opened."""
        if self._sources[0] is not None and self._message is not None:
            self._cite(self._message)
        if self._unsealed:
            self._think("")
        self._end_thought()
        if not self._count:
            self._say(TEXT, "")
        message = self._message
        for call in sorted(self._calls.values(), key=lambda call: call.at):
            if message is not None and message.at < call.at:
                message = None
                self._end_message(status)
            self._end_call(call, status)
        self._end_message(status)

    # thoughts

    def _think(self, text: str) -> None:
        if self._thought is None:
            self._end_message(COMPLETED)
            self._thought = self._begin({"type": "reasoning", "summary": []}, "rs")
        if not text:
            return
        thought = self._thought
        if thought.part is None:
            thought.part = Part(SUMMARY, thought.item["id"], thought.at, 0)
            thought.part.open(self._writer)
        thought.part.add(self._writer, text)

    def _remember(self, delta: Delta) -> None:
        """What the provider wants to see again, which no client needs to understand."""
        if delta.thinking_blocks is not UNSET:
            self._memory.blocks = delta.thinking_blocks
            self._unsealed = True
        if delta.reasoning_details is not UNSET:
            known = [] if self._memory.details is UNSET else _list.decode(self._memory.details) or []
            self._memory.details = Raw(msgspec.json.encode([*known, *(_list.decode(delta.reasoning_details) or ())]))
            self._unsealed = True

    def _end_thought(self) -> None:
        thought, self._thought = self._thought, None
        if thought is None:
            return
        if thought.part is not None:
            thought.told.append(thought.part.close(self._writer))
            if self._memory.provider in _WANTS_ITS_WORDS:
                self._memory.words = self._unsealed = True
        thought.item["summary"] = thought.told
        if self._unsealed:
            thought.item["encrypted_content"] = self._sealed(self._memory)
            self._unsealed = False
        self._done(thought.at, thought.item)

    # text

    def _say(self, kind: Kind, text: str, logprobs: Raw | None = None) -> None:
        self._end_thought()
        if self._message is None:
            self._message = self._begin(
                {"type": "message", "status": "in_progress", "role": "assistant", "content": []}, "msg"
            )
        message = self._message
        if message.part is None or message.part.kind is not kind:
            if message.part is not None:
                message.told.append(message.part.close(self._writer))
            message.part = Part(kind, message.item["id"], message.at, len(message.told))
            message.part.open(self._writer)
        if text:
            message.part.add(self._writer, text, logprobs)

    def _end_message(self, status: str) -> None:
        message, self._message = self._message, None
        if message is None:
            return
        if message.part is not None:
            message.told.append(message.part.close(self._writer))
        message.item |= {"status": status, "content": message.told}
        self._done(message.at, message.item)

    def _annotate(self, annotations: Raw) -> None:
        """Sources, as chat completions tell them, each in an object of its type's name."""
        for one in _objects.decode(annotations) or ():
            if self._message is None:
                self._say(TEXT, "")
            kind = one.get("type")
            inner = one.get(kind) if isinstance(kind, str) else None
            if self._message is not None and self._message.part is not None and isinstance(inner, dict):
                self._message.part.annotate(self._writer, {"type": kind, **inner})

    def _cite(self, message: _Open) -> None:
        """Every mark like [2] in the text is a citation of the second page."""
        part = message.part
        urls = _any.decode(self._sources[0] or b"[]")
        results = _any.decode(self._sources[1] or b"[]") or []
        if part is None or part.kind is not TEXT or not isinstance(urls, list):
            return
        titles = {one.get("url"): one.get("title") for one in results if isinstance(one, dict)}
        for mark in _MARKER.finditer(part.text):
            k = int(mark[1]) - 1
            if 0 <= k < len(urls) and isinstance(urls[k], str):
                where = {"start_index": mark.start(), "end_index": mark.end()}
                title = titles.get(urls[k]) or urls[k]
                part.annotate(self._writer, {"type": "url_citation", **where, "url": urls[k], "title": title})

    def _show(self, images: Raw) -> None:
        """Pictures that the model has made."""
        self._end_thought()
        self._end_message(COMPLETED)
        for one in _objects.decode(images) or ():
            url = (one.get("image_url") or {}).get("url") or ""
            data, marks = _DATA.subn("", url, count=1)
            if marks:
                opened = self._begin({"type": "image_generation_call", "status": "in_progress", "result": None}, "ig")
                self._done(opened.at, opened.item | {"status": COMPLETED, "result": data})

    # calls

    def _call(self, piece: ToolCallDelta) -> None:
        index = piece.index if isinstance(piece.index, int) else len(self._calls)
        call = self._calls.get(index)
        if piece.extra_content is not UNSET and piece.id:
            self._memory.calls = {**self._memory.calls, piece.id: piece.extra_content}
            self._unsealed = True
        if call is None:
            call = self._calls[index] = self._begin_call(piece)
        arguments = piece.function.arguments if piece.function is not None else None
        if arguments:
            call.pieces.append(arguments)
            if not call.callee.free:
                self._writer.piece(call.head, arguments)

    def _begin_call(self, piece: ToolCallDelta) -> _Call:
        if self._unsealed and self._thought is None:
            self._think("")
        self._end_thought()
        self._end_message(COMPLETED)
        name = (piece.function.name if piece.function is not None else None) or ""
        callee = self._calling.callee(name)
        kind, word, prefix = (
            ("custom_tool_call", "input", "ctc") if callee.free else ("function_call", "arguments", "fc")
        )
        item = {"type": kind, "status": "in_progress", word: "", "call_id": piece.id or "", "name": callee.name}
        if callee.namespace is not None:
            item["namespace"] = callee.namespace
        item["call_id"] = item["call_id"] or self._identity("call", self._count)
        opened = self._begin(item, prefix)
        where = {"item_id": opened.item["id"], "output_index": opened.at}
        return _Call(opened.at, opened.item, callee, head("response.function_call_arguments.delta", **where))

    def _end_call(self, call: _Call, status: str) -> None:
        where = {"item_id": call.item["id"], "output_index": call.at}
        said = "".join(call.pieces)
        if call.callee.free:
            said = callings.spoken(said)
            self._writer.event("response.custom_tool_call_input.delta", **where, delta=said)
            self._writer.event("response.custom_tool_call_input.done", **where, input=said)
            call.item["input"] = said
        else:
            if not said.strip():
                said = "{}"  # clients parse it
                self._writer.piece(call.head, said)
            name = call.item["name"]
            self._writer.event("response.function_call_arguments.done", **where, name=name, arguments=said)
            call.item["arguments"] = said
        call.item["status"] = status
        self._done(call.at, call.item)

    # items

    def _begin(self, item: dict[str, Any], prefix: str) -> _Open:
        at, self._count = self._count, self._count + 1
        item = {"id": self._identity(prefix, at), **item}
        self._writer.event("response.output_item.added", output_index=at, item=item)
        return _Open(at, dict(item), [])

    def _done(self, at: int, item: dict[str, Any]) -> None:
        self.items[at] = item
        self._writer.event("response.output_item.done", output_index=at, item=self._shown(item))
