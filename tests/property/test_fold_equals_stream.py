"""Streamed or whole: the same answer, however it was cut into chunks."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.events import decode_chunk, decode_completion, encode_chunk
from gateway.core.fold import Fold
from gateway.core.shape import Shape

words = st.text(st.characters(exclude_categories=["Cs"]), max_size=20) | st.sampled_from(
    ["\u2028", "\u0085", '"\\', "🙂"]
)
names = st.sampled_from(["f", "get_weather"])


@st.composite
def messages(draw: st.DrawFn) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": draw(words), "refusal": None}
    if draw(st.booleans()):
        message["reasoning_content"] = draw(words.filter(bool))
    if draw(st.booleans()):
        message["content"] = None
        count = draw(st.integers(1, 3))
        message["tool_calls"] = [
            {"id": f"call_{k}", "type": "function", "function": {"name": draw(names), "arguments": draw(words)}}
            for k in range(count)
        ]
    return message


@st.composite
def answers(draw: st.DrawFn) -> dict[str, Any]:
    choices = [
        {
            "index": k,
            "message": draw(messages()),
            "logprobs": None,
            "finish_reason": draw(st.sampled_from(["stop", "length"])),
        }
        for k in range(draw(st.integers(1, 3)))
    ]
    usage = {"prompt_tokens": draw(st.integers(1, 99)), "completion_tokens": 2, "total_tokens": 3, "new": {"x": [1.5]}}
    return {"id": "c1", "object": "chat.completion", "created": 7, "model": "m", "choices": choices, "usage": usage}


def cut(draw: st.DrawFn, text: str) -> list[str]:
    at = sorted(draw(st.lists(st.integers(0, len(text)), max_size=3)))
    return [text[a:b] for a, b in zip([0, *at], [*at, len(text)], strict=True)]


@st.composite
def streamed(draw: st.DrawFn) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """An answer and its chunks: each choice in order, the choices in any turns, the usage last."""
    answer = draw(answers())
    lanes: list[list[dict[str, Any]]] = []
    for choice in answer["choices"]:
        message = choice["message"]
        parts: list[dict[str, Any]] = [{"role": "assistant", "content": ""}] if draw(st.booleans()) else []
        parts += [{"reasoning_content": piece} for piece in cut(draw, message.get("reasoning_content", "")) if piece]
        if message["content"] is not None:
            parts += [{"content": piece} for piece in cut(draw, message["content"])]
        for k, call in enumerate(message.get("tool_calls", [])):
            first, *rest = cut(draw, call["function"]["arguments"])
            parts.append({"tool_calls": [{**call, "index": k, "function": {**call["function"], "arguments": first}}]})
            parts += [{"tool_calls": [{"index": k, "function": {"arguments": piece}}]} for piece in rest]
        lane = [{"index": choice["index"], "delta": part} for part in parts]
        if lane and draw(st.booleans()):
            lane[-1]["finish_reason"] = choice["finish_reason"]
        else:
            lane.append({"index": choice["index"], "delta": {}, "finish_reason": choice["finish_reason"]})
        lanes.append(lane)
    head = {name: answer[name] for name in ("id", "created", "model")}
    chunks = []
    while lanes:
        lane = draw(st.sampled_from(lanes))
        chunks.append({**head, "choices": [lane.pop(0)]})
        if not lane:
            lanes.remove(lane)
    return answer, [*chunks, {**head, "choices": [], "usage": answer["usage"]}]


@settings(max_examples=200, deadline=None)
@given(streamed())
def test_the_fold_of_any_stream_is_the_answer(case: tuple[dict[str, Any], list[dict[str, Any]]]) -> None:
    answer, chunks = case
    shape, fold, again = Shape(len(answer["choices"])), Fold(), Fold()
    for sent in chunks:
        read = decode_chunk(json.dumps(sent).encode())
        for told in shape.form(read) or ([read] if not read.choices else []):
            fold.add(told)
            again.add(decode_chunk(encode_chunk(told)))  # what a client of the stream would have joined
    shape.close(terminal=False)
    assert json.loads(fold.completion()) == answer
    assert json.loads(again.completion()) == answer


@settings(max_examples=100, deadline=None)
@given(answers())
def test_an_answer_that_came_whole_is_told_whole(answer: dict[str, Any]) -> None:
    shape, fold = Shape(len(answer["choices"])), Fold()
    for told in shape.form(decode_completion(json.dumps(answer).encode())):
        fold.add(told)
    shape.close(terminal=True)
    folded = json.loads(fold.completion())
    assert folded["choices"] == answer["choices"]
    assert folded["usage"] == answer["usage"]
