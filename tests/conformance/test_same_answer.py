"""One answer of a provider is the same text, the same calls and the same counts, whatever its client speaks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from tests.fakes.dialects import PATHS, Said, post, read
from tests.fakes.gateway import OPENAI, PERPLEXITY, PINS, Gateway, Pin
from tests.fakes.messages import TOOL
from tests.fakes.provider import Provider
from tests.fakes.script import Script, ToolCall, Usage

Fakes = Mapping[str, Provider]
FUNCTION = {"name": TOOL["name"], "parameters": TOOL["input_schema"]}
BODIES: Mapping[str, Any] = {
    "chat": {"tools": [{"type": "function", "function": FUNCTION}], "messages": [{"role": "user", "content": "Hi."}]},
    "responses": {"tools": [{"type": "function", **FUNCTION, "strict": False}], "input": "Hi."},
    "messages": {"tools": [TOOL], "messages": [{"role": "user", "content": "Hi."}], "max_tokens": 4000},
}
CALLS = (ToolCall("call_a", "look_up", '{"word":"x"}'), ToolCall("call_b", "look_up", "{}", cuts=()))
ANSWERS = {
    "text": Script(pieces=("Bon", "jour ", "👋🏽\u2028", "."), usage=Usage(40, 7, cached=8)),
    "thoughts": Script(reasoning=("Let me ", "see."), pieces=("It is 4.",), usage=Usage(40, 7, reasoning=3)),
    "calls": Script(tool_calls=CALLS, usage=Usage(40, 7)),
    "thoughts and calls": Script(reasoning=("Let me see.",), tool_calls=CALLS, usage=Usage(40, 7, reasoning=3)),
    "cut": Script(pieces=("Half an",), finish="length", usage=Usage(40, 7)),
}
ENDS = {
    "stop": {"chat": "stop", "responses": "completed", "messages": "end_turn"},
    "tool_calls": {"chat": "tool_calls", "responses": "completed", "messages": "tool_use"},
    "length": {"chat": "length", "responses": "incomplete", "messages": "max_tokens"},
}


@pytest.mark.parametrize("case", ANSWERS)
@pytest.mark.parametrize("pin", PINS, ids=str)
def test_the_same_upstream_says_the_same_in_every_dialect(
    pin: Pin, case: str, gateway: Gateway, providers: Fakes
) -> None:
    answer = ANSWERS[case]
    if answer.tool_calls and pin is PERPLEXITY:
        pytest.skip("it calls nothing")
    calls = tuple((call.name, {"word": "x"} if call.id == "call_a" else {}) for call in answer.tool_calls)
    expected = Said("" if calls else answer.text, calls, (40, 7))
    providers[pin.provider].says = answer
    for dialect, path in PATHS.items():
        for streamed in (True, False):
            options = {"stream_options": {"include_usage": True}} if streamed and dialect == "chat" else {}
            body = {"model": pin.model, "stream": streamed, **options, **BODIES[dialect]}
            told = read(dialect, post(gateway, path, body), streamed=streamed)
            assert told == expected, (dialect, streamed)
            assert told.ended == ENDS[answer.finish_reason][dialect]
    sent = providers[pin.provider].requests
    assert len(sent) == 6
    # The same bytes came back each time: the provider was asked in its own dialect alone, but for OpenAI, which has two.
    assert len({request.path.partition(":")[0] for request in sent}) == (2 if pin is OPENAI else 1)
