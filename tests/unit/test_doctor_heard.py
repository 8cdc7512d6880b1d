"""An answer that would break a client is told as such, and one that would not is read."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from gateway.doctor import heard
from gateway.doctor.heard import Call, Heard, Unfit


def chunks(*told: Any, end: str = "data: [DONE]\n\n") -> bytes:
    return ("".join(f"data: {json.dumps(one)}\n\n" for one in told) + end).encode()


def named(*told: dict[str, Any], number: bool = False) -> bytes:
    lines = []
    for k, one in enumerate(told):
        event = {**one, **({"sequence_number": k} if number else {})}
        lines.append(f"event: {one['type']}\ndata: {json.dumps(event)}\n\n")
    return "".join(lines).encode()


def delta(finish: str | None = None, **delta: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


CALL = {"index": 0, "id": "c1", "function": {"name": "f", "arguments": '{"a":'}}
MORE = {"index": 0, "function": {"arguments": "1}"}}
CREATED = {"type": "response.created", "response": {}}
ITEM = {"type": "message", "content": [{"type": "output_text", "text": "Hi"}]}
DONE = {"type": "response.output_item.done", "item": ITEM}
COMPLETED = {"type": "response.completed", "response": {"status": "completed", "usage": {"total_tokens": 1}}}
START = {"type": "message_start", "message": {}}
OPEN = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
TEXT = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hi"}}
SHUT = {"type": "content_block_stop", "index": 0}
ENDING = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 1}}
STOP = {"type": "message_stop"}
USE = {"type": "content_block_start", "index": 0, "content_block": {"type": "tool_use", "id": "t", "name": "f"}}
ARGUMENTS = {"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": "{}"}}


def test_a_stream_of_chat_completions_is_read() -> None:
    body = chunks(
        delta(role="assistant", content="H"), delta(content="i"), delta("stop"), {"choices": [], "usage": {"a": 1}}
    )
    assert heard.chat(b": ping\n\n" + body) == Heard("Hi", [], {"a": 1}, "stop")


def test_calls_in_a_stream_are_put_together() -> None:
    body = chunks(delta(tool_calls=[CALL]), delta(tool_calls=[MORE]), delta("tool_calls"))
    assert heard.chat(body).calls == [Call("c1", "f", '{"a":1}')]


def test_a_response_is_read_as_codex_reads_it() -> None:
    assert heard.responses(named(CREATED, DONE, COMPLETED, number=True)) == Heard(
        "Hi", [], {"total_tokens": 1}, "completed"
    )


def test_a_message_is_read() -> None:
    told = heard.messages(named(START, {"type": "ping"}, OPEN, TEXT, SHUT, ENDING, STOP))
    assert told == Heard("Hi", [], {"output_tokens": 1}, "end_turn")
    assert heard.messages(named(START, USE, ARGUMENTS, SHUT, ENDING, STOP)).calls == [Call("t", "f", "{}")]


@pytest.mark.parametrize(
    ("read", "body", "why"),
    [
        (heard.chat, chunks(delta("stop"), end=""), r"\[DONE\]"),
        (heard.chat, chunks(delta(content="Hi")), "finish_reason"),
        (heard.chat, chunks({"error": {"message": "cut"}}), "cut"),
        (heard.chat, chunks(delta(role="model"), delta("stop")), "role"),
        (heard.chat, chunks(delta(tool_calls=[{"id": "c"}]), delta("stop")), "index"),
        (heard.chat, b"data: {\n\ndata: [DONE]\n\n", "not JSON"),
        (heard.responses, named(DONE, COMPLETED, number=True), "response.created"),
        (heard.responses, named(CREATED, DONE, number=True), "response.completed"),
        (heard.responses, named(CREATED, {"type": "response.failed", "response": {"error": {"message": "no"}}}, number=True), "no"),
        (heard.responses, named({**CREATED, "sequence_number": 1}, {**COMPLETED, "sequence_number": 2}), "numbered"),
        (heard.messages, chunks(START, OPEN, SHUT, ENDING, STOP, end=""), "without its name"),
        (heard.messages, named(START, OPEN, TEXT, SHUT), "…"),
        (heard.messages, named(START, OPEN, TEXT, ENDING, STOP), "does not stop"),
        (heard.messages, named(START, TEXT, ENDING, STOP), "outside"),
        (heard.messages, named(START, {**OPEN, "index": 1}, ENDING, STOP), "out of order"),
        (heard.messages, named(START, {"type": "error", "error": {"message": "busy"}}), "busy"),
    ],
)  # fmt: skip
def test_what_breaks_a_client_is_unfit(read: Callable[[bytes], Heard], body: bytes, why: str) -> None:
    with pytest.raises(Unfit, match=why):
        read(body)


ERROR = {"error": {"message": "It broke.", "type": "server_error", "param": None, "code": "upstream_broken"}}
FLAT = {"type": "error", "code": "server_error", "message": "It broke.", "param": None, **ERROR}
FAILED = {
    "type": "response.failed",
    "response": {"status": "failed", "error": {"code": "server_error", "message": "It broke."}},
}
NAMED = {"type": "error", "error": {"type": "api_error", "message": "It broke."}}


def test_a_failure_is_read_in_every_dialect() -> None:
    assert heard.chat_broken(chunks(delta(content="Hi"), ERROR, end="")) == "It broke."
    assert heard.responses_broken(named(CREATED, FLAT, FAILED, number=True)) == "It broke."
    assert heard.messages_broken(named(START, OPEN, TEXT, NAMED)) == "It broke."


@pytest.mark.parametrize(
    ("read", "body", "why"),
    [
        (heard.chat_broken, chunks(delta(content="Hi"), end=""), "does not end in an error"),
        (heard.chat_broken, chunks(delta(content="Hi"), ERROR), "does not end in an error"),
        (heard.chat_broken, chunks(delta("stop"), ERROR, end=""), "finish_reason too"),
        (heard.responses_broken, named(CREATED, FLAT, number=True), "does not end in"),
        (heard.responses_broken, named(CREATED, {**FLAT, "error": {}}, FAILED, number=True), "SDKs"),
        (heard.messages_broken, named(START, OPEN, TEXT), "does not end in an error"),
        (heard.messages_broken, named(START, ENDING, NAMED), "an end too"),
    ],
)
def test_a_failure_that_a_client_would_not_hear_is_unfit(read: Callable[[bytes], str], body: bytes, why: str) -> None:
    with pytest.raises(Unfit, match=why):
        read(body)
