"""What the fakes say to a client: a greeting, or a task that only the result of its tool can finish."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.fakes.script import Script, ToolCall
from tests.fakes.server import Request

ASK = "Read the file note.txt in this folder and tell me the word in it."
GREET = "Say hello."
NOTE = "kumquat-lantern"  # what stands in the file, and nowhere else until a tool has read it
HELLO = "marmalade-harbour"  # what only an answer can hold


@dataclass(frozen=True)
class Tool:
    """How a client reads a file: the tool that it brings, and what it must be called with."""

    name: str
    arguments: Mapping[str, Any]


@dataclass
class Play:
    """One run; the same for every wire, because it looks for words and not for fields."""

    tool: Tool | None = None
    said: str = ""  # instead of a call, for clients that take what to do from the text
    then: str = ""  # what is said when the file has been read
    asked: list[str] = field(default_factory=list)

    def __call__(self, request: Request) -> Script:
        body = request.body.decode()
        self.asked.append(body)
        if NOTE in body and (self.tool or self.then):
            return _text(self.then or f"The word is {NOTE}.")
        if self.tool is not None and f'"{self.tool.name}"' in body:
            return Script(tool_calls=(ToolCall("call_note1", self.tool.name, json.dumps(dict(self.tool.arguments))),))
        if self.tool is not None:
            return _text("A title")  # small work beside the turn, without tools
        return _text(self.said or f"Hello from {HELLO}.")


def _text(text: str) -> Script:
    """An answer in pieces that cut its words."""
    return Script(pieces=tuple(text[at : at + 7] for at in range(0, len(text), 7)))
