"""Clients in the middle of a conversation with tools: each asks in its dialect, and gives back what its kind gives back."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Protocol

from tests.fakes.messages import joined, read_events

SCHEMA = {"type": "object", "properties": {"word": {"type": "string"}}, "required": ["word"]}
NAME = "look_up"


@dataclass(frozen=True)
class Call:
    """A call that a client has to run."""

    id: str
    arguments: str


class Talker(Protocol):
    """One conversation from the client's side."""

    path: str

    def say(self, text: str) -> None:
        """What the user says next."""

    def body(self, model: str, *, tools: bool) -> dict[str, Any]:
        """The next request."""

    def hear(self, raw: bytes) -> list[Call]:
        """Takes a streamed answer in; the calls in it."""

    def answer(self, call: Call, result: str) -> None:
        """What came of a call."""


def data_of(raw: bytes) -> list[Any]:
    """The data of server-sent events, without the end mark."""
    lines = [line[6:] for line in raw.decode().split("\n") if line.startswith("data: ")]
    return [json.loads(line) for line in lines if line != "[DONE]"]


@dataclass
class ChatTalker:
    """A client of chat completions; most give back texts and calls alone, a `faithful` one whatever it was told."""

    faithful: bool = False
    messages: list[Any] = field(default_factory=list)
    path: str = "/v1/chat/completions"

    def say(self, text: str) -> None:
        self.messages.append({"role": "user", "content": text})

    def body(self, model: str, *, tools: bool) -> dict[str, Any]:
        tool = {"type": "function", "function": {"name": NAME, "description": "Looks up.", "parameters": SCHEMA}}
        more = {"tools": [tool], "reasoning_effort": "low"} if tools else {}
        return {"model": model, "stream": True, "max_tokens": 8000, "messages": self.messages, **more}

    def hear(self, raw: bytes) -> list[Call]:
        message: dict[str, Any] = {"role": "assistant", "content": ""}
        calls: dict[int, Any] = {}
        for chunk in data_of(raw):
            assert "error" not in chunk, chunk
            for choice in chunk["choices"]:
                self._take(choice["delta"], message, calls)
        if calls:
            message["tool_calls"] = [calls[k] for k in sorted(calls)]
            message["content"] = message["content"] or None
        self.messages.append(message)
        return [Call(call["id"], call["function"]["arguments"]) for call in message.get("tool_calls", ())]

    def _take(self, delta: dict[str, Any], message: dict[str, Any], calls: dict[int, Any]) -> None:
        message["content"] += delta.get("content") or ""
        if self.faithful:
            for name in ("thinking_blocks", "extra_content"):
                if name in delta:
                    message[name] = delta[name]
            if delta.get("reasoning_details"):
                message["reasoning_details"] = [*message.get("reasoning_details", ()), *delta["reasoning_details"]]
            if delta.get("reasoning_content"):
                message["reasoning_content"] = message.get("reasoning_content", "") + delta["reasoning_content"]
        for piece in delta.get("tool_calls") or ():
            function = piece.get("function") or {}
            if piece["index"] not in calls:
                kept = {"id": piece["id"], "type": "function", "function": {"name": function["name"], "arguments": ""}}
                if self.faithful and "extra_content" in piece:
                    kept["extra_content"] = piece["extra_content"]
                calls[piece["index"]] = kept
            calls[piece["index"]]["function"]["arguments"] += function.get("arguments") or ""

    def answer(self, call: Call, result: str) -> None:
        self.messages.append({"role": "tool", "tool_call_id": call.id, "content": result})


@dataclass
class MessagesTalker:
    """A client of Messages: it gives every block back as it came."""

    messages: list[Any] = field(default_factory=list)
    results: list[Any] = field(default_factory=list)
    path: str = "/v1/messages"

    def say(self, text: str) -> None:
        self.messages.append({"role": "user", "content": text})

    def body(self, model: str, *, tools: bool) -> dict[str, Any]:
        if self.results:
            self.messages.append({"role": "user", "content": self.results})
            self.results = []
        tool = {"name": NAME, "description": "Looks up.", "input_schema": SCHEMA}
        thinking = {"type": "enabled", "budget_tokens": 2048}
        more = {"tools": [tool], "thinking": thinking} if tools else {}
        return {"model": model, "stream": True, "max_tokens": 8000, "messages": self.messages, **more}

    def hear(self, raw: bytes) -> list[Call]:
        message = joined(read_events(raw))
        self.messages.append({"role": "assistant", "content": message["content"]})
        used = [block for block in message["content"] if block["type"] == "tool_use"]
        return [Call(block["id"], json.dumps(block["input"])) for block in used]

    def answer(self, call: Call, result: str) -> None:
        self.results.append({"type": "tool_result", "tool_use_id": call.id, "content": result})


@dataclass
class ResponsesTalker:
    """A client of Responses that keeps the items itself, as Codex does."""

    items: list[Any] = field(default_factory=list)
    path: str = "/v1/responses"

    def say(self, text: str) -> None:
        self.items.append({"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]})

    def body(self, model: str, *, tools: bool) -> dict[str, Any]:
        tool = {"type": "function", "name": NAME, "description": "Looks up.", "parameters": SCHEMA, "strict": False}
        more = {"tools": [tool], "reasoning": {"effort": "low"}} if tools else {}
        include = ["reasoning.encrypted_content"]
        return {"model": model, "stream": True, "store": False, "include": include, "input": self.items, **more}

    def hear(self, raw: bytes) -> list[Call]:
        events = data_of(raw)
        assert events[-1]["type"] == "response.completed", events[-1]
        done = [event["item"] for event in events if event["type"] == "response.output_item.done"]
        assert [item["id"] for item in done] == [item["id"] for item in events[-1]["response"]["output"]]
        self.items += done
        return [Call(item["call_id"], item["arguments"]) for item in done if item["type"] == "function_call"]

    def answer(self, call: Call, result: str) -> None:
        self.items.append({"type": "function_call_output", "call_id": call.id, "output": result})
