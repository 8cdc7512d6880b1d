"""The reply, to the letter: what is in each event, in which order, and what is not there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from tests.fakes.caller import ask, stream
from tests.fakes.gateway import ANTHROPIC, GOOGLE, KIMI, OPENAI, OPENROUTER, PERPLEXITY, PINS, Gateway, Pin
from tests.fakes.provider import Provider
from tests.fakes.script import Script, ToolCall, Usage

Fakes = Mapping[str, Provider]
every_provider = pytest.mark.parametrize("pin", PINS, ids=str)
USAGE = {"stream_options": {"include_usage": True}}
TOOLS = [{"type": "function", "function": {"name": "look_up", "parameters": {"type": "object", "properties": {}}}}]
ODD = '{ "a":1,"b" : [1.0, 2e3,"\\u00e9"],\n"c":"\\"\\\\"  }'  # JSON that nobody would write: bytes must survive
BROKEN = '{"a": [1, 2'  # arguments are the model's words, even when they are not JSON
SEPARATORS = ("line\u2028separator ", "paragraph\u2029separator ", "next\u0085line ", "\ufeffmark, \u200b😀 and é.")


@every_provider
def test_the_first_chunk_names_the_role_and_says_nothing(pin: Pin, gateway: Gateway, providers: Fakes) -> None:
    told = stream(gateway, pin.model)
    [first] = told.chunks[0]["choices"]
    assert first["delta"]["role"] == "assistant"
    assert not first["delta"].get("content")
    assert first["finish_reason"] is None
    assert [delta["role"] for delta in told.deltas() if "role" in delta] == ["assistant"]


@every_provider
def test_a_stream_has_one_finish_reason_then_done_then_nothing(pin: Pin, gateway: Gateway, providers: Fakes) -> None:
    told = stream(gateway, pin.model)
    assert told.finishes() == ["stop"]
    assert (told.done, told.after_done, told.torn) == (True, [], False)
    assert told.body.endswith(b"data: [DONE]\n\n")
    assert told.choices()[-1]["finish_reason"] == "stop"
    assert told.headers["content-type"].startswith("text/event-stream")
    assert "no-" in told.headers["cache-control"]


@every_provider
def test_every_chunk_has_the_same_id_model_and_time(pin: Pin, gateway: Gateway, providers: Fakes) -> None:
    told = stream(gateway, pin.model, **USAGE)
    assert {chunk["object"] for chunk in told.events} == {"chat.completion.chunk"}
    assert {chunk["model"] for chunk in told.events} == {pin.model}
    for name in ("id", "created"):
        [same] = {chunk[name] for chunk in told.events}
        assert same
    assert all(type(choice["index"]) is int for choice in told.choices())


@every_provider
def test_usage_comes_if_and_only_if_it_was_asked_for(pin: Pin, gateway: Gateway, providers: Fakes) -> None:
    fake = providers[pin.provider]
    quiet = stream(gateway, pin.model)
    assert not any(chunk.get("usage") for chunk in quiet.chunks)
    assert all(len(chunk["choices"]) >= 1 for chunk in quiet.chunks)
    asked = stream(gateway, pin.model, **USAGE)
    *chunks, last = asked.chunks
    assert last["choices"] == []
    assert last["usage"]["prompt_tokens"] == 21
    assert last["usage"]["completion_tokens"] == 9
    assert last["usage"]["total_tokens"] == 30
    assert not any(chunk.get("usage") for chunk in chunks)
    if pin in {OPENAI, OPENROUTER}:  # they only count when they are asked
        assert all(request.json["stream_options"]["include_usage"] is True for request in fake.requests)


@every_provider
def test_usage_is_told_even_when_the_provider_did_not_count(pin: Pin, gateway: Gateway, providers: Fakes) -> None:
    providers[pin.provider].script(usage=None)
    told = stream(gateway, pin.model, **USAGE)
    assert told.done
    assert told.chunks[-1]["usage"]["completion_tokens"] > 0
    whole = ask(gateway, pin.model).json["usage"]
    assert whole["prompt_tokens"] > 0
    assert whole["total_tokens"] == whole["prompt_tokens"] + whole["completion_tokens"]


@pytest.mark.parametrize("pin", [OPENAI, ANTHROPIC, GOOGLE, KIMI, OPENROUTER], ids=str)
def test_cached_tokens_are_counted_as_part_of_the_prompt(pin: Pin, gateway: Gateway, providers: Fakes) -> None:
    providers[pin.provider].script(usage=Usage(prompt=1000, completion=50, cached=800))
    for usage in (stream(gateway, pin.model, **USAGE).chunks[-1]["usage"], ask(gateway, pin.model).json["usage"]):
        assert usage["prompt_tokens"] == 1000
        assert usage["prompt_tokens_details"]["cached_tokens"] == 800
        assert (usage["completion_tokens"], usage["total_tokens"]) == (50, 1050)


@pytest.mark.parametrize("pin", [OPENAI, GOOGLE, OPENROUTER], ids=str)
def test_reasoning_tokens_are_counted_as_part_of_the_completion(pin: Pin, gateway: Gateway, providers: Fakes) -> None:
    providers[pin.provider].script(usage=Usage(prompt=10, completion=90, reasoning=70))
    for usage in (stream(gateway, pin.model, **USAGE).chunks[-1]["usage"], ask(gateway, pin.model).json["usage"]):
        assert usage["completion_tokens"] == 90
        assert usage["completion_tokens_details"]["reasoning_tokens"] == 70
        assert usage["total_tokens"] == 100


@pytest.mark.parametrize("pin", [OPENAI, KIMI, OPENROUTER, ANTHROPIC], ids=str)
@pytest.mark.parametrize(
    "arguments", ['{"q":"x"}', ODD, BROKEN, "", "{}"], ids=["plain", "odd", "broken", "none", "empty"]
)
def test_argument_bytes_arrive_as_the_model_wrote_them(
    pin: Pin, arguments: str, gateway: Gateway, providers: Fakes
) -> None:
    if pin is ANTHROPIC and arguments == BROKEN:
        arguments = '{"a": [1, 2]}'  # its wire says the input as an object when the answer is whole
    calls = (
        ToolCall("call_a", "look_up", '{"first":true}', (2, 5)),
        ToolCall("call_b", "look_up", arguments, (1, 2, 9)),
    )
    providers[pin.provider].script(tool_calls=calls)
    told = stream(gateway, pin.model, tools=TOOLS)
    made = told.calls()
    assert sorted(made) == [0, 1]
    assert [made[k]["name"] for k in (0, 1)] == ["look_up", "look_up"]
    assert made[0]["arguments"] == '{"first":true}'
    assert made[1]["arguments"] == arguments or (pin is ANTHROPIC and not arguments and made[1]["arguments"] == "{}")
    assert made[0]["id"]
    assert made[1]["id"]
    assert made[0]["id"] != made[1]["id"]
    assert told.finishes() == ["tool_calls"]


def test_a_tool_call_begins_with_its_id_and_name_and_goes_on_with_its_index(gateway: Gateway, providers: Fakes) -> None:
    for pin in (OPENAI, ANTHROPIC):
        providers[pin.provider].script(tool_calls=(ToolCall("call_a", "look_up", '{"q":"long enough"}', (3, 8)),))
        told = stream(gateway, pin.model, tools=TOOLS)
        parts = [part for delta in told.deltas() for part in delta.get("tool_calls") or ()]
        assert (parts[0]["id"], parts[0]["type"], parts[0]["function"]["name"]) == ("call_a", "function", "look_up")
        assert all(part["index"] == 0 for part in parts)
        assert not any(part.get("id") or part["function"].get("name") for part in parts[1:])


def test_choices_other_than_the_first_are_kept_apart(gateway: Gateway, providers: Fakes) -> None:
    more = (("second ", "answer"), ("the third ", "is ", "longer ", "than ", "both"))
    providers["openai"].script(pieces=("first ", "answer"), more_choices=more)
    told = stream(gateway, OPENAI.model, n=3, **USAGE)
    texts = [told.said(index=k) for k in range(3)]
    assert texts == ["first answer", "second answer", "the third is longer than both"]
    assert [told.finishes(k) for k in range(3)] == [["stop"]] * 3
    assert all(told.choices(k)[0]["delta"]["role"] == "assistant" for k in range(3))
    whole = ask(gateway, OPENAI.model, n=3).json["choices"]
    assert [(choice["index"], choice["message"]["content"]) for choice in whole] == list(enumerate(texts))


def test_gemini_candidates_are_choices(gateway: Gateway, providers: Fakes) -> None:
    providers["google"].script(pieces=("first ", "one"), more_choices=(("second ", "one"),))
    told = stream(gateway, GOOGLE.model, n=2)
    assert [told.said(index=k) for k in range(2)] == ["first one", "second one"]
    assert [told.finishes(k) for k in range(2)] == [["stop"]] * 2


def test_logprobs_stay_with_their_tokens(gateway: Gateway, providers: Fakes) -> None:
    pieces = ("The ", "answer ", "is ", "4.")
    providers["openai"].script(pieces=pieces, logprobs=True)
    told = stream(gateway, OPENAI.model, logprobs=True, top_logprobs=1)
    tokens = [token for choice in told.choices() for token in (choice.get("logprobs") or {}).get("content") or ()]
    assert tuple(token["token"] for token in tokens) == pieces
    assert all(token["logprob"] == -0.125 and token["top_logprobs"] for token in tokens)
    whole = ask(gateway, OPENAI.model, logprobs=True, top_logprobs=1).json["choices"][0]["logprobs"]["content"]
    assert whole == tokens


@pytest.mark.parametrize("pin", [OPENAI, ANTHROPIC, GOOGLE, KIMI, OPENROUTER], ids=str)
def test_reasoning_is_told_apart_from_the_answer(pin: Pin, gateway: Gateway, providers: Fakes) -> None:
    providers[pin.provider].script(reasoning=("Let me ", "think."), pieces=("It is ", "4."))
    told = stream(gateway, pin.model)
    assert told.said("reasoning_content") == "Let me think."
    assert told.said() == "It is 4."
    message = ask(gateway, pin.model).json["choices"][0]["message"]
    assert (message["reasoning_content"], message["content"]) == ("Let me think.", "It is 4.")


def test_a_refusal_is_a_refusal(gateway: Gateway, providers: Fakes) -> None:
    providers["openai"].script(refusal="I can't help with that.")
    told = stream(gateway, OPENAI.model)
    assert (told.said("refusal"), told.said()) == ("I can't help with that.", "")
    message = ask(gateway, OPENAI.model).json["choices"][0]["message"]
    assert (message["refusal"], message["content"]) == ("I can't help with that.", None)


@pytest.mark.parametrize("pin", [OPENAI, ANTHROPIC, GOOGLE, KIMI], ids=str)
def test_an_answer_that_ran_out_of_room_says_length(pin: Pin, gateway: Gateway, providers: Fakes) -> None:
    providers[pin.provider].script(finish="length")
    assert stream(gateway, pin.model).finishes() == ["length"]
    assert ask(gateway, pin.model).json["choices"][0]["finish_reason"] == "length"


def test_citations_travel(gateway: Gateway, providers: Fakes) -> None:
    told = stream(gateway, PERPLEXITY.model)
    assert any(chunk.get("citations") for chunk in told.chunks)
    assert ask(gateway, PERPLEXITY.model).json["citations"]


@every_provider
def test_line_separators_inside_text_survive(pin: Pin, gateway: Gateway, providers: Fakes) -> None:
    providers[pin.provider].script(pieces=SEPARATORS)
    assert stream(gateway, pin.model).text == "".join(SEPARATORS)
    assert ask(gateway, pin.model).text == "".join(SEPARATORS)


@every_provider
@pytest.mark.parametrize(
    "framing",
    [
        Script(split=1),
        Script(split=7),
        Script(crlf=True),
        Script(no_space=True),
        Script(pings=2),
        Script(crlf=True, split=1),
    ],
    ids=["byte-by-byte", "sevens", "crlf", "no-space", "pings", "crlf-byte-by-byte"],
)
def test_the_providers_framing_changes_nothing(pin: Pin, framing: Script, gateway: Gateway, providers: Fakes) -> None:
    providers[pin.provider].says = framing.but(pieces=("Grüße ", "aus ", "東京 ", "👩🏽‍🚀."))
    told = stream(gateway, pin.model)
    assert (told.text, told.finishes(), told.done) == ("Grüße aus 東京 👩🏽‍🚀.", ["stop"], True)


@every_provider
def test_the_whole_reply_is_the_fold_of_the_stream(pin: Pin, gateway: Gateway, providers: Fakes) -> None:
    providers[pin.provider].script(pieces=("One ", "two ", "three."), usage=Usage(prompt=40, completion=6))
    told, whole = stream(gateway, pin.model, **USAGE), ask(gateway, pin.model).json
    [choice] = whole["choices"]
    assert choice["message"]["content"] == told.text
    assert choice["message"]["role"] == "assistant"
    assert [choice["finish_reason"]] == told.finishes()
    for count in ("prompt_tokens", "completion_tokens", "total_tokens"):
        assert whole["usage"][count] == told.chunks[-1]["usage"][count]
    assert whole["object"] == "chat.completion"
    assert "delta" not in json.dumps(whole)


def test_a_reply_carries_its_request_id_and_no_header_of_the_provider(gateway: Gateway, providers: Fakes) -> None:
    for told in (stream(gateway, OPENAI.model), ask(gateway, OPENAI.model), ask(gateway, "no/such-model")):
        assert told.headers["x-request-id"]
        assert told.headers["x-request-id"] != "req_fake_provider_1"


def test_chunks_arrive_while_the_provider_is_still_speaking(gateway: Gateway, providers: Fakes) -> None:
    """Told by the caller's clock elsewhere; here by the provider's: it has not ended when the text is heard."""
    fake = providers["openai"]
    fake.script(pieces=tuple(f"word{k} " for k in range(5)), delay=0.1)
    with gateway.client() as client:
        asked: Any = {"model": OPENAI.model, "messages": [{"role": "user", "content": "hi"}], "stream": True}
        with client.chat.completions.create(**asked) as chunks:
            heard = next(chunk for chunk in chunks if chunk.choices[0].delta.content)
            assert heard.choices[0].delta.content
            assert not fake.last.answered
            list(chunks)


@every_provider
@pytest.mark.parametrize("size", [1, 3, 1000], ids=["letters", "threes", "whole"])
def test_no_model_gives_itself_away(pin: Pin, size: int, gateway: Gateway, providers: Fakes) -> None:
    said = "Hello! I am ChatGPT, a large language model trained by OpenAI. How can I help you?"
    pieces = tuple(said[k : k + size] for k in range(0, len(said), size))
    providers[pin.provider].script(pieces=pieces)
    told, whole = stream(gateway, pin.model).text, ask(gateway, pin.model).text
    assert told == whole
    assert "ChatGPT" not in told
    assert "OpenAI" not in told
    assert "Syntra" in told
    assert told.startswith("Hello! I am")
    assert told.endswith("How can I help you?")


def test_talk_about_a_provider_and_code_stay_as_they_are(gateway: Gateway, providers: Fakes) -> None:
    said = "ChatGPT was made by OpenAI.\n```python\nprint('I am Claude, made by Anthropic')\n```\nAnd `I am GPT-4`."
    providers["openai"].script(pieces=tuple(said[k : k + 5] for k in range(0, len(said), 5)))
    assert stream(gateway, OPENAI.model).text == said
