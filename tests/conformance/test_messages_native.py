"""To Anthropic itself a Messages request goes in its own words, and the answer comes back in its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from tests.fakes.anthropic_wire import COUNTED, SIGNATURE
from tests.fakes.gateway import ANTHROPIC, OPENAI, Gateway
from tests.fakes.messages import HELLO, TOOL, ask, stream
from tests.fakes.provider import Provider
from tests.fakes.script import ToolCall

Fakes = Mapping[str, Provider]
NO_VOICE = {"x-syntra-persona": "off"}
CACHE = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}
BETAS = "context-management-2025-06-27,interleaved-thinking-2025-05-14,of-tomorrow-2030-01-01"
BILLING = "x-anthropic-billing-header: cc_version=9.9.9.abc; cc_entrypoint=cli; cch={};"
FULL: dict[str, Any] = {
    "system": [{"type": "text", "text": BILLING.format("0a1b2")}, {"type": "text", "text": "Be brief.", **CACHE}],
    "tools": [
        {**TOOL, **CACHE, "eager_input_streaming": True},
        {"type": "web_search_20250305", "name": "web_search", "max_uses": 3},
        {**TOOL, "name": "later", "defer_loading": True},
    ],
    "messages": [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "What is this?", **CACHE},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}},
                {"type": "document", "source": {"type": "url", "url": "https://example.org/a.pdf"}, "title": "A"},
            ],
        },
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "Hm, 1.0 or 1e3?", "signature": SIGNATURE},
                {"type": "redacted_thinking", "data": "c2VhbGVk"},
                {"type": "tool_use", "id": "toolu_1", "name": "look_up", "input": {"word": "x", "n": 1.0}},
            ],
        },
        {
            "role": "user",
            "content": [
                {
                    "type": "tool_result",
                    "tool_use_id": "toolu_1",
                    "is_error": True,
                    "content": [{"type": "text", "text": "no"}],
                    **CACHE,
                },
            ],
        },
    ],
    "thinking": {"type": "enabled", "budget_tokens": 1024, "display": "omitted"},
    "max_tokens": 4000,
    "metadata": {"user_id": "customer-4711"},
    "service_tier": "auto",
    "stop_sequences": ["END"],
    "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
}


def test_every_field_and_both_headers_arrive_as_they_were_sent(gateway: Gateway, providers: Fakes) -> None:
    told = {"anthropic-version": "2026-10-21", "anthropic-beta": BETAS, **NO_VOICE}
    heard = ask(gateway, ANTHROPIC.model, path="/v1/messages?beta=true", headers=told, **FULL)
    assert heard.status == 200, heard.body
    sent = providers["anthropic"].last
    billing = sent.json["system"][0]["text"]
    assert sent.json == {
        **FULL,
        "model": ANTHROPIC.upstream,
        "system": [{"type": "text", "text": billing}, *FULL["system"][1:]],
    }
    assert sent.headers["anthropic-version"] == "2026-10-21"
    assert sent.headers["anthropic-beta"] == BETAS
    assert sent.target == "/v1/messages?beta=true"
    assert "x-syntra-warning" not in heard.headers


def test_the_hash_that_changes_in_every_call_is_left_out(gateway: Gateway, providers: Fakes) -> None:
    """It stands before everything else, so no prompt would ever be found in the cache."""
    sent = []
    for digest in ("0a1b2", "3c4d5"):
        system = [{"type": "text", "text": BILLING.format(digest)}, *FULL["system"][1:]]
        for model in (ANTHROPIC.model, OPENAI.model):
            ask(gateway, model, system=system)
        sent.append((providers["anthropic"].last.body, providers["openai"].last.body))
    assert sent[0] == sent[1]
    assert b"x-anthropic-billing-header: cc_version=9.9.9.abc; cc_entrypoint=cli;" in sent[0][0]
    assert b"billing" not in sent[0][1]


def test_the_voice_comes_first_but_for_the_line_of_billing(gateway: Gateway, providers: Fakes) -> None:
    voiced = {"x-syntra-persona": "on"}
    ask(gateway, ANTHROPIC.model, headers=voiced, system=FULL["system"])
    billing, voice, own = providers["anthropic"].last.json["system"]
    assert billing["text"].startswith("x-anthropic-billing-header:")
    assert "Syntra" in voice["text"]
    assert own == FULL["system"][1]
    ask(gateway, ANTHROPIC.model, headers=voiced, system="Be brief.")
    assert providers["anthropic"].last.json["system"].startswith(voice["text"])
    assert providers["anthropic"].last.json["system"].endswith("\n\nBe brief.")


def test_thoughts_come_back_with_anthropics_own_signature(gateway: Gateway, providers: Fakes) -> None:
    fake = providers["anthropic"]
    call = ToolCall("toolu_9", "look_up", '{"word": "x"}')
    fake.script(reasoning=("I am Claude, ", "made by Anthropic."), tool_calls=(call,))
    asked: Any = {"thinking": {"type": "enabled", "budget_tokens": 1024}, "max_tokens": 4000, "tools": [TOOL]}
    for heard in (stream(gateway, ANTHROPIC.model, **asked), ask(gateway, ANTHROPIC.model, **asked)):
        thought, used = heard.message["content"]
        assert thought == {
            "type": "thinking",
            "thinking": "I am Claude, made by Anthropic.",  # touched, it would be refused
            "signature": SIGNATURE,
        }
        result = {"type": "tool_result", "tool_use_id": used["id"], "content": "found"}
        said = [*HELLO, {"role": "assistant", "content": [thought, used]}, {"role": "user", "content": [result]}]
        assert ask(gateway, ANTHROPIC.model, messages=said, **asked).status == 200
        assert fake.last.json["messages"][1]["content"] == [thought, used]


def test_searches_citations_and_sealed_thoughts_pass(gateway: Gateway, providers: Fakes) -> None:
    found = {"type": "web_search_result", "url": "https://example.org", "title": "T", "encrypted_content": "x"}
    citation = {"type": "web_search_result_location", "url": "https://example.org", "title": "T", "cited_text": "c"}
    blocks = (
        {"type": "redacted_thinking", "data": "c2VhbGVk"},
        {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "q"}},
        {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": [found]},
        {"type": "text", "text": "As they say.", "citations": [citation]},
        {"type": "of_tomorrow", "anything": {"at": ["all"]}},
    )
    providers["anthropic"].script(blocks=blocks)
    search = {"type": "web_search_20250305", "name": "web_search"}
    for heard in (stream(gateway, ANTHROPIC.model, tools=[search]), ask(gateway, ANTHROPIC.model, tools=[search])):
        assert tuple(heard.message["content"]) == blocks
    said = [*HELLO, {"role": "assistant", "content": list(blocks[:4])}, *HELLO]
    assert ask(gateway, ANTHROPIC.model, tools=[search], messages=said).status == 200
    # Another provider gets on with what it can read of that.
    heard = ask(gateway, OPENAI.model, tools=[search], messages=said)
    assert heard.text == "Hello from the fake."
    assert "web_search" in heard.headers["x-syntra-warning"]


def test_usage_is_anthropics_own(gateway: Gateway, providers: Fakes) -> None:
    for heard in (stream(gateway, ANTHROPIC.model), ask(gateway, ANTHROPIC.model)):
        usage = heard.message["usage"]
        assert usage["cache_creation"] == {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0}
        assert (usage["input_tokens"], usage["output_tokens"], usage["service_tier"]) == (21, 9, "standard")


NEWEST: dict[str, Any] = {
    "thinking": {"type": "adaptive"},
    "output_config": {"effort": "high"},
    "max_tokens": 300_000,
    "messages": [*HELLO, {"role": "system", "content": "It is Monday.", "output_config": {"effort": "low"}}],
}


@pytest.mark.parametrize("model", ["syntra", ANTHROPIC.model], ids=["chosen", "pinned"])
def test_a_model_is_asked_for_what_it_can(model: str, start_gateway: Any, providers: Fakes) -> None:
    """A client that asks for a name of ours cannot know which model will be asked to think, and how that takes it."""
    heard = ask(start_gateway("anthropic"), model, **NEWEST)
    assert heard.status == 200, heard.body
    sent = providers["anthropic"].last.json
    assert sent["max_tokens"] <= 128_000
    assert [message["role"] for message in sent["messages"]] == ["user"]
    assert "It is Monday." in sent["messages"][0]["content"][-1]["text"]


def test_the_newest_are_asked_as_the_client_wrote(gateway: Gateway, providers: Fakes) -> None:
    heard = ask(gateway, "claude-opus-5-5", headers=NO_VOICE, **NEWEST)
    assert heard.status == 200, heard.body
    sent = providers["anthropic"].last.json
    assert sent == NEWEST | {"model": "claude-opus-5-5", "max_tokens": 128_000}


def test_what_anthropic_refuses_is_told_in_the_words_on_which_its_clients_act(
    gateway: Gateway, providers: Fakes
) -> None:
    heard = ask(gateway, ANTHROPIC.model, a_field_of_tomorrow={"x": 1})
    assert heard.status == 400
    assert heard.json["error"]["message"] == "a_field_of_tomorrow: Extra inputs are not permitted"
    assert "x-should-retry" not in heard.headers  # it asks again without the field


def test_tokens_are_counted_by_who_would_be_asked(gateway: Gateway, providers: Fakes) -> None:
    count = "/v1/messages/count_tokens"
    body: Any = {"tools": [TOOL], "system": "Be brief.", "messages": HELLO}
    assert ask(gateway, ANTHROPIC.model, path=count, **body).json == {"input_tokens": COUNTED}
    assert providers["anthropic"].last.path == count
    counted = ask(gateway, OPENAI.model, path=count, **body).json["input_tokens"]
    assert 30 < counted < 120
    assert not providers["openai"].requests
