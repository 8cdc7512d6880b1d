"""A response as it is kept, told again, and listed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from msgspec import Raw

from gateway.core.errors import BadRequest

MOST_LISTED: Final = 100
_DEFAULT_LISTED: Final = 20

_encode = msgspec.json.Encoder().encode
_object = msgspec.json.Decoder(dict[str, Raw])


def parts(response: dict[str, Any]) -> tuple[bytes, list[Raw]]:
    """A response as two: the items of its output, and all the rest."""
    rest = {name: value for name, value in response.items() if name != "output"}
    return _encode(rest), [Raw(_encode(item)) for item in response["output"]]


def told_again(rest: bytes, output: Sequence[Raw], *, sealed: bool) -> bytes:
    """The response; what is sealed in its items only where that was asked for."""
    items = output if sealed else [_opened(item) for item in output]
    return _encode({**_object.decode(rest), "output": items})


def deleted(response_id: str) -> bytes:
    """That a response is forgotten."""
    return _encode({"id": response_id, "object": "response", "deleted": True})


def listed(items: Sequence[Raw], query: dict[str, list[str]]) -> bytes:
    """A page of items, the newest first unless told otherwise; raises BadRequest."""
    order = query.get("order", ["desc"])[-1]
    if order not in ("asc", "desc"):
        raise BadRequest("'order' is asc or desc.", param="order", code="invalid_value")
    limit = query.get("limit", [str(_DEFAULT_LISTED)])[-1]
    if not limit.isdecimal() or not 1 <= int(limit[:9]) <= MOST_LISTED:
        raise BadRequest(f"'limit' is a number from 1 to {MOST_LISTED}.", param="limit", code="invalid_value")
    ordered = [_opened(item) for item in (items if order == "asc" else reversed(items))]
    names = [msgspec.json.decode(_object.decode(item).get("id", Raw(b'""'))) for item in ordered]
    start = 0
    if after := query.get("after", [""])[-1]:
        if after not in names:
            raise BadRequest("'after' names no item of this list.", param="after", code="invalid_value")
        start = names.index(after) + 1
    page, shown = ordered[start : start + int(limit)], names[start : start + int(limit)]
    more = start + len(page) < len(ordered)
    ends = {"first_id": shown[0] if shown else "", "last_id": shown[-1] if shown else ""}
    return _encode({"object": "list", "data": [_complete(item) for item in page], **ends, "has_more": more})


def _opened(item: Raw) -> Raw:
    """An item without what is sealed in it."""
    if b'"encrypted_content"' not in bytes(item):
        return item
    return Raw(_encode({name: raw for name, raw in _object.decode(item).items() if name != "encrypted_content"}))


def _complete(item: Raw) -> Raw:
    """An item as the SDKs want it in a list: the content of a message is parts there, never a string."""
    fields = _object.decode(item)
    content = bytes(fields.get("content", b""))
    if not content.startswith(b'"'):
        return item
    kind = "output_text" if bytes(fields.get("role", b"")) == b'"assistant"' else "input_text"
    part = {"type": kind, "text": Raw(content)} | ({"annotations": []} if kind == "output_text" else {})
    return Raw(_encode({**fields, "content": [part], "status": fields.get("status", "completed")}))
