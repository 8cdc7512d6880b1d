"""A client that did not ask for a stream gets the same answer in one piece."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest

from gateway.core.events import decode_chunk, decode_completion
from gateway.core.fold import Fold


def fold(*chunks: dict[str, Any]) -> dict[str, Any]:
    folded = Fold()
    for chunk in chunks:
        folded.add(decode_chunk(json.dumps(chunk).encode()))
    whole: dict[str, Any] = json.loads(folded.completion())
    return whole


def deltas(*parts: dict[str, Any]) -> dict[str, Any]:
    """The message that these deltas of one choice make."""
    message: dict[str, Any] = fold(*({"choices": [{"index": 0, "delta": part}]} for part in parts))["choices"][0][
        "message"
    ]
    return message


@dataclass(frozen=True)
class Pieces:
    """What comes in pieces, and what it is in one."""

    name: str
    deltas: tuple[dict[str, Any], ...]
    message: dict[str, Any]

    def __str__(self) -> str:
        return self.name


def call(index: int, arguments: str, **head: Any) -> dict[str, Any]:
    function = {"arguments": arguments, **({"name": head.pop("name")} if "name" in head else {})}
    return {"index": index, **head, "function": function}


PLAIN = {"role": "assistant", "content": None, "refusal": None}

PIECES = (
    Pieces(
        "text",
        ({"role": "assistant", "content": ""}, {"content": "a\u2028"}, {"content": "b"}),
        {**PLAIN, "content": "a\u2028b"},
    ),
    Pieces("an empty text", ({"role": "assistant", "content": ""}, {}), {**PLAIN, "content": ""}),
    Pieces("nothing", ({"role": "assistant"},), PLAIN),
    Pieces("a refusal", ({"content": ""}, {"refusal": "I "}, {"refusal": "won't"}), {**PLAIN, "refusal": "I won't"}),
    Pieces(
        "reasoning",
        ({"reasoning_content": "h"}, {"reasoning_content": "m"}, {"content": "a"}),
        {**PLAIN, "content": "a", "reasoning_content": "hm"},
    ),
    Pieces(
        "two tool calls in turns",
        (
            {"role": "assistant", "content": ""},
            {"tool_calls": [call(0, "", id="a", type="function", name="f")]},
            {"tool_calls": [call(1, '{"y"', id="b", type="function", name="g")]},
            {"tool_calls": [call(0, '{"x":')]},
            {"tool_calls": [call(1, ":"), call(0, " 1.0}")]},
            {"tool_calls": [call(1, "2}")]},
        ),
        {
            **PLAIN,
            "tool_calls": [
                {"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"x": 1.0}'}},
                {"id": "b", "type": "function", "function": {"name": "g", "arguments": '{"y":2}'}},
            ],
        },
    ),
    Pieces(
        "arguments that are no JSON",
        ({"tool_calls": [call(0, "{'a", id="a", name="f")]}, {"tool_calls": [call(0, "\\u12")]}),
        {**PLAIN, "tool_calls": [{"id": "a", "type": "function", "function": {"name": "f", "arguments": "{'a\\u12"}}]},
    ),
    Pieces(
        "a tool call without arguments",
        ({"tool_calls": [call(0, "", id="a", name="f")]},),
        {**PLAIN, "tool_calls": [{"id": "a", "type": "function", "function": {"name": "f", "arguments": ""}}]},
    ),
    Pieces(
        "a function call of old",
        ({"function_call": {"name": "f", "arguments": ""}}, {"function_call": {"arguments": "{}"}}),
        {**PLAIN, "function_call": {"name": "f", "arguments": "{}"}},
    ),
    Pieces(
        "audio",
        (
            {"audio": {"id": "a", "data": "AA"}},
            {"audio": {"data": "BB", "transcript": "h"}},
            {"audio": {"transcript": "i", "expires_at": 5}},
        ),
        {**PLAIN, "audio": {"id": "a", "data": "AABB", "transcript": "hi", "expires_at": 5}},
    ),
    Pieces(
        "audio with nulls",
        ({"audio": {"id": "a", "data": None}}, {"audio": {"data": "BB"}}),
        {**PLAIN, "audio": {"id": "a", "data": "BB"}},
    ),
    Pieces("a field of tomorrow", ({"content": "a", "video": [1]},), {**PLAIN, "content": "a", "video": [1]}),
)


@pytest.mark.parametrize("pieces", PIECES, ids=str)
def test_pieces_are_joined(pieces: Pieces) -> None:
    assert deltas(*pieces.deltas) == pieces.message


def test_choices_are_told_in_order_each_with_its_own_end() -> None:
    whole = fold(
        {"choices": [{"index": 2, "delta": {"content": "c"}, "finish_reason": "length"}]},
        {
            "choices": [
                {"index": 0, "delta": {"content": "a"}},
                {"index": 1, "delta": {"content": "b"}, "finish_reason": "stop"},
            ]
        },
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "content_filter"}]},
    )
    told = [(one["index"], one["message"]["content"], one["finish_reason"]) for one in whole["choices"]]
    assert told == [(0, "a", "content_filter"), (1, "b", "stop"), (2, "c", "length")]


def test_the_head_is_kept_and_what_belongs_to_streams_is_not() -> None:
    whole = fold(
        {"id": "c1", "object": "chat.completion.chunk", "created": 7, "model": "m", "obfuscation": "xx"}
        | {"service_tier": "flex", "citations": ["x"], "new": 1, "choices": [{"delta": {"content": "a"}}]},
        {"id": "c1", "created": 7, "model": "m", "choices": [], "usage": {"prompt_tokens": 1}},
    )
    del whole["choices"]
    assert whole == {
        "id": "c1",
        "object": "chat.completion",
        "created": 7,
        "model": "m",
        "service_tier": "flex",
        "citations": ["x"],
        "new": 1,
        "usage": {"prompt_tokens": 1},
    }


TOKEN = {"token": "a", "logprob": -0.5, "bytes": [97], "top_logprobs": []}


@dataclass(frozen=True)
class Probabilities:
    """Logprobs as they come, and as they are told whole."""

    name: str
    sent: tuple[Any, ...]
    told: Any

    def __str__(self) -> str:
        return self.name


@pytest.mark.parametrize(
    "probabilities",
    [
        Probabilities("none", (None, None), None),
        Probabilities(
            "of the text",
            ({"content": [TOKEN], "refusal": None}, None, {"content": [TOKEN, TOKEN], "refusal": None}),
            {"content": [TOKEN] * 3, "refusal": None},
        ),
        Probabilities(
            "of a refusal",
            ({"content": None, "refusal": [TOKEN]}, {"content": None, "refusal": [TOKEN]}),
            {"content": None, "refusal": [TOKEN] * 2},
        ),
    ],
    ids=str,
)
def test_logprobs_are_joined_and_what_is_null_stays_null(probabilities: Probabilities) -> None:
    parts = [{"choices": [{"delta": {"content": "a"}, "logprobs": sent}]} for sent in probabilities.sent]
    assert fold(*parts)["choices"][0]["logprobs"] == probabilities.told


def test_an_answer_that_came_whole_is_folded_to_itself() -> None:
    completion = {
        "id": "c1",
        "object": "chat.completion",
        "created": 7,
        "model": "m",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "a", "refusal": None, "annotations": [], "new": {"x": 1}},
                "logprobs": {"content": [TOKEN], "refusal": None},
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3, "new": {"y": 2}},
        "service_tier": "default",
        "system_fingerprint": "fp",
        "new": [3],
    }
    folded = Fold()
    folded.add(decode_completion(json.dumps(completion).encode()))
    assert json.loads(folded.completion()) == completion
