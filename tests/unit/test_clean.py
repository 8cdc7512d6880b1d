"""An answer is cleaned while it streams: in order, in every choice, and nowhere that it could break something."""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.chat import ChatRequest, parse
from gateway.core.events import Chunk, decode_chunk, encode_chunk
from gateway.core.fold import Fold
from gateway.stages.clean import Clean

SAID = "Hi! I'm Claude, made by Anthropic. ChatGPT was made by OpenAI."
READ = "Hi! I'm Syntra, made by Syntra. ChatGPT was made by OpenAI."
HALF = "Hi! I'm Clau"  # what could still become a match


def asked(**fields: Any) -> ChatRequest:
    return parse(json.dumps({"model": "m", "messages": [{"role": "user", "content": "x"}], **fields}).encode())


def chunk(delta: dict[str, Any], finish: str | None = None, index: int = 0, **fields: Any) -> Chunk:
    choice = {"index": index, "delta": delta, "finish_reason": finish, **fields}
    return decode_chunk(json.dumps({"choices": [choice]}).encode())


def call(arguments: str, **head: Any) -> dict[str, Any]:
    return {"tool_calls": [{"index": 0, **head, "function": {"arguments": arguments}}]}


def clean(*batches: list[Chunk], voice: bool = True, **fields: Any) -> list[dict[str, Any]]:
    """Every choice's part that leaves, in order, with its end."""
    cleaner = Clean("Syntra", asked(**fields), voice=voice)
    return [
        {
            "index": choice["index"],
            **choice["delta"],
            **({"finish": choice["finish_reason"]} if choice["finish_reason"] else {}),
        }
        for batch in batches
        for told in cleaner.chunks(batch)
        for choice in json.loads(encode_chunk(told))["choices"]
    ]


def text(parts: list[dict[str, Any]], field: str = "content", index: int = 0) -> str:
    return "".join(part.get(field) or "" for part in parts if part["index"] == index)


def test_what_the_model_says_of_itself_becomes_syntras() -> None:
    assert text(clean([chunk({"content": SAID})], [chunk({}, "stop")])) == READ


@pytest.mark.parametrize("step", [1, 2, 3, 5, 8, 13, 100])
@pytest.mark.parametrize("batched", [True, False], ids=["one batch", "many batches"])
@pytest.mark.parametrize("field", ["content", "reasoning_content", "reasoning", "refusal"])
def test_every_text_is_cleaned_whatever_way_it_is_cut(field: str, step: int, *, batched: bool) -> None:
    chunks = [chunk({field: SAID[k : k + step]}) for k in range(0, len(SAID), step)]
    batches = [chunks] if batched else [[one] for one in chunks]
    assert text(clean(*batches, [chunk({}, "stop")]), field) == READ


@settings(max_examples=80, deadline=None)
@given(st.lists(st.integers(0, len(SAID)), max_size=8), st.lists(st.booleans(), min_size=9, max_size=9))
def test_any_split_over_any_batches_reads_the_same(cuts: list[int], ends: list[bool]) -> None:
    at = [0, *sorted(cuts), len(SAID)]
    batches: list[list[Chunk]] = [[]]
    for k, (a, b) in enumerate(itertools.pairwise(at)):
        batches[-1].append(chunk({"content": SAID[a:b]}))
        if ends[k]:
            batches.append([])
    assert text(clean(*batches, [chunk({}, "stop")])) == READ


def test_held_text_comes_before_the_end() -> None:
    parts = clean([chunk({"content": HALF})], [chunk({}, "stop")])
    assert text(parts) == HALF
    assert [k for k, part in enumerate(parts) if part.get("content")][-1] <= next(
        k for k, p in enumerate(parts) if "finish" in p
    )
    assert [part for part in parts if "finish" in part] == [parts[-1]]


def test_held_text_comes_with_the_text_of_the_end() -> None:
    parts = clean([chunk({"content": HALF})], [chunk({"content": "de."}, "stop")])
    assert text(parts) == "Hi! I'm Syntra."
    assert parts[-1]["finish"] == "stop"


def test_held_text_comes_before_a_tool_call() -> None:
    begun = call("", id="c", type="function")
    parts = clean([chunk({"content": HALF})], [chunk(begun)], [chunk(call("{}"))], [chunk({}, "tool_calls")])
    kinds = ["call" if "tool_calls" in part else "text" if part.get("content") else "other" for part in parts]
    assert text(parts) == HALF
    assert kinds.index("call") > max(k for k, kind in enumerate(kinds) if kind == "text")


def test_held_reasoning_comes_before_the_text_that_follows_it() -> None:
    parts = clean(
        [chunk({"reasoning_content": HALF})],
        [chunk({"content": "Hello there, "})],
        [chunk({"content": "you."}, "stop")],
    )
    kinds = [name for part in parts for name in ("reasoning_content", "content") if part.get(name)]
    assert text(parts, "reasoning_content") == HALF
    assert kinds == sorted(kinds, reverse=True)


def test_an_empty_list_of_tool_calls_decides_nothing() -> None:
    chunks = [[chunk({"content": piece, "tool_calls": []})] for piece in ("Hi! I'm ", "Cla", "ude.")]
    assert text(clean(*chunks, [chunk({}, "stop")])) == "Hi! I'm Syntra."


def test_tool_arguments_pass_byte_for_byte() -> None:
    said = '{"bio": "I\'m Claude, made by Anthropic.\u200b\u0007 sk-syn-x"}'
    pieces = [said[k : k + 3] for k in range(0, len(said), 3)]
    parts = clean(
        *[[chunk(call(piece))] for piece in pieces],
        [chunk({}, "tool_calls")],
        tools=[{"type": "function", "function": {"name": "f"}}],
    )
    assert "".join(part["tool_calls"][0]["function"]["arguments"] for part in parts if "tool_calls" in part) == said


@pytest.mark.parametrize(
    "wanted",
    [{"type": "json_object"}, {"type": "json_schema", "json_schema": {"name": "s", "schema": {"type": "object"}}}],
    ids=lambda w: w["type"],
)
@pytest.mark.parametrize(
    "said",
    [
        '{"bio": "I\'m Claude, made by Anthropic."}',
        '{"bio":\n\n"I am Claude, made by Anthropic.",\n\n"n": 5"}',
        "I'm Claude, made by Anthropic.",
    ],
)
def test_json_output_is_for_a_program_and_is_not_touched(wanted: dict[str, Any], said: str) -> None:
    parts = clean(*[[chunk({"content": char})] for char in said], [chunk({}, "stop")], response_format=wanted)
    assert text(parts) == said
    assert len([part for part in parts if part.get("content")]) == len(said)  # and nothing is held back


def test_a_model_without_our_voice_may_say_what_it_is() -> None:
    assert text(clean([chunk({"content": SAID})], [chunk({}, "stop")], voice=False)) == SAID


def test_our_keys_never_leave_in_any_voice() -> None:
    said = "Use sk-syn-0123456789ab-00112233445566778899aabbccddeeff00112233 now."
    for how in ({"voice": True}, {"voice": False}, {"response_format": {"type": "json_object"}}):
        parts = clean(
            *[[chunk({"content": said[k : k + 7]})] for k in range(0, len(said), 7)], [chunk({}, "stop")], **how
        )
        assert "00112233" not in text(parts)


def test_choices_do_not_mix() -> None:
    a, b = SAID, "As an AI developed by OpenAI, I can't vote."
    turns: list[list[Chunk]] = []
    for k in range(0, max(len(a), len(b)), 4):
        turns += [[chunk({"content": a[k : k + 4]})], [chunk({"content": b[k : k + 4]}, index=1)]]
    parts = clean(*turns, [chunk({}, "stop")], [chunk({}, "stop", index=1)])
    assert text(parts) == READ
    assert text(parts, index=1) == "As an AI developed by Syntra, I can't vote."
    assert [part["index"] for part in parts if "finish" in part] == [0, 1]


def test_nothing_is_said_twice_and_nothing_empty_is_sent() -> None:
    parts = clean(*[[chunk({"content": char})] for char in SAID], [chunk({}, "stop")])
    assert all(part.get("content") or "finish" in part for part in parts)


@dataclass(frozen=True)
class Carried:
    """A chunk that has no text for us, and must leave as it came."""

    name: str
    chunk: dict[str, Any]

    def __str__(self) -> str:
        return self.name


@pytest.mark.parametrize(
    "carried",
    [
        Carried("the role", {"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]}),
        Carried("usage", {"choices": [], "usage": {"prompt_tokens": 1}}),
        Carried("logprobs", {"choices": [{"index": 0, "delta": {}, "logprobs": {"content": []}}]}),
        Carried(
            "audio", {"choices": [{"index": 0, "delta": {"audio": {"transcript": "I'm Claude, made by Anthropic."}}}]}
        ),
        Carried("an unknown delta", {"choices": [{"index": 0, "delta": {"video": "I'm Claude"}}]}),
        Carried("an unknown field", {"choices": [{"index": 0, "delta": {"content": "Hello. "}}], "new": 1}),
    ],
    ids=str,
)
def test_what_is_no_text_passes(carried: Carried) -> None:
    sent = json.dumps(carried.chunk).encode()
    (told,) = Clean("Syntra", asked(), voice=True).chunks([decode_chunk(sent)])
    assert encode_chunk(told) == encode_chunk(decode_chunk(sent))


def test_what_comes_with_held_text_is_not_lost() -> None:
    """Logprobs, extras and the choice's other fields travel on though the text waits."""
    cleaner = Clean("Syntra", asked(), voice=True)
    probabilities = {"content": [{"token": "I", "logprob": -0.1, "bytes": None, "top_logprobs": []}]}
    fold = Fold()
    for sent in (
        chunk({"content": "I'm Clau"}, logprobs=probabilities),
        chunk({"content": "de.", "video": 1}),
        chunk({}, "stop"),
    ):
        for told in cleaner.chunks([sent]):
            fold.add(told)
    choice = json.loads(fold.completion())["choices"][0]
    assert choice["message"]["content"] == "I'm Syntra."
    assert choice["message"]["video"] == 1
    assert choice["logprobs"]["content"] == probabilities["content"]
