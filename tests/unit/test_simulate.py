"""Without a key there is still an answer: in form, of the wanted kind, and honest about what it is."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.core.chat import parse
from gateway.core.errors import (
    BadRequest,
    BudgetSpent,
    ContextTooLong,
    SyntraError,
    UpstreamBroken,
    UpstreamBusy,
    UpstreamFailed,
)
from gateway.core.events import Chunk, decode_usage
from gateway.core.fold import Fold
from gateway.core.shape import Shape
from gateway.upstream.rehearse import MODELS
from gateway.upstream.simulate import Simulated, embed


def chunks(raw: bytes) -> Iterator[Chunk]:
    answer = Simulated().ask(parse(raw))
    while batch := asyncio.run(answer.next()):
        yield from batch


def completion(*words: str, **fields: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": word} for word in words or ("Hello",)]
    folded = Fold()
    shape = Shape(fields.get("n", 1))
    for chunk in chunks(json.dumps({"model": "syntra", "messages": messages, **fields}).encode()):
        formed = shape.form(chunk)
        assert list(formed) == ([chunk] if chunk.choices else [])  # it was in form already
        folded.add(chunk)
    shape.close(terminal=False)
    whole: dict[str, Any] = json.loads(folded.completion())
    return whole


def content(**fields: Any) -> str:
    text: str = completion(**fields)["choices"][0]["message"]["content"]
    return text


def test_it_says_that_it_is_simulated_and_what_to_do() -> None:
    said = content()
    assert "simulated" in said
    for name in "OPENAI ANTHROPIC GOOGLE PERPLEXITY KIMI OPENROUTER".split():
        assert f"{name}_API_KEY" in said


def test_it_says_the_last_words_back() -> None:
    whole = completion("first", "the {last} é\u2028")
    assert "the {last} é\u2028" in whole["choices"][0]["message"]["content"]
    assert "first" not in whole["choices"][0]["message"]["content"]


def test_long_words_are_not_said_back_whole() -> None:
    assert "x" * 201 not in completion("x" * 100_000)["choices"][0]["message"]["content"]


def test_it_comes_in_pieces_and_ends_with_a_count() -> None:
    told = list(chunks(b'{"model":"syntra","messages":[{"role":"user","content":"x"}],"stream":true}'))
    assert len(told) > 10
    assert told[0].choices[0].delta.role == "assistant"
    assert told[-1].choices == []
    usage = decode_usage(told[-1].usage)  # type: ignore[arg-type]
    assert usage is not None
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens


def test_every_choice_that_was_asked_for_is_there() -> None:
    assert [choice["index"] for choice in completion(n=3)["choices"]] == [0, 1, 2]


def test_json_mode_gives_json() -> None:
    assert json.loads(content(response_format={"type": "json_object"})) == {"simulated": True}


TOOLS = [
    {
        "type": "function",
        "function": {"name": "f", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}},
    },
    {"type": "function", "function": {"name": "g"}},
]


@dataclass(frozen=True)
class Forced:
    """A tool choice, and the function that is called; None for a text."""

    choice: Any
    called: str | None
    arguments: Any = None

    def __str__(self) -> str:
        return json.dumps(self.choice)


@pytest.mark.parametrize(
    "forced",
    [
        Forced("auto", None),
        Forced("none", None),
        Forced(None, None),
        Forced("required", "f", {"city": "simulated"}),
        Forced({"type": "function", "function": {"name": "g"}}, "g", {}),
        Forced({"type": "function", "function": {"name": "f"}}, "f", {"city": "simulated"}),
    ],
    ids=str,
)
def test_a_tool_is_called_where_there_is_no_choice(forced: Forced) -> None:
    choice = completion(tools=TOOLS, tool_choice=forced.choice)["choices"][0]
    if forced.called is None:
        assert choice["finish_reason"] == "stop"
        assert choice["message"]["content"]
        return
    assert choice["finish_reason"] == "tool_calls"
    (call,) = choice["message"]["tool_calls"]
    assert call["function"]["name"] == forced.called
    assert json.loads(call["function"]["arguments"]) == forced.arguments
    assert call["id"].startswith("call_")


@dataclass(frozen=True)
class Schema:
    """A JSON schema, and a value that fits it."""

    schema: Any
    value: Any

    def __str__(self) -> str:
        return json.dumps(self.schema)[:60]


@pytest.mark.parametrize(
    "case",
    [
        Schema(
            {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "boolean"}}}, {"a": 0, "b": True}
        ),
        Schema({"type": "object"}, {}),
        Schema({"type": "string"}, "simulated"),
        Schema({"type": ["null", "string"]}, None),
        Schema({"type": "array", "items": {"type": "number"}, "minItems": 2}, [0.0, 0.0]),
        Schema({"type": "array"}, []),
        Schema({"enum": ["x", "y"]}, "x"),
        Schema({"const": 5}, 5),
        Schema({"anyOf": [{"type": "integer"}, {"type": "null"}]}, 0),
        Schema({}, {}),
        Schema(
            {"type": "object", "properties": {"p": {"$ref": "#/$defs/P"}}, "$defs": {"P": {"type": "string"}}},
            {"p": "simulated"},
        ),
        Schema(
            {"type": "object", "properties": {"next": {"$ref": "#"}, "n": {"type": "integer"}}, "required": ["n"]},
            {"next": None, "n": 0},
        ),
    ],
    ids=str,
)
def test_a_wanted_schema_is_filled_in(case: Schema) -> None:
    wanted = {"type": "json_schema", "json_schema": {"name": "s", "schema": case.schema}}
    told = json.loads(content(response_format=wanted))
    if "next" in (told if isinstance(told, dict) else ()):
        assert told["n"] == 0
    else:
        assert told == case.value


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 5)
    | st.text(max_size=5)
    | st.sampled_from(["object", "array", "string", "#/$defs/a", "#"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "type",
                    "properties",
                    "items",
                    "minItems",
                    "enum",
                    "const",
                    "anyOf",
                    "allOf",
                    "oneOf",
                    "$ref",
                    "$defs",
                    "a",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None)
@given(values, values)
@example({}, {"function": 5})
@example({}, {"function": {}})
def test_no_schema_and_no_tool_choice_breaks_it(schema: Any, choice: Any) -> None:
    """A schema may be anything; the answer is an answer, or the request is refused as the caller's mistake."""
    tools = [{"type": "function", "function": {"name": "f", "parameters": schema}}]
    wanted = {"type": "json_schema", "json_schema": {"name": "s", "schema": schema}}
    for fields in (
        {"tools": tools, "tool_choice": "required"},
        {"response_format": wanted},
        {"tools": tools, "tool_choice": choice},
    ):
        with suppress(BadRequest):
            assert completion(**fields)["choices"]


def test_a_hungry_schema_is_not_fed() -> None:
    schema = {"type": "array", "minItems": 100_000, "items": {"type": "string"}}
    wanted = {"type": "json_schema", "json_schema": {"name": "s", "schema": schema}}
    assert len(content(response_format=wanted)) < 100_000


def test_a_vector_depends_on_the_text_alone_and_has_length_one() -> None:
    assert embed("a") == embed("a")
    assert embed("a") != embed("b")
    assert len(embed("")) == 256
    assert abs(sum(value * value for value in embed("é")) - 1) < 1e-9


def rehearsed(model: str, **fields: Any) -> tuple[str, SyntraError | None]:
    """What a model that rehearses trouble says, and what it ends with."""
    said = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], **fields}
    request, text = parse(json.dumps(said).encode()), ""
    try:
        answer = Simulated().ask(request, model)
        while batch := asyncio.run(answer.next()):
            text += "".join(choice.delta.content or "" for chunk in batch for choice in chunk.choices)
    except SyntraError as error:
        return text, error
    return text, None


@pytest.mark.parametrize(
    ("model", "kind", "begins"),
    [
        ("overflow", ContextTooLong, False),
        ("spent", BudgetSpent, False),
        ("busy", UpstreamBusy, False),
        ("failing", UpstreamFailed, True),
        ("cut", UpstreamBroken, True),
    ],
)
def test_trouble_can_be_asked_for(model: str, kind: type[SyntraError], begins: bool) -> None:
    text, error = rehearsed(model)
    assert type(error) is kind
    assert bool(text) is begins


def test_a_call_comes_first_and_then_an_answer() -> None:
    tools = [{"type": "function", "function": {"name": name}} for name in ("first", "second")]
    answer = Simulated().ask(
        parse(json.dumps({"model": "m", "messages": [{"role": "user", "content": "Hi"}], "tools": tools}).encode()),
        "call",
    )
    batches = [asyncio.run(answer.next()) for _ in range(2)]
    [call] = batches[1][0].choices[0].delta.tool_calls or ()
    assert call.function is not None
    assert call.function.name == "first"
    called = {"id": "c", "type": "function", "function": {"name": "first", "arguments": "{}"}}
    said = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "tool_calls": [called]},
        {"role": "tool", "tool_call_id": "c", "content": "x"},
    ]
    assert rehearsed("call", messages=said, tools=tools)[0]


def test_every_model_that_can_be_asked_for_does_something_of_its_own() -> None:
    plain = rehearsed("")
    assert all(rehearsed(model) != plain for model in MODELS - {"call"})
