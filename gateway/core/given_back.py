"""An answer as clients give it back, without what their SDKs have added: OpenAI itself refuses that.

`parsed` and `parsed_arguments` hold, for who reads the answer, what its text and arguments hold already; `index` told
the calls of a stream apart.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Raw

_MARKS: Final = (b'"parsed', b'"index"')  # nothing without one of them is looked at twice
_object = msgspec.json.Decoder(dict[str, Any])
_encode = msgspec.json.Encoder().encode


def given_back(raw: Raw) -> Raw:
    """A message of the assistant's, or an item of a response; the same bytes where nothing was added."""
    text = bytes(raw)
    if not any(mark in text for mark in _MARKS):
        return raw
    told = _object.decode(raw)
    calls = _objects(told.get("tool_calls"))
    found = [_without(call, "index") for call in calls]
    for place in (told, *_objects(told.get("content")), *_objects([call.get("function") for call in calls])):
        found += _without(place, "parsed"), _without(place, "parsed_arguments")
    return Raw(_encode(told)) if any(found) else raw


def _objects(value: object) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _without(place: dict[str, Any], name: str) -> bool:
    """Take a field out; whether it was there."""
    return place.pop(name, place) is not place
