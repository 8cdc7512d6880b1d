"""OpenAI's Responses as a provider tells them, and a server behind OpenAI's settings that only knows chat completions."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from gateway.core.errors import SyntraError
from gateway.core.events import decode_usage
from gateway.upstream.openai_responses import ResponsesDecoder
from gateway.upstream.openai_wire import OpenAIDecoder
from tests.fakes.provider import Provider
from tests.fakes.script import Script, ToolCall, Usage

SAID = Script(pieces=("Bon", "jour."), tool_calls=(ToolCall("call_1", "f", '{"a":1}'),), usage=Usage(21, 9))
ASKED = {"model": "gpt-4o-mini", "stream": True, "stream_options": {"include_usage": True}}


def test_an_answer_in_chat_completions_is_understood_all_the_same(fakes: Mapping[str, Provider]) -> None:
    decoder = ResponsesDecoder(OpenAIDecoder)
    frames = [frame.data.removeprefix(b"data: ").strip() for frame in fakes["openai"].frames(SAID, ASKED)]
    chunks = [chunk for data in frames for chunk in decoder.frame(data)]
    assert decoder.ended
    plain = OpenAIDecoder()
    assert chunks == [chunk for data in frames for chunk in plain.frame(data)]
    [last] = decoder.finish()
    usage = decode_usage(last.usage)  # type: ignore[arg-type]
    assert usage is not None
    assert (usage.prompt_tokens, usage.completion_tokens) == (21, 9)


def test_a_whole_one_too(fakes: Mapping[str, Provider]) -> None:
    decoder = ResponsesDecoder(OpenAIDecoder)
    [chunk] = decoder.whole(json.dumps(fakes["openai"].whole(SAID, ASKED)).encode())
    assert chunk.choices[0].finish_reason == "tool_calls"
    assert decoder.finish()


def test_an_error_among_choices_is_one() -> None:
    with pytest.raises(SyntraError):
        ResponsesDecoder(OpenAIDecoder).frame(b'{"error":{"message":"no"},"choices":[]}')
