"""The real `openai` package, unmodified, against every provider: only base_url and key are ours."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import openai
import pytest
from openai.types.chat import ChatCompletionChunk
from pydantic import BaseModel

from tests.fakes.caller import HELLO
from tests.fakes.gateway import ANTHROPIC, GOOGLE, OPENAI, PERPLEXITY, PINS, Gateway, Pin
from tests.fakes.provider import Provider
from tests.fakes.script import PROSE, Fault, Script, ToolCall

Fakes = Mapping[str, Provider]
every_provider = pytest.mark.parametrize("pin", PINS, ids=str)
with_tools = pytest.mark.parametrize("pin", [pin for pin in PINS if pin is not PERPLEXITY], ids=str)

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather in a city.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "unit": {"type": "string", "enum": ["C", "F"]}},
            "required": ["city"],
            "additionalProperties": False,
        },
    },
}
PARIS = ToolCall("call_Paris0001", "get_weather", '{"city":"Paris","unit":"C"}', cuts=(1, 9, 14))
TOKYO = ToolCall("call_Tokyo0002", "get_weather", '{"city":"東京 🗼","unit":"F"}', cuts=(3, 10, 11))


class Person(BaseModel):
    """What parsed replies are parsed into."""

    name: str
    age: int


def asked(pin: Pin) -> Any:
    """The plainest request."""
    return {"model": pin.model, "messages": HELLO}


# text


@every_provider
def test_a_plain_call_gives_text_an_end_and_a_count(pin: Pin, gateway: Gateway, providers: Fakes) -> None:
    providers[pin.provider].script(pieces=("Bon", "jour ", "à tous 👋🏽."))
    with gateway.client() as client:
        reply = client.chat.completions.create(model=pin.model, messages=HELLO)
    [choice] = reply.choices
    assert (choice.message.role, choice.message.content) == ("assistant", "Bonjour à tous 👋🏽.")
    assert (choice.finish_reason, choice.index) == ("stop", 0)
    assert reply.usage is not None
    assert (reply.usage.prompt_tokens, reply.usage.completion_tokens, reply.usage.total_tokens) == (21, 9, 30)
    assert (reply.object, reply.model) == ("chat.completion", pin.model)


@every_provider
def test_a_stream_tells_the_same_as_it_comes(pin: Pin, gateway: Gateway, providers: Fakes) -> None:
    providers[pin.provider].script(pieces=("Bon", "jour ", "à tous 👋🏽."))
    with gateway.client() as client, client.chat.completions.create(**asked(pin), stream=True) as stream:
        chunks = list(stream)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "Bonjour à tous 👋🏽."
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices[0].finish_reason] == ["stop"]
    assert {chunk.model for chunk in chunks} == {pin.model}
    assert {chunk.object for chunk in chunks} == {"chat.completion.chunk"}
    assert len({chunk.id for chunk in chunks}) == 1
    assert all(chunk.usage is None for chunk in chunks)


@every_provider
def test_usage_comes_at_the_end_of_a_stream_that_asks(pin: Pin, gateway: Gateway, providers: Fakes) -> None:
    options: Any = {"include_usage": True}
    with (
        gateway.client() as client,
        client.chat.completions.create(**asked(pin), stream=True, stream_options=options) as stream,
    ):
        *chunks, last = stream
    assert last.choices == []
    assert last.usage is not None
    assert (last.usage.prompt_tokens, last.usage.completion_tokens) == (21, 9)
    assert all(chunk.usage is None for chunk in chunks)


@every_provider
def test_async_calls_run_side_by_side(pin: Pin, gateway: Gateway, providers: Fakes) -> None:
    async def both() -> tuple[str | None, str]:
        async with gateway.async_client() as client:
            whole, told = await asyncio.gather(
                client.chat.completions.create(model=pin.model, messages=HELLO),
                client.chat.completions.create(model=pin.model, messages=HELLO, stream=True),
            )
            text = "".join([chunk.choices[0].delta.content or "" async for chunk in told])
            return whole.choices[0].message.content, text

    assert asyncio.run(both()) == ("Hello from the fake.", "Hello from the fake.")


@every_provider
def test_a_conversation_travels_with_all_its_turns(pin: Pin, gateway: Gateway, providers: Fakes) -> None:
    talk = [
        {"role": "system", "content": "Answer in one word."},
        {"role": "user", "content": "First question?"},
        {"role": "assistant", "content": "First answer."},
        {"role": "user", "content": [{"type": "text", "text": "Second question?"}]},
    ]
    with gateway.client() as client:
        reply = client.chat.completions.create(model=pin.model, messages=talk)  # type: ignore[arg-type]
    assert reply.choices[0].message.content
    sent = providers[pin.provider].last.body.decode()
    places = [sent.index(words) for words in ("First question?", "First answer.", "Second question?")]
    assert places == sorted(places)
    assert "Answer in one word." in sent


# tools


@with_tools
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("calls", [(PARIS,), (PARIS, TOKYO)], ids=["one-tool", "parallel-tools"])
def test_tool_calls_go_round_and_come_to_an_answer(
    pin: Pin, calls: tuple[ToolCall, ...], *, streamed: bool, gateway: Gateway, providers: Fakes
) -> None:
    fake = providers[pin.provider]
    fake.script(tool_calls=calls)
    messages: list[Any] = [{"role": "user", "content": "How is the weather?"}]
    with gateway.client() as client:
        message, finish = ask_tools(client, pin, messages, streamed=streamed)
        assert finish == "tool_calls"
        told = [(call["function"]["name"], json.loads(call["function"]["arguments"])) for call in message["tool_calls"]]
        assert told == [(call.name, json.loads(call.arguments)) for call in calls]
        ids = [call["id"] for call in message["tool_calls"]]
        assert all(ids)
        assert len(set(ids)) == len(calls)
        fake.script(pieces=("It is ", "sunny."))
        results = [{"role": "tool", "tool_call_id": made, "content": f"21 degrees, {made}"} for made in ids]
        answer, finish = ask_tools(client, pin, [*messages, message, *results], streamed=streamed)
    assert (answer["content"], finish) == ("It is sunny.", "stop")
    assert all(f"21 degrees, {made}" in fake.last.body.decode() for made in ids)


def ask_tools(client: openai.OpenAI, pin: Pin, messages: list[Any], *, streamed: bool) -> tuple[dict[str, Any], str]:
    """One round; the reply as a message that can be sent back, and why it ended."""
    question: Any = {"model": pin.model, "messages": messages, "tools": [WEATHER], "tool_choice": "auto"}
    if not streamed:
        choice = client.chat.completions.create(**question).choices[0]
        return choice.message.model_dump(
            include={"role", "content", "tool_calls"}, exclude_none=True
        ), choice.finish_reason
    with client.chat.completions.stream(**question) as stream:
        choice = stream.get_final_completion().choices[0]
    dumped = choice.message.model_dump(include={"role", "content", "tool_calls"}, exclude_none=True)
    for call in dumped.get("tool_calls", ()):
        call.pop("index", None)
        call["function"].pop("parsed_arguments", None)
    return dumped, choice.finish_reason


@with_tools
def test_a_forced_tool_is_the_one_that_the_provider_is_asked_for(pin: Pin, gateway: Gateway, providers: Fakes) -> None:
    fake = providers[pin.provider]
    fake.script(tool_calls=(PARIS,))
    choice: Any = {"type": "function", "function": {"name": "get_weather"}}
    tools: Any = [WEATHER]
    with gateway.client() as client:
        client.chat.completions.create(model=pin.model, messages=HELLO, tools=tools, tool_choice=choice)
    assert forced(fake.last.json) == "get_weather"


def forced(body: Any) -> str:
    """The name of the tool that has to be called, in the words of three wires."""
    if "tool_choice" in body:
        choice = body["tool_choice"]
        return str(choice["name"] if choice["type"] == "tool" else choice["function"]["name"])
    config = body["toolConfig"]
    calling = config.get("functionCallingConfig") or config["function_calling_config"]
    assert calling["mode"] == "ANY"
    [name] = calling.get("allowedFunctionNames") or calling["allowed_function_names"]
    return str(name)


def test_a_provider_without_tools_answers_in_words(gateway: Gateway, providers: Fakes) -> None:
    tools: Any = [WEATHER]
    with gateway.client() as client:
        reply = client.chat.completions.create(
            model=PERPLEXITY.model, messages=HELLO, tools=tools, tool_choice="required"
        )
    assert (reply.choices[0].message.tool_calls, reply.choices[0].finish_reason) == (None, "stop")


# JSON


@every_provider
def test_a_reply_is_parsed_into_the_callers_own_type(pin: Pin, gateway: Gateway, providers: Fakes) -> None:
    fake = providers[pin.provider]
    fake.script(pieces=('{"name":', ' "Ada",', ' "age": 36}'))
    with gateway.client() as client:
        reply = client.chat.completions.parse(model=pin.model, messages=HELLO, response_format=Person)
    assert reply.choices[0].message.parsed == Person(name="Ada", age=36)
    assert reply.choices[0].finish_reason == "stop"
    assert '"age"' in fake.last.body.decode()  # the schema has travelled


@every_provider
def test_a_stream_is_parsed_into_the_callers_own_type(pin: Pin, gateway: Gateway, providers: Fakes) -> None:
    providers[pin.provider].script(pieces=('{"name":', ' "Ada",', ' "age": 36}'))
    with gateway.client() as client, client.chat.completions.stream(**asked(pin), response_format=Person) as stream:
        reply = stream.get_final_completion()
    assert reply.choices[0].message.parsed == Person(name="Ada", age=36)


# errors


@dataclass(frozen=True)
class Told:
    """A provider's failure, and the exception that the SDK's user gets for it."""

    fault: Fault
    error: type[openai.APIError]
    status: int
    code: str | None = None


ERRORS = [
    Told(Fault.BAD_REQUEST, openai.BadRequestError, 400),
    Told(Fault.CONTEXT_LENGTH, openai.BadRequestError, 400, "context_length_exceeded"),
    Told(Fault.UNAUTHORIZED, openai.InternalServerError, 502),
    Told(Fault.FORBIDDEN, openai.InternalServerError, 502),
    Told(Fault.NO_SUCH_MODEL, openai.NotFoundError, 404),
    Told(Fault.RATE_LIMITED, openai.RateLimitError, 429),
    Told(Fault.SERVER_ERROR, openai.InternalServerError, 502),
    Told(Fault.OVERLOADED, openai.InternalServerError, 502),
]


@every_provider
@pytest.mark.parametrize("case", ERRORS, ids=lambda case: case.fault.name.lower())
def test_a_providers_failure_is_told_in_our_words(pin: Pin, case: Told, gateway: Gateway, providers: Fakes) -> None:
    fake = providers[pin.provider]
    fake.script(fault=case.fault, retry_after="7" if case.fault is Fault.RATE_LIMITED else None)
    with gateway.client() as client:
        for streamed in (False, True):
            with pytest.raises(case.error) as raised:
                client.chat.completions.create(model=pin.model, messages=HELLO, stream=streamed)
            error: Any = raised.value
            assert error.status_code == case.status
            assert case.code in {None, error.code}
            assert set(error.response.json()["error"]) == {"message", "type", "param", "code"}
            assert PROSE not in error.response.text
            assert fake.key not in error.response.text
            if case.fault is Fault.RATE_LIMITED:
                assert error.response.headers["retry-after"] == "7"


@every_provider
def test_a_failure_in_the_middle_is_raised_after_what_was_said(pin: Pin, gateway: Gateway, providers: Fakes) -> None:
    providers[pin.provider].script(pieces=("one ", "two ", "three ", "four."), fault=Fault.INBAND_MID, after=2)
    said: list[str] = []
    with (
        gateway.client() as client,
        client.chat.completions.create(**asked(pin), stream=True) as stream,
        pytest.raises(openai.APIError) as raised,
    ):
        collect(stream, said)
    assert "".join(said) in {"one ", "one two "}
    assert PROSE not in str(raised.value)


def collect(stream: openai.Stream[ChatCompletionChunk], said: list[str]) -> None:
    for chunk in stream:
        said.append(chunk.choices[0].delta.content or "")
        assert chunk.choices[0].finish_reason is None


# the other surfaces


def test_models_are_listed_and_can_be_looked_at(gateway: Gateway, providers: Fakes) -> None:
    with gateway.client() as client:
        listed = [model.id for model in client.models.list()]
        assert "syntra" in listed
        assert len(set(listed)) == len(listed)
        assert client.models.retrieve("syntra").id == "syntra"
        assert client.models.retrieve(OPENAI.model).id == OPENAI.model
        with pytest.raises(openai.NotFoundError):
            client.models.retrieve("no-such-model")


def test_embeddings_come_back_as_numbers(gateway: Gateway, providers: Fakes) -> None:
    model: Any = "openai/text-embedding-3-small"
    with gateway.client() as client:
        packed = client.embeddings.create(
            model=model, input=["one", "two"]
        )  # base64 on the wire, unless told otherwise
        plain = client.embeddings.create(model=model, input="one", encoding_format="float")
    assert [item.embedding for item in packed.data] == [[0.25, -0.5, 0.125]] * 2
    assert [item.index for item in packed.data] == [0, 1]
    assert plain.data[0].embedding == [0.25, -0.5, 0.125]
    assert packed.usage.prompt_tokens == 8
    sent = [request.json for request in providers["openai"].requests]
    assert [body["model"] for body in sent] == ["text-embedding-3-small"] * 2
    assert [body["encoding_format"] for body in sent] == ["base64", "float"]


def test_the_model_named_syntra_answers_as_syntra(gateway: Gateway, providers: Fakes) -> None:
    for fake in providers.values():
        fake.says = Script(pieces=("The answer ", "is 4."))
    with gateway.client() as client:
        whole = client.chat.completions.create(model="syntra", messages=HELLO)
        with client.chat.completions.create(model="syntra", messages=HELLO, stream=True) as stream:
            chunks = list(stream)
        raw = client.chat.completions.with_raw_response.create(model="syntra", messages=HELLO)
    assert whole.model == "syntra"
    assert {chunk.model for chunk in chunks} == {"syntra"}
    told = (raw.text + str(dict(raw.headers)) + str(chunks)).lower()
    for word in ("gpt", "claude", "gemini", "openai-", "anthropic", "kimi", "perplexity", "fp_fake", "chatcmpl-fake"):
        assert word not in told, word


def test_threads_may_share_one_client(gateway: Gateway, providers: Fakes) -> None:
    providers[ANTHROPIC.provider].script(pieces=("from Anthropic",), delay=0.01)
    providers[GOOGLE.provider].script(pieces=("from Google",), delay=0.01)
    told: list[tuple[str, str | None]] = []
    with gateway.client() as client:

        def call(pin: Pin) -> None:
            reply = client.chat.completions.create(model=pin.model, messages=HELLO)
            told.append((pin.provider, reply.choices[0].message.content))

        threads = [threading.Thread(target=call, args=(pin,)) for pin in (ANTHROPIC, GOOGLE) * 8]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(told) == [("anthropic", "from Anthropic")] * 8 + [("google", "from Google")] * 8
