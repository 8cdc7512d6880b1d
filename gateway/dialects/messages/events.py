"""Chunks to the events of a Messages stream: one message of blocks, each opened, told in pieces, and closed in turn.

An answer of Anthropic's own comes with its events in the chunks, and these pass as they came; only text is told anew,
because it may have been cleaned on the way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import UNSET, Raw, Struct

from gateway.core.callids import as_tool_use
from gateway.core.errors import SyntraError, UpstreamBroken
from gateway.core.events import Choice, Chunk, Delta, ToolCallDelta, Usage, decode_usage
from gateway.core.ids import uuid7
from gateway.core.tokens import estimate
from gateway.dialects.messages import errors, thoughts
from gateway.dialects.messages.asked import Asked

_NOTHING: Final = ""
_TEXT: Final = "text"
_THINKING: Final = "thinking"
_TOOL: Final = "tool_use"
_REASONS: Final[Mapping[str, str]] = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "function_call": "tool_use",
    "content_filter": "refusal",
}
END: Final = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'

_encode = msgspec.json.Encoder().encode
_object = msgspec.json.Decoder(dict[str, Raw])
_objects = msgspec.json.Decoder(list[dict[str, Any]] | None)


class _Typed(Struct):
    type: str


_typed = msgspec.json.Decoder(_Typed)


def _is_whole(arguments: Sequence[str]) -> bool:
    """Whether a call has said all of its arguments."""
    if not arguments or not arguments[-1].endswith("}"):
        return False
    try:
        _object.decode("".join(arguments))
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


class Events:
    """One answer on its way to a client of Messages."""

    def __init__(self, asked: Asked, message_id: str, request_id: str, size: int) -> None:
        self._asked = asked
        self._id = message_id if message_id.startswith("msg_") else f"msg_{message_id.removeprefix('chatcmpl-')}"
        self._request_id = request_id
        self._size = size  # of the request's body, for an estimate where nobody has counted yet
        self._out: list[bytes] = []
        self._begun = False
        self._next = 0  # index of the block that is open, or of the next one
        self._open = _NOTHING
        self._call = -1  # the call that is open
        self._arguments: list[str] = []  # what it has said
        self._called: set[int] = set()  # the calls that were opened
        self._later: dict[int, list[ToolCallDelta]] = {}  # pieces of calls that wait for the open one
        self._held: list[str] = []  # thinking that was not asked for, until it is known whether a call needs it
        self._carried = thoughts.Carried(calls={}, details=[])
        self._reason = "end_turn"
        self._usage: Usage | None = None
        self._last: Raw | None = None  # Anthropic's own message_delta
        self._more: Mapping[str, Raw] = {}

    def chunks(self, batch: Sequence[Chunk]) -> bytes:
        """The events that these chunks come to."""
        for chunk in batch:
            if not chunk.choices:
                self._end_of_count(chunk)
            for choice in chunk.choices:
                if choice.index == 0:  # nobody can ask for more here
                    self._take(choice)
        out, self._out = self._out, []
        return b"".join(out)

    def end(self) -> bytes:
        """The events after the last chunk."""
        self._begin()
        self._close()
        self._emit("message_delta", self._message_delta())
        self._out.append(END)
        out, self._out = self._out, []
        return b"".join(out)

    def fail(self, error: SyntraError) -> bytes:
        """The event that ends a stream which cannot be finished."""
        return errors.event(error, self._request_id)

    # one chunk

    def _take(self, choice: Choice) -> None:
        delta = choice.delta
        if delta.native is not UNSET:
            self._pass(delta.native)
        else:
            self._begin()
        if delta.reasoning_content or delta.reasoning_details is not UNSET:
            self._think(delta)
        if delta.content:
            self._say(delta.content)
        if delta.refusal:
            self._say(delta.refusal)
            self._reason = "refusal"
        for piece in delta.tool_calls or ():
            self._use(piece)
        if choice.finish_reason is not None and self._last is None:
            while self._later:
                self._tell_next()
            self._close()
            self._finish(choice.finish_reason)

    def _say(self, text: str) -> None:
        if self._open != _TEXT:
            self._start(_TEXT, {"type": "text", "text": ""})
        self._out.append(
            b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,'
            b'"delta":{"type":"text_delta","text":%b}}\n\n' % (self._next, _encode(text))
        )

    def _think(self, delta: Delta) -> None:
        if delta.reasoning_details is not UNSET:
            self._keep(delta.reasoning_details)
        thought = delta.reasoning_content
        if not thought:
            return
        if not self._asked.thinks:
            self._held.append(thought)
            return
        if self._open != _THINKING:
            self._start(_THINKING, {"type": "thinking", "thinking": "", "signature": ""})
        self._piece({"type": "thinking_delta", "thinking": thought})

    def _keep(self, raw: Raw) -> None:
        """Sealed reasoning is of use to its provider only whole; what can be read is in the thinking already."""
        for detail in _objects.decode(raw) or ():
            if detail.get("data") or detail.get("signature"):
                self._carried.details.append(Raw(_encode(detail)))

    def _use(self, piece: ToolCallDelta) -> None:
        """A piece of a call; calls come one after the other, as blocks must, also of who makes several at once."""
        index = piece.index if isinstance(piece.index, int) else 0
        if index == self._call:
            self._tell_arguments(piece)
        elif index in self._called:
            raise UpstreamBroken("The provider went back to a call that was over.")
        else:
            self._later.setdefault(index, []).append(piece)
        while self._later and (self._open != _TOOL or _is_whole(self._arguments)):
            self._tell_next()

    def _tell_next(self) -> None:
        """The call that has waited longest."""
        index = next(iter(self._later))
        self._tell_call(index, self._later.pop(index))

    def _tell_call(self, index: int, pieces: Sequence[ToolCallDelta]) -> None:
        self._open_call(index, pieces[0])
        for piece in pieces:
            self._tell_arguments(piece)

    def _tell_arguments(self, piece: ToolCallDelta) -> None:
        if piece.function is not None and piece.function.arguments:
            self._arguments.append(piece.function.arguments)
            self._piece({"type": "input_json_delta", "partial_json": piece.function.arguments})

    def _open_call(self, index: int, piece: ToolCallDelta) -> None:
        identity = as_tool_use(piece.id) if piece.id else f"toolu_{uuid7()}"
        if piece.extra_content is not UNSET:
            self._carried.calls[identity] = piece.extra_content
        self._tell_thought()
        name = (piece.function.name if piece.function is not None else None) or ""
        name = self._asked.originals.get(name, name)
        self._start(_TOOL, {"type": "tool_use", "id": identity, "name": name, "input": {}})
        self._call, self._arguments = index, []
        self._called.add(index)

    def _tell_thought(self) -> None:
        """What the model must be given back with its call goes before the call, in a thought."""
        if not self._held and not self._carried.calls and not self._carried.details:
            return
        if self._open != _THINKING:
            self._start(_THINKING, {"type": "thinking", "thinking": "", "signature": ""})
            if self._held:
                self._piece({"type": "thinking_delta", "thinking": "".join(self._held)})
                self._held.clear()
        self._close()

    # blocks and events

    def _begin(self) -> None:
        if self._begun:
            return
        self._begun = True
        usage = {"input_tokens": estimate(self._size), "output_tokens": 0}
        message: dict[str, Any] = {"id": self._id, "type": "message", "role": "assistant", "model": self._asked.model}
        message |= {"content": [], "stop_reason": None, "stop_sequence": None, "usage": usage | _NO_CACHE}
        self._emit("message_start", {"type": "message_start", "message": message})

    def _start(self, kind: str, block: dict[str, Any]) -> None:
        self._close()
        self._open = kind
        self._emit("content_block_start", {"type": "content_block_start", "index": self._next, "content_block": block})

    def _piece(self, delta: dict[str, Any]) -> None:
        self._emit("content_block_delta", {"type": "content_block_delta", "index": self._next, "delta": delta})

    def _close(self) -> None:
        if self._open == _NOTHING:
            return
        if self._open == _THINKING:
            self._piece({"type": "signature_delta", "signature": thoughts.sign(self._carried)})
            self._carried = thoughts.Carried(calls={}, details=[])
        self._emit("content_block_stop", {"type": "content_block_stop", "index": self._next})
        self._open = _NOTHING
        self._call = -1
        self._next += 1

    def _emit(self, name: str, event: object) -> None:
        self._out.append(b"event: %b\ndata: %b\n\n" % (name.encode(), _encode(event)))

    def _pass(self, raw: Raw) -> None:
        """An event of Anthropic's own, as it came; its message gets the name that the client asked for."""
        name = _typed.decode(raw).type
        if name == "message_start":
            self._begun = True
            self._emit(name, _renamed(raw, self._id, self._asked.model))
            return
        if name == "message_delta":  # told at the end, where more may have to be said in it
            self._last = raw
            return
        if name == "content_block_start":
            self._open = _TEXT  # of whatever kind: text is told in it
        elif name == "content_block_stop":
            self._open = _NOTHING
            self._next += 1
        self._emit(name, raw)

    # the end

    def _finish(self, reason: str) -> None:
        told = _REASONS.get(reason, "end_turn")
        if self._called and told == "end_turn":
            told = "tool_use"
        if self._reason != "refusal":
            self._reason = told

    def _end_of_count(self, chunk: Chunk) -> None:
        if chunk.usage is not UNSET:
            self._usage = decode_usage(chunk.usage)
        if chunk.extra is not UNSET:
            self._more = chunk.extra

    def _message_delta(self) -> dict[str, Any]:
        """How it ended and what it took."""
        if self._last is not None:
            return {**_object.decode(self._last), **self._more}
        delta = {"stop_reason": self._reason, "stop_sequence": None}
        return {"type": "message_delta", "delta": delta, "usage": _count(self._usage), **self._more}


_NO_CACHE: Final = {"cache_creation_input_tokens": 0, "cache_read_input_tokens": 0}


def _count(usage: Usage | None) -> dict[str, Any]:
    """A count in Anthropic's way: what was read from the cache or written to it is no part of the input."""
    if usage is None:
        return {"input_tokens": 0, "output_tokens": 0, **_NO_CACHE}
    details = usage.prompt_tokens_details
    read = (details.cached_tokens or 0) if details is not None else 0
    written = (details.cache_write_tokens or 0) if details is not None else 0
    counted: dict[str, Any] = {
        "input_tokens": max(0, usage.prompt_tokens - read - written),
        "output_tokens": usage.completion_tokens,
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": read,
    }
    thought = usage.completion_tokens_details
    if thought is not None and thought.reasoning_tokens is not None:
        counted["output_tokens_details"] = {"thinking_tokens": thought.reasoning_tokens}
    return counted


def _renamed(raw: Raw, message_id: str, model: str) -> dict[str, object]:
    event: dict[str, object] = {**_object.decode(raw)}
    message = _object.decode(event["message"])  # type: ignore[arg-type]  # it is raw
    event["message"] = {**message, "id": message_id, "model": model}
    return event
