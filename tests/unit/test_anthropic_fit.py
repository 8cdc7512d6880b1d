"""What an Anthropic model is asked for is what it can, whatever its client took it for."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.core.secret import Secret
from gateway.dialects.messages.asked import Words, parse
from gateway.upstream import anthropic_messages
from gateway.upstream.dialect import Provider
from gateway.upstream.translate import Translated

ADAPTIVE = {"type": "adaptive"}
BUDGET = {"type": "enabled", "budget_tokens": 5000}
CLEARS = {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]}
OLD, THINKING, ADAPTING, NEWEST = (
    "claude-3-5-haiku-20241022",
    "claude-sonnet-4-20250514",
    "claude-opus-4-6",
    "claude-opus-5-5",
)


def said(model: str, asked_for: str = "syntra", **body: Any) -> dict[str, Any]:
    plain = {"model": asked_for, "max_tokens": 20_000, "messages": [{"role": "user", "content": "Hi"}], **body}
    request = parse(json.dumps(plain).encode(), Words()).request
    provider = Provider("anthropic", "https://a.test", Secret("k"), Translated("anthropic"))
    assert request.native is not None
    outbound = anthropic_messages.said(provider, model, request, request.native)
    sent: dict[str, Any] = json.loads(outbound.body)
    assert set(outbound.dropped) == body.keys() - sent.keys()
    return sent


@pytest.mark.parametrize(
    ("model", "thinking", "effort", "expected"),
    [
        (OLD, ADAPTIVE, "high", (None, None)),
        (OLD, BUDGET, None, (None, None)),
        (THINKING, ADAPTIVE, "low", ({"type": "enabled", "budget_tokens": 2048}, None)),
        (THINKING, ADAPTIVE, None, ({"type": "enabled", "budget_tokens": 20_000 - 1024}, None)),
        (THINKING, BUDGET, None, (BUDGET, None)),
        ("claude-opus-4-5-20251101", ADAPTIVE, "medium", ({"type": "enabled", "budget_tokens": 8192}, "medium")),
        (ADAPTING, ADAPTIVE, "xhigh", (ADAPTIVE, "high")),
        (ADAPTING, BUDGET, "max", (BUDGET, "max")),
        (NEWEST, BUDGET, "xhigh", (ADAPTIVE, "xhigh")),
        ("claude-mythos-preview", ADAPTIVE, "max", (ADAPTIVE, "max")),
        (NEWEST, {"type": "disabled"}, None, ({"type": "disabled"}, None)),
    ],
)
def test_thinking_and_effort_are_what_the_model_takes(
    model: str, thinking: dict[str, Any], effort: str | None, expected: tuple[Any, str | None]
) -> None:
    config = {"output_config": {"effort": effort}} if effort else {}
    sent = said(model, thinking=thinking, **config)
    assert (sent.get("thinking"), sent.get("output_config", {}).get("effort")) == expected


def test_a_budget_that_was_pinned_stays() -> None:
    assert said(NEWEST, f"anthropic/{NEWEST}", thinking=BUDGET)["thinking"] == BUDGET


def test_no_room_to_think_is_no_thinking() -> None:
    sent = said(THINKING, thinking=ADAPTIVE, max_tokens=1500, context_management=CLEARS)
    assert "thinking" not in sent
    assert "context_management" not in sent


def test_an_effort_that_goes_leaves_the_format() -> None:
    wanted = {"effort": "high", "format": {"type": "json_schema", "schema": {}}}
    assert said(THINKING, output_config=wanted)["output_config"] == {"format": wanted["format"]}


CALL = {"type": "tool_use", "id": "functions.f:0", "name": "f", "input": {"n": 1.0, "big": 12345678901234567890}}
RESULT = {"type": "tool_result", "tool_use_id": "functions.f:0", "content": "r"}


def test_what_is_not_changed_keeps_its_bytes() -> None:
    plain = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": [CALL]}]
    raw = json.dumps(
        {
            "model": "syntra",
            "max_tokens": 9,
            "messages": [*plain, {"role": "user", "content": [RESULT]}],
        }
    ).encode()
    request = parse(raw, Words()).request
    provider = Provider("anthropic", "https://a.test", Secret("k"), Translated("anthropic"))
    assert request.native is not None
    body = anthropic_messages.said(provider, ADAPTING, request, request.native).body
    assert b'{"n": 1.0, "big": 12345678901234567890}' in body
    assert body.count(b'"functions_f_0"') == 2


def test_a_loop_that_began_without_a_thought_goes_on_without() -> None:
    said_before = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": [{"type": "thinking", "thinking": "x", "signature": "syntra.e30"}, CALL]},
        {"role": "user", "content": [RESULT]},
    ]
    sent = said(THINKING, messages=said_before, thinking=BUDGET, context_management=CLEARS)
    assert "thinking" not in sent
    assert "context_management" not in sent
    assert [block["type"] for block in sent["messages"][1]["content"]] == ["tool_use"]
    assert said(ADAPTING, messages=said_before, thinking=ADAPTIVE)["thinking"] == ADAPTIVE  # these need not begin so


def test_a_thought_that_stands_alone_leaves_something() -> None:
    alone = [{"type": "thinking", "thinking": "x", "signature": "syntra.e30"}]
    before = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": alone}]
    sent = said(THINKING, messages=[*before, {"role": "user", "content": "And?"}])
    assert sent["messages"][1]["content"] == [{"type": "text", "text": "(no content)"}]
