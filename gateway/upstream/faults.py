"""What a provider's failure means: its status and body in our terms, never its prose."""

from __future__ import annotations

import email.utils
import re
import time
from collections.abc import Mapping

import msgspec
from msgspec import Struct

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
    UpstreamUnwilling,
)
from gateway.upstream import anthropic_words

MOST_PATIENCE = 60  # s; a longer Retry-After is a provider's mistake or a quota, and clients hang on it
DEFAULT_RETRY_AFTER = 1


class _Error(Struct):
    """The error object of OpenAI, Anthropic and Google; all three call the message `message`."""

    message: str | None = None
    type: str | None = None
    code: str | int | None = None
    status: str | None = None
    param: str | None = None
    metadata: object = None  # of OpenRouter, anything


class _Body(Struct):
    error: _Error | str | None = None


_body = msgspec.json.Decoder(_Body)

_CONTEXT_WORDS = (
    "context_length_exceeded",
    "maximum context length",
    "prompt is too long",
    "input token count",
    "exceeds the maximum number of tokens",
    "context window",
    "too many tokens",
    "exceeded model token limit",
)

_UNWILLING_CODES = (
    "content_policy_violation",
    "content_filter",
    "invalid_prompt",
    "responsible_ai_policy",
    "bio_policy",
)
_UNWILLING_WORDS = (
    "content filtering policy",
    "content management policy",
    "safety system",
    "violating our usage policy",
)

_SPENT_CODES = (
    "insufficient_quota",
    "billing_hard_limit_reached",
    "billing_not_active",
    "exceeded_current_quota_error",
)
_SPENT_WORDS = "credit balance is too low"  # Anthropic's, with a 400

_COUNT = re.compile(r"(?<![\d.])\d{4,9}(?![\d.])")  # tokens; every provider names the prompt's and its own most first
_ANSWER = re.compile(r"(\d{1,9}) in the (?:completion|output)")


def fault(provider: str, status: int, headers: Mapping[str, str], body: bytes) -> SyntraError:
    """The error that a reply with this status means, whatever the wire."""
    error = _read(body) if 400 <= status < 500 else _Error()
    if status == 402 or (status <= 429 and _is_spent(error)):
        return _spent(provider)
    if status in (401, 403):
        return _forbidden(provider, status, error)
    if status == 429:
        wait = retry_after(headers)
        return UpstreamBusy(f"{provider} is rate limited; try again in {wait} s.", retry_after=wait, provider=provider)
    if status in (408, 504):
        return UpstreamSilent(f"{provider} timed out (status {status}).", provider=provider)
    if 400 <= status < 500:
        if b"API_KEY_INVALID" in body:  # Google says 400 where others say 401
            return _refused(provider)
        return _rejected(provider, status, error)
    if 300 <= status < 400:
        return UpstreamFailed(f"{provider} answered with a redirect, which is not followed.", provider=provider)
    if status in (503, 529):
        stated = retry_after(headers) if "retry-after" in headers else None
        return UpstreamOverloaded(f"{provider} is overloaded (status {status}).", provider=provider, retry_after=stated)
    return UpstreamFailed(f"{provider} failed (status {status}).", provider=provider)


def inband(provider: str, raw: bytes) -> SyntraError:
    """The error that an error object inside a 200 reply means."""
    error = _read(b'{"error":' + raw + b"}")
    kind = f"{error.type} {error.code} {error.status}".lower()
    if _is_spent(error) or "402" in kind:
        return _spent(provider)
    if "rate_limit" in kind or "429" in kind or "resource_exhausted" in kind:
        return UpstreamBusy(f"{provider} is rate limited.", retry_after=DEFAULT_RETRY_AFTER, provider=provider)
    if "overloaded" in kind or "529" in kind:
        return UpstreamOverloaded(f"{provider} is overloaded.", provider=provider)
    if "authentication" in kind or "permission" in kind or "401" in kind or "403" in kind:
        return _forbidden(provider, 403, error)
    if "invalid_request" in kind or "400" in kind or _is_context(error):
        return _rejected(provider, 400, error)
    return UpstreamFailed(f"{provider} reported an error while answering.", provider=provider)


def _forbidden(provider: str, status: int, error: _Error) -> SyntraError:
    """A 401 or 403: our key is bad, unless it says that this model or this prompt is what it forbids.

    The difference matters: a bad key rests with all its models, and a client may pin any model and write any prompt.
    """
    if status == 403 and isinstance(error.metadata, dict) and "reasons" in error.metadata:  # OpenRouter's moderation
        return _unwilling(provider)
    if status == 403 and error.code == "model_not_found":
        return UpstreamUnknownModel(f"{provider} has no such model for this key.", status=404, provider=provider)
    return _refused(provider)


def _refused(provider: str) -> UpstreamCredential:
    return UpstreamCredential(f"{provider} refused the key that is set for it.", provider=provider)


def _spent(provider: str) -> UpstreamSpent:
    return UpstreamSpent(f"What the key that is set for {provider} may spend there is spent.", provider=provider)


def _unwilling(provider: str) -> UpstreamUnwilling:
    return UpstreamUnwilling(f"{provider} will not answer this: its content policy forbids it.", provider=provider)


def _rejected(provider: str, status: int, error: _Error) -> SyntraError:
    """A 4xx that is about the request; only codes and paths of a known form come through, no prose."""
    if _is_context(error):
        return _too_long(error.message or "")
    if _is_unwilling(error):
        return _unwilling(provider)
    code = error.code if isinstance(error.code, str) and _is_word(error.code) else None
    param = error.param if error.param is not None and len(error.param) < 100 and _is_path(error.param) else None
    if status in (404, 410):
        return UpstreamUnknownModel(f"{provider} does not know this model.", status=status, provider=provider)
    about = f" It is about '{param}'." if param else ""
    message = f"{provider} refused the request as invalid (status {status}).{about}"
    rejected = UpstreamRejected(message, status=status, provider=provider, code=code)
    rejected.param = param
    rejected.words = anthropic_words.told(error.message or "")
    return rejected


def _read(body: bytes) -> _Error:
    try:
        error = _body.decode(body).error
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _Error()  # not JSON, or not of this form: then the status alone speaks
    return error if isinstance(error, _Error) else _Error(message=error)


def _is_context(error: _Error) -> bool:
    text = f"{error.code} {error.message}".lower()
    return any(words in text for words in _CONTEXT_WORDS)


def _is_unwilling(error: _Error) -> bool:
    message = (error.message or "").lower()
    return error.code in _UNWILLING_CODES or any(words in message for words in _UNWILLING_WORDS)


def _is_spent(error: _Error) -> bool:
    return error.code in _SPENT_CODES or error.type in _SPENT_CODES or _SPENT_WORDS in (error.message or "")


def _too_long(message: str) -> ContextTooLong:
    """An overflow with the counts that the provider told: numbers come through, words do not."""
    told = "This model's maximum context length is exceeded: the prompt is too long."
    counts = sorted(int(number) for number in _COUNT.findall(message)[:2])
    if len(counts) < 2 or counts[0] == counts[1]:
        return ContextTooLong(told)
    answer = _ANSWER.search(message)
    return ContextTooLong(told, tokens=counts[1], most=counts[0], answer=int(answer[1]) if answer else 0)


def _is_word(text: str) -> bool:
    return len(text) < 50 and text.replace("_", "").isalnum() and text.isascii()


def _is_path(text: str) -> bool:
    return text.isascii() and text.translate(_PATH_MARKS).isalnum()


_PATH_MARKS = str.maketrans("", "", "._[]")


def retry_after(headers: Mapping[str, str]) -> int:
    """Whole seconds to wait: `retry-after-ms`, or Retry-After as seconds or date (RFC 9110 §10.2.3), within 1..60."""
    wait = _milliseconds(headers.get("retry-after-ms")) or _seconds(headers.get("retry-after", ""))
    return max(DEFAULT_RETRY_AFTER, min(MOST_PATIENCE, wait))


def _milliseconds(value: str | None) -> int:
    return -(-int(value) // 1000) if value is not None and value.isdecimal() and len(value) < 10 else 0


def _seconds(value: str) -> int:
    value = value.strip()
    if value.replace(".", "", 1).isdecimal():
        return -int(-float(value) // 1) if len(value) < 10 else MOST_PATIENCE
    try:
        date = email.utils.parsedate_to_datetime(value)
    except ValueError:
        return 0
    return -int(-(date.timestamp() - time.time()) // 1)
