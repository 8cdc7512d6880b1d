"""Failures as Responses clients act on them.

Codex reads only the code in `response.failed`: on some it stops at once, on `rate_limit_exceeded` it waits as long as
the message says, and on any other it asks again, five times. So what asking again cannot mend gets a code on which it
stops.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from gateway.core.errors import (
    AllCooling,
    BadRequest,
    ContextTooLong,
    SyntraError,
    UpstreamBusy,
    UpstreamCredential,
    UpstreamRejected,
)
from gateway.core.telling import Told

SERVER_ERROR: Final = "server_error"
QUOTA: Final = "insufficient_quota"


def code(error: SyntraError) -> str:
    """The code of a failure in the middle of an answer."""
    if error.status == 402:
        return QUOTA
    if isinstance(error, ContextTooLong):
        return "context_length_exceeded"
    if isinstance(error, UpstreamBusy | AllCooling):
        return "rate_limit_exceeded"
    if isinstance(error, BadRequest | UpstreamRejected | UpstreamCredential):
        return "invalid_prompt"
    return SERVER_ERROR


def message(error: SyntraError) -> str:
    """Our words; with how long to wait, where that is known, in the words that Codex looks for."""
    if isinstance(error, UpstreamBusy | AllCooling) and "try again in" not in error.message:
        return f"{error.message} Please try again in {error.retry_after}s."
    return error.message


def event(error: SyntraError) -> dict[str, Any]:
    """The fields of an `error` event: flat as the API documents it, and nested as the SDKs look for it."""
    told = {"code": code(error), "message": message(error), "param": error.param}
    return {**told, "error": {"type": error.type, **told}}


def whole(error: SyntraError, _: str) -> Told:
    """A failure with its status: OpenAI's shape, and a spent budget as OpenAI says it, on which Codex stops."""
    if error.status != 402:
        return Told(error.status, error.body())
    spent = {"message": error.message, "type": QUOTA, "param": error.param, "code": QUOTA}
    return Told(429, msgspec.json.encode({"error": spent}))
