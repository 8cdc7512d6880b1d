"""`/v1/responses` over every provider: the same events, items and counts, streamed or whole."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from tests.conformance.responses_rig import (
    ENCRYPTS,
    PARIS,
    WEATHER,
    both_ways,
    every_provider,
    with_tools,
)
from tests.fakes.caller import ask
from tests.fakes.events import Heard, respond
from tests.fakes.gateway import ANTHROPIC, GOOGLE, KIMI, OPENAI, OPENROUTER, PERPLEXITY, PINS, Gateway, Pin
from tests.fakes.provider import Provider
from tests.fakes.script import Script, ToolCall, Usage

Fakes = Mapping[str, Provider]
TOKYO = ToolCall("call_Tokyo2", "get_weather", '{"city":"東京 🗼"}', cuts=(3, 10))


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
