"""The request, whole: what a client sends is what the provider gets, or it is told why not."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from typing import Any, cast

import pytest

from tests.fakes.caller import HELLO, ask, stream
from tests.fakes.gateway import ANTHROPIC, GOOGLE, KIMI, OPENAI, OPENROUTER, PERPLEXITY, PINS, Gateway, Pin
from tests.fakes.openai_wire import OpenAI
from tests.fakes.provider import Provider

Fakes = Mapping[str, Provider]
PLAIN = {"x-syntra-persona": "off"}
every_provider = pytest.mark.parametrize("pin", PINS, ids=str)
PIXEL = base64.b64encode(b"\x89PNG\r\n\x1a\nnot really a picture").decode()
IMAGE = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}}

TOOL: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "look-up_1",
        "description": "Looks up.",
        "parameters": {
            "type": "object",
            "properties": {"q": {"type": "string", "minLength": 1}, "n": {"type": "integer", "default": 3}},
            "required": ["q"],
            "additionalProperties": False,
            "$schema": "http://json-schema.org/draft-07/schema#",
        },
        "strict": True,
    },
}
SCHEMA = {"name": "answer", "strict": True, "schema": {"type": "object", "properties": {"a": {"type": "number"}}}}

FIELDS: dict[str, dict[str, Any]] = {
    "frequency_penalty": {"frequency_penalty": 0.5},
    "presence_penalty": {"presence_penalty": -1.5},
    "temperature": {"temperature": 0},
    "top_p": {"top_p": 0.25},
    "n": {"n": 1},
    "stop-word": {"stop": "END"},
    "stop-list": {"stop": ["END", "\n\n"]},
    "seed": {"seed": -(2**62)},
    "user": {"user": "user-ünïcode"},
    "metadata": {"metadata": {"trace": "t-1", "team": "é"}},
    "store": {"store": False},
    "service_tier": {"service_tier": "flex"},
    "logit_bias": {"logit_bias": {"50256": -100, "7": 1}},
    "logprobs": {"logprobs": True, "top_logprobs": 5},
    "max_completion_tokens": {"max_completion_tokens": 77},
    "modalities": {"modalities": ["text", "audio"], "audio": {"voice": "alloy", "format": "wav"}},
    "prediction": {"prediction": {"type": "content", "content": [{"type": "text", "text": "def f():\n  pass"}]}},
    "prompt_cache_key": {"prompt_cache_key": "conversation-7", "prompt_cache_retention": "24h"},
    "safety_identifier": {"safety_identifier": "hash-1"},
    "verbosity": {"verbosity": "low"},
    "reasoning_effort": {"reasoning_effort": "low"},
    "response_format-text": {"response_format": {"type": "text"}},
    "response_format-schema": {"response_format": {"type": "json_schema", "json_schema": SCHEMA}},
    "tools": {"tools": [TOOL], "tool_choice": "required", "parallel_tool_calls": False},
    "tool_choice": {"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "look-up_1"}}},
    "custom-tool": {"tools": [{"type": "custom", "custom": {"name": "shell", "description": "Runs."}}]},
    "functions": {"functions": [TOOL["function"] | {"strict": False}], "function_call": "auto"},
    "web_search_options": {"web_search_options": {"search_context_size": "low"}},
    "stream_options": {"stream_options": {"include_obfuscation": False, "include_usage": True}},
    "nulls": {"temperature": None, "stop": None, "max_completion_tokens": None, "metadata": None},
}


@pytest.mark.parametrize("fields", FIELDS.values(), ids=FIELDS)
def test_every_field_reaches_openai_unchanged(fields: dict[str, Any], gateway: Gateway, providers: Fakes) -> None:
    told = stream(gateway, OPENAI.model, headers=PLAIN, **fields)
    assert told.done, told.body
    sent = providers["openai"].last.json
    assert {name: sent.get(name) for name in fields} == fields
    assert sent["messages"] == HELLO
    assert sent["model"] == OPENAI.upstream
    assert set(sent) - set(fields) <= {"model", "messages", "stream", "stream_options"}


USER = {"role": "user", "content": "Now?"}
CALL = {"id": "call_1", "type": "function", "function": {"name": "look-up_1", "arguments": '{ "q":"x" }'}}
MESSAGES: dict[str, list[dict[str, Any]]] = {
    "system": [{"role": "system", "content": "Be brief.", "name": "boss"}, USER],
    "system-parts": [{"role": "system", "content": [{"type": "text", "text": "Be brief."}]}, USER],
    "names": [
        {"role": "user", "content": "Hi", "name": "ada"},
        {"role": "assistant", "content": "Hi.", "name": "bot"},
        USER,
    ],
    "image-url": [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "What is it?"},
                {"type": "image_url", "image_url": {"url": "https://example.org/a.png", "detail": "low"}},
            ],
        }
    ],
    "image-data": [{"role": "user", "content": [IMAGE]}],
    "audio": [{"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": PIXEL, "format": "wav"}}]}],
    "file": [
        {
            "role": "user",
            "content": [
                {"type": "file", "file": {"filename": "a.pdf", "file_data": f"data:application/pdf;base64,{PIXEL}"}},
                {"type": "file", "file": {"file_id": "file-123"}},
            ],
        }
    ],
    "tool-round": [
        USER,
        {"role": "assistant", "content": None, "tool_calls": [CALL, {**CALL, "id": "call_2"}]},
        {"role": "tool", "tool_call_id": "call_2", "content": "two"},
        {"role": "tool", "tool_call_id": "call_1", "content": [{"type": "text", "text": "one"}]},
    ],
    "refusal": [USER, {"role": "assistant", "content": None, "refusal": "No."}, USER],
    "refusal-part": [USER, {"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]}, USER],
    "audio-answer": [USER, {"role": "assistant", "content": None, "audio": {"id": "audio_1"}}, USER],
    "legacy-function": [
        USER,
        {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}},
        {"role": "function", "name": "f", "content": "done"},
    ],
    "many-users": [USER, USER, {"role": "assistant", "content": ""}, USER],
    "odd-text": [{"role": "user", "content": "\u2028\u2029\u0085 \ufeff 👩🏽‍🚀 \x7f \\u0041 </s> <|endoftext|>"}],
}


@pytest.mark.parametrize("messages", MESSAGES.values(), ids=MESSAGES)
def test_every_kind_of_message_reaches_openai_unchanged(
    messages: list[dict[str, Any]], gateway: Gateway, providers: Fakes
) -> None:
    told = stream(gateway, OPENAI.model, headers=PLAIN, messages=messages)
    assert told.done, told.body
    assert providers["openai"].last.json["messages"] == messages


def test_a_field_that_nobody_knows_yet_travels(gateway: Gateway, providers: Fakes) -> None:
    value = {"a": [1, 2.50, 12345678901234567890, None, "\u2028"], "b": {"c": {"d": True}}}
    fake = cast("OpenAI", providers["openai"])
    fake.extra_fields = frozenset({"x_next_month"})
    try:
        assert ask(gateway, OPENAI.model, x_next_month=value).status == 200
        assert fake.last.json["x_next_month"] == value
    finally:
        fake.extra_fields = frozenset()
    assert ask(gateway, OPENAI.model, x_next_month=value).status == 400  # OpenAI says no: not a defect of ours


@pytest.mark.parametrize("pin", [ANTHROPIC, GOOGLE], ids=str)
def test_a_field_that_cannot_be_translated_is_named_in_a_header(pin: Pin, gateway: Gateway, providers: Fakes) -> None:
    told = ask(gateway, pin.model, x_next_month=1)
    assert told.status == 200, told.body
    assert "x_next_month" not in providers[pin.provider].last.json
    named = [value for name, value in told.headers.items() if name.startswith("x-syntra") and "x_next_month" in value]
    assert named, dict(told.headers)


FORBIDDEN: dict[str, Any] = {
    "api_base": "http://169.254.169.254/latest",
    "base_url": "http://127.0.0.1:1/v1",
    "api_key": "sk-someone-elses",
    "extra_headers": {"authorization": "Bearer x"},
    "API-Base": "http://127.0.0.1:1",
    "api_version": "2024",
    "extra_body": {"a": 1},
    "custom_llm_provider": "openai",
    "vertex_project": "p",
    "proxy": "http://127.0.0.1:1",
}


@every_provider
@pytest.mark.parametrize("name", FORBIDDEN)
def test_no_field_chooses_a_host_or_a_credential(pin: Pin, name: str, gateway: Gateway, providers: Fakes) -> None:
    told = ask(gateway, pin.model, **{name: FORBIDDEN[name]})
    assert told.status == 400
    assert told.error is not None
    assert (told.error["type"], told.error["param"]) == ("invalid_request_error", name)
    assert all(fake.requests == [] for fake in providers.values())


def test_the_providers_key_is_the_only_credential_that_travels(gateway: Gateway, providers: Fakes) -> None:
    sly = {"x-api-key": "sly", "cookie": "sly=1", "openai-organization": "sly", "x-forwarded-for": "10.9.8.7"}
    for pin in PINS:
        assert ask(gateway, pin.model, headers=sly).status == 200
        headers = providers[pin.provider].last.headers
        assert "sly" not in str(headers)
        assert "10.9.8.7" not in str(headers)
        assert gateway.key not in str(headers)
        assert headers.get("accept-encoding", "identity") == "identity"


# words that each provider says in its own way


def body_for(gateway: Gateway, providers: Fakes, pin: Pin, **fields: Any) -> Any:
    told = ask(gateway, pin.model, **{"headers": PLAIN, **fields})
    assert told.status == 200, told.body
    return providers[pin.provider].last.json


DEVELOPER = [{"role": "developer", "content": "Be a pirate."}, *HELLO]


def test_the_developers_words_are_heard_everywhere(gateway: Gateway, providers: Fakes) -> None:
    sent = {pin.provider: body_for(gateway, providers, pin, messages=DEVELOPER) for pin in PINS}
    assert sent["openai"]["messages"] == DEVELOPER
    for name in ("kimi", "perplexity"):
        assert sent[name]["messages"] == [{"role": "system", "content": "Be a pirate."}, *HELLO]
    assert "Be a pirate." in json.dumps(sent["anthropic"]["system"])
    system = sent["google"].get("systemInstruction") or sent["google"]["system_instruction"]
    assert "Be a pirate." in json.dumps(system)
    assert "Be a pirate." in json.dumps(sent["openrouter"]["messages"][0])


@pytest.mark.parametrize("asked", ["max_tokens", "max_completion_tokens"])
def test_the_token_limit_has_the_name_that_each_model_wants(asked: str, gateway: Gateway, providers: Fakes) -> None:
    sent = {pin.provider: body_for(gateway, providers, pin, **{asked: 77}) for pin in PINS}
    assert sent["anthropic"]["max_tokens"] == 77
    config = sent["google"]["generationConfig"]
    assert (config.get("maxOutputTokens") or config.get("max_output_tokens")) == 77
    assert sent["kimi"]["max_tokens"] == 77
    for name in ("openai", "perplexity", "openrouter"):
        limits = {field: sent[name][field] for field in ("max_tokens", "max_completion_tokens") if field in sent[name]}
        assert list(limits.values()) == [77]


@pytest.mark.parametrize("model", ["o3-mini", "gpt-5", "gpt-5-mini", "o1"])
def test_new_openai_models_get_max_completion_tokens(model: str, gateway: Gateway, providers: Fakes) -> None:
    assert ask(gateway, f"openai/{model}", max_tokens=77).status == 200
    assert providers["openai"].last.json["max_completion_tokens"] == 77


def test_anthropic_gets_a_limit_even_when_none_was_asked(gateway: Gateway, providers: Fakes) -> None:
    assert body_for(gateway, providers, ANTHROPIC)["max_tokens"] >= 1024


@pytest.mark.parametrize("pin", [OPENAI, ANTHROPIC, GOOGLE, KIMI, OPENROUTER], ids=str)
def test_a_picture_as_a_data_uri_reaches_the_provider(pin: Pin, gateway: Gateway, providers: Fakes) -> None:
    content = [{"type": "text", "text": "What is it?"}, IMAGE]
    sent = body_for(gateway, providers, pin, messages=[{"role": "user", "content": content}])
    assert PIXEL in json.dumps(sent)


@pytest.mark.parametrize("pin", [OPENAI, ANTHROPIC, GOOGLE, KIMI, OPENROUTER], ids=str)
def test_json_mode_is_accepted(pin: Pin, gateway: Gateway, providers: Fakes) -> None:
    providers[pin.provider].script(pieces=('{"a":', " 1}"))
    talk = [{"role": "user", "content": "Give me JSON."}]
    told = ask(gateway, pin.model, messages=talk, response_format={"type": "json_object"})
    assert told.status == 200, told.body
    assert json.loads(told.text) == {"a": 1}


def test_stop_words_and_sampling_are_translated(gateway: Gateway, providers: Fakes) -> None:
    fields = {"stop": ["END"], "temperature": 0.5, "max_tokens": 50}
    claude = body_for(gateway, providers, ANTHROPIC, **fields)
    assert (claude["stop_sequences"], claude["temperature"]) == (["END"], 0.5)
    gemini = body_for(gateway, providers, GOOGLE, **fields)["generationConfig"]
    assert (gemini.get("stopSequences") or gemini.get("stop_sequences"), gemini["temperature"]) == (["END"], 0.5)


@pytest.mark.parametrize("pin", [ANTHROPIC, GOOGLE], ids=str)
def test_a_tool_schema_that_openai_takes_is_brought_into_the_providers_form(
    pin: Pin, gateway: Gateway, providers: Fakes
) -> None:
    tool = {**TOOL, "function": {**TOOL["function"], "name": "look_up"}}
    sent = body_for(gateway, providers, pin, tools=[tool])
    assert "look_up" in json.dumps(sent["tools"])
    assert "minLength" in json.dumps(sent["tools"])


def test_gemini_is_a_name_for_google(gateway: Gateway, providers: Fakes) -> None:
    told = ask(gateway, "gemini/gemini-2.5-flash")
    assert (told.status, told.json["model"]) == (200, "gemini/gemini-2.5-flash")
    assert "gemini-2.5-flash:" in providers["google"].last.path


def test_a_pinned_model_that_no_catalogue_knows_is_sent_all_the_same(gateway: Gateway, providers: Fakes) -> None:
    for provider in ("openai", "anthropic", "kimi"):
        told = ask(gateway, f"{provider}/brand-new-model-9")
        assert told.status == 200, told.body
        assert providers[provider].last.json["model"] == "brand-new-model-9"


# the persona


@every_provider
def test_the_persona_comes_first_and_the_client_keeps_its_words(pin: Pin, gateway: Gateway, providers: Fakes) -> None:
    talk = [{"role": "system", "content": "You sell only shoes."}, *HELLO]
    assert ask(gateway, pin.model, messages=talk).status == 200
    sent = providers[pin.provider].last.body.decode()
    assert "Syntra" in sent
    assert sent.index("Syntra") < sent.index("You sell only shoes.")
    plain = body_for(gateway, providers, pin, messages=talk)
    assert "Syntra" not in json.dumps(plain)


def test_the_persona_is_the_same_bytes_every_time(gateway: Gateway, providers: Fakes) -> None:
    for word in ("one", "two"):
        assert ask(gateway, OPENAI.model, messages=[{"role": "user", "content": word}]).status == 200
    first, second = (request.json["messages"] for request in providers["openai"].requests)
    assert first[0] == second[0]
    assert first[0]["role"] in {"system", "developer"}


@pytest.mark.parametrize(
    "fields", [{"tools": [TOOL]}, {"response_format": {"type": "json_schema", "json_schema": SCHEMA}}]
)
def test_tools_and_json_leave_the_persona_out(fields: dict[str, Any], gateway: Gateway, providers: Fakes) -> None:
    providers["openai"].script(pieces=('{"a":1}',))
    assert ask(gateway, OPENAI.model, **fields).status == 200
    assert "Syntra" not in json.dumps(providers["openai"].last.json)


def test_perplexity_gets_turns_that_alternate(gateway: Gateway, providers: Fakes) -> None:
    talk = [{"role": "user", "content": "One."}, {"role": "user", "content": "Two."}]
    told = ask(gateway, PERPLEXITY.model, messages=talk)
    assert told.status in {200, 400}, told.body  # merged, or the provider's no in our words


CALLED = {"id": "c1", "type": "function", "function": {"name": "look-up_1", "arguments": "{}"}}
LOOP = [*HELLO, {"role": "assistant", "content": None, "tool_calls": [CALLED]}]


@pytest.mark.parametrize("talk", [HELLO, [*LOOP, {"role": "tool", "tool_call_id": "c1", "content": "found"}]])
def test_a_client_with_tools_is_answered_without_them_where_a_pinned_provider_has_none(
    talk: Any, gateway: Gateway, providers: Fakes
) -> None:
    told = ask(gateway, PERPLEXITY.model, messages=talk, tools=[TOOL], tool_choice="auto")
    assert told.status == 200, told.body
    assert "tools" in told.headers["x-syntra-warning"]
    assert "tools" not in providers["perplexity"].last.json


@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "look-up_1"}}])
def test_who_insists_on_a_call_is_told_that_there_is_none(choice: Any, gateway: Gateway, providers: Fakes) -> None:
    told = ask(gateway, PERPLEXITY.model, tools=[TOOL], tool_choice=choice)
    assert (told.status, told.text) == (200, "Hello from the fake.")
    assert {"tools", "tool_choice"} <= set(re.findall(r"\w+", told.headers["x-syntra-warning"]))


def test_some_json_is_left_to_the_prompt_where_a_provider_knows_only_schemas(
    gateway: Gateway, providers: Fakes
) -> None:
    said = [{"role": "user", "content": "Say it in JSON."}]
    told = ask(gateway, PERPLEXITY.model, messages=said, response_format={"type": "json_object"})
    assert told.status == 200, told.body
    assert "response_format" in told.headers["x-syntra-warning"]
