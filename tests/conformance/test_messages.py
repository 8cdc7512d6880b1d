"""`/v1/messages` over every provider: what Anthropic's clients ask is answered as Anthropic would."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from tests.fakes.anthropic_wire import SIGNATURE
from tests.fakes.gateway import ANTHROPIC, GOOGLE, KIMI, OPENAI, OPENROUTER, PERPLEXITY, PINS, Gateway, Pin
from tests.fakes.messages import HELLO, TOOL, ask, stream
from tests.fakes.provider import Provider
from tests.fakes.script import ToolCall, Usage

Fakes = Mapping[str, Provider]
every_provider = pytest.mark.parametrize("pin", PINS, ids=str)
CALLING = [OPENAI, ANTHROPIC, GOOGLE, KIMI, OPENROUTER]
CALLS = (
    ToolCall("call_a", "look_up", '{"word": "hello"}', (2, 9)),
    ToolCall("call_b", "look_up", '{"word":"world"}', (1, 2, 12)),
)


@every_provider
def test_a_text_is_one_block_between_a_start_and_an_end(pin: Pin, gateway: Gateway, providers: Fakes) -> None:
    heard = stream(gateway, pin.model)
    assert heard.status == 200
    kinds = list(dict.fromkeys(heard.names))
    assert kinds == [
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    start, message = heard.events[0]["message"], heard.message
    assert (start["type"], start["role"], start["model"]) == ("message", "assistant", pin.model)
    assert start["id"].startswith("msg_")
    assert start["usage"]["input_tokens"] > 0
    assert (message["stop_reason"], message["stop_sequence"]) == ("end_turn", None)
    assert heard.text == "Hello from the fake."
    assert message["usage"]["output_tokens"] == 9
    assert heard.headers["content-type"].startswith("text/event-stream")
    assert heard.headers["request-id"] == heard.headers["x-request-id"]


@every_provider
def test_whole_it_is_the_same_message(pin: Pin, gateway: Gateway, providers: Fakes) -> None:
    told, whole = stream(gateway, pin.model).message, ask(gateway, pin.model).json
    for name in ("type", "role", "model", "content", "stop_reason", "stop_sequence"):
        assert whole[name] == told[name]
    for name in ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"):
        assert whole["usage"][name] == told["usage"][name]


@pytest.mark.parametrize("pin", CALLING, ids=str)
@pytest.mark.parametrize("streamed", [True, False], ids=["streamed", "whole"])
def test_calls_are_blocks_of_their_own(pin: Pin, *, streamed: bool, gateway: Gateway, providers: Fakes) -> None:
    providers[pin.provider].script(tool_calls=CALLS)
    heard = ask(gateway, pin.model, tools=[TOOL], stream=streamed)
    blocks = [block for block in heard.message["content"] if block["type"] == "tool_use"]
    assert [(block["name"], block["input"]) for block in blocks] == [
        ("look_up", {"word": "hello"}),
        ("look_up", {"word": "world"}),
    ]
    assert len({block["id"] for block in blocks}) == 2
    assert heard.message["stop_reason"] == "tool_use"


@pytest.mark.parametrize("pin", CALLING, ids=str)
def test_a_tool_loop_goes_round(pin: Pin, gateway: Gateway, providers: Fakes) -> None:
    fake = providers[pin.provider]
    fake.script(tool_calls=CALLS)
    first = stream(gateway, pin.model, tools=[TOOL]).message["content"]
    fake.script()
    results = [
        {
            "type": "tool_result",
            "tool_use_id": block["id"],
            "content": [{"type": "text", "text": f"a word: {block['input']['word']}"}],
        }
        for block in first
        if block["type"] == "tool_use"
    ]
    results[1] |= {"content": "no such word", "is_error": True}
    said = [*HELLO, {"role": "assistant", "content": first}, {"role": "user", "content": results}]
    heard = stream(gateway, pin.model, tools=[TOOL], messages=said)
    assert heard.error is None
    assert heard.text == "Hello from the fake."
    sent = fake.last.body.decode()
    assert "a word: hello" in sent
    assert "no such word" in sent


def test_perplexity_is_told_of_calls_in_words(gateway: Gateway, providers: Fakes) -> None:
    """It has no tools: a conversation that others have begun goes on all the same, and the reply says what was lost."""
    said = [
        *HELLO,
        {"role": "assistant", "content": [{"type": "tool_use", "id": "toolu_1", "name": "look_up", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "nothing"}]},
    ]
    heard = ask(gateway, PERPLEXITY.model, tools=[TOOL], messages=said)
    assert heard.text == "Hello from the fake."
    assert "tools" in heard.headers["x-syntra-warning"]


@pytest.mark.parametrize("pin", CALLING, ids=str)
def test_thinking_comes_before_the_answer_with_a_signature(pin: Pin, gateway: Gateway, providers: Fakes) -> None:
    providers[pin.provider].script(reasoning=("Let me ", "think."), pieces=("It is ", "4."))
    asked: Any = {"thinking": {"type": "enabled", "budget_tokens": 1024}, "max_tokens": 4000}
    for heard in (stream(gateway, pin.model, **asked), ask(gateway, pin.model, **asked)):
        thought, answer = heard.message["content"]
        assert (thought["type"], thought["thinking"]) == ("thinking", "Let me think.")
        assert thought["signature"]
        assert answer == {"type": "text", "text": "It is 4."}


@pytest.mark.parametrize("pin", [OPENAI, GOOGLE, KIMI, OPENROUTER], ids=str)
def test_thinking_that_nobody_asked_for_is_not_in_the_way_of_a_text(
    pin: Pin, gateway: Gateway, providers: Fakes
) -> None:
    """Plain code reads the first block and expects its text."""
    providers[pin.provider].script(reasoning=("Let me ", "think."), pieces=("It is ", "4."))
    for heard in (stream(gateway, pin.model), ask(gateway, pin.model)):
        assert heard.message["content"] == [{"type": "text", "text": "It is 4."}]


@pytest.mark.parametrize("pin", [KIMI, OPENROUTER], ids=str)
@pytest.mark.parametrize("thinks", [True, False], ids=["asked-for", "not"])
def test_a_call_brings_the_thought_that_led_to_it_and_its_provider_gets_it_back(
    pin: Pin, *, thinks: bool, gateway: Gateway, providers: Fakes
) -> None:
    fake = providers[pin.provider]
    fake.script(reasoning=("Let me ", "look."), tool_calls=CALLS[:1])
    asked: Any = {"thinking": {"type": "adaptive"}} if thinks else {}
    first = stream(gateway, pin.model, tools=[TOOL], **asked).message["content"]
    assert [block["type"] for block in first] == ["thinking", "tool_use"]
    assert first[0]["thinking"] == "Let me look."
    fake.script()
    result = {"type": "tool_result", "tool_use_id": first[1]["id"], "content": "found"}
    said = [*HELLO, {"role": "assistant", "content": first}, {"role": "user", "content": [result]}]
    assert ask(gateway, pin.model, tools=[TOOL], messages=said, **asked).status == 200
    assert fake.last.json["messages"][1]["reasoning_content"] == "Let me look."
    # Another provider is not told, because it would refuse.
    assert ask(gateway, OPENAI.model, tools=[TOOL], messages=said, **asked).status == 200
    assert b"reasoning_content" not in providers["openai"].last.body


@pytest.mark.parametrize("pin", [OPENAI, GOOGLE, KIMI, OPENROUTER], ids=str)
def test_anthropic_goes_on_where_another_provider_has_thought_and_called(
    pin: Pin, gateway: Gateway, providers: Fakes
) -> None:
    fake = providers[pin.provider]
    fake.script(reasoning=("Let me ", "look."), tool_calls=CALLS[:1])
    asked: Any = {"thinking": {"type": "enabled", "budget_tokens": 1024}, "max_tokens": 4000, "tools": [TOOL]}
    first = stream(gateway, pin.model, **asked).message["content"]
    for block in first:
        if block["type"] == "tool_use":
            block["id"] = "functions.look_up:0"  # as Kimi names its calls, which Anthropic refuses
    result = {"type": "tool_result", "tool_use_id": "functions.look_up:0", "content": "found"}
    said = [*HELLO, {"role": "assistant", "content": first}, {"role": "user", "content": [result]}]
    heard = stream(gateway, ANTHROPIC.model, messages=said, **asked)
    assert heard.error is None
    assert heard.text == "Hello from the fake."
    assert b"syntra." not in providers["anthropic"].last.body


@pytest.mark.parametrize("pin", CALLING, ids=str)
def test_cached_tokens_are_counted_apart(pin: Pin, gateway: Gateway, providers: Fakes) -> None:
    providers[pin.provider].script(usage=Usage(prompt=1000, completion=50, cached=800))
    for heard in (stream(gateway, pin.model), ask(gateway, pin.model)):
        usage = heard.message["usage"]
        assert (usage["input_tokens"], usage["cache_read_input_tokens"], usage["output_tokens"]) == (200, 800, 50)


@pytest.mark.parametrize("pin", [OPENAI, ANTHROPIC, GOOGLE, KIMI], ids=str)
def test_an_answer_that_ran_out_of_room_says_so(pin: Pin, gateway: Gateway, providers: Fakes) -> None:
    providers[pin.provider].script(finish="length")
    assert stream(gateway, pin.model).message["stop_reason"] == "max_tokens"
    assert ask(gateway, pin.model).message["stop_reason"] == "max_tokens"


def test_a_refusal_is_a_refusal(gateway: Gateway, providers: Fakes) -> None:
    providers["openai"].script(refusal="I can't help with that.")
    heard = stream(gateway, OPENAI.model)
    assert (heard.text, heard.message["stop_reason"]) == ("I can't help with that.", "refusal")


@every_provider
def test_no_model_gives_itself_away(pin: Pin, gateway: Gateway, providers: Fakes) -> None:
    providers[pin.provider].script(pieces=("Hello! I am ", "ChatGPT, a large language", " model trained by OpenAI."))
    told, whole = stream(gateway, pin.model), ask(gateway, pin.model)
    assert told.text == whole.text
    assert "OpenAI" not in told.text
    assert "Syntra" in told.text


def test_names_longer_than_others_take_come_back_whole(gateway: Gateway, providers: Fakes) -> None:
    long = {**TOOL, "name": "mcp__a_server_with_a_long_name__" + "x" * 60}
    fake = providers["openai"]

    def called() -> str:
        return str(fake.last.json["tools"][0]["function"]["name"])

    ask(gateway, OPENAI.model, tools=[long])
    assert len(called()) == 64
    fake.script(tool_calls=(ToolCall("call_a", called(), '{"word":"x"}'),))
    for heard in (stream(gateway, OPENAI.model, tools=[long]), ask(gateway, OPENAI.model, tools=[long])):
        [block] = heard.message["content"]
        assert block["name"] == long["name"]
    choice = {"type": "tool", "name": long["name"], "disable_parallel_tool_use": True}
    ask(gateway, OPENAI.model, tools=[long], tool_choice=choice)
    assert fake.last.json["tool_choice"]["function"]["name"] == called()
    assert fake.last.json["parallel_tool_calls"] is False


def test_signature_of_the_fake_is_not_ours() -> None:
    assert not SIGNATURE.startswith("syntra.")
