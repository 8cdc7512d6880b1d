"""Responses: however an answer is cut into chunks it is the same, and no body whatever is answered by a defect."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Raw

from gateway.core.errors import BadRequest
from gateway.core.events import Choice, Chunk, Delta, FunctionDelta, ToolCallDelta, Usage, encode_usage
from gateway.dialects.responses import body, request
from gateway.dialects.responses.answer import Answer
from gateway.dialects.responses.memory import Unsealed
from gateway.upstream.openai_responses import ResponsesDecoder
from gateway.upstream.openai_wire import OpenAIDecoder
from tests.fakes import openai_responses
from tests.fakes.events import read, said
from tests.fakes.script import Script, ToolCall

words = st.text(st.characters(exclude_categories=["Cs"]), max_size=20) | st.sampled_from(["\u2028", '"\\', "🙂"])
TOOLS = [
    {"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": False},
    {"type": "custom", "name": "free"},
    {"type": "namespace", "name": "group", "description": "g", "tools": [{"type": "function", "name": "inner"}]},
]
BODY: dict[str, Any] = {"model": "syntra", "input": "Hello", "tools": TOOLS, "store": False}


def answering() -> Answer:
    asked = request.understand(body.parse(json.dumps(BODY).encode()), Unsealed())
    return Answer(asked, "resp_0199f0c1b2a47d3e8f60718293a4b5c6", "anthropic", Unsealed(), stored=False)


def cut(draw: st.DrawFn, text: str) -> list[str]:
    at = sorted(draw(st.lists(st.integers(0, len(text)), max_size=4)))
    return [text[a:b] for a, b in zip([0, *at], [*at, len(text)], strict=True)]


@st.composite
def answers(draw: st.DrawFn) -> list[tuple[str, Any]]:
    """What is said in turn: thoughts, texts, and at last calls."""
    turns: list[tuple[str, Any]] = []
    for _ in range(draw(st.integers(0, 3))):
        kind = draw(st.sampled_from(["reasoning_content", "content"]))
        text = draw(words.filter(bool))
        if turns and turns[-1][0] == kind:
            turns[-1] = (kind, turns[-1][1] + text)
        else:
            turns.append((kind, text))
    names = draw(st.lists(st.sampled_from(["f", "free", "inner", "unknown"]), max_size=3))
    return [*turns, *(("call", (name, json.dumps({"input": draw(words)}))) for name in names)]


@st.composite
def cuts(draw: st.DrawFn) -> tuple[list[tuple[str, Any]], list[Chunk]]:
    turns = draw(answers())
    chunks: list[Chunk] = []
    lanes: list[list[Delta]] = []
    for kind, what in turns:
        if kind != "call":
            for piece in cut(draw, what):
                delta = Delta()
                setattr(delta, kind, piece)
                chunks.append(Chunk(choices=[Choice(0, delta)]))
            continue
        name, arguments = what
        k = len(lanes)
        first, *rest = cut(draw, arguments)
        lane = [Delta(tool_calls=[ToolCallDelta(k, f"call_{k}", "function", FunctionDelta(name, first))])]
        lanes.append(
            [*lane, *(Delta(tool_calls=[ToolCallDelta(k, function=FunctionDelta(None, one))]) for one in rest)]
        )
    opened = 0
    while any(lanes):  # calls in any turns, each opened after the one before
        ready = [lane for k, lane in enumerate(lanes) if lane and k <= opened]
        lane = draw(st.sampled_from(ready))
        opened = max(opened, next(k for k, one in enumerate(lanes) if one is lane) + 1)
        chunks.append(Chunk(choices=[Choice(0, lane.pop(0))]))
    chunks.append(Chunk(choices=[Choice(0, Delta(), finish_reason="tool_calls" if opened else "stop")]))
    chunks.append(Chunk(usage=encode_usage(Usage(3, 4, 7))))
    return turns, chunks


@settings(max_examples=100, deadline=None)
@given(cuts(), st.data())
def test_any_cut_gives_the_same_answer_and_the_fold_is_its_end(
    case: tuple[list[tuple[str, Any]], list[Chunk]], data: st.DataObject
) -> None:
    turns, chunks = case
    streamed, folded = answering(), answering()
    text = streamed.begin()
    left = list(chunks)
    while left:
        size = data.draw(st.integers(1, len(left)))
        batch, left = left[:size], left[size:]
        text += streamed.chunks(batch)
    text += streamed.end()
    folded.chunks(chunks)
    events = read(text.decode())  # checks every event, its number and its place
    response = events[-1]["response"]
    whole = json.loads(folded.reply())
    same = ("output", "usage", "status")
    assert {name: response[name] for name in same} == {name: whole[name] for name in same}
    assert said(response["output"]) == "".join(what for kind, what in turns if kind == "content")
    thoughts = [part["text"] for item in whole["output"] if item["type"] == "reasoning" for part in item["summary"]]
    assert "".join(thoughts) == "".join(what for kind, what in turns if kind == "reasoning_content")
    calls = [item for item in whole["output"] if item["type"] in ("function_call", "custom_tool_call")]
    assert [call["name"] for call in calls] == [what[0] for kind, what in turns if kind == "call"]
    for call, (_, (_, arguments)) in zip(calls, [turn for turn in turns if turn[0] == "call"], strict=True):
        if call["type"] == "custom_tool_call":
            assert call["input"] == json.loads(arguments)["input"]
        else:
            assert call["arguments"] == arguments
    assert {call.get("namespace") for call in calls if call["name"] == "inner"} <= {"group"}


@st.composite
def scripts(draw: st.DrawFn) -> Script:
    calls = tuple(
        ToolCall(f"call_{k}", "f", json.dumps({"x": draw(words)}), cuts=(1, 3)) for k in range(draw(st.integers(0, 2)))
    )
    pieces = tuple(draw(st.lists(words, min_size=1, max_size=4)))
    thoughts = tuple(draw(st.lists(words.filter(bool), max_size=2)))
    return Script(pieces=pieces, reasoning=thoughts, tool_calls=calls, searches=draw(st.integers(0, 1)))


@settings(max_examples=100, deadline=None)
@given(scripts())
def test_what_openai_tells_is_told_again_streamed_or_whole(script: Script) -> None:
    sent = {"model": "gpt-5", "input": "Hello", "include": ["reasoning.encrypted_content"]}
    streamed, folded = answering(), answering()
    reading = ResponsesDecoder(OpenAIDecoder)
    text = streamed.begin()
    for frame in openai_responses.frames(script, sent):
        text += streamed.chunks(reading.frame(frame.data.partition(b"\ndata: ")[2].strip()))
    text += streamed.chunks(reading.finish()) + streamed.end()
    assert reading.ended
    whole = ResponsesDecoder(OpenAIDecoder)
    folded.chunks(whole.whole(json.dumps(openai_responses.whole(script, sent)).encode()))
    folded.chunks(whole.finish())
    response, reply = read(text.decode())[-1]["response"], json.loads(folded.reply())
    # Its thoughts are hidden from who did not ask for what is encrypted in them.
    expected = [
        {name: value for name, value in item.items() if name != "encrypted_content"}
        for item in openai_responses.output(script, sent)
    ]
    assert response["output"] == reply["output"] == expected
    assert response["usage"] == reply["usage"]


junk = (
    st.none()
    | st.booleans()
    | st.integers(-5, 5)
    | st.floats(allow_nan=False, allow_infinity=False)
    | words
    | st.just([])
    | st.just({})
)
GOOD: dict[str, Any] = {
    "model": "syntra",
    "instructions": "Be brief.",
    "input": [
        {
            "role": "user",
            "content": [{"type": "input_text", "text": "Look."}, {"type": "input_image", "image_url": "x"}],
        },
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Hm."}]},
        {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c1", "output": [{"type": "input_text", "text": "Done."}]},
        {"type": "custom_tool_call", "call_id": "c2", "name": "free", "input": "x"},
        {"type": "custom_tool_call_output", "call_id": "c2", "output": "y"},
        {"type": "item_reference", "id": "msg_1"},
    ],
    "tools": [*TOOLS, {"type": "web_search"}],
    "tool_choice": {"type": "function", "name": "f"},
    "text": {"format": {"type": "json_schema", "name": "n", "schema": {}}, "verbosity": "low"},
    "reasoning": {"effort": "low", "summary": "auto"},
    "include": ["reasoning.encrypted_content"],
    "metadata": {"a": "b"},
    "truncation": "auto",
    "temperature": 1,
    "max_output_tokens": 16,
    "stream": True,
}


def places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a body where something else could stand."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [(*at,)] * bool(at) + [found for key, one in inner for found in places(one, (*at, key))]


@settings(max_examples=500, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(places(GOOD)), junk), min_size=1, max_size=3))
def test_whatever_stands_in_a_body_it_is_understood_or_refused_with_its_place(
    changes: list[tuple[tuple[Any, ...], Any]],
) -> None:
    changed = json.loads(json.dumps(GOOD))
    for path, value in changes:
        here = changed
        for key in path[:-1]:
            inner = isinstance(here, dict) and key in here
            here = here[key] if inner or (isinstance(here, list) and isinstance(key, int) and key < len(here)) else {}
        if isinstance(here, dict) or (isinstance(here, list) and isinstance(path[-1], int) and path[-1] < len(here)):
            here[path[-1]] = value
    asked, refused = understood(changed)
    if asked is None:
        assert refused is not None
        assert refused.status in (400, 404)
        assert refused.param
    else:
        assert asked.request.messages
        told = Answer(asked, "resp_1", "openai", Unsealed(), stored=False)
        assert json.loads(told.reply())["status"] == "in_progress"


def understood(changed: Any) -> tuple[request.Asked | None, BadRequest | None]:
    try:
        received = body.parse(json.dumps(changed).encode())
        kept = {name: Raw(b'{"type":"message","role":"user","content":"kept"}') for name in received.references()}
        return request.understand(received, Unsealed(), kept=kept), None
    except BadRequest as error:
        return None, error
