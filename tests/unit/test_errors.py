"""The tree of errors: what each tells, with which status, and that the drawing of it is true."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

import gateway
from gateway.core import errors
from gateway.core.errors import (
    AllCooling,
    BadKey,
    BadRequest,
    BodyTooLarge,
    BodyTooSlow,
    BudgetSpent,
    Conflict,
    ContextTooLong,
    Draining,
    Forbidden,
    Internal,
    NotAllowed,
    NothingFits,
    Overloaded,
    Paced,
    RateLimited,
    StoreAway,
    StreamGone,
    SyntraError,
    TwinDiffers,
    Unknown,
    UnknownModel,
    UnknownPolicy,
    UnknownRoute,
    UpstreamBroken,
    UpstreamBusy,
    UpstreamCredential,
    UpstreamError,
    UpstreamFailed,
    UpstreamOverloaded,
    UpstreamRejected,
    UpstreamSilent,
    UpstreamSpent,
    UpstreamUnknownModel,
    UpstreamUnreachable,
    UpstreamUnwilling,
    WrongMediaType,
    WrongMethod,
)
from gateway.core.telling import Telling, as_chat
from gateway.dialects.messages.errors import telling as as_messages
from gateway.dialects.responses.failures import whole as as_responses
from gateway.records.metrics import ERRORS


@dataclass(frozen=True)
class Case:
    """An error and how the client hears of it."""

    error: SyntraError
    status: int
    type: str
    code: str | None
    headers: tuple[tuple[bytes, bytes], ...] = ()
    retryable: bool = False

    def __str__(self) -> str:
        return type(self.error).__name__


NO_MORE = ((b"x-should-retry", b"false"),)

CASES = (
    Case(SyntraError("no"), 500, "server_error", None),
    Case(BadRequest("no"), 400, "invalid_request_error", None),
    Case(ContextTooLong("no"), 400, "invalid_request_error", "context_length_exceeded"),
    Case(BodyTooSlow("no"), 408, "invalid_request_error", None),
    Case(BodyTooLarge("no"), 413, "invalid_request_error", None),
    Case(WrongMediaType("no"), 415, "invalid_request_error", None),
    Case(UnknownRoute("no"), 404, "invalid_request_error", "unknown_url"),
    Case(UnknownModel("no", []), 404, "invalid_request_error", "model_not_found"),
    Case(UnknownPolicy("no", []), 400, "invalid_request_error", "unknown_policy"),
    Case(StreamGone("no"), 410, "invalid_request_error", "stream_gone"),
    Case(NothingFits("no"), 400, "invalid_request_error", "no_candidate"),
    Case(NotAllowed("no"), 403, "invalid_request_error", "model_not_allowed"),
    Case(AllCooling("no", retry_after=7), 429, "rate_limit_error", "rate_limit_exceeded", ((b"retry-after", b"7"),)),
    Case(
        RateLimited("no", type_="tokens", retry_after=7, limits=[(b"x-ratelimit-limit-tokens", b"9")]),
        429,
        "tokens",
        "rate_limit_exceeded",
        ((b"retry-after", b"7"), (b"x-ratelimit-limit-tokens", b"9")),
    ),
    Case(
        RateLimited("no", type_="requests", retry_after=None),
        429,
        "requests",
        "rate_limit_exceeded",
        ((b"x-should-retry", b"false"),),
    ),
    Case(
        BudgetSpent("no", limits=[(b"x-ratelimit-limit-requests", b"9")]),
        402,
        "insufficient_quota",
        "insufficient_quota",
        ((b"x-should-retry", b"false"), (b"x-ratelimit-limit-requests", b"9")),
    ),
    Case(
        WrongMethod("no", "GET, HEAD"), 405, "invalid_request_error", "method_not_allowed", ((b"allow", b"GET, HEAD"),)
    ),
    Case(StoreAway("no"), 503, "server_error", "store_unavailable", ((b"retry-after", b"2"),)),
    Case(Unknown("no"), 404, "invalid_request_error", "not_found"),
    Case(Conflict("no"), 409, "invalid_request_error", "conflict"),
    Case(Forbidden("no"), 403, "invalid_request_error", "not_allowed"),
    Case(BadKey("no"), 401, "invalid_request_error", "invalid_api_key"),
    Case(Draining("no"), 503, "server_error", "draining", ((b"retry-after", b"1"),)),
    Case(Internal("no"), 500, "server_error", "internal_error"),
    Case(UpstreamError("no"), 502, "server_error", "upstream_error", retryable=True),
    Case(UpstreamRejected("no", status=422), 422, "invalid_request_error", "upstream_rejected"),
    Case(UpstreamUnknownModel("no", status=404), 404, "invalid_request_error", "model_not_found", retryable=True),
    Case(
        UpstreamBusy("no", retry_after=7),
        429,
        "rate_limit_error",
        "rate_limit_exceeded",
        ((b"retry-after", b"7"),),
        retryable=True,
    ),
    Case(UpstreamUnwilling("no"), 400, "invalid_request_error", "content_policy_violation"),
    Case(
        Paced("no", retry_after=7),
        429,
        "rate_limit_error",
        "rate_limit_exceeded",
        ((b"retry-after", b"7"),),
        retryable=True,
    ),
    Case(TwinDiffers("no"), 422, "idempotency_error", "idempotency_key_reused"),
    Case(Overloaded("no"), 503, "server_error", "overloaded", ((b"retry-after", b"1"),)),
    Case(UpstreamCredential("no"), 502, "invalid_request_error", "upstream_credential", NO_MORE, retryable=True),
    Case(UpstreamSpent("no"), 402, "insufficient_quota", "insufficient_quota", NO_MORE, retryable=True),
    Case(
        AllCooling("no", retry_after=61),
        429,
        "rate_limit_error",
        "rate_limit_exceeded",
        ((b"retry-after", b"61"), *NO_MORE),
    ),
    Case(UpstreamFailed("no"), 502, "server_error", "upstream_error", retryable=True),
    Case(UpstreamOverloaded("no"), 502, "server_error", "upstream_error", retryable=True),
    Case(UpstreamUnreachable("no"), 502, "server_error", "upstream_unreachable", retryable=True),
    Case(UpstreamSilent("no"), 504, "server_error", "upstream_timeout", retryable=True),
    Case(UpstreamBroken("no"), 502, "server_error", "upstream_broken", retryable=True),
)


def descendants(kind: type[SyntraError]) -> Iterator[type[SyntraError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from descendants(child)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_error_knows_how_it_is_told(case: Case) -> None:
    error = case.error
    assert (error.status, error.type, error.code) == (case.status, case.type, case.code)
    assert tuple(error.headers) == case.headers
    assert error.retryable is case.retryable


@pytest.mark.parametrize("case", CASES, ids=str)
def test_no_mistake_of_the_clients_is_counted_as_the_servers(case: Case) -> None:
    assert (case.error.kind == "server_error") is (type(case.error) is SyntraError)
    if case.status < 500:
        assert case.error.kind in ERRORS


@pytest.mark.parametrize("telling", [as_chat, as_responses, as_messages])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_no_header_of_a_failure_is_told_twice(case: Case, telling: Telling) -> None:
    """A client that reads two of `x-should-retry` finds `false, false`, which is neither."""
    names = [name for name, _ in (*telling(case.error, "r").headers, *case.error.headers)]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_body_is_openais_error_object(case: Case) -> None:
    told = msgspec.json.decode(case.error.body())
    assert list(told) == ["error"]
    assert set(told["error"]) == {"message", "type", "param", "code"}
    assert told["error"]["message"] == case.error.message
    assert (told["error"]["type"], told["error"]["code"]) == (case.type, case.code)


def test_no_class_of_the_tree_is_left_out_here() -> None:
    assert {type(case.error) for case in CASES} == set(descendants(SyntraError))


def test_every_syntra_error_of_the_house_stands_in_this_one_file() -> None:
    names = {kind.__name__ for kind in descendants(SyntraError)}
    elsewhere = [
        f"{path}: {node.name}"
        for path in sorted(Path(gateway.__path__[0]).rglob("*.py"))
        if path != Path(errors.__file__)
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.ClassDef) and names & {ast.unparse(base).rpartition(".")[2] for base in node.bases}
    ]
    assert elsewhere == []


@dataclass(frozen=True)
class Branch:
    """One line of the drawing."""

    name: str
    parent: str | None
    status: str


def drawing() -> list[Branch]:
    above: list[str] = []
    branches = []
    for line in (errors.__doc__ or "").splitlines():
        match = re.fullmatch(r"(?P<stem>[│├└─ ]*)(?P<name>[A-Z]\w+)(?:\s+(?P<status>\dxx|\d{3})\b.*|\s{2,}.*)?", line)
        if match is None or " " in match["name"]:
            continue
        depth = len(match["stem"]) // 4
        del above[depth:]
        branches.append(Branch(match["name"], above[-1] if above else None, match["status"] or ""))
        above.append(match["name"])
    return branches


def test_the_drawing_shows_every_class_under_its_parent() -> None:
    drawn = {(branch.name, branch.parent) for branch in drawing() if hasattr(errors, branch.name)}
    real = {
        (kind.__name__, None if kind is SyntraError else kind.__bases__[0].__name__)
        for kind in descendants(SyntraError)
    }
    assert drawn == real


def test_the_drawing_shows_every_status() -> None:
    shown = {branch.name: branch.status for branch in drawing() if branch.status}
    told = {str(case): str(case.status) for case in CASES}
    assert {name: status for name, status in shown.items() if status != "4xx"} == {
        name: status for name, status in told.items() if name in shown and shown[name] != "4xx"
    }
    assert {name for name, status in shown.items() if status == "4xx"} == {"UpstreamRejected"}
    assert set(told) - set(shown) == {"SyntraError", "UpstreamError"}  # nobody is told these two


def test_an_errors_own_code_wins_over_its_class() -> None:
    assert BadRequest("no", code="odd").code == "odd"
    assert BadRequest("no").code is None
    assert msgspec.json.decode(BadRequest("no", param="messages[0]", code="odd").body())["error"] == {
        "message": "no",
        "type": "invalid_request_error",
        "param": "messages[0]",
        "code": "odd",
    }


def test_an_unknown_model_is_told_with_names_that_are_near() -> None:
    near = UnknownModel("gpt-4o-mimi", ["openai/gpt-4o-mini", "openai/gpt-4o"])
    assert near.param == "model"
    assert "'gpt-4o-mimi'" in near.message
    assert near.message.endswith("Did you mean openai/gpt-4o-mini or openai/gpt-4o?")
    assert UnknownModel("zzz", []).message.endswith("GET /v1/models lists what there is.")


def test_a_name_with_quotes_and_controls_stays_inside_its_json_string() -> None:
    error = UnknownModel('a"}\n\x1b[31m\ufffd', [])
    assert msgspec.json.decode(error.body())["error"]["message"] == error.message


def test_the_provider_is_for_the_log_and_not_for_the_client() -> None:
    assert b"acme" not in UpstreamFailed("no", provider="acme").body()
