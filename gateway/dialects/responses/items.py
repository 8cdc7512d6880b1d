"""Items to messages: what was said, called and answered, in the order and the grouping that chat completions want.

Responses tell calls and their outputs as items of their own, anywhere after each other; a chat completion wants the
calls of one turn in one message and every output right behind it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct, field

from gateway.core import chat
from gateway.core.errors import BadRequest
from gateway.dialects.responses import body as bodies
from gateway.dialects.responses import calling as callings
from gateway.dialects.responses.calling import Calling
from gateway.dialects.responses.memory import Memory

_TEXTS: Final = frozenset({"input_text", "output_text", "text", "summary_text"})
_CALLS: Final = frozenset({"function_call", "custom_tool_call"})
_OUTPUTS: Final = frozenset({"function_call_output", "custom_tool_call_output"})

_encode = msgspec.json.Encoder().encode
_decoders: Final[dict[str, msgspec.json.Decoder[Any]]] = {
    "message": msgspec.json.Decoder(bodies.Message),
    "function_call": msgspec.json.Decoder(bodies.FunctionCall),
    "custom_tool_call": msgspec.json.Decoder(bodies.CustomCall),
    "function_call_output": msgspec.json.Decoder(bodies.CallOutput),
    "custom_tool_call_output": msgspec.json.Decoder(bodies.CallOutput),
    "reasoning": msgspec.json.Decoder(bodies.ReasoningItem),
    "additional_tools": msgspec.json.Decoder(bodies.AdditionalTools),
}


class _Turn(Struct):
    """One turn of the assistant while its items come: what it thought, said and called."""

    texts: list[str] = field(default_factory=list)
    refusal: str | None = None
    calls: list[dict[str, Any]] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    memory: Memory | None = None

    def message(self) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": "\n\n".join(filter(None, self.texts))}
        if self.refusal is not None:
            message["refusal"] = self.refusal
        if self.calls:
            message["content"] = message["content"] or None
            message["tool_calls"] = self.calls
        return message


class Remembered(Struct, frozen=True):
    """An assistant's message as one provider wants to see it again."""

    provider: str
    place: int  # among the messages
    message: dict[str, Any]


class _Output(Struct):
    """What came of a call; the pictures and files in it, which a tool's message cannot hold, go behind it."""

    text: str
    parts: list[dict[str, Any]]
    at: str


class Talk:
    """The conversation so far, item by item."""

    def __init__(self, calling: Calling, opened: Callable[[str | None], Memory | None]) -> None:
        self.messages: list[dict[str, Any]] = []
        self.remembered: list[Remembered] = []
        self.lost: list[str] = []
        self._calling = calling
        self._opened = opened
        self._turn: _Turn | None = None
        self._outputs: dict[str, _Output] = {}
        self._called: set[str] = set()
        self._untold: set[str] = set()  # calls of a kind that chat completions have not

    def tell(self, items: Sequence[Raw], start: int) -> None:
        """Take all items in; those before `start` are kept ones, of which no path can be told."""
        told = [self._read(raw, f"input[{k - start}]" if k >= start else "input") for k, raw in enumerate(items)]
        for kind, item, at in told:
            self._take(kind, item, at)
        self._close()
        for call_id, output in self._outputs.items():
            if call_id not in self._called and call_id not in self._untold:
                raise _orphan(f"No tool call found for the output with call_id {call_id[:100]}.", output.at)

    def _read(self, raw: Raw, at: str) -> tuple[str, Any, str]:
        """An item by its kind; what chat completions have no word for is noted."""
        found = bodies.kind(raw, at)
        kind = found.type or ""
        decoder = _decoders.get(kind)
        if decoder is None:
            self._lose(f"input.{kind}")
            if found.call_id is not None:
                self._untold.add(found.call_id)
            return kind, None, at
        item = chat.decode(decoder, raw, at)
        if kind in _OUTPUTS and item.call_id not in self._outputs and item.call_id not in self._untold:
            self._outputs[item.call_id] = self._output(item.output, at)
        return kind, item, at

    def _lose(self, name: str) -> None:
        if name not in self.lost:
            self.lost.append(name)

    def _take(self, kind: str, item: Any, at: str) -> None:
        if kind == "message":
            self._message(item, at)
        elif kind == "reasoning":
            turn = self._open()
            turn.words.append(item.words)
            turn.memory = self._opened(item.encrypted_content) or turn.memory
        elif kind in _CALLS:
            self._call(kind, item)
        elif kind in _OUTPUTS:
            self._close()
        elif kind == "additional_tools":
            for k, tool in enumerate(item.tools):
                callings.add(self._calling, tool, f"{at}.tools[{k}]")

    def _open(self) -> _Turn:
        if self._turn is None:
            self._turn = _Turn()
        return self._turn

    def _message(self, item: bodies.Message, at: str) -> None:
        if item.role != "assistant":
            self._close()
            self.messages.append({"role": item.role, "content": self._content(item.content, at)})
            return
        if self._turn is not None and self._turn.calls:
            self._close()
        turn = self._open()
        parts = [bodies.Part("output_text", item.content)] if isinstance(item.content, str) else item.content
        turn.texts.append("".join(part.text or "" for part in parts if part.type in _TEXTS))
        for part in parts:
            if part.type == "refusal":
                turn.refusal = (turn.refusal or "") + (part.refusal or "")
            elif part.type not in _TEXTS:
                self._lose(f"input.{part.type}")

    def _call(self, kind: str, item: Any) -> None:
        free = kind == "custom_tool_call"
        name = self._calling.name_of(item.name, item.namespace, free=free)
        arguments = _encode({callings.INPUT: item.input}).decode() if free else item.arguments or "{}"
        function = {"name": name, "arguments": arguments}
        self._open().calls.append({"id": item.call_id, "type": "function", "function": function})

    def _close(self) -> None:
        """The turn is over: its message, then the outputs of its calls, then the pictures that came of them."""
        turn, self._turn = self._turn, None
        if turn is None or not (turn.calls or any(turn.texts) or turn.refusal is not None):
            return  # a thought that led nowhere
        message = turn.message()
        if turn.memory is not None:
            full = turn.memory.into(message, "\n\n".join(filter(None, turn.words)))
            self.remembered.append(Remembered(turn.memory.provider, len(self.messages), full))
        self.messages.append(message)
        shown: list[dict[str, Any]] = []
        for call in turn.calls:
            output = self._outputs.get(call["id"])
            if output is None:
                raise _orphan(f"No tool output found for the call with call_id {call['id'][:100]}.", "input")
            self._called.add(call["id"])
            self.messages.append({"role": "tool", "tool_call_id": call["id"], "content": output.text})
            shown += output.parts
        if shown:
            self.messages.append({"role": "user", "content": shown})

    def _output(self, output: str | list[bodies.Part], at: str) -> _Output:
        content = self._content(output, at, "output")
        if isinstance(content, str):
            return _Output(content, [], at)
        texts = [part["text"] for part in content if part["type"] == "text"]
        return _Output("\n".join(texts), [part for part in content if part["type"] != "text"], at)

    def _content(self, given: str | list[bodies.Part], at: str, name: str = "content") -> str | list[dict[str, Any]]:
        """Content as chat completions have it; one text is told as a string, which every provider takes."""
        if isinstance(given, str):
            return given
        parts = [made for k, part in enumerate(given) if (made := self._part(part, f"{at}.{name}[{k}]")) is not None]
        if len(parts) == 1 and parts[0]["type"] == "text":
            return str(parts[0]["text"])
        return parts or ""

    def _part(self, part: bodies.Part, at: str) -> dict[str, Any] | None:
        if part.type in _TEXTS:
            if part.text is None:
                raise chat.missing(f"{at}.text")
            return {"type": "text", "text": part.text}
        if part.type == "refusal":
            return {"type": "text", "text": part.refusal or ""}
        if part.type in ("input_image", "image_url"):
            return _image(part, at)
        if part.type == "input_file":
            return _file(part, at)
        if part.type == "input_audio":
            if part.input_audio is None:
                raise chat.missing(f"{at}.input_audio")
            return {"type": "input_audio", "input_audio": part.input_audio}
        self._lose(f"input.{part.type}")
        return None


def _image(part: bodies.Part, at: str) -> dict[str, Any]:
    url = part.image_url.url if isinstance(part.image_url, chat.ImageUrl) else part.image_url
    if url is not None:
        image = {"url": url} if part.detail is None else {"url": url, "detail": part.detail}
        return {"type": "image_url", "image_url": image}
    if part.file_id is None:
        raise chat.missing(f"{at}.image_url")
    return {"type": "file", "file": {"file_id": part.file_id}}


def _file(part: bodies.Part, at: str) -> dict[str, Any]:
    """A file by content, by its id at the provider, or by a link, which providers that fetch take as an id."""
    named = {} if part.filename is None else {"filename": part.filename}
    if part.file_data is not None:
        return {"type": "file", "file": {"file_data": part.file_data, **named}}
    known = part.file_id or part.file_url
    if known is None:
        raise chat.missing(f"{at}.file_data")
    return {"type": "file", "file": {"file_id": known, **named}}


def _orphan(message: str, at: str) -> BadRequest:
    return BadRequest(message, param=at, code="invalid_value")
