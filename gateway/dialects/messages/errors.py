"""Errors as Anthropic tells them, in the words that its clients act on.

Clients read the type; Claude Code reads some messages too: "prompt is too long: N tokens > M maximum" makes it compact
the conversation, "input length and `max_tokens` exceed context limit" makes it ask for less, and a "not_found_error"
with "model:" in it makes it name another model.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from gateway.core.errors import (
    BadKey,
    BadRequest,
    ContextTooLong,
    Internal,
    SyntraError,
    UnknownModel,
    UpstreamOverloaded,
    UpstreamRejected,
    UpstreamUnknownModel,
)
from gateway.core.telling import Told

_encode = msgspec.json.Encoder().encode

OVERLOADED: Final = 529  # Anthropic's own
_TYPES: Final[Mapping[int, str]] = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    OVERLOADED: "overloaded_error",
}
_NO_RETRY: Final = (b"x-should-retry", b"false")


def telling(error: SyntraError, request_id: str) -> Told:
    """An error as a whole reply."""
    status = _status(error)
    headers = [(b"request-id", request_id.encode())]
    if _is_final(error):
        headers.append(_NO_RETRY)
    return Told(status, _body(error, request_id), headers)


def event(error: SyntraError, request_id: str) -> bytes:
    """An error as the last event of a stream."""
    return b"event: error\ndata: %b\n\n" % _body(error, request_id)


def _body(error: SyntraError, request_id: str) -> bytes:
    told = {"type": _type(error), "message": _message(error)}
    return _encode({"type": "error", "error": told, "request_id": request_id})


def _status(error: SyntraError) -> int:
    """Anthropic says overload with a status of its own; Claude Code then asks another model, if it may."""
    return OVERLOADED if error.status == 503 or isinstance(error, UpstreamOverloaded) else error.status


def _type(error: SyntraError) -> str:
    known = _TYPES.get(_status(error))
    return known or ("api_error" if error.status >= 500 else "invalid_request_error")


def _message(error: SyntraError) -> str:
    if isinstance(error, ContextTooLong):
        return _overflow(error)
    if isinstance(error, UnknownModel | UpstreamUnknownModel):
        return f"model: {error.message}"
    return (error.words if isinstance(error, UpstreamRejected) else "") or error.message


def _overflow(error: ContextTooLong) -> str:
    prompt = error.tokens - error.answer
    if not error.tokens or not error.most:
        return "prompt is too long"
    if error.answer and prompt <= error.most:
        told = f"{prompt} + {error.answer} > {error.most}"
        advice = "decrease input length or `max_tokens` and try again"
        return f"input length and `max_tokens` exceed context limit: {told}, {advice}"
    return f"prompt is too long: {error.tokens} tokens > {error.most} maximum"


def _is_final(error: SyntraError) -> bool:
    """Whether asking again cannot help, and the error's own headers do not say so: Claude Code would, for minutes.

    What a provider finds wrong is not: Claude Code then leaves out, one by one, what only Anthropic's newest know.
    """
    if isinstance(error, UpstreamRejected):
        return error.status == 404
    return isinstance(error, BadRequest | BadKey | Internal) and error.status != 408
