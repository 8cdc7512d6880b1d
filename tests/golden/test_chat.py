"""Every event of a chat completion, over every provider's fake; UPDATE_GOLDEN=1 writes the expected files anew."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.fakes.caller import stream
from tests.fakes.gateway import PINS, Gateway, Pin
from tests.fakes.messages import TOOL
from tests.fakes.provider import Provider
from tests.golden.dialects import expected, line, says, scripts

HERE = Path(__file__).with_name("chat")
TOOLS = [{"type": "function", "function": {"name": TOOL["name"], "parameters": TOOL["input_schema"]}}]
SCRIPTS = scripts()
MADE_UP = (
    (re.compile(r'"created": \d+'), '"created": 0'),
    (re.compile(r"chatcmpl-[0-9a-f]{32}"), "chatcmpl-…"),
    (re.compile(r"call_(syn)?[0-9a-f]{24,28}"), "call_…"),  # drawn for calls of Anthropic's and Gemini's
)


@pytest.mark.parametrize("case", SCRIPTS)
@pytest.mark.parametrize("pin", PINS, ids=str)
def test_the_events_are_these(pin: Pin, case: str, gateway: Gateway, providers: Mapping[str, Provider]) -> None:
    says(pin, case, SCRIPTS[case], providers)
    told = stream(gateway, pin.model, tools=TOOLS, stream_options={"include_usage": True})
    text = "".join(line(event, MADE_UP) for event in told.events) + ("[DONE]\n" if told.done else "")
    assert text == expected(HERE / f"{pin}_{case}.events", text)
