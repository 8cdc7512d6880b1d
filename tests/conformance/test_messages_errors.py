"""Errors of `/v1/messages` in Anthropic's shape, and in the words on which its clients act."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import httpx
import pytest

from tests.fakes.gateway import ANTHROPIC, GOOGLE, KIMI, OPENAI, OPENROUTER, PERPLEXITY, PINS, PLAIN, Gateway, Pin
from tests.fakes.messages import HELLO, TOOL, VERSION, ask, post, stream
from tests.fakes.provider import Provider
from tests.fakes.script import PROSE, Fault

Fakes = Mapping[str, Provider]
every_provider = pytest.mark.parametrize("pin", PINS, ids=str)


def shape(told: Any, kind: str, request_id: str) -> None:
    assert set(told) == {"type", "error", "request_id"}
    assert told["type"] == "error"
    assert set(told["error"]) == {"type", "message"}
    assert told["error"]["type"] == kind
    assert told["request_id"] == request_id
    assert PROSE not in json.dumps(told)


@every_provider
@pytest.mark.parametrize(
    ("fault", "status", "kind"),
    [
        (Fault.RATE_LIMITED, 429, "rate_limit_error"),
        (Fault.SERVER_ERROR, 502, "api_error"),
        (Fault.OVERLOADED, 529, "overloaded_error"),
        (Fault.UNAVAILABLE, 529, "overloaded_error"),
        (Fault.UNAUTHORIZED, 502, "api_error"),
        (Fault.BAD_REQUEST, 400, "invalid_request_error"),
        (Fault.NO_SUCH_MODEL, 404, "not_found_error"),
        (Fault.RESET_BEFORE, 502, "api_error"),
    ],
    ids=lambda value: getattr(value, "name", value),
)
def test_a_providers_failure_has_anthropics_type(
    pin: Pin, fault: Fault, status: int, kind: str, gateway: Gateway, providers: Fakes
) -> None:
    providers[pin.provider].script(fault=fault)
    for heard in (ask(gateway, pin.model), stream(gateway, pin.model)):
        assert heard.status == status
        shape(heard.json, kind, heard.headers["request-id"])
        if status == 429:
            assert int(heard.headers["retry-after"]) > 0
        if status == 404:
            assert heard.json["error"]["message"].startswith("model: ")


@pytest.mark.parametrize(
    ("pin", "told"),
    [
        (ANTHROPIC, "prompt is too long: 210011 tokens > 200000 maximum"),
        (GOOGLE, None),
        (KIMI, "prompt is too long: 140002 tokens > 131072 maximum"),
        (PERPLEXITY, "prompt is too long: 130000 tokens > 127072 maximum"),
        (OPENROUTER, "prompt is too long: 140002 tokens > 128000 maximum"),
        (OPENAI, None),
    ],
    ids=lambda value: str(value)[:10],
)
def test_an_overflow_is_told_as_claude_code_reads_it(
    pin: Pin, told: str | None, gateway: Gateway, providers: Fakes
) -> None:
    providers[pin.provider].script(fault=Fault.CONTEXT_LENGTH)
    heard = stream(gateway, pin.model)
    assert heard.status == 400
    shape(heard.json, "invalid_request_error", heard.headers["request-id"])
    message = heard.json["error"]["message"]
    assert message.startswith("prompt is too long") or "exceed context limit" in message
    assert told is None or message == told
    assert heard.headers["x-should-retry"] == "false"


@every_provider
def test_a_failure_in_the_middle_is_the_last_event(pin: Pin, gateway: Gateway, providers: Fakes) -> None:
    providers[pin.provider].script(pieces=tuple(f"word{k} " for k in range(9)), fault=Fault.RESET_MID)
    heard = stream(gateway, pin.model)
    assert heard.status == 200
    assert heard.names[-1] == "error"
    assert "message_stop" not in heard.names
    assert heard.error is not None
    shape(heard.error, "api_error", heard.headers["request-id"])


def test_an_overload_in_the_middle_is_told_as_one(gateway: Gateway, providers: Fakes) -> None:
    providers["anthropic"].script(pieces=tuple(f"word{k} " for k in range(9)), fault=Fault.INBAND_MID)
    heard = stream(gateway, ANTHROPIC.model)
    assert heard.error is not None
    shape(heard.error, "overloaded_error", heard.headers["request-id"])


def test_a_failure_right_after_the_start_still_has_a_status(gateway: Gateway, providers: Fakes) -> None:
    """Nothing has been promised to the client yet, so another could still be asked."""
    providers["anthropic"].script(fault=Fault.INBAND_FIRST)
    assert stream(gateway, ANTHROPIC.model).status == 529


WRONG: tuple[tuple[str, dict[str, Any], str], ...] = (
    ("no-limit", {"max_tokens": None}, "max_tokens: Field required"),
    ("no-messages", {"messages": []}, "messages: at least one message is required"),
    ("role", {"messages": [{"role": "tool", "content": "x"}]}, "messages.0.role: Input should be 'user'"),
    ("content", {"messages": [{"role": "user", "content": 5}]}, "messages.0.content: Input should be a valid string"),
    (
        "block",
        {"messages": [*HELLO, {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text"}]}]},
        "messages.1.content.1.text: Field required",
    ),
    (
        "typeless",
        {"messages": [{"role": "user", "content": [{"text": "a"}]}]},
        "messages.0.content.0.type: Field required",
    ),
    (
        "source",
        {"messages": [{"role": "user", "content": [{"type": "image", "source": {"type": "base64", "data": "x"}}]}]},
        "messages.0.content.0.source.base64.media_type: Field required",
    ),
    ("temperature", {"temperature": 1.5}, "temperature: Input should be less than or equal to 1"),
    ("schema", {"tools": [{"name": "x"}]}, "tools.0.input_schema: Field required"),
    ("tool-name", {"tools": [TOOL, {"input_schema": {}}]}, "tools.1.name: Field required"),
    ("choice", {"tools": [TOOL], "tool_choice": {"type": "tool", "name": "y"}}, "tool_choice: Tool 'y' not found"),
    ("choice-type", {"tools": [TOOL], "tool_choice": {"type": "some"}}, "tool_choice.type: Input should be 'auto'"),
    ("system", {"system": [{"type": "text", "text": 1}]}, "system.0.text: Input should be a valid string"),
    ("thinking", {"thinking": {"budget_tokens": 1}}, "thinking.type: Field required"),
    (
        "no-result",
        {
            "messages": [
                *HELLO,
                {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "x", "input": {}}]},
            ]
        },
        "messages.1: `tool_use` ids were found without `tool_result` blocks immediately after: a",
    ),
    (
        "no-call",
        {"messages": [{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", "content": ""}]}]},
        "messages.0: unexpected `tool_use_id` found in `tool_result` blocks: a",
    ),
    ("forbidden", {"api_base": "https://example.org"}, "The field 'api_base' is not accepted"),
)


@pytest.mark.parametrize(("changes", "message"), [case[1:] for case in WRONG], ids=[case[0] for case in WRONG])
def test_what_is_wrong_is_told_with_its_path(
    changes: dict[str, Any], message: str, gateway: Gateway, providers: Fakes
) -> None:
    body = {"model": OPENAI.model, "max_tokens": 10, "messages": HELLO, **changes}
    raw = json.dumps({name: value for name, value in body.items() if value is not None}).encode()
    heard = post(gateway, raw)
    assert heard.status == 400
    shape(heard.json, "invalid_request_error", heard.headers["request-id"])
    assert heard.json["error"]["message"].startswith(message)
    assert heard.headers["x-should-retry"] == "false"
    assert not providers["openai"].requests


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b'{"model": "\xff"}', b"[" * 5000, b'{"model":"m\\u0000"}'])
def test_bytes_that_are_no_request_are_told_so(raw: bytes, gateway: Gateway, providers: Fakes) -> None:
    heard = post(gateway, raw)
    assert heard.status == 400
    shape(heard.json, "invalid_request_error", heard.headers["request-id"])


@pytest.mark.parametrize(
    ("change", "status", "kind"),
    [
        ({"x-api-key": "sk-syn-wrong-key"}, 401, "authentication_error"),
        ({"x-api-key": ""}, 401, "authentication_error"),
        ({"content-type": "text/plain"}, 415, "invalid_request_error"),
    ],
)
def test_the_door_speaks_the_same(change: dict[str, str], status: int, kind: str, gateway: Gateway) -> None:
    heard = ask(gateway, "syntra", headers=change)
    assert heard.status == status
    shape(heard.json, kind, heard.headers["request-id"])
    assert heard.headers["x-should-retry"] == "false"


def test_a_model_that_there_is_not_is_named_as_anthropic_does(gateway: Gateway) -> None:
    heard = ask(gateway, "no-such-model")
    assert heard.status == 404
    shape(heard.json, "not_found_error", heard.headers["request-id"])
    assert heard.json["error"]["message"].startswith("model: ")


def test_another_method_is_refused_in_the_same_shape(gateway: Gateway) -> None:
    reply = httpx.get(f"{gateway.origin}/v1/messages", headers={"x-api-key": gateway.key, **VERSION}, verify=PLAIN)
    assert (reply.status_code, reply.headers["allow"]) == (405, "POST")
    shape(reply.json(), "invalid_request_error", reply.headers["request-id"])


def test_a_route_that_there_is_not_is_told_in_the_same_shape(gateway: Gateway) -> None:
    reply = httpx.post(f"{gateway.origin}/v1/messages/batches", headers={"x-api-key": gateway.key}, verify=PLAIN)
    assert reply.status_code == 404
    shape(reply.json(), "not_found_error", reply.headers["request-id"])


def test_a_window_that_nobody_has_is_an_overflow(start_gateway: Callable[..., Gateway], providers: Fakes) -> None:
    heard = ask(start_gateway("perplexity"), "syntra", messages=[{"role": "user", "content": "word " * 400_000}])
    assert heard.status == 400
    assert heard.json["error"]["message"].startswith("prompt is too long: ")
