"""Bad bytes in get OpenAI's error shape and a 4xx, never a 5xx, and never reach a provider."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.conftest import StartGateway
from tests.fakes.caller import HELLO, SECONDS, Told, ask, raw, read_reply
from tests.fakes.gateway import OPENAI, Gateway
from tests.fakes.provider import Provider

Fakes = Mapping[str, Provider]
GOOD = {"model": OPENAI.model, "messages": HELLO}
PATH = "/v1/chat/completions"
DEEP = 100_000


@pytest.fixture(autouse=True)
def no_provider_hears_of_it(providers: Fakes, request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    assert all(fake.requests == [] for fake in providers.values())


def http(
    gateway: Gateway, body: bytes, method: str = "POST", path: str = PATH, headers: Mapping[str, str] | None = None
) -> bytes:
    """A request in bytes; a header set to the empty string is left out."""
    plain = {
        "host": f"127.0.0.1:{gateway.port}",
        "authorization": f"Bearer {gateway.key}",
        "content-type": "application/json",
        "content-length": str(len(body)),
        **(headers or {}),
    }
    lines = [f"{name}: {value}" for name, value in plain.items() if value]
    return "\r\n".join([f"{method} {path} HTTP/1.1", *lines, "", ""]).encode() + body


def check(told: Told, status: int, param: str | None = None, code: str | None = None) -> dict[str, Any]:
    assert told.status == status, (told.status, told.body)
    assert told.headers["content-type"].startswith("application/json")
    [(name, error)] = told.json.items()
    assert (name, set(error)) == ("error", {"message", "type", "param", "code"})
    assert isinstance(error["message"], str)
    assert error["message"]
    assert error["type"] == "invalid_request_error"
    if param is not None:
        assert error["param"] == param
    if code is not None:
        assert error["code"] == code
    return dict(error)


def text(content: str) -> bytes:
    """A good request around some JSON text as the message's content."""
    head = b'{"model":"openai/gpt-4o-mini","messages":[{"role":"user","content":'
    return head + content.encode("utf-8", "surrogatepass") + b"}]}"


BAD_BODIES: dict[str, bytes] = {
    "empty": b"",
    "not-json": b"hello",
    "half-json": b'{"model": "syntra", "messages": [',
    "two-documents": json.dumps(GOOD).encode() + b"{}",
    "trailing-comma": b'{"model":"syntra","messages":[],}',
    "single-quotes": b"{'model': 'syntra'}",
    "an-array": b"[]",
    "a-string": b'"syntra"',
    "null": b"null",
    "a-number": b"7",
    "bad-utf8": text('"caf\xe9"').replace("caf\xe9".encode(), b"caf\xe9"),
    "cut-utf8": text('"\u20ac"').replace(b"\xe2\x82\xac", b"\xe2\x82"),
    "overlong-utf8": text('"x"').replace(b'"x"', b'"\xc0\xaf"'),
    "utf8-surrogate": text('"\ud800"'),
    "utf16": json.dumps(GOOD).encode("utf-16"),
    "lone-surrogate": text('"\\ud800 alone"'),
    "wrong-way-surrogates": text('"\\udc00\\ud800"'),
    "raw-nul": text('"a\x00b"'),
    "escaped-nul": text('"a\\u0000b"'),
    "raw-newline-in-string": text('"a\nb"'),
    "deep-arrays": text("[" * DEEP + "]" * DEEP),
    "deep-objects": text('{"a":' * DEEP + "1" + "}" * DEEP),
    "deep-unclosed": b"[" * DEEP,
    "deep-in-unknown-field": b'{"x":' + b"[" * DEEP + b"]" * DEEP + b"," + json.dumps(GOOD).encode()[1:],
    "nan": json.dumps(GOOD).encode()[:-1] + b',"temperature":NaN}',
    "infinity": json.dumps(GOOD).encode()[:-1] + b',"temperature":1e999}',
    "huge-int": json.dumps(GOOD).encode()[:-1] + b',"max_tokens":' + b"9" * 5000 + b"}",
    "huge-seed": json.dumps(GOOD).encode()[:-1] + b',"seed":' + b"9" * 40 + b"}",
    "bom": b"\xef\xbb\xbf" + b'{"model": 7}',
}


@pytest.mark.parametrize("body", BAD_BODIES.values(), ids=BAD_BODIES)
def test_a_body_that_is_not_a_request_is_a_400(body: bytes, gateway: Gateway) -> None:
    check(raw(gateway, http(gateway, body)), 400)


@dataclass(frozen=True)
class Wrong:
    """A request that is JSON but wrong somewhere, and the path of the place."""

    param: str
    fields: dict[str, Any] = field(default_factory=dict)
    code: str | None = None


def third(content: Any) -> dict[str, Any]:
    return {"messages": [*HELLO, {"role": "assistant", "content": "Hi."}, *HELLO, {"role": "user", "content": content}]}


WRONG = {
    "no-model": Wrong("model", {"model": None}),
    "model-a-number": Wrong("model", {"model": 7}),
    "no-messages": Wrong("messages", {"messages": []}),
    "messages-a-string": Wrong("messages", {"messages": "hi"}),
    "message-a-string": Wrong("messages[0]", {"messages": ["hi"]}),
    "no-role": Wrong("messages[0].role", {"messages": [{"content": "hi"}]}),
    "unknown-role": Wrong("messages[0].role", {"messages": [{"role": "wizard", "content": "hi"}]}),
    "content-a-number": Wrong("messages[0].content", {"messages": [{"role": "user", "content": 7}]}),
    "content-null": Wrong("messages[0].content", {"messages": [{"role": "user", "content": None}]}),
    "image-a-number": Wrong(
        "messages[3].content[1].image_url",
        third([{"type": "text", "text": "a"}, {"type": "image_url", "image_url": 7}]),
    ),
    "image-url-a-number": Wrong(
        "messages[3].content[0].image_url.url", third([{"type": "image_url", "image_url": {"url": 7}}])
    ),
    "image-missing": Wrong("messages[3].content[0].image_url", third([{"type": "image_url"}])),
    "text-missing": Wrong("messages[3].content[0].text", third([{"type": "text"}])),
    "part-without-type": Wrong("messages[3].content[0].type", third([{"text": "a"}])),
    "tool-without-id": Wrong("messages[0].tool_call_id", {"messages": [{"role": "tool", "content": "x"}]}),
    "temperature-a-string": Wrong("temperature", {"temperature": "hot"}),
    "temperature-too-high": Wrong("temperature", {"temperature": 2.5}),
    "top_p-negative": Wrong("top_p", {"top_p": -0.1}),
    "n-zero": Wrong("n", {"n": 0}),
    "n-a-boolean": Wrong("n", {"n": True}),
    "max_tokens-a-string": Wrong("max_tokens", {"max_tokens": "100"}),
    "max_tokens-zero": Wrong("max_tokens", {"max_tokens": 0}),
    "stream-a-string": Wrong("stream", {"stream": "yes"}),
    "stop-a-number": Wrong("stop", {"stop": 7}),
    "stop-in-list": Wrong("stop[1]", {"stop": ["a", 7]}),
    "tools-an-object": Wrong("tools", {"tools": {}}),
    "tool-without-function": Wrong("tools[0].function", {"tools": [{"type": "function"}]}),
    "tool-without-name": Wrong("tools[0].function.name", {"tools": [{"type": "function", "function": {}}]}),
    "format-a-string": Wrong("response_format", {"response_format": "json"}),
    "schema-missing": Wrong("response_format.json_schema", {"response_format": {"type": "json_schema"}}),
    "stream_options-alone": Wrong("stream_options", {"stream_options": {"include_usage": True}}),
    "metadata-a-list": Wrong("metadata", {"metadata": []}),
    "user-a-number": Wrong("user", {"user": 7}),
}


@pytest.mark.parametrize("case", WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_named_by_its_path(case: Wrong, gateway: Gateway) -> None:
    check(ask(gateway, **{**GOOD, **case.fields}), 400, case.param, case.code)


def test_a_missing_field_is_named(gateway: Gateway) -> None:
    for missing in ("model", "messages"):
        body = {name: value for name, value in GOOD.items() if name != missing}
        told = raw(gateway, http(gateway, json.dumps(body).encode()))
        check(told, 400, missing, "missing_required_parameter")


# size, time, media type


def test_a_promise_of_too_much_is_refused_before_it_is_read(gateway: Gateway) -> None:
    check(raw(gateway, http(gateway, b"", headers={"content-length": "99999999999"})), 413)


def test_a_body_that_grows_too_large_is_refused(gateway: Gateway) -> None:
    head = http(gateway, b"", headers={"content-length": "", "transfer-encoding": "chunked"})
    chunk = b"%x\r\n%b\r\n" % (1 << 20, b" " * (1 << 20))
    with socket.create_connection(("127.0.0.1", gateway.port), SECONDS) as sock:
        sock.sendall(head)
        for _ in range(80):
            try:
                sock.sendall(chunk)
            except (BrokenPipeError, ConnectionResetError):
                break
        try:
            told = read_reply(sock)
        except ConnectionResetError:
            return  # refused so firmly that the reply was lost under the rest of the body
    check(told, 413)


def test_a_body_that_dawdles_is_a_408(start_gateway: StartGateway) -> None:
    hasty = start_gateway("openai", SYNTRA_BODY_SECONDS="0.5")
    body = json.dumps(GOOD).encode()
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", hasty.port), SECONDS) as sock:
        sock.sendall(http(hasty, body)[:-10])
        told = read_reply(sock)
    check(told, 408)
    assert 0.4 < time.monotonic() - began < 3


@pytest.mark.parametrize(
    "kind",
    ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/xml", "json"],
)
def test_only_json_is_taken(kind: str, gateway: Gateway) -> None:
    check(raw(gateway, http(gateway, json.dumps(GOOD).encode(), headers={"content-type": kind})), 415)


# keys


@pytest.mark.parametrize(
    "sent", ["", "Bearer", "Bearer ", "Bearer sk-wrong", "Basic dTpw", "Token x", f"Bearer {'x' * 5000}", "Bearer \xe9"]
)
def test_no_good_key_is_a_401(sent: str, gateway: Gateway) -> None:
    told = raw(gateway, http(gateway, json.dumps(GOOD).encode(), headers={"authorization": sent}))
    check(told, 401, code="invalid_api_key")
    assert "sk-wrong" not in told.body.decode()


def test_a_wrong_key_learns_nothing_about_the_body(gateway: Gateway) -> None:
    told = raw(gateway, http(gateway, b"hello", headers={"authorization": "Bearer sk-wrong"}))
    assert told.status in {400, 401}


def test_two_authorization_headers_are_ambiguous(gateway: Gateway) -> None:
    good = http(gateway, json.dumps(GOOD).encode())
    head, _, rest = good.partition(b"\r\n")
    check(raw(gateway, head + b"\r\nauthorization: Bearer sk-other\r\n" + rest), 400)
    twice = f"authorization: Bearer {gateway.key}\r\n".encode()
    check(raw(gateway, head + b"\r\n" + twice + rest), 400)


# models, methods, routes


@pytest.mark.parametrize(
    ("asked", "near"),
    [
        ("gpt-4o-mni", "gpt-4o-mini"),
        ("claude-sonet-4-5", "claude-sonnet-4-5"),
        ("sintra", "syntra"),
    ],
)
def test_an_unknown_model_is_a_404_with_near_names(asked: str, near: str, gateway: Gateway) -> None:
    error = check(ask(gateway, asked, messages=HELLO), 404, "model", "model_not_found")
    assert near in error["message"].lower()


@pytest.mark.parametrize("asked", ["", "no-such-model-at-all", "nobody/model", "/", "openai/", "../../etc", "x" * 5000])
def test_a_model_of_nobody_is_a_4xx(asked: str, gateway: Gateway) -> None:
    told = ask(gateway, asked, messages=HELLO)
    assert told.status in {400, 404}
    check(told, told.status, "model")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/chat/completions", 405),
        ("PUT", "/v1/chat/completions", 405),
        ("DELETE", "/v1/models", 405),
        ("POST", "/v1/models", 405),
        ("POST", "/v1/nothing", 404),
        ("GET", "/v1/models/no-such-model", 404),
        ("GET", "/nothing", 404),
        ("POST", "/chat/completions/", 404),
        ("GET", "/v1/%2e%2e/key", 404),
        ("GET", "/../data/key", 404),
    ],
)
def test_wrong_methods_and_unknown_routes_are_told_in_openais_shape(
    method: str, path: str, status: int, gateway: Gateway
) -> None:
    body = b"" if method == "GET" else b"{}"
    check(raw(gateway, http(gateway, body, method, path)), status)


def test_embeddings_are_as_strict(gateway: Gateway) -> None:
    for body in (b"hello", b"{}", b'{"model":"openai/text-embedding-3-small","input":7}', b'{"model":7,"input":"a"}'):
        check(raw(gateway, http(gateway, body, path="/v1/embeddings")), 400)


def test_both_a_length_and_chunks_are_refused(gateway: Gateway) -> None:
    body = b"5\r\nhello\r\n0\r\n\r\n"
    told = raw(gateway, http(gateway, body, headers={"transfer-encoding": "chunked"}))
    assert 400 <= told.status < 500


def test_after_all_that_it_still_answers(gateway: Gateway, providers: Fakes) -> None:
    told = ask(gateway, OPENAI.model)
    assert told.text == "Hello from the fake."
    providers["openai"].requests.clear()
