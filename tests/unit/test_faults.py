"""What a provider's failure means to our caller, in our words and never in the provider's."""

from __future__ import annotations

import email.utils
import json
import time
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.errors import (
    ContextTooLong,
    SyntraError,
    UpstreamBusy,
    UpstreamCredential,
    UpstreamFailed,
    UpstreamOverloaded,
    UpstreamRejected,
    UpstreamSilent,
    UpstreamSpent,
    UpstreamUnknownModel,
)
from gateway.upstream.faults import MOST_PATIENCE, fault, inband, retry_after

PROSE = "You did not pay, see https://acme.test/sk-acme-4711"


@dataclass(frozen=True)
class Reply:
    """A provider's reply, and what our caller is told."""

    status: int
    kind: type[SyntraError]
    told: int
    error: Any = None
    code: str | None = None
    param: str | None = None

    def __str__(self) -> str:
        return f"{self.status} {json.dumps(self.error)[:50]}"


REPLIES = (
    Reply(301, UpstreamFailed, 502),
    Reply(302, UpstreamFailed, 502),
    Reply(307, UpstreamFailed, 502),
    Reply(308, UpstreamFailed, 502),
    Reply(304, UpstreamFailed, 502),
    Reply(201, UpstreamFailed, 502),
    Reply(204, UpstreamFailed, 502),
    Reply(400, UpstreamRejected, 400),
    Reply(
        400,
        UpstreamRejected,
        400,
        {"message": PROSE, "code": "invalid_value", "param": "messages[0].content"},
        "invalid_value",
        "messages[0].content",
    ),
    Reply(400, UpstreamRejected, 400, {"message": PROSE, "code": PROSE, "param": PROSE}),
    Reply(400, UpstreamRejected, 400, {"message": PROSE, "code": 17, "param": None}),
    Reply(400, UpstreamRejected, 400, {"message": PROSE, "code": "a" * 80, "param": "b" * 200}),
    Reply(400, ContextTooLong, 400, {"code": "context_length_exceeded"}, "context_length_exceeded"),
    Reply(
        400,
        ContextTooLong,
        400,
        {"message": "This model's maximum context length is 8192 tokens."},
        "context_length_exceeded",
    ),
    Reply(
        400,
        ContextTooLong,
        400,
        {"message": "prompt is too long: 210000 tokens > 200000 maximum"},
        "context_length_exceeded",
    ),
    Reply(
        400,
        ContextTooLong,
        400,
        {"message": "The input token count (2000000) exceeds the maximum"},
        "context_length_exceeded",
    ),
    Reply(400, ContextTooLong, 400, "Input exceeds the context window", "context_length_exceeded"),
    Reply(
        400,
        UpstreamCredential,
        502,
        {"message": "API key not valid", "details": [{"reason": "API_KEY_INVALID"}]},
        "upstream_credential",
    ),
    Reply(400, UpstreamSpent, 402, {"message": "Your credit balance is too low to access it."}, "insufficient_quota"),
    Reply(402, UpstreamSpent, 402, {"message": PROSE}, "insufficient_quota"),
    Reply(429, UpstreamSpent, 402, {"message": PROSE, "code": "insufficient_quota"}, "insufficient_quota"),
    Reply(429, UpstreamSpent, 402, {"message": PROSE, "type": "exceeded_current_quota_error"}, "insufficient_quota"),
    Reply(401, UpstreamCredential, 502, {"message": PROSE}, "upstream_credential"),
    Reply(403, UpstreamCredential, 502, {"message": PROSE}, "upstream_credential"),
    Reply(404, UpstreamUnknownModel, 404, {"message": PROSE, "code": "not_found"}, "model_not_found"),
    Reply(408, UpstreamSilent, 504),
    Reply(409, UpstreamRejected, 409),
    Reply(413, UpstreamRejected, 413),
    Reply(422, UpstreamRejected, 422, {"message": PROSE, "param": "tools[0].function"}, param="tools[0].function"),
    Reply(429, UpstreamBusy, 429, {"message": PROSE}, "rate_limit_exceeded"),
    Reply(500, UpstreamFailed, 502, {"message": PROSE}),
    Reply(501, UpstreamFailed, 502),
    Reply(502, UpstreamFailed, 502),
    Reply(503, UpstreamOverloaded, 502),
    Reply(504, UpstreamSilent, 504),
    Reply(520, UpstreamFailed, 502),
    Reply(529, UpstreamOverloaded, 502),
)


@pytest.mark.parametrize("reply", REPLIES, ids=str)
def test_every_status_is_told_in_our_words(reply: Reply) -> None:
    body = b"" if reply.error is None else json.dumps({"error": reply.error}).encode()
    error = fault("acme", reply.status, {}, body)
    assert (type(error), error.status) == (reply.kind, reply.told)
    if reply.code is not None:
        assert error.code == reply.code
    assert error.param == reply.param
    told = error.body().decode()
    assert PROSE not in told
    assert "4711" not in told


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>502</html>",
        b"\xff\xfe",
        b"[" * 100000,
        b"null",
        b"[]",
        b'"x"',
        b'{"error":5}',
        b'{"error":null}',
        b'{"error":[]}',
        b'{"error":{"message":5}}',
        b'{"error":{"code":{"a":1}}}',
        b'{"detail":"x"}',
        b'{"error":"plain"}',
        b"9" * 70000,
    ],
    ids=lambda body: repr(body[:30]),
)
@pytest.mark.parametrize("status", [400, 404, 429, 500])
def test_a_body_of_any_form_leaves_the_status_its_meaning(status: int, body: bytes) -> None:
    expected = {400: UpstreamRejected, 404: UpstreamUnknownModel, 429: UpstreamBusy, 500: UpstreamFailed}
    assert type(fault("acme", status, {}, body)) is expected[status]


def test_a_credential_of_ours_is_never_the_callers_fault() -> None:
    for status in (401, 403):
        error = fault("acme", status, {}, b"")
        assert error.status == 502
        assert error.code != "invalid_api_key"


@settings(max_examples=200)
@given(st.integers(100, 599).filter(lambda status: status != 200), st.binary(max_size=200), st.text(max_size=30))
def test_whatever_comes_back_is_an_error_of_the_tree(status: int, body: bytes, wait: str) -> None:
    error = fault("acme", status, {"retry-after": wait}, body)
    assert isinstance(error, SyntraError)
    assert 400 <= error.status < 600
    assert error.status not in (401, 403)


@dataclass(frozen=True)
class Wait:
    """Headers, and the whole seconds that our caller is asked to wait."""

    headers: dict[str, str] = field(default_factory=dict)
    seconds: int = 1

    def __str__(self) -> str:
        return str(self.headers)


NOW = time.time()
WAITS = (
    Wait({}),
    Wait({"retry-after": "0"}),
    Wait({"retry-after": "1"}, 1),
    Wait({"retry-after": "7"}, 7),
    Wait({"retry-after": " 7 "}, 7),
    Wait({"retry-after": "0.2"}, 1),
    Wait({"retry-after": "1.2"}, 2),
    Wait({"retry-after": "12.000"}, 12),
    Wait({"retry-after": "60"}, 60),
    Wait({"retry-after": "61"}, MOST_PATIENCE),
    Wait({"retry-after": "86400"}, MOST_PATIENCE),
    Wait({"retry-after": "99999999999999999999"}, MOST_PATIENCE),
    Wait({"retry-after": "-5"}),
    Wait({"retry-after": "soon"}),
    Wait({"retry-after": ""}),
    Wait({"retry-after": "1e3"}),
    Wait({"retry-after": "inf"}),
    Wait({"retry-after": "nan"}),
    Wait({"retry-after": "²"}),
    Wait({"retry-after": "1, 2"}),
    Wait({"retry-after": "\x00"}),
    Wait({"retry-after": "Mon, 99 Foo 2026 99:99:99 GMT"}),
    Wait({"retry-after": "Mon, 01 Jan 0001 00:00:00 +2359"}),
    Wait({"retry-after": email.utils.formatdate(NOW - 3600, usegmt=True)}),
    Wait({"retry-after": email.utils.formatdate(NOW + 86400, usegmt=True)}, MOST_PATIENCE),
    Wait({"retry-after-ms": "1"}, 1),
    Wait({"retry-after-ms": "1500"}, 2),
    Wait({"retry-after-ms": "900000"}, MOST_PATIENCE),
    Wait({"retry-after-ms": "2500", "retry-after": "40"}, 3),
    Wait({"retry-after-ms": "never", "retry-after": "4"}, 4),
    Wait({"retry-after-ms": "-1", "retry-after": "4"}, 4),
)


@pytest.mark.parametrize(
    "wait", WAITS, ids=[f"{place} {next(iter(wait.headers), 'none')}" for place, wait in enumerate(WAITS)]
)
def test_a_wait_is_at_least_a_second_and_at_most_a_minute(wait: Wait) -> None:
    assert retry_after(wait.headers) == wait.seconds
    error = fault("acme", 429, wait.headers, b"")
    assert dict(error.headers) == {b"retry-after": str(wait.seconds).encode()}


def test_a_wait_may_be_told_as_a_date() -> None:
    for zone in ({"usegmt": True}, {"localtime": True}):
        assert 28 <= retry_after({"retry-after": email.utils.formatdate(time.time() + 30, **zone)}) <= 31


@settings(max_examples=200)
@given(st.text(max_size=40), st.text(max_size=12))
def test_no_header_breaks_the_reading_of_a_wait(after: str, milliseconds: str) -> None:
    assert 1 <= retry_after({"retry-after": after, "retry-after-ms": milliseconds}) <= MOST_PATIENCE


@dataclass(frozen=True)
class Inband:
    """An error object inside a 200 reply, and what it means."""

    error: Any
    kind: type[SyntraError]

    def __str__(self) -> str:
        return json.dumps(self.error)[:60]


@pytest.mark.parametrize(
    "sent",
    [
        Inband({"message": PROSE}, UpstreamFailed),
        Inband({"message": PROSE, "type": "server_error"}, UpstreamFailed),
        Inband({"message": PROSE, "type": "overloaded_error"}, UpstreamOverloaded),
        Inband({"message": PROSE, "code": 502}, UpstreamFailed),
        Inband({"message": PROSE, "type": "rate_limit_error"}, UpstreamBusy),
        Inband({"message": PROSE, "code": 429}, UpstreamBusy),
        Inband({"message": PROSE, "code": 429, "status": "RESOURCE_EXHAUSTED"}, UpstreamBusy),
        Inband({"message": PROSE, "code": "insufficient_quota"}, UpstreamSpent),
        Inband({"message": PROSE, "code": 402}, UpstreamSpent),
        Inband({"message": PROSE, "type": "authentication_error"}, UpstreamCredential),
        Inband({"message": PROSE, "code": 403, "status": "PERMISSION_DENIED"}, UpstreamCredential),
        Inband({"message": PROSE, "type": "invalid_request_error"}, UpstreamRejected),
        Inband({"message": PROSE, "code": 400}, UpstreamRejected),
        Inband({"message": "prompt is too long: 5 > 4"}, ContextTooLong),
        Inband(PROSE, UpstreamFailed),
        Inband("maximum context length is 5", ContextTooLong),
        Inband(["x"], UpstreamFailed),
        Inband(5, UpstreamFailed),
        Inband({}, UpstreamFailed),
        Inband({"message": 5, "type": []}, UpstreamFailed),
    ],
    ids=str,
)
def test_an_error_inside_a_good_reply_is_told_as_what_it_is(sent: Inband) -> None:
    error = inband("acme", json.dumps(sent.error).encode())
    assert type(error) is sent.kind
    assert "4711" not in error.body().decode()


@pytest.mark.parametrize("raw", [b"", b"{", b"\xff", b"[" * 100_000, b'"}'])
def test_an_error_that_cannot_be_read_is_still_an_error(raw: bytes) -> None:
    assert type(inband("acme", raw)) is UpstreamFailed


@pytest.mark.parametrize(
    ("message", "counts"),
    [
        ("prompt is too long: 210011 tokens > 200000 maximum", (210011, 200000, 0)),
        (
            "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
            (1200000, 1048576, 0),
        ),
        ("Invalid request: Your request exceeded model token limit: 131072 (requested: 140002)", (140002, 131072, 0)),
        (
            "The maximum context length is 128000 tokens. You requested 140000 (108000 in the input, 32000 in the output).",
            (140000, 128000, 32000),
        ),
        ("This model's maximum context length is 8192 tokens.", (0, 0, 0)),
        ("Your prompt is beyond the context window of acct_12345678", (0, 0, 0)),
    ],
)
def test_an_overflow_brings_its_counts(message: str, counts: tuple[int, int, int]) -> None:
    error = fault("acme", 400, {}, json.dumps({"error": {"message": message}}).encode())
    assert isinstance(error, ContextTooLong)
    assert (error.tokens, error.most, error.answer) == counts


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (
            f"{PROSE} messages.1.role: Input should be 'user' or 'assistant'",
            "messages.1.role: Input should be 'user' or 'assistant'",
        ),
        (
            f"messages.3.content.0: Invalid `signature` in `thinking` block. {PROSE}",
            "messages.3.content.0: Invalid `signature` in `thinking` block",
        ),
        (
            f"context_management: Extra inputs are not permitted {PROSE}",
            "context_management: Extra inputs are not permitted",
        ),
        (
            f"Unexpected value(s) `effort-2025-11-24` for the `anthropic-beta` header. {PROSE}",
            "Unexpected value(s) `effort-2025-11-24` for the `anthropic-beta` header",
        ),
        (
            "messages.0.content.2.image.source.base64: image exceeds 5 MB maximum: 7340032 bytes > 5242880 bytes",
            "messages.0.content.2.image.source.base64: image exceeds 5 MB maximum: 7340032 bytes > 5242880 bytes",
        ),
        ("The PDF specified is password protected.", "The PDF specified is password protected"),
        (PROSE, ""),
    ],
)
def test_words_that_anthropics_clients_act_on_come_through_and_no_others(message: str, words: str) -> None:
    error = fault("acme", 400, {}, json.dumps({"error": {"message": message}}).encode())
    assert isinstance(error, UpstreamRejected)
    assert error.words == words
    assert PROSE not in error.message
