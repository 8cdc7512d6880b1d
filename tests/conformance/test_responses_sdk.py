"""The real `openai` package on `/v1/responses`: create, stream, parse, retrieve, delete, input items."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import openai
import pytest
from pydantic import BaseModel

from tests.fakes.gateway import ANTHROPIC, OPENAI, PERPLEXITY, PINS, Gateway, Pin
from tests.fakes.provider import Provider
from tests.fakes.script import PROSE, Fault, ToolCall

Fakes = Mapping[str, Provider]
every_provider = pytest.mark.parametrize("pin", PINS, ids=str)
with_tools = pytest.mark.parametrize("pin", [pin for pin in PINS if pin is not PERPLEXITY], ids=str)

PARAMETERS: Any = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER: Any = {"type": "function", "name": "get_weather", "parameters": PARAMETERS, "strict": False}
PARIS = ToolCall("call_Paris1", "get_weather", '{"city":"Paris"}')


class Person(BaseModel):
    """What parsed replies are parsed into."""

    name: str
    age: int


@every_provider
def test_a_plain_call(pin: Pin, gateway: Gateway, providers: Fakes) -> None:
    with gateway.client() as client:
        response = client.responses.create(model=pin.model, input="Say hello.")
    assert response.output_text == "Hello from the fake."
    assert response.status == "completed"
    assert response.usage is not None
    assert response.usage.total_tokens == 30


@every_provider
def test_a_raw_stream_and_the_helper_over_it(pin: Pin, gateway: Gateway, providers: Fakes) -> None:
    with gateway.client() as client:
        with client.responses.create(model=pin.model, input="Say hello.", stream=True) as stream:
            events = list(stream)
        with client.responses.stream(model=pin.model, input="Say hello.") as helped:
            texts = [event.delta for event in helped if event.type == "response.output_text.delta"]
            final = helped.get_final_response()
    assert events[-1].type == "response.completed"
    assert "".join(texts) == final.output_text == "Hello from the fake."


@with_tools
def test_the_helper_joins_the_arguments_of_calls(pin: Pin, gateway: Gateway, providers: Fakes) -> None:
    providers[pin.provider].script(tool_calls=(PARIS,))
    with (
        gateway.client() as client,
        client.responses.stream(model=pin.model, input="Weather?", tools=[WEATHER]) as stream,
    ):
        snapshots = [event.snapshot for event in stream if event.type == "response.function_call_arguments.delta"]
        final = stream.get_final_response()
    [call] = [item for item in final.output if item.type == "function_call"]
    assert snapshots[-1] == call.arguments


@every_provider
def test_a_reply_is_parsed_into_the_callers_own_type(pin: Pin, gateway: Gateway, providers: Fakes) -> None:
    providers[pin.provider].script(pieces=('{"name":', ' "Ada",', ' "age": 36}'))
    with gateway.client() as client:
        response = client.responses.parse(model=pin.model, input="Who?", text_format=Person)
        with client.responses.stream(model=pin.model, input="Who?", text_format=Person) as stream:
            streamed = stream.get_final_response()
    assert response.output_parsed == streamed.output_parsed == Person(name="Ada", age=36)


@every_provider
def test_what_was_stored_is_gone_on_from_listed_retrieved_and_deleted(
    pin: Pin, gateway: Gateway, providers: Fakes
) -> None:
    with gateway.client() as client:
        first = client.responses.create(model=pin.model, input="First question?", instructions="Be brief.")
        assert first.store
        second = client.responses.create(model=pin.model, input="Second question?", previous_response_id=first.id)
        sent = providers[pin.provider].last.body.decode()
        assert sent.index("First question?") < sent.index("Hello from the fake.") < sent.index("Second question?")
        assert "Be brief." not in sent  # instructions are for one response
        assert second.previous_response_id == first.id
        again = client.responses.retrieve(second.id)
        assert again.output_text == second.output_text
        assert again.usage == second.usage
        listed = list(client.responses.input_items.list(second.id, limit=2))
        texts = [part.text for item in listed for part in item.content if item.type == "message"]  # type: ignore[union-attr]
        assert texts == ["Second question?", "Hello from the fake.", "First question?"]
        client.responses.delete(first.id)
        for gone in (lambda: client.responses.retrieve(first.id), lambda: client.responses.delete(first.id)):
            with pytest.raises(openai.NotFoundError):
                gone()
        with pytest.raises(openai.NotFoundError) as raised:  # a conversation with a hole is not gone on from
            client.responses.create(model=pin.model, input="Third?", previous_response_id=second.id)
        assert raised.value.code == "previous_response_not_found"
        left = list(client.responses.input_items.list(second.id))
        assert [part.text for item in left for part in item.content] == ["Second question?"]  # type: ignore[union-attr]
        assert client.responses.create(model=pin.model, input="Anew.", previous_response_id="").output_text


def test_a_deleted_turn_takes_no_other_turns_input_with_it(gateway: Gateway, providers: Fakes) -> None:
    with gateway.client() as client:
        ids: list[str | None] = [None]
        for asked in ("First?", "Second?", "Third?"):
            made = client.responses.create(model=OPENAI.model, input=asked, previous_response_id=ids[-1])
            ids.append(made.id)

        def listed(response_id: str | None) -> list[str]:
            assert response_id is not None
            items: Any = client.responses.input_items.list(response_id, order="asc")
            return [part.text for item in items for part in item.content]

        _, first, second, third = ids
        said = "Hello from the fake."
        assert listed(third) == ["First?", said, "Second?", said, "Third?"]
        assert first is not None
        client.responses.delete(first)
        assert listed(third) == ["Second?", said, "Third?"]
        assert listed(second) == ["Second?"]


@with_tools
def test_a_tool_loop_over_what_was_stored(pin: Pin, gateway: Gateway, providers: Fakes) -> None:
    fake = providers[pin.provider]
    fake.script(reasoning=("Let me see.",), tool_calls=(PARIS,))
    with gateway.client() as client:
        with client.responses.stream(model=pin.model, input="Weather?", tools=[WEATHER]) as stream:
            first = stream.get_final_response()
        [call] = [item for item in first.output if item.type == "function_call"]
        fake.script(pieces=("Rain.",))
        output: Any = {"type": "function_call_output", "call_id": call.call_id, "output": "It rains."}
        second = client.responses.create(
            model=pin.model, input=[output], tools=[WEATHER], previous_response_id=first.id
        )
    assert second.output_text == "Rain."
    sent = fake.last.body.decode()
    assert "It rains." in sent
    if pin is ANTHROPIC:
        assert "Let me see." in sent  # with its signature, or the fake would not have taken it


@with_tools
def test_items_are_referred_to_by_their_ids(pin: Pin, gateway: Gateway, providers: Fakes) -> None:
    fake = providers[pin.provider]
    fake.script(reasoning=("Let me see.",), tool_calls=(PARIS,))
    with gateway.client() as client:
        first = client.responses.create(model=pin.model, input="Weather?", tools=[WEATHER])
        references: Any = [{"type": "item_reference", "id": item.id} for item in first.output]
        [call] = [item for item in first.output if item.type == "function_call"]
        output: Any = {"type": "function_call_output", "call_id": call.call_id, "output": "It rains."}
        talk = [{"role": "user", "content": "Weather?"}, *references, output]
        fake.script(pieces=("Rain.",))
        assert client.responses.create(model=pin.model, input=talk, tools=[WEATHER]).output_text == "Rain."
        unknown: Any = [{"type": "item_reference", "id": "msg_unknown"}]
        with pytest.raises(openai.NotFoundError) as raised:
            client.responses.create(model=pin.model, input=unknown)
    assert raised.value.param == "input[0].id"


def test_what_shall_not_be_stored_is_not(gateway: Gateway, providers: Fakes) -> None:
    with gateway.client() as client:
        response = client.responses.create(model=OPENAI.model, input="Say hello.", store=False)
        assert response.store is False  # type: ignore[attr-defined]
        with pytest.raises(openai.NotFoundError):
            client.responses.retrieve(response.id)


def test_there_is_nothing_in_the_background_to_cancel(gateway: Gateway, providers: Fakes) -> None:
    with gateway.client() as client:
        response = client.responses.create(model=OPENAI.model, input="Say hello.")
        with pytest.raises(openai.BadRequestError):
            client.responses.cancel(response.id)
        with pytest.raises(openai.NotFoundError):
            client.responses.cancel("resp_unknown")
        with pytest.raises(openai.BadRequestError) as raised:
            client.responses.create(model=OPENAI.model, input="Say hello.", background=True)
    assert raised.value.param == "background"


def test_sealed_thoughts_are_shown_to_who_asks_for_them(gateway: Gateway, providers: Fakes) -> None:
    providers["anthropic"].script(reasoning=("Let me see.",))
    include: Any = ["reasoning.encrypted_content"]
    with gateway.client() as client:
        response = client.responses.create(model=ANTHROPIC.model, input="Think.")
        hidden = client.responses.retrieve(response.id)
        shown = client.responses.retrieve(response.id, include=include)
    assert [getattr(one.output[0], "encrypted_content", None) is None for one in (response, hidden, shown)] == [
        True,
        True,
        False,
    ]


@pytest.mark.parametrize("query", [{"order": "up"}, {"limit": 0}, {"limit": 101}, {"after": "msg_unknown"}])
def test_a_list_that_cannot_be_given_is_a_400(query: dict[str, Any], gateway: Gateway, providers: Fakes) -> None:
    with gateway.client() as client:
        response = client.responses.create(model=OPENAI.model, input="Say hello.")
        with pytest.raises(openai.BadRequestError) as raised:
            client.responses.input_items.list(response.id, **query)
    assert raised.value.param == next(iter(query))


@every_provider
def test_a_failure_in_the_middle_is_raised_in_our_words(pin: Pin, gateway: Gateway, providers: Fakes) -> None:
    providers[pin.provider].script(pieces=("one ", "two ", "three ", "four."), fault=Fault.RESET_MID, after=2)
    with (
        gateway.client() as client,
        client.responses.create(model=pin.model, input="Count.", stream=True) as stream,
        pytest.raises(openai.APIError) as raised,
    ):
        list(stream)
    assert PROSE not in str(raised.value)
    assert "before its reply was complete" in str(raised.value)
