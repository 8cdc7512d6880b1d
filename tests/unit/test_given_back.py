"""What an SDK has parsed for its user stays with the SDK."""

from __future__ import annotations

import json

import pytest
from msgspec import Raw

from gateway.core.given_back import given_back

CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
SENT = [
    ({"role": "assistant", "content": "Hi"}, {"parsed": None}),
    ({"type": "function_call", "call_id": "c", "name": "f", "arguments": '{"parsed": 1}'}, {"parsed_arguments": {}}),
]


@pytest.mark.parametrize(("told", "added"), SENT)
def test_what_an_sdk_adds_to_a_message_is_taken_off(told: dict[str, object], added: dict[str, object]) -> None:
    assert json.loads(bytes(given_back(Raw(json.dumps(told | added).encode())))) == told


def test_what_an_sdk_adds_inside_a_message_is_taken_off() -> None:
    function = CALL["function"]
    assert isinstance(function, dict)
    call = {**CALL, "index": 0, "function": {**function, "parsed_arguments": {"a": 1}}}
    part = {"type": "output_text", "text": "Hi", "parsed": None}
    sent = {"role": "assistant", "content": [part], "tool_calls": [call], "parsed": {}}
    told = json.loads(bytes(given_back(Raw(json.dumps(sent).encode()))))
    assert told == {"role": "assistant", "content": [{"type": "output_text", "text": "Hi"}], "tool_calls": [CALL]}


@pytest.mark.parametrize(
    "raw",
    [
        b'{"role": "user",  "content": "a word"}',
        b'{"role": "user",  "content": "it says \\"parsed\\": 1"}',
        b'{"role": "user",  "content": "parsed", "tool_calls": null, "index": 1}',
    ],
)
def test_what_has_nothing_of_an_sdk_keeps_its_bytes(raw: bytes) -> None:
    assert bytes(given_back(Raw(raw))) == raw
