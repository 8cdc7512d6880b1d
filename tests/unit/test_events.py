"""Chunks: what a provider sends is what a client gets, with fields that nobody here has heard of."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest
from msgspec import UNSET, Raw, Struct

from gateway.core.events import (
    Choice,
    Chunk,
    Delta,
    Text,
    TextChoice,
    TextDelta,
    Usage,
    decode_chunk,
    decode_completion,
    decode_usage,
    encode_chunk,
    encode_usage,
)

HEAD = {"id": "c1", "object": "chat.completion.chunk", "created": 7, "model": "m"}


def chunk(*choices: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {**HEAD, "choices": list(choices), **fields}


def choice(delta: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"index": 0, "delta": delta, "logprobs": None, "finish_reason": None, **fields}


@dataclass(frozen=True)
class Sent:
    """A chunk as a provider sends it, which must come out again as it came in."""

    name: str
    chunk: dict[str, Any]

    def __str__(self) -> str:
        return self.name


LOGPROBS = {"content": [{"token": "a", "logprob": -0.10, "bytes": [97], "top_logprobs": []}], "refusal": None}
CALL = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"a":'}}

SENT = (
    Sent("role", chunk(choice({"role": "assistant", "content": ""}))),
    Sent("content", chunk(choice({"content": "Hi \u2028\u2029\u0085 there"}))),
    Sent("refusal", chunk(choice({"refusal": "No."}))),
    Sent("reasoning", chunk(choice({"reasoning_content": "Hm."}))),
    Sent("OpenRouter's reasoning", chunk(choice({"reasoning": "Hm.", "reasoning_details": [{"type": "x"}]}))),
    Sent("logprobs", chunk(choice({"content": "a"}, logprobs=LOGPROBS))),
    Sent("a tool call", chunk(choice({"tool_calls": [CALL]}))),
    Sent("arguments that are no JSON", chunk(choice({"tool_calls": [{"index": 0, "function": {"arguments": "{'a"}}]}))),
    Sent("a custom tool", chunk(choice({"tool_calls": [{"index": 1, "custom": {"input": "x"}}]}))),
    Sent("a thought signature", chunk(choice({"tool_calls": [{**CALL, "extra_content": {"google": {"x": "y"}}}]}))),
    Sent("a function call of old", chunk(choice({"function_call": {"name": "f", "arguments": "{"}}))),
    Sent("audio", chunk(choice({"audio": {"id": "a", "data": "AA=="}}))),
    Sent("finish", chunk(choice({}, finish_reason="stop"))),
    Sent("a finish reason of tomorrow", chunk(choice({}, finish_reason="pause_turn"))),
    Sent("three choices", chunk(*({**choice({"content": str(k)}), "index": k} for k in (2, 0, 1)))),
    Sent("no choices, usage", chunk(usage={"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3, "x": 1})),
    Sent("usage null", chunk(choice({"content": "a"}), usage=None)),
    Sent("fingerprint and tier", chunk(choice({"content": "a"}), system_fingerprint="fp", service_tier="default")),
    Sent("fingerprint null", chunk(choice({"content": "a"}), system_fingerprint=None)),
    Sent("citations", chunk(choice({"content": "a"}), citations=["http://x"], search_results=[{"title": "x"}])),
    Sent("obfuscation", chunk(choice({"content": "a"}), obfuscation="xyz")),
    Sent("Kimi's usage in the choice", chunk(choice({}, finish_reason="stop", usage={"prompt_tokens": 1}))),
    Sent("a field of tomorrow", chunk(choice({"content": "a"}), new={"deep": [1, 2.50, {}]})),
    Sent("a field of tomorrow in a choice", chunk(choice({"content": "a"}, stop_details={"x": None}))),
    Sent("a field of tomorrow in a delta", chunk(choice({"content": "a", "video": [1]}))),
    Sent("fields of tomorrow at every level", chunk(choice({"content": "a", "x": 1}, y=2), z=3)),
    Sent("a field called extra", chunk(choice({"content": "a", "extra": 1}, extra=[2]), extra={"a": 3})),
)


@pytest.mark.parametrize("sent", SENT, ids=str)
def test_a_chunk_survives_the_way_through_us(sent: Sent) -> None:
    assert json.loads(encode_chunk(decode_chunk(json.dumps(sent.chunk).encode()))) == sent.chunk


@pytest.mark.parametrize("sent", SENT, ids=str)
def test_a_chunk_that_survived_once_stays_as_it_is(sent: Sent) -> None:
    once = encode_chunk(decode_chunk(json.dumps(sent.chunk).encode()))
    assert encode_chunk(decode_chunk(once)) == once


TEXTS = {"role", "content", "logprobs", "usage null", "fingerprint and tier", "fingerprint null", "obfuscation"}


@pytest.mark.parametrize("sent", SENT, ids=str)
def test_a_chunk_that_says_more_than_text_is_never_taken_for_text(sent: Sent) -> None:
    assert (type(decode_chunk(json.dumps(sent.chunk).encode())) is Text) == (sent.name in TEXTS)


@pytest.mark.parametrize(("text", "whole"), [(Text, Chunk), (TextChoice, Choice), (TextDelta, Delta)])
def test_a_text_has_the_fields_of_a_chunk_in_their_order(text: type[Struct], whole: type[Struct]) -> None:
    assert text.__struct_encode_fields__ == whole.__struct_encode_fields__


def test_numbers_and_escapes_that_nobody_reads_keep_their_bytes() -> None:
    raw = b'{"choices":[{"delta":{"content":"a"},"logprobs":{"content":[{"logprob":-1.50e-3,"token":"\\u00e9"}]}}],"n":1.0}'
    told = encode_chunk(decode_chunk(raw))
    assert b'{"content":[{"logprob":-1.50e-3,"token":"\\u00e9"}]}' in told
    assert b'"n":1.0' in told


@dataclass(frozen=True)
class Loose:
    """A chunk that is not quite in form, and what is read of it."""

    raw: str
    content: str | None = None
    choices: int = 1


@pytest.mark.parametrize(
    "loose",
    [
        Loose("{}", choices=0),
        Loose('{"choices":[]}', choices=0),
        Loose('{"choices":null}', choices=0),
        Loose('{"choices":[{}]}'),
        Loose('{"choices":[{"delta":{}}]}'),
        Loose('{"choices":[{"delta":null,"finish_reason":"stop"}]}'),
        Loose('{"choices":[{"delta":{"content":"a"}}]}', "a"),
        Loose('{"choices":[{"delta":{"content":null,"tool_calls":null,"refusal":null}}]}'),
        Loose('{"id":null,"model":null,"created":null,"choices":[{"index":null,"delta":{"content":"a"}}]}', "a"),
        Loose('{"choices":[{"delta":{"content":"a"},"logprobs":null,"finish_reason":null}],"error":null}', "a"),
        Loose('{"choices":[{"delta":{"tool_calls":[{"index":null,"id":"1","function":{"name":"f"}}]}}]}'),
    ],
    ids=lambda loose: loose.raw,
)
def test_what_is_missing_or_null_does_no_harm(loose: Loose) -> None:
    read = decode_chunk(loose.raw.encode())
    assert len(read.choices) == loose.choices
    assert [one.delta.content for one in read.choices] == [loose.content] * loose.choices
    assert json.loads(encode_chunk(read))["object"] == "chat.completion.chunk"


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"null",
        b"[]",
        b'"x"',
        b"{",
        b'{"choices":{}}',
        b'{"choices":[1]}',
        b'{"choices":[{"delta":"x"}]}',
        b'{"choices":[{"delta":{"content":5}}]}',
        b'{"choices":[{"index":"x"}]}',
        b'{"id":"\xff"}',
        b"[" * 100000,
    ],
    ids=lambda raw: repr(raw[:40]),
)
def test_garbage_is_told_from_a_chunk(raw: bytes) -> None:
    for decode in (decode_chunk, decode_completion):
        if raw.startswith(b'{"choices":[{"delta"') and decode is decode_completion:
            continue  # a whole answer has no deltas
        with pytest.raises((msgspec.MsgspecError, UnicodeDecodeError, RecursionError)):
            decode(raw)


def test_a_providers_field_cannot_pass_for_one_of_ours() -> None:
    raw = b'{"id":"c1","_extra":{"id":"forged","model":"forged"},"choices":[{"delta":{"_extra":{"content":"forged"}}}]}'
    told = json.loads(encode_chunk(decode_chunk(raw)))
    assert told["id"] == "c1"
    assert told["model"] == ""
    assert "content" not in told["choices"][0]["delta"]


def test_a_delta_tells_only_what_it_has() -> None:
    odd = decode_chunk(b'{"choices":[{"delta":{"content":"a","role":null,"x":1}}]}')
    assert json.loads(encode_chunk(odd))["choices"][0]["delta"] == {"content": "a", "x": 1}


def test_chunks_do_not_share_their_choices() -> None:
    one = Chunk()
    one.choices.append(decode_chunk(b'{"choices":[{}]}').choices[0])
    assert Chunk().choices == []


COMPLETION = {
    "id": "c1",
    "object": "chat.completion",
    "created": 7,
    "model": "m",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": None, "tool_calls": [CALL, {**CALL, "id": "call_2"}]},
            "finish_reason": "tool_calls",
        }
    ],
    "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3},
}


@pytest.mark.parametrize("extra", [{}, {"new": 1}], ids=["known", "odd"])
def test_a_whole_answer_becomes_one_chunk_with_numbered_tool_calls(extra: dict[str, Any]) -> None:
    calls = [{name: value for name, value in CALL.items() if name != "index"}] * 2
    message = {"role": "assistant", "content": None, "tool_calls": calls, **extra}
    read = decode_completion(json.dumps({**COMPLETION, "choices": [{"message": message}], **extra}).encode())
    assert [call.index for call in read.choices[0].delta.tool_calls or ()] == [0, 1]
    assert read.usage is not UNSET
    assert (read.id, read.model, read.created) == ("c1", "m", 7)


@dataclass(frozen=True)
class Count:
    """A usage object, and whether it can be believed."""

    usage: Any
    sane: bool

    def __str__(self) -> str:
        return json.dumps(self.usage)[:60]


@pytest.mark.parametrize(
    "count",
    [
        Count({"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}, sane=True),
        Count({"prompt_tokens": 1, "completion_tokens": 0}, sane=True),
        Count({"prompt_tokens": 0, "completion_tokens": 5, "x": {"y": 1}}, sane=True),
        Count({"prompt_tokens": 9, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": 4}}, sane=True),
        Count({"prompt_tokens": 9, "completion_tokens": 1, "prompt_tokens_details": None}, sane=True),
        Count({"prompt_tokens": 50_000_000, "completion_tokens": 1}, sane=True),
        Count({"prompt_tokens": 50_000_001, "completion_tokens": 1}, sane=False),
        Count({"prompt_tokens": -1, "completion_tokens": 2}, sane=False),
        Count({"prompt_tokens": 1, "completion_tokens": -2}, sane=False),
        Count({"prompt_tokens": 10**30, "completion_tokens": 2}, sane=False),
        Count({"prompt_tokens": "5", "completion_tokens": 2}, sane=False),
        Count({"prompt_tokens": None, "completion_tokens": 2}, sane=False),
        Count({"prompt_tokens": 1.5, "completion_tokens": 2}, sane=False),
        Count({"prompt_tokens": True, "completion_tokens": 2}, sane=False),
        Count({}, sane=False),
        Count({"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}, sane=False),
        Count(None, sane=False),
        Count([], sane=False),
        Count("many", sane=False),
    ],
    ids=str,
)
def test_only_counts_that_can_be_true_are_believed(count: Count) -> None:
    read = decode_usage(Raw(json.dumps(count.usage).encode()))
    assert (read is not None) is count.sane


def test_usage_comes_out_as_it_went_in() -> None:
    raw = b'{"prompt_tokens":9,"completion_tokens":1,"total_tokens":10,"prompt_tokens_details":{"cached_tokens":4}}'
    usage = decode_usage(Raw(raw))
    assert usage is not None
    assert bytes(encode_usage(usage)) == raw


def test_an_estimate_is_written_whole() -> None:
    assert json.loads(bytes(encode_usage(Usage(3, 4, 7)))) == {
        "prompt_tokens": 3,
        "completion_tokens": 4,
        "total_tokens": 7,
    }
