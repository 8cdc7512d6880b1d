"""What the tests of Responses share: each provider, both ways to answer, and tools."""

from __future__ import annotations

import pytest

from tests.fakes.gateway import PERPLEXITY, PINS
from tests.fakes.script import ToolCall

every_provider = pytest.mark.parametrize("pin", PINS, ids=str)
with_tools = pytest.mark.parametrize("pin", [pin for pin in PINS if pin is not PERPLEXITY], ids=str)
both_ways = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])

PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = {"type": "function", "name": "get_weather", "description": "Weather.", "parameters": PARAMETERS}
AGENTS = {
    "type": "namespace",
    "name": "agents",
    "description": "Other agents.",
    "tools": [{"type": "function", "name": "close", "description": "Close one.", "parameters": PARAMETERS}],
}
PARIS = ToolCall("call_Paris1", "get_weather", '{"city":"Paris"}')
ENCRYPTS = ["reasoning.encrypted_content"]
