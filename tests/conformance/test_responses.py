"""`/v1/responses` over every provider: the same events, items and counts, streamed or whole."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from tests.conftest import StartGateway
from tests.fakes.caller import ask
from tests.fakes.events import Heard, respond
from tests.fakes.gateway import ANTHROPIC, GOOGLE, KIMI, OPENAI, OPENROUTER, PERPLEXITY, PINS, Gateway, Pin
from tests.fakes.openai_responses import ENCRYPTED
from tests.fakes.provider import Provider
from tests.fakes.script import PROSE, Fault, Script, ToolCall, Usage

Fakes = Mapping[str, Provider]
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
PATCH = {"type": "custom", "name": "patch", "format": {"type": "grammar", "syntax": "lark", "definition": "start: /x/"}}
PARIS = ToolCall("call_Paris1", "get_weather", '{"city":"Paris"}')
TOKYO = ToolCall("call_Tokyo2", "get_weather", '{"city":"東京 🗼"}', cuts=(3, 10))
ENCRYPTS = ["reasoning.encrypted_content"]


# what is said


@every_provider
@both_ways
def test_text_comes_with_its_count_under_the_name_that_was_asked_for(
    pin: Pin, *, stream: bool, gateway: Gateway, providers: Fakes
) -> None:
    providers[pin.provider].script(pieces=("Bon", "jour ", "à tous 👋🏽."), usage=Usage(21, 9, cached=5))
    heard = respond(gateway, pin.model, stream=stream)
    assert heard.output_text == "Bonjour à tous 👋🏽."
    response = heard.response
    assert (response["status"], response["model"], response["object"]) == ("completed", pin.model, "response")
    usage = response["usage"]
    assert (usage["input_tokens"], usage["output_tokens"], usage["total_tokens"]) == (21, 9, 30)
    assert response["id"].startswith("resp_")


@every_provider
def test_a_stream_has_every_event_in_its_order(pin: Pin, gateway: Gateway, providers: Fakes) -> None:
    providers[pin.provider].script(pieces=("one ", "two"))
    kinds = respond(gateway, pin.model, stream=True).kinds
    once = [kind for k, kind in enumerate(kinds) if kind != kinds[k - 1]]
    assert once == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]


@with_tools
@both_ways
def test_calls_are_items_of_their_own_and_their_outputs_lead_to_an_answer(
    pin: Pin, *, stream: bool, gateway: Gateway, providers: Fakes
) -> None:
    fake = providers[pin.provider]
    fake.script(tool_calls=(PARIS, TOKYO))
    question: dict[str, Any] = {"tools": [WEATHER], "stream": stream, "store": False}
    said = [{"role": "user", "content": "How is the weather?"}]
    heard = respond(gateway, pin.model, input=said, **question)
    assert [(call["name"], json.loads(call["arguments"])) for call in heard.calls] == [
        ("get_weather", {"city": "Paris"}),
        ("get_weather", {"city": "東京 🗼"}),
    ]
    assert heard.response["status"] == "completed"
    fake.script(pieces=("It is ", "sunny."))
    outputs = [
        {"type": "function_call_output", "call_id": call["call_id"], "output": f"21 degrees, {k}"}
        for k, call in enumerate(heard.calls)
    ]
    again = respond(gateway, pin.model, input=[*said, *heard.output, *outputs], **question)
    assert again.output_text == "It is sunny."
    assert all(f"21 degrees, {k}" in fake.last.body.decode() for k in range(2))


@every_provider
@pytest.mark.parametrize(("finish", "reason"), [("length", "max_output_tokens"), ("content_filter", "content_filter")])
@both_ways
def test_an_answer_that_was_cut_short_is_incomplete_and_says_why(
    pin: Pin, finish: str, reason: str, *, stream: bool, gateway: Gateway, providers: Fakes
) -> None:
    providers[pin.provider].script(pieces=("Half an",), finish=finish)
    heard = respond(gateway, pin.model, stream=stream, max_output_tokens=16)
    assert heard.response["status"] == "incomplete"
    assert heard.response["incomplete_details"] == {"reason": reason}
    if stream:
        assert heard.kinds[-1] == "response.incomplete"


@pytest.mark.parametrize("pin", [OPENAI, KIMI], ids=str)
@both_ways
def test_a_refusal_is_a_part_of_its_own(pin: Pin, *, stream: bool, gateway: Gateway, providers: Fakes) -> None:
    providers[pin.provider].script(refusal="I will not.")
    heard = respond(gateway, pin.model, stream=stream)
    [part] = heard.output[0]["content"]
    assert (part["type"], part["refusal"]) == ("refusal", "I will not.")


@pytest.mark.parametrize("pin", [pin for pin in PINS if pin is not PERPLEXITY], ids=str)
@both_ways
def test_thoughts_are_told_as_a_summary_before_the_text(
    pin: Pin, *, stream: bool, gateway: Gateway, providers: Fakes
) -> None:
    providers[pin.provider].script(reasoning=("First this. ",), pieces=("Then that.",))
    heard = respond(gateway, pin.model, stream=stream)
    thought, message = heard.output
    assert (thought["type"], message["type"]) == ("reasoning", "message")
    assert "".join(part["text"] for part in thought["summary"]).strip() == "First this."
    assert "encrypted_content" not in thought  # nobody asked


@both_ways
def test_logprobs_come_with_the_text(*, stream: bool, gateway: Gateway, providers: Fakes) -> None:
    for pin in (OPENAI, KIMI):
        providers[pin.provider].script(logprobs=True)
        heard = respond(gateway, pin.model, stream=stream, include=["message.output_text.logprobs"], top_logprobs=1)
        told = heard.output[0]["content"][0]["logprobs"]
        assert [one["token"] for one in told] == ["Hello", " from", " the", " fake."]


def test_the_pages_that_a_search_has_read_are_citations(gateway: Gateway, providers: Fakes) -> None:
    providers["perplexity"].script(pieces=("It rains [1] and", " shines [2]."))
    for stream in (False, True):
        heard = respond(gateway, PERPLEXITY.model, stream=stream, tools=[{"type": "web_search"}])
        cited = heard.output[0]["content"][0]["annotations"]
        assert [one["url"] for one in cited] == ["https://example.org/one", "https://example.org/two"]
        assert [heard.output_text[one["start_index"] : one["end_index"]] for one in cited] == ["[1]", "[2]"]
        assert heard.warning == ""


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


# thoughts that go round


@pytest.mark.parametrize("pin", [ANTHROPIC, GOOGLE, KIMI, OPENROUTER], ids=str)
@both_ways
def test_a_providers_thoughts_go_back_to_it_and_to_nobody_else(
    pin: Pin, *, stream: bool, gateway: Gateway, providers: Fakes
) -> None:
    providers[pin.provider].script(reasoning=("Let me see.",), tool_calls=(PARIS,))
    asked: dict[str, Any] = {"tools": [WEATHER], "include": ENCRYPTS, "store": False}
    said = [{"role": "user", "content": "Weather?"}]
    heard = respond(gateway, pin.model, input=said, stream=stream, **asked)
    assert pin.provider not in heard.text.replace(pin.model, "")
    output = {"type": "function_call_output", "call_id": heard.calls[0]["call_id"], "output": "Rain."}
    talk = [*said, *heard.output, output]
    for other in (pin, *(one for one in PINS if one is not pin)):  # A, then everybody else
        providers[other.provider].script()
        assert respond(gateway, other.model, input=talk, **asked).status == 200, other
        sent = providers[other.provider].last.body.decode()
        assert ("signature" in sent or "Let me see." in sent) == (other is pin and pin is not GOOGLE), other
        assert "syn1." not in sent


# failures


@every_provider
def test_a_failure_in_the_middle_is_said_twice_so_that_every_client_hears_it(
    pin: Pin, gateway: Gateway, providers: Fakes
) -> None:
    providers[pin.provider].script(pieces=("one ", "two ", "three ", "four."), fault=Fault.RESET_MID, after=2)
    heard = respond(gateway, pin.model, stream=True)
    assert heard.kinds[-2:] == ["error", "response.failed"]
    error, failed = heard.events[-2:]
    assert error["code"] == error["error"]["code"] == "server_error"
    assert error["message"] == error["error"]["message"] == failed["response"]["error"]["message"]
    assert failed["response"]["status"] == "failed"
    assert PROSE not in heard.text


@every_provider
@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        (Fault.CONTEXT_LENGTH, 400, "context_length_exceeded"),
        (Fault.RATE_LIMITED, 429, "rate_limit_exceeded"),
        (Fault.NO_SUCH_MODEL, 404, "model_not_found"),
        (Fault.SERVER_ERROR, 502, "upstream_error"),
    ],
)
@both_ways
def test_a_failure_before_the_first_word_is_a_status(
    pin: Pin, fault: Fault, status: int, code: str, *, stream: bool, gateway: Gateway, providers: Fakes
) -> None:
    providers[pin.provider].script(fault=fault, retry_after="2")
    heard = respond(gateway, pin.model, stream=stream)
    assert (heard.status, heard.json["error"]["code"]) == (status, code)
    assert set(heard.json["error"]) == {"message", "type", "param", "code"}
    assert PROSE not in heard.text
    if status == 429:
        assert heard.headers["retry-after"] == "2"


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"background": True}, "background"),
        ({"conversation": "conv_1"}, "conversation"),
        ({"prompt": {"id": "pmpt_1"}}, "prompt"),
        ({"input": None}, "input"),
        ({"input": []}, "input"),
        ({"input": [{"type": "function_call", "name": "f", "arguments": "{}"}]}, "input[0].call_id"),
        ({"input": [{"role": "user", "content": [{"type": "input_text", "text": 1}]}]}, "input[0].content[0].text"),
        ({"input": [{"role": "nobody", "content": "x"}]}, "input[0].role"),
        ({"input": [{}]}, "input[0].type"),
        ({"input": [{"type": "function_call_output", "call_id": "c", "output": "x"}]}, "input[0]"),
        ({"tools": [{"type": "function"}]}, "tools[0].name"),
        ({"tools": [AGENTS | {"tools": [{"type": "function", "name": 1}]}]}, "tools[0].tools[0].name"),
        ({"tool_choice": "sometimes"}, "tool_choice"),
        ({"tool_choice": {"type": "function", "name": "none"}}, "tool_choice"),
        ({"temperature": 3}, "temperature"),
        ({"text": {"format": {"type": "json_schema", "name": "x"}}}, "text.format.schema"),
        ({"api_base": "https://evil.example"}, "api_base"),
        ({"metadata": {"a": 1}}, "metadata[...]"),
    ],
)
def test_what_cannot_be_served_is_a_400_that_says_where(
    body: dict[str, Any], param: str, gateway: Gateway, providers: Fakes
) -> None:
    heard = respond(gateway, OPENAI.model, **body)
    assert (heard.status, heard.json["error"]["param"]) == (400, param)
    assert heard.json["error"]["type"] == "invalid_request_error"
    assert providers["openai"].requests == []


# what stays here


@every_provider
def test_what_tells_of_the_users_machine_goes_to_no_provider_and_into_no_log(
    pin: Pin, gateway: Gateway, providers: Fakes
) -> None:
    turn = json.dumps({"workspaces": {"/home/ada/secret-plans": {"latest_git_commit_hash": "0badc0de" * 5}}})
    told = {"x-codex-turn-metadata": turn, "x-codex-installation-id": "5f0e8d1c-2b3a-4958-6776-859403f2e1d0"}
    for body in ({"client_metadata": told}, {"metadata": {"workspace": "/home/ada/secret-plans", "team": "blue"}}):
        headers = {"x-codex-turn-metadata": turn, "thread-id": "t-1"}
        assert respond(gateway, pin.model, headers=headers, **body).status == 200
        assert ask(gateway, pin.model, headers=headers, **body).status == 200
        for request in providers[pin.provider].requests[-2:]:
            sent = request.body.decode() + str(request.headers)
            assert "secret-plans" not in sent
            assert "0badc0de" not in sent
            assert "5f0e8d1c-2b3a" not in sent
    assert "secret-plans" not in gateway.log.read_text()


# the other door


@every_provider
@both_ways
def test_a_responses_body_on_the_chat_path_is_answered_as_a_chat_completion(
    pin: Pin, *, stream: bool, gateway: Gateway, providers: Fakes
) -> None:
    fake = providers[pin.provider]
    fake.script(tool_calls=(PARIS,) if pin is not PERPLEXITY else ())
    body = {
        "model": pin.model,
        "input": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Weather?"}],
        "tools": [WEATHER],
        "tool_choice": "auto",
        "reasoning": {"effort": "medium", "summary": "auto"},
        "include": ENCRYPTS,
        "store": False,
        "text": {"verbosity": "low"},
        "stream": stream,
    }
    url = f"{gateway.base_url}/chat/completions"
    reply = httpx.post(url, json=body, headers=gateway.headers, timeout=30)
    assert reply.status_code == 200, reply.text
    assert ("chat.completion.chunk" if stream else '"chat.completion"') in reply.text
    assert ("Hello" if pin is PERPLEXITY else "get_weather") in reply.text
    assert "/responses" not in fake.last.path


def test_the_chat_path_still_says_what_a_chat_body_lacks(gateway: Gateway, providers: Fakes) -> None:
    reply = httpx.post(f"{gateway.base_url}/chat/completions", json={"model": "syntra"}, headers=gateway.headers)
    assert (reply.status_code, reply.json()["error"]["param"]) == (400, "messages")


def test_other_methods_and_paths_are_told_in_form(gateway: Gateway, providers: Fakes) -> None:
    for method, path, status in (
        ("GET", "", 405),
        ("PUT", "/resp_1", 405),
        ("POST", "/resp_1/input_items", 405),
        ("GET", "/resp_1/nothing", 404),
    ):
        reply = httpx.request(method, f"{gateway.base_url}/responses{path}", headers=gateway.headers)
        assert reply.status_code == status, path
        assert set(reply.json()["error"]) == {"message", "type", "param", "code"}


def test_what_follows_a_previous_response_without_a_name_is_a_conversation(gateway: Gateway, providers: Fakes) -> None:
    first = respond(gateway, OPENAI.model, previous_response_id="")
    assert (first.status, first.response["previous_response_id"]) == (200, None)
    second = respond(gateway, OPENAI.model, input="And?", previous_response_id=first.response["id"])
    assert (second.status, second.response["previous_response_id"]) == (200, first.response["id"])
    body = {"model": OPENAI.model, "input": "Say hello.", "previous_response_id": ""}
    reply = httpx.post(f"{gateway.base_url}/chat/completions", json=body, headers=gateway.headers, timeout=30)
    assert reply.status_code == 200, reply.text


def answered(heard: Heard) -> tuple[str, list[tuple[str, str]], dict[str, Any]]:
    return heard.output_text, [(call["name"], call["arguments"]) for call in heard.calls], heard.response["usage"]


@with_tools
def test_streamed_or_whole_it_is_the_same_answer(pin: Pin, gateway: Gateway, providers: Fakes) -> None:
    for script in (Script(), Script(tool_calls=(PARIS, TOKYO))):
        providers[pin.provider].says = script
        whole, streamed = (respond(gateway, pin.model, tools=[WEATHER], stream=stream) for stream in (False, True))
        texts, calls, usage = answered(whole)
        assert texts == answered(streamed)[0]
        assert [(name, json.loads(arguments)) for name, arguments in calls] == [
            (name, json.loads(arguments)) for name, arguments in answered(streamed)[1]
        ]
        assert usage == answered(streamed)[2]
