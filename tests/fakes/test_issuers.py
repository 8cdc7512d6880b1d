"""The guards have teeth: each refuses what its provider refuses, and lets through what it has issued itself."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest

from tests.fakes.issuers import (
    DUMMY,
    AnthropicGuard,
    GeminiGuard,
    Guard,
    KimiGuard,
    OpenAIGuard,
    OpenRouterGuard,
    PlainGuard,
)
from tests.fakes.server import Request
from tests.fakes.shape import Refused

TOKEN, OWN = "tok-x-1", "its-own-artefact"
ASKED = {"role": "user", "content": "Go."}


@dataclass(frozen=True)
class Case:
    """A history, and the word in the refusal; none where it is taken."""

    guard: type[Guard]
    body: dict[str, Any]
    why: str = ""


def messages(*told: Any) -> dict[str, Any]:
    return {"messages": [ASKED, *told]}


def thought(signature: str, thinking: str = f"I think of {TOKEN}.") -> dict[str, Any]:
    return {"type": "thinking", "thinking": thinking, "signature": signature}


def answered(*blocks: Any) -> dict[str, Any]:
    return messages({"role": "assistant", "content": list(blocks)})


def called(**more: Any) -> dict[str, Any]:
    function = {"name": "look_up", "arguments": json.dumps({"word": more.pop("token", TOKEN)})}
    call = {"id": more.pop("id", "functions.look_up:0"), "type": "function", "function": function}
    return messages({"role": "assistant", "content": None, "tool_calls": [call], **more})


def contents(*parts: Any) -> dict[str, Any]:
    user = {"role": "user", "parts": [{"text": "Go."}]}
    return {"contents": [user, {"role": "model", "parts": list(parts)}]}


def part(token: str, **more: Any) -> dict[str, Any]:
    return {"function_call": {"name": "look_up", "args": {"word": token}}, **more}


def items(*told: Any) -> dict[str, Any]:
    return {"input": [ASKED, *told]}


def item(identity: str = f"fc_{TOKEN}") -> dict[str, Any]:
    arguments = json.dumps({"word": TOKEN})
    return {"type": "function_call", "id": identity, "call_id": "call_1", "name": "look_up", "arguments": arguments}


def sealed(content: str) -> dict[str, Any]:
    return {"type": "reasoning", "id": f"rs_{TOKEN}", "summary": [], "encrypted_content": content}


SAID = {"type": "text", "text": f"It is {TOKEN}."}
USED = {"type": "tool_use", "id": "toolu_1", "name": "look_up", "input": {}}
FOREIGN = {"type": "text", "text": "It is tok-other-9."}

CASES = {
    "anthropic takes its own": Case(AnthropicGuard, answered(thought(OWN), SAID)),
    "anthropic, a foreign signature": Case(AnthropicGuard, answered(thought("syntra.x"), SAID), "foreign"),
    "anthropic, its signature at another's answer": Case(AnthropicGuard, answered(thought(OWN), FOREIGN), "foreign"),
    "anthropic, a thought that was touched": Case(AnthropicGuard, answered(thought(OWN, "Hm."), SAID), "signature"),
    "anthropic, its own is missing": Case(AnthropicGuard, answered(SAID), "missing"),
    "anthropic, a thought behind a text": Case(AnthropicGuard, answered(SAID, thought(OWN)), "first"),
    "anthropic, an id of another form": Case(AnthropicGuard, answered(USED | {"id": "functions.a:0"}), "tool_use.id"),
    "anthropic, an id that comes twice": Case(AnthropicGuard, answered(USED, USED), "unique"),
    "anthropic, an empty text": Case(AnthropicGuard, answered({"type": "text", "text": " "}), "non-empty"),
    "gemini takes its own": Case(GeminiGuard, contents(part(TOKEN, thoughtSignature=OWN))),
    "gemini takes the placeholder at another's": Case(GeminiGuard, contents(part("tok-y-2", thoughtSignature=DUMMY))),
    "gemini, a call without any": Case(GeminiGuard, contents(part("tok-y-2")), "missing a thought_signature"),
    "gemini, a foreign signature": Case(GeminiGuard, contents(part("tok-y-2", thoughtSignature="x")), "foreign"),
    "gemini, the placeholder at its own": Case(GeminiGuard, contents(part(TOKEN, thoughtSignature=DUMMY)), "missing"),
    "openai takes its own": Case(OpenAIGuard, items(sealed(OWN), item())),
    "openai, a foreign seal": Case(OpenAIGuard, items(sealed("syn1o.x.y"), item()), "could not be verified"),
    "openai, a call without its thought": Case(OpenAIGuard, items(item()), "required 'reasoning'"),
    "openai, a long id": Case(OpenAIGuard, called(id="x" * 41, token="tok-y-2"), "too long"),
    "kimi takes its own": Case(KimiGuard, called(reasoning_content=OWN)),
    "kimi, a call without a thought": Case(KimiGuard, called(token="tok-y-2"), "reasoning_content is missing"),
    "kimi, other words": Case(KimiGuard, called(reasoning_content=" "), "words of a thought of ours"),
    "kimi, an id of another form": Case(KimiGuard, called(id="call_1", reasoning_content=OWN), "bad id"),
    "openrouter takes its own": Case(OpenRouterGuard, called(reasoning_details=[{"data": OWN}])),
    "openrouter, a foreign seal": Case(OpenRouterGuard, called(reasoning_details=[{"data": "x"}]), "foreign"),
    "openrouter, its own is missing": Case(OpenRouterGuard, called(), "missing"),
    "openrouter, anthropic's": Case(OpenRouterGuard, called(thinking_blocks=[]), "foreign thinking"),
    "perplexity, a call": Case(PlainGuard, called(), "foreign fields"),
}


@pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
def test_a_guard_refuses_what_its_provider_refuses(case: Case) -> None:
    guard = case.guard()
    guard.issued[TOKEN] = OWN
    request = Request("POST", "/", {}, json.dumps(case.body).encode())
    if not case.why:
        guard.check(request)
        assert guard.restored == 1 or "tok-y-2" in str(case.body)
        return
    with pytest.raises(Refused, match=case.why):
        guard.check(request)
