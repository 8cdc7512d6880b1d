"""Whatever bytes come in: a request, or an error that is the caller's. Never anything else."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, cast

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.core import chat, embeddings
from gateway.core.errors import SyntraError, WrongMediaType
from gateway.http.intake import Head, Left, read_body, read_head

if TYPE_CHECKING:
    from litestar.types import HTTPScope, Receive

VALID: dict[str, Any] = {
    "model": "syntra",
    "stream": True,
    "stream_options": {"include_usage": True},
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "é"}, {"type": "image_url", "image_url": {"url": "x"}}]},
        {
            "role": "assistant",
            "tool_calls": [{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
        },
        {"role": "tool", "tool_call_id": "1", "content": "ok"},
    ],
    "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}],
    "tool_choice": {"type": "function", "function": {"name": "f"}},
    "response_format": {"type": "json_schema", "json_schema": {"name": "s", "schema": {"a": [1, 2]}}},
    "temperature": 0.5,
    "logit_bias": {"1": 2},
    "metadata": {"a": "b"},
    "seed": 1,
    "top_k": 3,
}
EMBED: dict[str, Any] = {"model": "syntra", "input": ["a", "b"], "dimensions": 3, "encoding_format": "float"}

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["user", "system", "tool", "function", "text", "json_schema", "required", "m"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=8) | st.sampled_from([*VALID]), inner, max_size=4)
    ),
    max_leaves=12,
)
PIECES = [
    b'"',
    b"\\",
    b"\\u0000",
    b"\\ud800",
    b"\\q",
    b"\xff",
    b"\xed\xa0\x80",
    b"\x00",
    b"\n",
    b"{",
    b"]",
    b"[" * 2000,
    b"1e999",
    b"-",
    b"NaN",
    b"9" * 5000,
    b"null",
    b"\xef\xbb\xbf",
    b",",
    b"api_base",
]


def paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(found for key, child in inner for found in paths(child, (*path, key)))]


def replaced(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    copied = dict(value) if isinstance(value, dict) else list(value)
    copied[path[0]] = replaced(value[path[0]], path[1:], new)
    return copied


@st.composite
def mutated(draw: st.DrawFn, valid: dict[str, Any]) -> bytes:
    """A valid request with one value changed, or with bytes cut out and others put in."""
    if draw(st.booleans()):
        return json.dumps(replaced(valid, draw(st.sampled_from(paths(valid))), draw(json_values))).encode()
    raw = json.dumps(valid, ensure_ascii=False).encode()
    at = draw(st.integers(0, len(raw)))
    until = draw(st.integers(at, min(len(raw), at + 10)))
    return raw[:at] + draw(st.sampled_from(PIECES) | st.binary(max_size=6)) + raw[until:]


def bodies(valid: dict[str, Any]) -> st.SearchStrategy[bytes]:
    return st.binary(max_size=60) | json_values.map(lambda value: json.dumps(value).encode()) | mutated(valid)


@settings(max_examples=600, deadline=None)
@given(bodies(VALID))
@example(json.dumps(VALID).encode())
def test_any_bytes_are_a_chat_request_or_the_callers_mistake(raw: bytes) -> None:
    try:
        parsed = chat.parse(raw)
    except SyntraError as error:
        callers_mistake(error)
        return
    assert isinstance(parsed, chat.ChatRequest)
    understood(raw, parsed.fields)
    assert [json.loads(bytes(message)) for message in parsed.messages] == json.loads(raw)["messages"]
    spoken = parsed.with_system("P")
    assert json.loads(b"[%b]" % b",".join(map(bytes, spoken.messages)))
    assert isinstance(parsed.users_words(), str)


@settings(max_examples=300, deadline=None)
@given(bodies(EMBED))
@example(json.dumps(EMBED).encode())
def test_any_bytes_are_an_embeddings_request_or_the_callers_mistake(raw: bytes) -> None:
    try:
        parsed = embeddings.parse(raw)
    except SyntraError as error:
        callers_mistake(error)
        return
    understood(raw, parsed.fields)


def callers_mistake(error: SyntraError) -> None:
    assert 400 <= error.status < 500
    assert set(json.loads(error.body())["error"]) == {"message", "type", "param", "code"}


def understood(raw: bytes, fields: dict[str, msgspec.Raw]) -> None:
    """What passed is JSON for every decoder, so that no provider can read it another way, and holds no NUL."""
    whole = json.loads(raw.decode(), parse_constant=pytest.fail)
    assert {name: json.loads(bytes(value)) for name, value in fields.items()} == whole
    told = json.dumps(whole, ensure_ascii=False)
    assert "\\u0000" not in told.replace("\\\\", "")
    assert told.encode()  # no lone surrogate: it could not be written


HEADERS = [
    b"authorization",
    b"content-type",
    b"content-length",
    b"transfer-encoding",
    b"x-api-key",
    b"x-request-id",
    b"x-syntra-persona",
    b"x-syntra-debug",
]
VALUES = [
    b"Bearer sk-syn-1-2",
    b"bearer",
    b"Bearer \xff\xfe",
    b"Basic eDp5",
    b"on",
    b"OFF",
    b"application/json; charset=utf-8",
    b"text/html",
    b"12",
    b"-1",
    b"9" * 5000,
    "²".encode(),
    b"chunked",
    b"",
    b" ",
]


@settings(max_examples=400, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(HEADERS) | st.binary(max_size=8), st.sampled_from(VALUES) | st.binary(max_size=12)),
        max_size=6,
    )
)
@example([(b"content-length", b"9" * 5000)])
def test_any_headers_are_a_head_or_the_callers_mistake(headers: list[tuple[bytes, bytes]]) -> None:
    try:
        head = read_head(cast("HTTPScope", {"headers": headers}))
    except SyntraError as error:
        callers_mistake(error)
        return
    assert isinstance(head, Head)
    assert 0 < len(head.request_id) <= 128
    assert head.request_id.isascii()
    assert head.request_id.isprintable()


@settings(max_examples=100, deadline=None)
@given(blocks=st.lists(st.binary(max_size=5), max_size=5), leaves=st.booleans(), is_json=st.booleans())
def test_a_body_in_any_pieces_is_the_body_or_its_sender_has_left(
    blocks: list[bytes], *, leaves: bool, is_json: bool
) -> None:
    messages: list[dict[str, Any]] = [{"type": "http.request", "body": block, "more_body": True} for block in blocks]
    messages.append(
        {"type": "http.disconnect"} if leaves else {"type": "http.request", "body": b"", "more_body": False}
    )
    coming = iter(messages)

    async def receive() -> dict[str, Any]:
        return next(coming)

    head = Head("r", None, json=is_json, form=False, length=None, persona=None, debug=False)
    try:
        body = asyncio.run(read_body(head, cast("Receive", receive)))
    except WrongMediaType:
        assert not is_json
    except Left:
        assert leaves
    else:
        assert not leaves
        assert body == b"".join(blocks)


@settings(max_examples=50, deadline=None)
@given(blocks=st.lists(st.binary(min_size=1, max_size=5), min_size=1, max_size=5))
def test_after_the_length_that_a_head_has_told_nothing_is_waited_for(blocks: list[bytes]) -> None:
    coming = iter(blocks)

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": next(coming), "more_body": True}

    head = Head("r", None, json=True, form=False, length=len(b"".join(blocks)))
    assert asyncio.run(read_body(head, cast("Receive", receive))) == b"".join(blocks)
