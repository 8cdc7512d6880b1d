"""Messages: whatever bytes come in, and however an answer is cut on its way out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.core.errors import SyntraError
from gateway.core.events import decode_chunk
from gateway.core.shape import Shape
from gateway.dialects.messages import errors, names, thoughts
from gateway.dialects.messages.asked import Asked, Words, conversation_name, parse
from gateway.dialects.messages.events import Events
from gateway.dialects.messages.fold import fold
from gateway.upstream.anthropic_messages import MessagesDecoder
from gateway.upstream.sse import Frames
from tests.fakes.anthropic_wire import Anthropic
from tests.fakes.messages import joined, read_events
from tests.fakes.script import Script, ToolCall
from tests.property.test_fold_equals_stream import streamed
from tests.property.test_intake_never_fails import bodies

VALID: dict[str, Any] = {
    "model": "syntra",
    "max_tokens": 100,
    "stream": True,
    "system": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
    "messages": [
        {"role": "system", "content": "First."},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "é"},
                {"type": "image", "source": {"type": "url", "url": "https://x.test/a.png"}},
                {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "d"}, "title": "t"},
                {"type": "search_result", "source": "s", "title": "t", "content": [{"type": "text", "text": "c"}]},
            ],
        },
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "hm", "signature": thoughts.sign(thoughts.Carried())},
                {"type": "tool_use", "id": "a", "name": "f", "input": {"x": [1, 2.5, None]}},
            ],
        },
        {"role": "system", "content": [{"type": "text", "text": "It is Monday."}]},
        {
            "role": "user",
            "content": [
                {
                    "type": "tool_result",
                    "tool_use_id": "a",
                    "is_error": True,
                    "content": [{"type": "text", "text": "r"}],
                },
                {"type": "text", "text": "<system-reminder>x</system-reminder>"},
            ],
        },
    ],
    "tools": [
        {"name": "f", "input_schema": {"type": "object"}, "defer_loading": False},
        {"type": "web_search_20250305", "name": "web_search"},
    ],
    "tool_choice": {"type": "tool", "name": "f", "disable_parallel_tool_use": True},
    "thinking": {"type": "enabled", "budget_tokens": 2000},
    "metadata": {"user_id": "user_x_account_y_session_0b1c2d3e"},
    "output_config": {"effort": "high", "format": {"type": "json_schema", "schema": {}}},
    "temperature": 0.5,
    "top_k": 3,
    "stop_sequences": ["END"],
    "service_tier": "standard_only",
}


@settings(max_examples=600, deadline=None)
@given(bodies(VALID))
@example(json.dumps(VALID).encode())
def test_any_bytes_are_a_request_or_the_callers_mistake(raw: bytes) -> None:
    try:
        asked = parse(raw, Words())
    except SyntraError as error:
        told = errors.telling(error, "r")
        assert told.status == 400
        shown = json.loads(told.body)
        assert set(shown) == {"type", "error", "request_id"}
        assert shown["error"]["type"] == "invalid_request_error"
        assert shown["error"]["message"]
        return
    body = json.loads(raw)
    assert asked.request.body.model == names.meant(body["model"])
    assert asked.request.native is not None
    assert {name: json.loads(bytes(value)) for name, value in asked.request.native.fields.items()} == body
    roles = [message.role for message in asked.request.body.messages]
    assert roles.index("user") <= 1
    for provider in ("kimi", "openrouter", "google", "openai"):
        plain = asked.request.plain(provider)
        assert json.loads(b"[%b]" % b",".join(map(bytes, plain.messages)))
    assert isinstance(conversation_name(asked, ""), str)
    assert asked.request.with_system("V").native.system == "V"  # type: ignore[union-attr]


def asked_for(*, thinks: bool = True) -> Asked:
    plain = {"model": "syntra", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}], "stream": True}
    return parse(json.dumps(plain | ({"thinking": {"type": "adaptive"}} if thinks else {})).encode(), Words())


def written(chunks: Sequence[Any], cuts: Sequence[int], *, thinks: bool) -> bytes:
    """What a client gets when the chunks come in these batches."""
    events = Events(asked_for(thinks=thinks), "chatcmpl-1", "r", 100)
    shape, told, batch = Shape(1), b"", []
    for k, chunk in enumerate(chunks):
        read = decode_chunk(json.dumps(chunk).encode())
        batch += shape.form(read) or ([read] if not read.choices else [])
        if k in cuts:
            told += events.chunks(batch)
            batch = []
    return told + events.chunks(batch) + events.end()


@settings(max_examples=200, deadline=None)
@given(case=streamed(), cuts=st.sets(st.integers(0, 30)), thinks=st.booleans())
def test_any_answer_is_one_message_however_it_is_cut(
    case: tuple[dict[str, Any], list[dict[str, Any]]], cuts: set[int], *, thinks: bool
) -> None:
    answer, chunks = case
    mine = [chunk for chunk in chunks if not chunk["choices"] or chunk["choices"][0]["index"] == 0]
    told = written(mine, sorted(cuts), thinks=thinks)
    assert told == written(mine, (), thinks=thinks)
    said = answer["choices"][0]["message"]
    pieces = [event for event in read_events(told) if event["type"] == "content_block_delta"]
    told_text = "".join(piece["delta"].get("text", "") for piece in pieces)
    assert told_text == (said["content"] or "")
    arguments = "".join(piece["delta"].get("partial_json", "") for piece in pieces)
    assert arguments == "".join(call["function"]["arguments"] for call in said.get("tool_calls", []))
    whole = json.loads(fold(told))
    assert [block["type"] for block in whole["content"]].count("tool_use") == len(said.get("tool_calls", []))
    called = [block for block in whole["content"] if block["type"] == "tool_use"]
    for block, call in zip(called, said.get("tool_calls", []), strict=True):
        assert block["id"].removeprefix("toolu_") == call["id"].removeprefix("call_")
        assert block["name"] == call["function"]["name"]
        assert isinstance(block["input"], dict)


def test_calls_that_are_made_at_once_are_told_one_after_the_other_and_whole() -> None:
    def piece(index: int, arguments: str, **more: Any) -> dict[str, Any]:
        call = {"index": index, "function": {"arguments": arguments, **more.pop("function", {})}, **more}
        return {"choices": [{"index": 0, "delta": {"tool_calls": [call]}}]}

    begun = [piece(k, "", id=f"call_{k}", type="function", function={"name": f"f{k}"}) for k in (0, 1, 2)]
    rest = [piece(0, '{"a":'), piece(1, '{"a":'), piece(0, "1}"), piece(2, "{}"), piece(1, "2}")]
    end = {"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]}
    told = written([*begun, *rest, end], (), thinks=False)
    whole = json.loads(fold(told))
    called = [(block["name"], block["input"]) for block in whole["content"]]
    assert called == [("f0", {"a": 1}), ("f1", {"a": 2}), ("f2", {})]  # in the order in which they were begun
    assert whole["stop_reason"] == "tool_use"
    opened = [event["type"] for event in read_events(told) if event["type"].startswith("content_block_st")]
    assert opened == ["content_block_start", "content_block_stop"] * 3  # no block begins within another


def test_arguments_too_deep_to_read_hold_up_no_other_call() -> None:
    deep = '{"a":' + "[" * 100_000 + "]" * 100_000 + "}"
    calls = [
        {"index": k, "id": f"call_{k}", "type": "function", "function": {"name": f"f{k}", "arguments": said}}
        for k, said in enumerate((deep, '{"b":1}'))
    ]
    made = [{"choices": [{"index": 0, "delta": {"tool_calls": [call]}}]} for call in calls]
    end = {"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]}
    events = read_events(written([*made, end], (), thinks=False))
    pieces = [event["delta"]["partial_json"] for event in events if event["type"] == "content_block_delta"]
    assert pieces == [deep, '{"b":1}']


NATIVE = (
    Script(pieces=("Bon", "jour ", "👋🏽\u2028.")),
    Script(reasoning=("Let me ", "see."), pieces=("It is 4.",)),
    Script(reasoning=("Hm.",), tool_calls=(ToolCall("toolu_1", "f", '{"a": 1.0, "b": "\\u00e9"}', (2, 5)),)),
    Script(blocks=({"type": "of_tomorrow", "x": {"y": [1]}},), pieces=("a",)),
)


def passed(blocks: Sequence[bytes]) -> bytes:
    """Anthropic's own bytes, in these pieces, on their way to a client that speaks the same."""
    frames, decoder, shape = Frames(), MessagesDecoder(), Shape(1)
    events = Events(asked_for(), "msg_1", "r", 100)
    told = b""
    for block in blocks:
        for data in frames.feed(block):
            told += events.chunks([formed for chunk in decoder.frame(data) for formed in shape.form(chunk)])
    shape.close(terminal=decoder.ended)
    return told + events.chunks(list(decoder.finish())) + events.end()


@cache
def frames_of(case: int) -> list[bytes]:
    with Anthropic() as fake:
        return [frame.data for frame in fake.frames(NATIVE[case], {"model": "claude-x", "messages": []})]


@pytest.mark.parametrize("case", range(len(NATIVE)), ids=["text", "thought", "call", "unknown"])
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_anthropics_own_bytes_come_out_as_they_went_in(case: int, data: st.DataObject) -> None:
    frames = frames_of(case)
    raw = b"".join(frames)
    at = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=8)))
    told = passed([raw[a:b] for a, b in zip([0, *at], [*at, len(raw)], strict=True)])
    kept = [frame for frame in frames if b"event: ping" not in frame]
    got = [frame + b"\n\n" for frame in told.split(b"\n\n")[:-1]]
    assert got[1:-2] == kept[1:-2]  # but for the two events that are about the whole message
    sent, heard = joined(read_events(b"".join(kept))), joined(read_events(told))
    assert heard == sent | {"id": "msg_1", "model": "syntra"}
    assert json.loads(fold(told)) == heard


@given(st.text(max_size=40) | st.text(max_size=60).map(lambda text: thoughts.MARK + text))
def test_no_signature_breaks_what_reads_it(signature: str) -> None:
    assert isinstance(thoughts.read(signature), thoughts.Carried)


@given(st.lists(st.text(max_size=9), unique=True, max_size=30))
def test_names_go_there_and_back(known: list[str]) -> None:
    listed = [names.told(name) for name in known]
    assert [names.meant(name) for name in listed] == [names.meant(name) for name in known]
    assert all(name.startswith(("claude", "anthropic")) for name in listed)
