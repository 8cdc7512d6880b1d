"""Every event of a chat completion, over every provider's fake; UPDATE_GOLDEN=1 writes the expected files anew."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.caller import stream
from tests.fakes.gateway import PERPLEXITY, PINS, Gateway, Pin
from tests.fakes.messages import TOOL
from tests.fakes.provider import Provider
from tests.fakes.script import Fault, Script, ToolCall, Usage

HERE = Path(__file__).with_name("chat")
TOOLS = [{"type": "function", "function": {"name": TOOL["name"], "parameters": TOOL["input_schema"]}}]
CALLS = (ToolCall("call_1", "look_up", '{"word":"Paris"}'), ToolCall("call_2", "look_up", "{}", cuts=()))
SCRIPTS = {
    "text": Script(pieces=("Bon", "jour ", "👋🏽\u2028."), usage=Usage(21, 9, cached=5)),
    "thoughts": Script(reasoning=("Let me ", "see."), pieces=("It is 4.",), usage=Usage(21, 9, reasoning=3)),
    "calls": Script(reasoning=("Let me see.",), tool_calls=CALLS),
    "cut": Script(pieces=("Half an",), finish="length"),
    "broken": Script(pieces=("one ", "two ", "three"), fault=Fault.RESET_MID, after=2),
}
MADE_UP = (
    (re.compile(r'"created": \d+'), '"created": 0'),
    (re.compile(r"chatcmpl-[0-9a-f]{32}"), "chatcmpl-…"),
    (re.compile(r"call_(syn)?[0-9a-f]{24,28}"), "call_…"),  # drawn for calls of Anthropic's and Gemini's
)


def line(event: dict[str, Any]) -> str:
    """An event without what is made up anew each time."""
    text = json.dumps(event, ensure_ascii=False)
    for pattern, stand_in in MADE_UP:
        text = pattern.sub(stand_in, text)
    return text.replace("\u2028", "\\u2028")


@pytest.mark.parametrize("case", SCRIPTS)
@pytest.mark.parametrize("pin", PINS, ids=str)
def test_the_events_are_these(pin: Pin, case: str, gateway: Gateway, providers: Mapping[str, Provider]) -> None:
    if case == "calls" and pin is PERPLEXITY:
        pytest.skip("it calls nothing")
    providers[pin.provider].says = SCRIPTS[case]
    told = stream(gateway, pin.model, tools=TOOLS, stream_options={"include_usage": True})
    path = HERE / f"{pin}_{case}.events"
    text = "".join(f"{line(event)}\n" for event in told.events) + ("[DONE]\n" if told.done else "")
    if os.environ.get("UPDATE_GOLDEN"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, "utf-8")
    assert path.read_text("utf-8") == text
