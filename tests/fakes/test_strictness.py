"""A fake that accepts anything proves nothing: each refuses what its provider refuses, and takes what it takes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from tests.fakes.gateway import PLAIN
from tests.fakes.provider import Provider

Fakes = Mapping[str, Provider]
USER = {"role": "user", "content": "Hi"}
CALL = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
CHAT: dict[str, Any] = {"model": "some/model", "messages": [USER]}
CLAUDE: dict[str, Any] = {"model": "claude-sonnet-4-5", "max_tokens": 9, "messages": [USER]}
GEMINI: dict[str, Any] = {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]}
PATHS = {
    "openai": "/v1/chat/completions",
    "perplexity": "/chat/completions",
    "kimi": "/v1/chat/completions",
    "openrouter": "/api/v1/chat/completions",
    "anthropic": "/v1/messages",
    "google": "/v1beta/models/gemini-2.5-flash:generateContent",
}
GOOD = {**dict.fromkeys(PATHS, CHAT), "anthropic": CLAUDE, "google": GEMINI}


def post(fake: Provider, body: Any, *, path: str = "", headers: Mapping[str, str] | None = None) -> httpx.Response:
    credentials = {
        "anthropic": {"x-api-key": fake.key, "anthropic-version": "2023-06-01"},
        "google": {"x-goog-api-key": fake.key},
    }.get(fake.name, {"authorization": f"Bearer {fake.key}"})
    url = f"{fake.origin}{path or PATHS[fake.name]}"
    with httpx.Client(trust_env=False, verify=PLAIN) as http:
        return http.post(url, json=body, headers={**credentials, **(headers or {})})


@pytest.mark.parametrize("name", PATHS)
def test_a_good_request_is_taken(name: str, providers: Fakes) -> None:
    reply = post(providers[name], GOOD[name])
    assert reply.status_code == 200, reply.text
    assert "Hello from the fake." in reply.text


@pytest.mark.parametrize("name", PATHS)
def test_a_request_at_the_wrong_door_is_not(name: str, providers: Fakes) -> None:
    fake = providers[name]
    wrong = {"x-api-key": "wrong", "x-goog-api-key": "wrong", "authorization": "Bearer wrong"}
    assert post(fake, GOOD[name], headers=wrong).status_code in {400, 401, 403}
    assert post(fake, GOOD[name], path="/v2/nothing").status_code == 404
    assert "error" in post(fake, []).json()


@dataclass(frozen=True)
class No:
    """What a provider refuses, and a word that its refusal says."""

    provider: str
    fields: dict[str, Any] = field(default_factory=dict)
    word: str = ""


TOOLS = {"tools": [{"type": "function", "function": {"name": "f"}}]}
USE = {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}}
RESULT = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "done"}
CLAUDE_TOOLS = {"tools": [{"name": "f", "input_schema": {"type": "object"}}]}
MODEL_CALL = {"role": "model", "parts": [{"functionCall": {"name": "f", "args": {}}}]}
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": False}

REFUSED = {
    "openai-unknown-field": No("openai", {"x_next_month": 1}, "x_next_month"),
    "openai-wrong-type": No("openai", {"temperature": "hot"}, "temperature"),
    "openai-usage-without-stream": No("openai", {"stream_options": {"include_usage": True}}, "stream_options"),
    "openai-old-limit-on-new-model": No("openai", {"model": "o3-mini", "max_tokens": 5}, "max_completion_tokens"),
    "openai-stray-tool-result": No(
        "openai", {"messages": [USER, {"role": "tool", "tool_call_id": "call_1", "content": "x"}]}, "tool_calls"
    ),
    "openai-other-tool-id": No(
        "openai",
        {
            "messages": [
                USER,
                {"role": "assistant", "content": None, "tool_calls": [CALL]},
                {"role": "tool", "tool_call_id": "call_2", "content": "x"},
            ]
        },
        "role",
    ),
    "openai-unanswered-call": No(
        "openai", {"messages": [USER, {"role": "assistant", "content": None, "tool_calls": [CALL]}, USER]}, "call_1"
    ),
    "openai-choice-without-tools": No("openai", {"tool_choice": "auto"}, "tools"),
    "perplexity-developer": No("perplexity", {"messages": [{"role": "developer", "content": "x"}, USER]}, "role"),
    "perplexity-two-users": No("perplexity", {"messages": [USER, USER]}, "alternate"),
    "perplexity-tools": No("perplexity", TOOLS, "Tool calling"),
    "kimi-developer": No("kimi", {"messages": [{"role": "developer", "content": "x"}, USER]}, "role"),
    "kimi-new-limit": No("kimi", {"max_completion_tokens": 5}, "max_tokens"),
    "openrouter-model-without-vendor": No("openrouter", {"model": "gpt-4o"}, "valid model ID"),
    "anthropic-no-limit": No("anthropic", {"max_tokens": None}, "max_tokens"),
    "anthropic-unknown-field": No("anthropic", {"stop": ["x"]}, "stop"),
    "anthropic-system-role": No("anthropic", {"messages": [{"role": "system", "content": "x"}, USER]}, "role"),
    "anthropic-two-users": No("anthropic", {"messages": [USER, USER]}, "alternate"),
    "anthropic-empty-text": No("anthropic", {"messages": [{"role": "user", "content": ""}]}, "non-empty"),
    "anthropic-bad-id": No(
        "anthropic",
        {
            **CLAUDE_TOOLS,
            "messages": [USER, {"role": "assistant", "content": [{**USE, "id": "call:1"}]}, USER],
        },
        "pattern",
    ),
    "anthropic-unanswered-use": No(
        "anthropic", {**CLAUDE_TOOLS, "messages": [USER, {"role": "assistant", "content": [USE]}, USER]}, "tool_result"
    ),
    "anthropic-stray-result": No("anthropic", {"messages": [{"role": "user", "content": [RESULT]}]}, "unexpected"),
    "anthropic-beta-without-its-word": No("anthropic", {"output_format": {}}, "output_format"),
    "google-unknown-field": No("google", {"messages": []}, "messages"),
    "google-assistant": No("google", {"contents": [{"role": "assistant", "parts": [{"text": "x"}]}]}, "role"),
    "google-schema": No(
        "google", {"tools": [{"functionDeclarations": [{"name": "f", "parameters": SCHEMA}]}]}, "additionalProperties"
    ),
    "google-unanswered-call": No("google", {"contents": [*GEMINI["contents"], MODEL_CALL]}, "function"),
    "google-empty-part": No("google", {"contents": [{"role": "user", "parts": [{}]}]}, "oneof"),
    "google-shape-without-json": No("google", {"generationConfig": {"responseSchema": {"type": "object"}}}, "json"),
}


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED)
def test_what_the_provider_refuses_is_refused(case: No, providers: Fakes) -> None:
    body = {**GOOD[case.provider], **case.fields}
    reply = post(providers[case.provider], body)
    assert reply.status_code == 400, reply.text
    assert case.word in json.dumps(reply.json()["error"], ensure_ascii=False)


def test_a_whole_tool_round_is_taken(providers: Fakes) -> None:
    round_trip = [
        USER,
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "call_1", "content": "done"},
    ]
    assert post(providers["openai"], {**CHAT, **TOOLS, "messages": round_trip}).status_code == 200
    uses = [USER, {"role": "assistant", "content": [USE]}, {"role": "user", "content": [RESULT]}]
    assert post(providers["anthropic"], {**CLAUDE, **CLAUDE_TOOLS, "messages": uses}).status_code == 200
    answer = {"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {"r": "done"}}}]}
    contents = [*GEMINI["contents"], MODEL_CALL, answer]
    assert post(providers["google"], {"contents": contents}).status_code == 200
