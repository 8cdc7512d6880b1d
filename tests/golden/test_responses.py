"""Every event of a response, over every provider's fake; UPDATE_GOLDEN=1 writes the expected files anew."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.events import respond
from tests.fakes.gateway import PINS, Gateway, Pin
from tests.fakes.provider import Provider
from tests.fakes.script import ToolCall
from tests.golden.dialects import expected, line, says, scripts

HERE = Path(__file__).with_name("responses")
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}}
TOOLS = [
    {"type": "function", "name": "get_weather", "parameters": PARAMETERS, "strict": False},
    {"type": "namespace", "name": "agents", "description": "Agents.", "tools": [{"type": "function", "name": "close"}]},
]
CALLS = (ToolCall("call_Paris1", "get_weather", '{"city":"Paris"}'), ToolCall("call_2", "close", "{}", cuts=()))
SCRIPTS = scripts(CALLS)
MADE_UP = (
    (re.compile(r"\b((?:resp|msg|fc|rs|ctc)_)[0-9a-f]{32}([0-9a-f]{3})?\b"), r"\1…\2"),
    (re.compile(r"call_[0-9a-f]{28}"), "call_…"),  # LiteLLM draws an id for each call of Gemini's
    (re.compile(r"syn1\.[\w=-]+"), "syn1.…"),
)
SHOWN = ("id", "status", "model", "output", "usage", "error", "incomplete_details")  # the rest repeats the request


def shown(event: dict[str, Any]) -> dict[str, Any]:
    """An event without what it only repeats."""
    if "response" not in event:
        return event
    return event | {"response": {name: event["response"][name] for name in SHOWN}}


@pytest.mark.parametrize("case", SCRIPTS)
@pytest.mark.parametrize("pin", PINS, ids=str)
def test_the_events_are_these(pin: Pin, case: str, gateway: Gateway, providers: Mapping[str, Provider]) -> None:
    says(pin, case, SCRIPTS[case], providers)
    include = ["reasoning.encrypted_content"]
    heard = respond(gateway, pin.model, stream=True, tools=TOOLS, include=include)
    text = "".join(line(shown(event), MADE_UP) for event in heard.events)
    assert text == expected(HERE / f"{pin}_{case}.events", text)
