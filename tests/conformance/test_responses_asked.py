"""What is asked on `/v1/responses` reaches every provider, OpenAI in its own words; what does not is left out and said."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from tests.conformance.responses_rig import (
    AGENTS,
    ENCRYPTS,
    PARAMETERS,
    PARIS,
    WEATHER,
    both_ways,
    every_provider,
    with_tools,
)
from tests.conftest import StartGateway
from tests.fakes.events import respond
from tests.fakes.gateway import ANTHROPIC, GOOGLE, KIMI, OPENAI, OPENROUTER, PERPLEXITY, Gateway, Pin
from tests.fakes.openai_responses import ENCRYPTED
from tests.fakes.provider import Provider
from tests.fakes.script import Script, ToolCall

Fakes = Mapping[str, Provider]
PATCH = {"type": "custom", "name": "patch", "format": {"type": "grammar", "syntax": "lark", "definition": "start: /x/"}}


# what is asked


@every_provider
def test_instructions_and_every_kind_of_message_reach_the_provider(
    pin: Pin, gateway: Gateway, providers: Fakes
) -> None:
    said = [
        {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "Be brief."}]},
        {"role": "user", "content": "First question?"},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "First answer."}]},
        {"role": "user", "content": [{"type": "input_text", "text": "Second"}, {"type": "input_text", "text": "one?"}]},
    ]
    assert respond(gateway, pin.model, instructions="Answer in French.", input=said).status == 200
    sent = providers[pin.provider].last.body.decode()
    words = ("Answer in French.", "Be brief.", "First question?", "First answer.", "Second", "one?")
    assert all(word in sent for word in words)
    places = [sent.index(word) for word in words[2:]]
    assert places == sorted(places)


@pytest.mark.parametrize("pin", [OPENAI, ANTHROPIC, GOOGLE, KIMI], ids=str)
def test_pictures_reach_the_provider(pin: Pin, gateway: Gateway, providers: Fakes) -> None:
    data = "iVBORw0KGgoAAAANSUhEUg=="
    parts = [
        {"type": "input_text", "text": "What is this?"},
        {"type": "input_image", "image_url": f"data:image/png;base64,{data}", "detail": "auto"},
    ]
    assert respond(gateway, pin.model, input=[{"role": "user", "content": parts}]).status == 200
    assert data in providers[pin.provider].last.body.decode()


@with_tools
def test_a_picture_that_came_of_a_call_is_shown_to_the_model(pin: Pin, gateway: Gateway, providers: Fakes) -> None:
    data = "iVBORw0KGgoAAAANSUhEUg=="
    said = [
        {"role": "user", "content": "Look."},
        {"type": "function_call", "call_id": "call_1", "name": "get_weather", "arguments": "{}"},
        {
            "type": "function_call_output",
            "call_id": "call_1",
            "output": [{"type": "input_image", "image_url": f"data:image/png;base64,{data}"}],
        },
    ]
    assert respond(gateway, pin.model, input=said, tools=[WEATHER]).status == 200
    assert data in providers[pin.provider].last.body.decode()


@every_provider
def test_a_schema_for_the_text_travels(pin: Pin, gateway: Gateway, providers: Fakes) -> None:
    fake = providers[pin.provider]
    fake.script(pieces=('{"city":', '"Paris"}'))
    form = {"type": "json_schema", "name": "place", "strict": True, "schema": PARAMETERS}
    heard = respond(gateway, pin.model, text={"format": form, "verbosity": "low"})
    assert json.loads(heard.output_text) == {"city": "Paris"}
    assert '"city"' in fake.last.body.decode()


@with_tools
def test_a_namespace_is_unfolded_and_folded_again(pin: Pin, gateway: Gateway, providers: Fakes) -> None:
    fake = providers[pin.provider]
    fake.script(tool_calls=(ToolCall("call_1", "close", '{"city":"x"}'),))
    heard = respond(gateway, pin.model, tools=[AGENTS], stream=True)
    assert heard.status == 200
    assert heard.warning == ""
    [call] = heard.calls
    assert call["name"] == "close"
    if pin is OPENAI:
        assert fake.last.json["tools"] == [AGENTS]
    else:
        assert call["namespace"] == "agents"
        assert '"agents"' not in fake.last.body.decode()


@pytest.mark.parametrize("pin", [ANTHROPIC, GOOGLE, KIMI, OPENROUTER], ids=str)
@both_ways
def test_a_tool_of_free_text_is_one_again_when_it_is_called(
    pin: Pin, *, stream: bool, gateway: Gateway, providers: Fakes
) -> None:
    text = '*** Begin "Patch" ✂\n+x'
    fake = providers[pin.provider]
    fake.script(tool_calls=(ToolCall("call_1", "patch", json.dumps({"input": text})),))
    heard = respond(gateway, pin.model, tools=[PATCH], stream=stream)
    [call] = heard.calls
    assert (call["type"], call["name"], call["input"]) == ("custom_tool_call", "patch", text)
    assert "start: /x/" in fake.last.body.decode()  # the grammar is told in words
    fake.script()
    output = {"type": "custom_tool_call_output", "call_id": call["call_id"], "output": "Done."}
    said = [{"role": "user", "content": "Go."}, call, output]
    assert respond(gateway, pin.model, tools=[PATCH], input=said).status == 200
    assert "Done." in fake.last.body.decode()


HOSTED: list[dict[str, Any]] = [
    {"type": "web_search"},
    {"type": "image_generation"},
    {"type": "mcp", "server_label": "docs", "server_url": "https://example.org/mcp"},
    {"type": "file_search", "vector_store_ids": ["vs_1"]},
    {"type": "code_interpreter", "container": {"type": "auto"}},
]


@pytest.mark.parametrize("pin", [ANTHROPIC, KIMI, OPENROUTER], ids=str)
def test_what_only_openai_runs_is_left_out_with_a_warning_and_never_a_400(
    pin: Pin, gateway: Gateway, providers: Fakes
) -> None:
    heard = respond(gateway, pin.model, tools=[*HOSTED, WEATHER], tool_choice="auto")
    assert heard.status == 200
    assert all(f"tools.{tool['type']}" in heard.warning for tool in HOSTED)
    assert "get_weather" in providers[pin.provider].last.body.decode()
    assert [tool["type"] for tool in heard.response["tools"]] == [*(tool["type"] for tool in HOSTED), "function"]
    assert respond(gateway, pin.model, tools=HOSTED, tool_choice="required").status == 200
    assert respond(gateway, pin.model, tools=HOSTED, tool_choice={"type": "image_generation"}).status == 200


def test_tools_and_items_that_nobody_knows_yet_are_left_out_with_a_warning(gateway: Gateway, providers: Fakes) -> None:
    said = [{"role": "user", "content": "Go."}, {"type": "brand_new_call", "call_id": "c", "what": 1}]
    said += [{"type": "function_call_output", "call_id": "c", "output": "x"}]
    body = {"model": KIMI.model, "tools": [{"type": "brand_new_tool"}], "input": said, "brand_new_field": 1}
    reply = httpx.post(f"{gateway.base_url}/responses", json=body, headers=gateway.headers)
    assert reply.status_code == 200
    warned = reply.headers["x-syntra-warning"]
    assert all(name in warned for name in ("tools.brand_new_tool", "input.brand_new_call", "brand_new_field"))


def test_a_provider_without_tools_answers_without_them_and_says_so(gateway: Gateway, providers: Fakes) -> None:
    said = [
        {"role": "user", "content": "First."},
        {"role": "user", "content": "Second."},
        {"type": "function_call", "call_id": "call_1", "name": "get_weather", "arguments": '{"city":"Paris"}'},
        {"type": "function_call_output", "call_id": "call_1", "output": "Rain."},
        {"role": "developer", "content": "Be kind."},
    ]
    heard = respond(gateway, PERPLEXITY.model, input=said, tools=[WEATHER], parallel_tool_calls=True)
    assert heard.output_text == "Hello from the fake."
    assert "tools" in heard.warning
    sent = providers["perplexity"].last.body.decode()
    assert all(word in sent for word in ("First.", "Second.", "Paris", "Rain.", "Be kind."))


@with_tools
def test_a_forced_function_is_the_one_that_is_asked_for(pin: Pin, gateway: Gateway, providers: Fakes) -> None:
    fake = providers[pin.provider]
    fake.script(tool_calls=(PARIS,))
    choice = {"type": "function", "name": "get_weather"}
    assert respond(gateway, pin.model, tools=[WEATHER], tool_choice=choice).calls
    sent = fake.last.json
    told = sent.get("tool_choice") or sent["toolConfig"]
    assert "get_weather" in json.dumps(told)


# natively


@pytest.mark.parametrize("pin", [OPENAI, ANTHROPIC, GOOGLE], ids=str)
def test_more_room_than_a_model_has_is_cut_to_what_it_has(pin: Pin, gateway: Gateway, providers: Fakes) -> None:
    assert respond(gateway, pin.model, max_output_tokens=128_000).status == 200
    last = providers[pin.provider].last
    assert b"128000" not in last.body
    if pin is OPENAI:
        assert last.json["max_output_tokens"] == 16_384
    assert respond(gateway, pin.model, max_output_tokens=777).status == 200
    assert b"777" in providers[pin.provider].last.body


def test_openai_is_asked_in_responses_and_what_chat_cannot_say_gets_through(gateway: Gateway, providers: Fakes) -> None:
    fake = providers["openai"]
    fake.script(reasoning=("Hm.", "Aha."), searches=1)
    asked: dict[str, Any] = {
        "tools": [{"type": "web_search", "external_web_access": True}, PATCH, AGENTS],
        "include": ENCRYPTS,
        "reasoning": {"effort": "high", "summary": "auto"},
        "truncation": "auto",
        "max_tool_calls": 3,
    }
    heard = respond(gateway, "openai/gpt-5-mini", stream=True, **asked)
    assert fake.last.path == "/v1/responses"
    sent = fake.last.json
    assert {name: sent[name] for name in asked} == asked
    assert sent["store"] is False  # what is kept is kept here
    assert heard.warning == ""
    thought, search, message = heard.output
    assert thought["encrypted_content"].endswith(f".{ENCRYPTED}")  # behind the mark of who can read it
    assert [part["text"] for part in thought["summary"]] == ["Hm.", "Aha."]
    assert search == {
        "id": "ws_Fake0",
        "type": "web_search_call",
        "status": "completed",
        "action": {"type": "search", "query": "news", "queries": ["news"]},
    }
    assert message["content"][0]["text"] == "Hello from the fake."
    assert "response.web_search_call.searching" in heard.kinds


SEARCH: dict[str, Any] = {"type": "web_search", "search_context_size": "low"}


def test_a_search_goes_to_who_can_search_and_to_others_without_it(
    start_gateway: StartGateway, providers: Fakes
) -> None:
    both = start_gateway("perplexity openai")
    heard = respond(both, "syntra", tools=[SEARCH], store=False)
    assert (heard.status, heard.warning) == (200, "")
    assert providers["perplexity"].last.json["web_search_options"] == {"search_context_size": "low"}
    for other in ({"tools": [SEARCH, WEATHER]}, {"tools": [SEARCH], "tool_choice": "none"}):
        assert respond(both, "syntra", store=False, **other).status == 200
        assert not providers["perplexity"].requests[1:]
    alone = start_gateway("kimi")
    heard = respond(alone, "syntra", tools=[SEARCH], store=False)
    assert (heard.output_text, heard.warning) == ("Hello from the fake.", "dropped fields: tools.web_search")


@both_ways
def test_openais_own_encrypted_thoughts_go_back_to_it_as_they_came(
    *, stream: bool, gateway: Gateway, providers: Fakes
) -> None:
    fake = providers["openai"]
    fake.script(reasoning=("Hm.",), tool_calls=(PARIS,))
    heard = respond(gateway, "openai/gpt-5-mini", stream=stream, include=ENCRYPTS, tools=[WEATHER], store=False)
    fake.script()
    output = {"type": "function_call_output", "call_id": heard.calls[0]["call_id"], "output": "Rain."}
    said = [{"role": "user", "content": "Go."}, *heard.output, output]
    assert respond(gateway, "openai/gpt-5-mini", input=said, include=ENCRYPTS, tools=[WEATHER]).status == 200
    told = [{**item, "encrypted_content": ENCRYPTED} if "encrypted_content" in item else item for item in said]
    assert fake.last.json["input"] == told != said


def test_a_model_that_does_not_think_is_not_asked_to(gateway: Gateway, providers: Fakes) -> None:
    heard = respond(gateway, OPENAI.model, reasoning={"summary": "auto"}, include=ENCRYPTS)
    assert "reasoning" not in providers["openai"].last.json
    assert "include" not in providers["openai"].last.json
    assert heard.warning == "dropped fields: reasoning"


def test_a_server_behind_openais_settings_that_has_no_responses_is_asked_in_chat(
    start_gateway: StartGateway, providers: Fakes
) -> None:
    fake: Any = providers["openai"]
    gateway = start_gateway("openai")
    fake.speaks_responses = False
    try:
        for _ in range(2):
            heard = respond(gateway, OPENAI.model, tools=[WEATHER, {"type": "web_search"}], store=False)
            assert heard.output_text == "Hello from the fake."
            assert heard.warning == "dropped fields: tools.web_search"
    finally:
        fake.speaks_responses = True
    paths = [request.path for request in fake.requests]
    assert paths == ["/v1/responses", "/v1/chat/completions", "/v1/chat/completions"]  # it is asked once only


def test_the_persona_stands_before_the_clients_own_instructions(gateway: Gateway, providers: Fakes) -> None:
    respond(gateway, OPENAI.model, instructions="Be brief.", headers={"x-syntra-persona": "on"})
    sent = providers["openai"].last.json["instructions"]
    assert sent.startswith("You are Syntra")
    assert sent.endswith("\n\nBe brief.")


@both_ways
def test_what_openai_says_of_itself_is_cleaned_in_every_event(
    *, stream: bool, gateway: Gateway, providers: Fakes
) -> None:
    for fake in providers.values():
        fake.says = Script(pieces=("I am Chat", "GPT, made by Open", "AI. The answer is 4."), reasoning=("So.",))
    heard = respond(gateway, "syntra", stream=stream)
    assert heard.output_text.endswith("The answer is 4.")
    told = (heard.text + str(dict(heard.headers))).lower()
    for word in ("gpt", "claude", "gemini", "openai-", "anthropic", "made by openai", "resp_fake"):
        assert word not in told, word
