"""Errors of `/v1/responses`, in OpenAI's shape: a status before the first word, in band after it, never a provider's words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from tests.conformance.responses_rig import (
    AGENTS,
    both_ways,
    every_provider,
)
from tests.fakes.events import respond
from tests.fakes.gateway import OPENAI, Gateway, Pin
from tests.fakes.provider import Provider
from tests.fakes.script import PROSE, Fault

Fakes = Mapping[str, Provider]


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
