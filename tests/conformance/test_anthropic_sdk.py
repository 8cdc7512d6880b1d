"""The Anthropic SDK, unmodified, against the gateway: its own types judge every event and every message."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import anthropic
import pydantic
import pytest

from tests.fakes.gateway import ANTHROPIC, GOOGLE, KIMI, OPENAI, OPENROUTER, PINS, Gateway, Pin
from tests.fakes.messages import HELLO, TOOL
from tests.fakes.provider import Provider
from tests.fakes.script import Fault, ToolCall

Fakes = Mapping[str, Provider]
every_provider = pytest.mark.parametrize("pin", PINS, ids=str)


def client(gateway: Gateway, **more: Any) -> Any:
    return anthropic.Anthropic(base_url=gateway.origin, max_retries=0, **({"api_key": gateway.key} | more))


def valid(value: Any, kind: Any) -> None:
    """The SDK builds its models without a look at them; this looks."""
    pydantic.TypeAdapter(kind).validate_python(value.model_dump(mode="json", exclude_unset=True))


@every_provider
def test_every_event_and_every_message_fit_the_sdks_types(pin: Pin, gateway: Gateway, providers: Fakes) -> None:
    types = anthropic.types
    asked: Any = {"model": pin.model, "max_tokens": 4000, "messages": HELLO}
    with client(gateway) as sdk:
        events = list(sdk.messages.create(stream=True, **asked))
        for event in events:
            valid(event, types.RawMessageStreamEvent)
        message = sdk.messages.create(**asked)
        valid(message, types.Message)
        with sdk.messages.stream(**asked) as told:
            assert told.get_final_text() == "Hello from the fake." == message.content[0].text
            assert told.get_final_message().usage.output_tokens == message.usage.output_tokens == 9


@pytest.mark.parametrize("pin", [OPENAI, ANTHROPIC, GOOGLE, KIMI, OPENROUTER], ids=str)
def test_a_tool_loop_goes_round_with_the_sdks_own_objects(pin: Pin, gateway: Gateway, providers: Fakes) -> None:
    fake = providers[pin.provider]
    fake.script(reasoning=("Let me look.",), tool_calls=(ToolCall("call_a", "look_up", '{"word": "x"}'),))
    thinking = {"type": "enabled", "budget_tokens": 1024}
    asked: Any = {"model": pin.model, "max_tokens": 4000, "tools": [TOOL], "thinking": thinking}
    with client(gateway) as sdk:
        with sdk.messages.stream(messages=HELLO, **asked) as told:
            message = told.get_final_message()
        valid(message, anthropic.types.Message)
        called = message.content[-1]
        assert (message.stop_reason, called.name, called.input) == ("tool_use", "look_up", {"word": "x"})
        fake.script()
        result = {"type": "tool_result", "tool_use_id": called.id, "content": "found"}
        said = [*HELLO, {"role": "assistant", "content": message.content}, {"role": "user", "content": [result]}]
        assert sdk.messages.create(messages=said, **asked).content[0].text == "Hello from the fake."


def test_both_ways_of_showing_the_key(gateway: Gateway, providers: Fakes) -> None:
    asked: Any = {"model": OPENAI.model, "max_tokens": 9, "messages": HELLO}
    for key in ({"api_key": gateway.key}, {"api_key": None, "auth_token": gateway.key}):
        with client(gateway, **key) as sdk:
            assert sdk.messages.create(**asked).content[0].text == "Hello from the fake."


def test_errors_are_the_sdks_own(gateway: Gateway, providers: Fakes) -> None:
    asked: Any = {"max_tokens": 9, "messages": HELLO}
    with client(gateway) as sdk:
        with pytest.raises(anthropic.NotFoundError) as caught:
            sdk.messages.create(model="no-such-model", **asked)
        assert caught.value.request_id
        assert caught.value.body["error"]["type"] == "not_found_error"
        with pytest.raises(anthropic.BadRequestError):
            sdk.messages.create(model=OPENAI.model, max_tokens=9, messages=[])
        providers["openai"].script(fault=Fault.RATE_LIMITED, retry_after="3")
        with pytest.raises(anthropic.RateLimitError):
            sdk.messages.create(model=OPENAI.model, **asked)
        providers["openai"].script(pieces=("a ", "b ", "c ", "d "), fault=Fault.RESET_MID)
        with pytest.raises(anthropic.APIStatusError), sdk.messages.stream(model=OPENAI.model, **asked) as told:
            told.get_final_message()


def test_models_are_listed_page_by_page_and_their_names_can_be_asked_for(gateway: Gateway, providers: Fakes) -> None:
    with client(gateway) as sdk:
        listed = [model.id for model in sdk.models.list(limit=7)]
        assert len(listed) == len(set(listed)) > 20
        assert listed[0] == "claude/syntra"
        assert sdk.models.retrieve(listed[0]).display_name == "Syntra"
        message = sdk.messages.create(model="claude/openai/gpt-4o-mini", max_tokens=9, messages=HELLO)
        assert message.model == "claude/openai/gpt-4o-mini"
        assert providers["openai"].last.json["model"] == "gpt-4o-mini"
        assert sdk.messages.count_tokens(model="claude/syntra", messages=HELLO).input_tokens > 0
