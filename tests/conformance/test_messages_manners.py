"""What surrounds a message: who is asked, what is kept of a conversation, what of its user, and how models are named."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import httpx
import pytest

from tests.fakes.caller import ask as chat
from tests.fakes.gateway import ANTHROPIC, GOOGLE, KIMI, OPENAI, OPENROUTER, PERPLEXITY, PINS, PLAIN, Gateway, Pin
from tests.fakes.messages import HELLO, TOOL, VERSION, ask, stream
from tests.fakes.provider import Provider
from tests.fakes.script import ToolCall, Usage

Fakes = Mapping[str, Provider]
every_provider = pytest.mark.parametrize("pin", PINS, ids=str)
PRIVATE = "be1329af4f5477850676ece5"
USER = {"user_id": json.dumps({"device_id": PRIVATE, "account_uuid": f"{PRIVATE}-a", "session_id": "0b1c-2d3e"})}


@every_provider
@pytest.mark.parametrize("user", [USER["user_id"], f"user_{PRIVATE}_account_{PRIVATE}-a_session_0b1c-2d3e"])
def test_devices_and_accounts_are_told_to_nobody(user: str, pin: Pin, gateway: Gateway, providers: Fakes) -> None:
    assert ask(gateway, pin.model, metadata={"user_id": user}).status == 200
    sent = providers[pin.provider].last
    assert PRIVATE.encode() not in sent.body
    assert b"0b1c-2d3e" not in sent.body
    assert ("metadata" in sent.json) is (pin is ANTHROPIC)  # which may tell one user of ours from another
    assert PRIVATE not in gateway.log.read_text()


def test_a_plain_user_reaches_anthropic_as_it_is(gateway: Gateway, providers: Fakes) -> None:
    assert ask(gateway, ANTHROPIC.model, metadata={"user_id": "customer-4711"}).status == 200
    assert providers["anthropic"].last.json["metadata"] == {"user_id": "customer-4711"}


@pytest.mark.parametrize("pin", [ANTHROPIC, KIMI], ids=str)
def test_a_toolset_without_a_name_is_anthropics_own(pin: Pin, gateway: Gateway, providers: Fakes) -> None:
    toolset = {"type": "mcp_toolset", "mcp_server_name": "x"}
    heard = ask(gateway, pin.model, tools=[toolset])
    assert heard.status == 200, heard.body
    sent = providers[pin.provider].last.json
    assert sent.get("tools") == ([toolset] if pin is ANTHROPIC else None)
    assert ("mcp_toolset" in heard.headers.get("x-syntra-warning", "")) is (pin is not ANTHROPIC)


@pytest.mark.parametrize("pin", [OPENAI, GOOGLE, KIMI, OPENROUTER, PERPLEXITY], ids=str)
def test_what_the_system_says_in_between_is_a_reminder_before_what_is_asked(
    pin: Pin, gateway: Gateway, providers: Fakes
) -> None:
    said: Any = [
        {"role": "user", "content": "What day is it?"},
        {"role": "system", "content": "It is Monday."},
    ]
    assert ask(gateway, pin.model, system="Be brief.", messages=said).status == 200
    sent = providers[pin.provider].last.body.decode()
    assert "Be brief." in sent
    assert sent.index("It is Monday.") < sent.index("What day is it?")
    assert "<system-reminder>" in sent


@pytest.mark.parametrize("pin", [OPENAI, GOOGLE, KIMI, OPENROUTER], ids=str)
def test_pictures_and_documents_are_seen_in_results_too(pin: Pin, gateway: Gateway, providers: Fakes) -> None:
    picture = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "UElDVFVSRQ=="}}
    paper = {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "UEFQRVI="}}
    said: Any = [
        {"role": "user", "content": [{"type": "text", "text": "Look."}, paper]},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "call_1", "name": "look_up", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "call_1", "content": [picture]}]},
    ]
    assert ask(gateway, pin.model, tools=[TOOL], messages=said).status == 200
    sent = providers[pin.provider].last.body.decode()
    assert "UEFQRVI=" in sent
    assert "UElDVFVSRQ==" in sent


@every_provider
def test_what_a_provider_has_not_is_dropped_and_named(pin: Pin, gateway: Gateway, providers: Fakes) -> None:
    """Never a 400: Claude Code sends all of this to whomever it talks."""
    asked: Any = {
        "tools": [TOOL, {"type": "web_search_20250305", "name": "web_search"}],
        "thinking": {"type": "enabled", "budget_tokens": 2000},
        "max_tokens": 60_000,
        "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
        "top_k": 5,
        "service_tier": "auto",
        "a_field_of_tomorrow": {"x": 1},
    }
    if pin is ANTHROPIC:
        del asked["a_field_of_tomorrow"]
    beta = {"anthropic-beta": "context-management-2025-06-27"}
    heard = ask(gateway, pin.model, headers=beta, **asked)
    assert heard.status == 200, heard.body
    warned = heard.headers.get("x-syntra-warning", "")
    assert ("web_search" in warned) is (pin is not ANTHROPIC)
    assert ("a_field_of_tomorrow" in warned) is (pin is not ANTHROPIC)


def test_more_room_than_a_model_has_is_cut_to_what_it_has(gateway: Gateway, providers: Fakes) -> None:
    """The limit is one that Anthropic obliges clients to set: it says nothing about the answer that is wanted."""
    assert ask(gateway, OPENAI.model, max_tokens=32_000).status == 200
    assert providers["openai"].last.json["max_tokens"] == 16_384


@pytest.mark.parametrize("streamed", [True, False], ids=["streamed", "whole"])
@pytest.mark.parametrize("pin", [OPENAI, ANTHROPIC, GOOGLE, KIMI, OPENROUTER], ids=str)
def test_the_same_bytes_say_the_same_in_both_dialects(
    pin: Pin, *, streamed: bool, gateway: Gateway, providers: Fakes
) -> None:
    calls = (ToolCall("call_a", "look_up", '{"word":"x"}'), ToolCall("call_b", "look_up", '{"word":"y"}'))
    for script in ({"pieces": ("Bon", "jour."), "usage": Usage(40, 7, cached=8)}, {"tool_calls": calls}):
        providers[pin.provider].script(**script)
        message = ask(gateway, pin.model, tools=[TOOL], stream=streamed).message
        function = {"name": "look_up", "parameters": TOOL["input_schema"]}
        options = {"stream": True, "stream_options": {"include_usage": True}} if streamed else {}
        told = chat(gateway, pin.model, tools=[{"type": "function", "function": function}], **options)
        if streamed:
            calls_told = [(call["name"], json.loads(call["arguments"])) for call in told.calls().values()]
            text, usage = told.text, told.chunks[-1]["usage"]
        else:
            answer = told.json["choices"][0]["message"]
            made = [call["function"] for call in answer.get("tool_calls") or ()]
            calls_told = [(call["name"], json.loads(call["arguments"])) for call in made]
            text, usage = answer["content"] or "", told.json["usage"]
        blocks = message["content"]
        assert "".join(block["text"] for block in blocks if block["type"] == "text") == text
        assert [(block["name"], block["input"]) for block in blocks if block["type"] == "tool_use"] == calls_told
        counted = message["usage"]
        assert counted["input_tokens"] + counted["cache_read_input_tokens"] == usage["prompt_tokens"]
        assert counted["output_tokens"] == usage["completion_tokens"]


def test_claude_code_finds_models_that_it_takes(gateway: Gateway) -> None:
    url = f"{gateway.base_url}/models?limit=1000"
    bearer = {"authorization": f"Bearer {gateway.key}"}
    listed = httpx.get(url, headers={**bearer, **VERSION}, verify=PLAIN).json()
    ids = [model["id"] for model in listed["data"]]
    assert all(name.startswith(("claude", "anthropic")) for name in ids)
    assert {"claude/syntra", "claude/kimi/kimi-k2.5", ANTHROPIC.model} <= set(ids)
    assert (listed["has_more"], listed["first_id"], listed["last_id"]) == (False, ids[0], ids[-1])
    assert {model["type"] for model in listed["data"]} == {"model"}
    others = httpx.get(url, headers=bearer, verify=PLAIN).json()  # whoever says no version gets OpenAI's shape
    assert others["object"] == "list"
    assert len(others["data"]) == len(ids)
    missing = httpx.get(f"{gateway.base_url}/models/nope", headers={**bearer, **VERSION}, verify=PLAIN)
    assert (missing.status_code, missing.json()["error"]["type"]) == (404, "not_found_error")


def test_a_tool_loop_stays_with_its_model_also_beside_a_subagent_of_the_same_session(
    start_gateway: Callable[..., Gateway], providers: Fakes
) -> None:
    gateway = start_gateway("openai kimi google")
    session = {"x-claude-code-session-id": "0b1c2d3e-0000-4000-8000-000000000000", "x-syntra-debug": "1"}
    for fake in providers.values():
        fake.script(tool_calls=(ToolCall("call_a", "look_up", "{}"),))
    first = ask(gateway, "syntra", headers=session, tools=[TOOL], messages=HELLO)
    agent = [{"role": "user", "content": "You are a subagent: prove that there are infinitely many primes, in detail."}]
    ask(gateway, "syntra", headers=session, tools=[TOOL], messages=agent)
    result = {"type": "tool_result", "tool_use_id": "call_a", "content": "found"}
    reminder = {"type": "text", "text": "<system-reminder>Be quick.</system-reminder>"}
    called = [block for block in first.json["content"] if block["type"] == "tool_use"]
    result["tool_use_id"] = called[0]["id"]
    said = [*HELLO, {"role": "assistant", "content": called}, {"role": "user", "content": [result, reminder]}]
    second = ask(gateway, "syntra", headers=session, tools=[TOOL], messages=said)
    assert second.headers["x-syntra-model"] == first.headers["x-syntra-model"]


def test_a_picture_that_a_tool_has_made_is_no_new_turn_of_the_users(
    start_gateway: Callable[..., Gateway], providers: Fakes
) -> None:
    gateway = start_gateway("openai kimi google")
    debug = {"x-syntra-debug": "1"}
    for fake in providers.values():
        fake.script(tool_calls=(ToolCall("call_a", "look_up", "{}"),))
    hard = [{"role": "user", "content": "Prove that there are infinitely many primes, and plot them, in detail."}]
    first = ask(gateway, "syntra-best", headers=debug, tools=[TOOL], messages=hard)
    called = [block for block in first.json["content"] if block["type"] == "tool_use"]
    picture = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "UElDVFVSRQ=="}}
    result = {"type": "tool_result", "tool_use_id": called[0]["id"], "content": [picture]}
    said = [*hard, {"role": "assistant", "content": called}, {"role": "user", "content": [result]}]
    step = ask(gateway, "syntra-cheap", headers=debug, tools=[TOOL], messages=said)
    assert step.headers["x-syntra-model"] == first.headers["x-syntra-model"]
    said[-1] = {"role": "user", "content": [result, {"type": "text", "text": "And in blue?"}]}
    turn = ask(gateway, "syntra-cheap", headers=debug, tools=[TOOL], messages=said)
    assert turn.headers["x-syntra-model"] != first.headers["x-syntra-model"]


@pytest.mark.parametrize("name", ["x-session-id", "x-session-affinity", "session-id", "thread-id"])
def test_a_conversation_with_a_name_of_its_own_stays_with_its_model_though_its_beginning_is_gone(
    name: str, start_gateway: Callable[..., Gateway], providers: Fakes
) -> None:
    gateway = start_gateway("openai kimi google")
    named = {name: f"of-{name}", "x-syntra-debug": "1"}
    for fake in providers.values():
        fake.script(tool_calls=(ToolCall("call_a", "look_up", "{}"),))
    hard = [{"role": "user", "content": "Prove that there are infinitely many primes, in detail."}]
    first = ask(gateway, "syntra-best", headers=named, tools=[TOOL], messages=hard)
    called = [block for block in first.json["content"] if block["type"] == "tool_use"]
    result = {"type": "tool_result", "tool_use_id": called[0]["id"], "content": "found"}
    said = [*HELLO, {"role": "assistant", "content": called}, {"role": "user", "content": [result]}]  # compacted
    second = ask(gateway, "syntra", headers=named, tools=[TOOL], messages=said)
    assert second.headers["x-syntra-model"] == first.headers["x-syntra-model"]


def test_a_deferred_tool_is_shown_from_when_a_result_speaks_of_it(gateway: Gateway, providers: Fakes) -> None:
    finder = {**TOOL, "name": "ToolSearch"}
    tools = [finder, {**TOOL, "name": "later", "defer_loading": True}]

    def shown() -> list[str]:
        return [tool["function"]["name"] for tool in providers["openai"].last.json["tools"]]

    ask(gateway, OPENAI.model, tools=tools)
    assert shown() == ["ToolSearch"]
    found = {
        "type": "tool_result",
        "tool_use_id": "call_1",
        "content": [{"type": "tool_reference", "tool_name": "later"}],
    }
    said: Any = [
        *HELLO,
        {"role": "assistant", "content": [{"type": "tool_use", "id": "call_1", "name": "ToolSearch", "input": {}}]},
        {"role": "user", "content": [found]},
    ]
    ask(gateway, OPENAI.model, tools=tools, messages=said)
    assert shown() == ["ToolSearch", "later"]


def test_a_search_goes_to_who_can_search_and_to_others_without_it(
    start_gateway: Callable[..., Gateway], providers: Fakes
) -> None:
    search: Any = {"tools": [{"type": "web_search_20250305", "name": "web_search"}]}
    both = start_gateway("perplexity openai")
    assert ask(both, "syntra", **search).status == 200
    assert providers["perplexity"].requests
    alone = start_gateway("openai")
    heard = stream(alone, "syntra", **search)
    assert heard.text == "Hello from the fake."
    assert "web_search" in heard.headers["x-syntra-warning"]


def test_what_it_cost_is_told_at_the_end_where_it_is_asked(gateway: Gateway, providers: Fakes) -> None:
    debug = {"x-syntra-debug": "1"}
    heard = stream(gateway, OPENAI.model, headers=debug)
    assert heard.events[-2]["syntra"]["model"] == OPENAI.model
    assert ask(gateway, ANTHROPIC.model, headers=debug).json["syntra"]["model"] == ANTHROPIC.model


def test_nothing_tells_who_stands_behind_a_model_of_syntras(
    start_gateway: Callable[..., Gateway], providers: Fakes
) -> None:
    heard = stream(start_gateway("anthropic"), "syntra")
    start = heard.events[0]["message"]
    assert (start["model"], start["id"].startswith("msg_01Fake")) == ("syntra", False)
    assert b"claude" not in heard.body
