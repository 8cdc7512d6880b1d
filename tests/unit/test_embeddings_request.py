"""An embeddings request: what is understood, what is carried, what is refused and where."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest

from gateway.core.embeddings import parse
from gateway.core.errors import BadRequest
from gateway.core.forms import parse_form, parse_json


@pytest.mark.parametrize("given", ["a", ["a", "b"], [1, 2], [[1, 2], [3]], [""], ["a", [1]]], ids=json.dumps)
def test_every_form_of_input_is_taken(given: Any) -> None:
    assert parse(json.dumps({"model": "m", "input": given}).encode()).body.input == given


def test_every_field_is_kept_byte_for_byte() -> None:
    raw = b'{"model":"m","input":"\\u00e9","dimensions":2.5e2,"truncate":"NONE" ,"x":{ }}'
    with pytest.raises(BadRequest):
        parse(raw)
    parsed = parse(raw.replace(b"2.5e2", b"250"))
    assert bytes(parsed.fields["input"]) == b'"\\u00e9"'
    assert bytes(parsed.fields["x"]) == b"{ }"
    assert bytes(parsed.fields["truncate"]) == b'"NONE"'


def test_nothing_of_the_users_machine_goes_on() -> None:
    told = {"client_metadata": {"cwd": "/home/bob"}, "metadata": {"path": "/home/bob"}, "x-codex-turn-metadata": "{}"}
    assert list(parse(json.dumps({"model": "m", "input": "a", **told}).encode()).fields) == ["model", "input"]
    assert list(parse_json(json.dumps({"model": "m", "prompt": "a", **told}).encode()).fields) == ["model", "prompt"]
    part = b'--b\r\nContent-Disposition: form-data; name="%b"\r\n\r\n/home/bob\r\n'
    form = b"".join(part % name for name in (b"prompt", b"metadata", b"client_metadata")) + b"--b--\r\n"
    assert [one.name for one in parse_form("multipart/form-data; boundary=b", form).parts] == ["prompt"]


@dataclass(frozen=True)
class Bad:
    """A request that is refused, and where it is wrong."""

    raw: bytes
    param: str | None
    code: str | None


@pytest.mark.parametrize(
    "bad",
    [
        Bad(b"", None, None),
        Bad(b"[]", None, "invalid_value"),
        Bad(b'{"input":"a"}', "model", "missing_required_parameter"),
        Bad(b'{"model":"m"}', "input", "missing_required_parameter"),
        Bad(b'{"model":"m","input":""}', "input", "invalid_value"),
        Bad(b'{"model":"m","input":[]}', "input", "invalid_value"),
        Bad(b'{"model":"m","input":null}', "input", "invalid_value"),
        Bad(b'{"model":"m","input":{"a":1}}', "input", "invalid_value"),
        Bad(b'{"model":"m","input":[true]}', "input[0]", "invalid_value"),
        Bad(b'{"model":"m","input":[[1.5]]}', "input[0][0]", "invalid_value"),
        Bad(b'{"model":"m","input":"a","encoding_format":"hex"}', "encoding_format", "invalid_value"),
        Bad(b'{"model":"m","input":"a","dimensions":"3"}', "dimensions", "invalid_value"),
        Bad(b'{"model":"m","input":"a","api_key":"k"}', "api_key", "forbidden_parameter"),
        Bad(b'{"model":"m","input":"a","base-URL":"k"}', "base-URL", "forbidden_parameter"),
        Bad(b'{"model":"m","input":"\\u0000"}', None, None),
        Bad(b'{"model":"m","input":"\xff"}', None, None),
        Bad(b'{"model":"m","input":' + b"[" * 100_000, None, None),
    ],
    ids=lambda bad: repr(bad.raw[:60]),
)
def test_what_is_wrong_is_refused_and_told_where(bad: Bad) -> None:
    with pytest.raises(BadRequest) as caught:
        parse(bad.raw)
    assert (caught.value.status, caught.value.param, caught.value.code) == (400, bad.param, bad.code)


@pytest.mark.parametrize(
    ("given", "tokens"),
    [("x" * 40, 10), (["x" * 40, "y" * 20], 15), ([1, 2, 3], 3), ([[1, 2], [3]], 3), (["xxxx", [1]], 2)],
)
def test_tokens_are_counted_where_they_are_made_and_else_estimated(given: Any, tokens: int) -> None:
    assert parse(json.dumps({"model": "m", "input": given}).encode()).tokens == tokens
