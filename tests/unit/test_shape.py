"""Whatever a provider sends, an answer is opened once, complete, and ended once."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pytest

from gateway.core.errors import UpstreamBroken
from gateway.core.events import Chunk, decode_chunk, encode_chunk
from gateway.core.shape import Shape


def chunk(*choices: dict[str, Any]) -> Chunk:
    return decode_chunk(json.dumps({"choices": choices}).encode())


def say(text: str | None = None, *, index: int = 0, finish: str | None = None, **delta: Any) -> dict[str, Any]:
    return {"index": index, "delta": {**({} if text is None else {"content": text}), **delta}, "finish_reason": finish}


def formed(shape: Shape, sent: Iterable[Chunk]) -> list[dict[str, Any]]:
    """The choices' parts that a client sees, one by one."""
    return [
        {
            "index": choice["index"],
            **choice["delta"],
            **({"finish": choice["finish_reason"]} if choice["finish_reason"] else {}),
        }
        for one in sent
        for told in shape.form(one)
        for choice in json.loads(encode_chunk(told))["choices"]
    ]


@dataclass(frozen=True)
class Told:
    """What a provider sends, and what a client sees."""

    name: str
    sent: tuple[tuple[dict[str, Any], ...], ...]
    seen: tuple[dict[str, Any], ...]

    def __str__(self) -> str:
        return self.name


OPEN = {"index": 0, "role": "assistant", "content": ""}
STOP = {"index": 0, "finish": "stop"}

TOLD = (
    Told(
        "in form",
        ((say("", role="assistant"),), (say("a"),), (say(finish="stop"),)),
        (OPEN, {"index": 0, "content": "a"}, STOP),
    ),
    Told("no role", ((say("a"),), (say(finish="stop"),)), (OPEN, {"index": 0, "content": "a"}, STOP)),
    Told(
        "the role with the first text",
        ((say("a", role="assistant"),), (say(finish="stop"),)),
        (OPEN, {"index": 0, "content": "a"}, STOP),
    ),
    Told(
        "the role in every chunk",
        ((say("a", role="assistant"),), (say("b", role="assistant"),), (say("", role="assistant", finish="stop"),)),
        (
            OPEN,
            {"index": 0, "content": "a"},
            {"index": 0, "content": "b"},
            {"index": 0, "content": "", "finish": "stop"},
        ),
    ),
    Told(
        "everything at once",
        ((say("a", role="assistant", finish="stop"),),),
        (OPEN, {"index": 0, "content": "a", "finish": "stop"}),
    ),
    Told("only an end", ((say(finish="stop"),),), (OPEN, STOP)),
    Told(
        "text behind the end",
        ((say("a", finish="stop"),), (say("b"),), (say(finish="length"),), (say("c"),)),
        (OPEN, {"index": 0, "content": "a", "finish": "stop"}),
    ),
    Told(
        "an empty reason in every chunk, as some servers write for null",
        ((say("a", finish=""),), (say("b", finish=""),), (say(finish="stop"),)),
        (OPEN, {"index": 0, "content": "a"}, {"index": 0, "content": "b"}, STOP),
    ),
    Told(
        "two choices in turns",
        ((say("a", index=1),), (say("b"),), (say(index=1, finish="stop"),), (say("c"),), (say(finish="stop"),)),
        (
            {**OPEN, "index": 1},
            {"index": 1, "content": "a"},
            OPEN,
            {"index": 0, "content": "b"},
            {"index": 1, "finish": "stop"},
            {"index": 0, "content": "c"},
            STOP,
        ),
    ),
    Told(
        "two choices in one chunk, one of them over",
        ((say("a"), say("b", index=1, finish="stop")), (say("c", finish="stop"), say("d", index=1))),
        (
            OPEN,
            {**OPEN, "index": 1},
            {"index": 0, "content": "a"},
            {"index": 1, "content": "b", "finish": "stop"},
            {"index": 0, "content": "c", "finish": "stop"},
        ),
    ),
    Told(
        "reasoning first",
        ((say(role="assistant", reasoning_content="r"),), (say("a", finish="stop"),)),
        (OPEN, {"index": 0, "reasoning_content": "r"}, {"index": 0, "content": "a", "finish": "stop"}),
    ),
)


@pytest.mark.parametrize("told", TOLD, ids=str)
def test_an_answer_is_opened_once_and_ended_once(told: Told) -> None:
    shape = Shape(len({part["index"] for part in told.seen}))
    assert formed(shape, [chunk(*choices) for choices in told.sent]) == list(told.seen)
    assert shape.complete
    shape.close(terminal=False)


@dataclass(frozen=True)
class Calls:
    """Pieces of tool calls as they come (index, id), and the indices that they get."""

    name: str
    sent: tuple[tuple[int | None, str | None], ...]
    indices: tuple[int, ...]

    def __str__(self) -> str:
        return self.name


@pytest.mark.parametrize(
    "calls",
    [
        Calls("numbered", ((0, "a"), (0, None), (1, "b"), (1, None)), (0, 0, 1, 1)),
        Calls("one call without numbers", ((None, "a"), (None, None), (None, None)), (0, 0, 0)),
        Calls("two calls without numbers", ((None, "a"), (None, None), (None, "b"), (None, None)), (0, 0, 1, 1)),
        Calls("whole calls without numbers", ((None, "a"), (None, "b"), (None, "c")), (0, 1, 2)),
        Calls("without number or id", ((None, None), (None, None)), (0, 0)),
        Calls("numbers that begin at one", ((1, "a"), (1, None)), (1, 1)),
    ],
    ids=str,
)
def test_every_piece_of_a_tool_call_has_an_integer_index(calls: Calls) -> None:
    shape = Shape()
    sent = [
        chunk(
            say(
                tool_calls=[
                    {
                        **({} if index is None else {"index": index}),
                        **({} if name is None else {"id": name}),
                        "function": {"arguments": "x"},
                    }
                ]
            )
        )
        for index, name in calls.sent
    ]
    seen = [part for part in formed(shape, sent) if "tool_calls" in part]
    assert tuple(piece["index"] for part in seen for piece in part["tool_calls"]) == calls.indices
    assert [piece["function"]["arguments"] for part in seen for piece in part["tool_calls"]] == ["x"] * len(calls.sent)


@dataclass(frozen=True)
class End:
    """What came, whether the wire's own end came, and whether that is a whole answer."""

    name: str
    sent: tuple[dict[str, Any], ...]
    whole_with_terminal: bool
    whole_without: bool
    expected: int = 1

    def __str__(self) -> str:
        return self.name


@pytest.mark.parametrize(
    "end",
    [
        End("nothing", (), whole_with_terminal=False, whole_without=False),
        End("text only", (say("a"),), whole_with_terminal=False, whole_without=False),
        End("text and finish", (say("a"), say(finish="stop")), whole_with_terminal=True, whole_without=True),
        End("fewer choices", (say("a", finish="stop"),), whole_with_terminal=True, whole_without=False, expected=2),
        End(
            "one of two is half",
            (say("a", finish="stop"), say("b", index=1)),
            whole_with_terminal=False,
            whole_without=False,
            expected=2,
        ),
        End(
            "an unasked choice is half",
            (say("a", finish="stop"), say("b", index=1)),
            whole_with_terminal=False,
            whole_without=False,
        ),
    ],
    ids=str,
)
def test_half_an_answer_never_passes_for_a_whole_one(end: End) -> None:
    for terminal, whole in ((True, end.whole_with_terminal), (False, end.whole_without)):
        shape = Shape(end.expected)
        formed(shape, [chunk(part) for part in end.sent])
        if whole:
            shape.close(terminal=terminal)
        else:
            with pytest.raises(UpstreamBroken):
                shape.close(terminal=terminal)


def test_a_chunk_without_choices_says_nothing() -> None:
    assert list(Shape().form(chunk())) == []


def test_characters_are_counted_for_an_estimate() -> None:
    shape = Shape()
    call = {"index": 0, "function": {"name": "f", "arguments": "12345"}}
    formed(
        shape,
        [
            chunk(say("héllo")),
            chunk(say(tool_calls=[call])),
            chunk(say("ab", tool_calls=[])),
            chunk(say(finish="stop")),
        ],
    )
    assert shape.characters == len("héllo") + len("12345") + len("ab")
