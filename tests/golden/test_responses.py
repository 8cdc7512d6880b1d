"""Every event of a response, over every provider's fake; UPDATE_GOLDEN=1 writes the expected files anew."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.events import respond
from tests.fakes.gateway import PERPLEXITY, PINS, Gateway, Pin
from tests.fakes.provider import Provider
from tests.fakes.script import Fault, Script, ToolCall, Usage

HERE = Path(__file__).with_name("responses")
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}}
TOOLS = [
    {"type": "function", "name": "get_weather", "parameters": PARAMETERS, "strict": False},
    {"type": "namespace", "name": "agents", "description": "Agents.", "tools": [{"type": "function", "name": "close"}]},
]
CALLS = (ToolCall("call_Paris1", "get_weather", '{"city":"Paris"}'), ToolCall("call_2", "close", "{}", cuts=()))
SCRIPTS = {
    "text": Script(pieces=("Bon", "jour ", "👋🏽\u2028."), usage=Usage(21, 9, cached=5)),
    "thoughts": Script(reasoning=("Let me ", "see."), pieces=("It is 4.",), usage=Usage(21, 9, reasoning=3)),
    "calls": Script(reasoning=("Let me see.",), tool_calls=CALLS),
    "cut": Script(pieces=("Half an",), finish="length"),
    "broken": Script(pieces=("one ", "two ", "three"), fault=Fault.RESET_MID, after=2),
}
MADE_UP = (
    (re.compile(r"\b((?:resp|msg|fc|rs|ctc)_)[0-9a-f]{32}([0-9a-f]{3})?\b"), r"\1…\2"),
    (re.compile(r"call_[0-9a-f]{28}"), "call_…"),  # LiteLLM draws an id for each call of Gemini's
    (re.compile(r"syn1\.[\w=-]+"), "syn1.…"),
)
SHOWN = ("id", "status", "model", "output", "usage", "error", "incomplete_details")  # the rest repeats the request


def line(event: dict[str, Any]) -> str:
    """An event without what is made up anew each time, and without what it only repeats."""
    if "response" in event:
        event = event | {"response": {name: event["response"][name] for name in SHOWN}}
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
    include = ["reasoning.encrypted_content"]
    heard = respond(gateway, pin.model, stream=True, tools=TOOLS, include=include)
    path = HERE / f"{pin}_{case}.events"
    text = "".join(f"{line(event)}\n" for event in heard.events)
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(text, "utf-8")
    assert path.read_text("utf-8") == text
