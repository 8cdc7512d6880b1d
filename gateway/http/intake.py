"""From a socket to bytes that may be parsed: headers, size, time and media type are checked before any JSON is."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from msgspec import Struct, structs

from gateway.core.apikey import PREFIX
from gateway.core.errors import BadRequest, BodyTooLarge, WrongMediaType
from gateway.core.freshness import ANY, Freshness, freshness
from gateway.core.ids import uuid7
from gateway.core.memories import MODES, Mode
from gateway.core.money import picodollars

if TYPE_CHECKING:
    from litestar.types import HTTPScope, Receive

BODY_LIMIT = 32 * 1024 * 1024  # bytes; what Anthropic takes, above OpenAI's own limit for images
_MOST_DIGITS = 18  # of a Content-Length; more are too large, however they end
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:-]{1,128}")
_JSON = re.compile(rb"\s*application/(?:[\w.-]+\+)?json\s*(?:;.*)?", re.IGNORECASE)
_NUMBER = re.compile(rb"\d{1,12}(?:\.\d{1,12})?|\.\d{1,12}")
_SWITCH = {b"on": True, b"1": True, b"true": True, b"off": False, b"0": False, b"false": False}


_OURS = PREFIX.encode()
CLAUDE_CODE = b"x-claude-code-session-id"
# Who names a conversation, the narrowest name first: Codex has a session of several threads, opencode sends both of its
# own, Claude Code and pi have one each.
_CONVERSATION = (
    b"thread-id",
    b"x-session-id",
    b"x-session-affinity",
    CLAUDE_CODE,
    b"session-id",
    b"session_id",
)
_CACHE = b"x-syntra-cache-control"
_TWIN = b"idempotency-key"
_WISHES = frozenset(
    (
        _CACHE,
        _TWIN,
        b"x-syntra-persona",
        b"x-syntra-debug",
        b"x-syntra-policy",
        b"x-syntra-max-cost-usd",
        b"x-syntra-max-ttft-ms",
        b"x-syntra-user",
        b"x-syntra-memory",
        b"x-org-id",
        *_CONVERSATION,
    )
)
_PLAIN = b"application/json"
LONGEST_NAME = 256  # bytes of it; more tell nothing more


class Left(Exception):
    """The client closed the connection; there is nobody to answer."""


class Head(Struct, frozen=True):
    """What a request says before its body."""

    request_id: str
    bearer: str | None
    json: bool
    form: bool
    length: int | None
    persona: bool | None = None
    debug: bool = False
    policy: str | None = None
    max_cost: int | None = None  # picodollars
    max_ttft_ms: float | None = None
    organisation: str = ""  # x-org-id, which must be the key's
    conversation: str = ""  # the client's own name for it
    freshness: Freshness = ANY
    user: str = ""  # whom the client speaks for
    memory: Mode | None = None
    twin: str = ""  # the Idempotency-Key


def read_head(scope: HTTPScope) -> Head:
    """The headers that Syntra reads; raw headers go no further than this. Raises BadRequest for an ambiguous one."""
    headers = list(scope["headers"])
    found = dict(headers)
    if len(found) != len(headers) and [name for name, _ in headers].count(b"authorization") > 1:
        raise BadRequest("There are two Authorization headers.", code="ambiguous_authorization")
    length = found.get(b"content-length", b"")
    if length and b"transfer-encoding" in found:
        raise BadRequest("A body has either a Content-Length or a Transfer-Encoding.")
    media_type = found.get(b"content-type", _PLAIN)
    head = Head(
        _request_id(found),
        _bearer(found),
        json=media_type == _PLAIN or _JSON.fullmatch(media_type) is not None,
        form=media_type != _PLAIN and media_type.lstrip().lower().startswith(b"multipart/form-data"),
        length=int(length[:_MOST_DIGITS]) if length.isdigit() else None,
    )
    return head if _WISHES.isdisjoint(found) else structs.replace(head, **_wishes(found))


def named(scope: HTTPScope) -> str:
    """The id of a request whose other headers cannot be read."""
    return _request_id(dict(scope["headers"]))


def _request_id(found: dict[bytes, bytes]) -> str:
    """The client's own, where it can stand in a log, else a new one."""
    told = found.get(b"x-request-id")
    return told.decode() if told is not None and _REQUEST_ID.fullmatch(told) else uuid7()


def _wishes(found: dict[bytes, bytes]) -> dict[str, Any]:
    """What most requests do not say."""
    return {
        "persona": _switch(found, b"x-syntra-persona"),
        "debug": bool(_switch(found, b"x-syntra-debug")),
        "policy": found[b"x-syntra-policy"].decode("latin-1").strip() if b"x-syntra-policy" in found else None,
        "max_cost": None if (usd := _amount(found, b"x-syntra-max-cost-usd")) is None else picodollars(usd),
        "max_ttft_ms": _amount(found, b"x-syntra-max-ttft-ms"),
        "organisation": found.get(b"x-org-id", b"").decode("latin-1").strip(),
        "conversation": next(
            (found[name][:LONGEST_NAME].decode("latin-1") for name in _CONVERSATION if name in found), ""
        ),
        "freshness": freshness(found[_CACHE].decode("latin-1")) if _CACHE in found else ANY,
        "user": found.get(b"x-syntra-user", b"").decode("utf-8", "replace").strip(),
        "memory": _memory(found),
        "twin": found.get(_TWIN, b"").decode("latin-1").strip(),
    }


def _bearer(found: dict[bytes, bytes]) -> str | None:
    """The key from `Authorization: Bearer`, or from `x-api-key` as some clients send it, whichever is one of ours."""
    scheme, _, key = found.get(b"authorization", b"").partition(b" ")
    other = found.get(b"x-api-key")
    if scheme.lower() != b"bearer":
        key = other or b""
    elif other is not None and other.startswith(_OURS) and not key.strip().startswith(_OURS):
        key = other
    return key.strip().decode("utf-8", "surrogateescape") or None


def _switch(found: dict[bytes, bytes], name: bytes) -> bool | None:
    value = found.get(name)
    if value is None:
        return None
    if (wanted := _SWITCH.get(value.strip().lower())) is None:
        raise BadRequest(f"The header {name.decode()} is either on or off.", code="invalid_header")
    return wanted


def _memory(found: dict[bytes, bytes]) -> Mode | None:
    value = found.get(b"x-syntra-memory")
    if value is None:
        return None
    named = value.strip().lower().decode("latin-1")
    wanted = next((mode for mode in MODES if mode == named), None)
    if wanted is None:
        raise BadRequest("The header x-syntra-memory is off, read or read-write.", code="invalid_header")
    return wanted


def _amount(found: dict[bytes, bytes], name: bytes) -> float | None:
    """A plain number above zero."""
    value = found.get(name)
    if value is None:
        return None
    if not _NUMBER.fullmatch(value.strip()) or not float(value):
        raise BadRequest(f"The header {name.decode()} is a number above zero, like 0.05.", code="invalid_header")
    return float(value)


async def read_body(head: Head, receive: Receive, *, forms: bool = False) -> bytes:
    """The whole body; raises WrongMediaType, BodyTooLarge, or Left. How long it may take is the lounge's to say."""
    if not head.json and not (forms and head.form):
        raise WrongMediaType("The body must be JSON: send the header `Content-Type: application/json`.")
    if head.length is not None and head.length > BODY_LIMIT:
        raise _too_large()
    blocks: list[bytes] = []
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            raise Left
        block = message["body"]
        size += len(block)
        # Granian says only with the next block that this was the last, and that is a round through its threads.
        more = message["more_body"] and size != head.length
        if size > BODY_LIMIT:
            raise _too_large()
        blocks.append(block)
    return blocks[0] if len(blocks) == 1 else b"".join(blocks)


def _too_large() -> BodyTooLarge:
    return BodyTooLarge(f"The body is larger than {BODY_LIMIT // 1024 // 1024} MiB.")
