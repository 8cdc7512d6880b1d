"""JSON with comments and trailing commas, as editors keep their settings: read, and changed where it stands."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from msgspec import Struct

_SPACE: Final = re.compile(r"(?:\s+|//[^\n]*|/\*.*?\*/)*", re.DOTALL)
_ATOM: Final = re.compile(r'"(?:[^"\\]|\\.)*"|[-+.\w]+')


class Node(Struct):
    """A value and where it stands; of an object its members, and where the last of them ends."""

    start: int
    end: int
    value: Any
    members: dict[str, Node]
    last: int = 0


def read(text: str) -> Any:
    """The text as data; an empty text is an empty object. Raises ValueError."""
    return _tree(text).value


def joined(text: str, wanted: Mapping[str, Any]) -> str:
    """The text with these members; all others, comments and the layout stay. Raises ValueError."""
    if not text.strip():
        return json.dumps(wanted, indent=2, ensure_ascii=False) + "\n"
    root = _tree(text)
    if text[root.start] != "{":
        raise ValueError("it does not hold an object")
    for start, end, new in sorted(_edits(text, root, wanted, 1), reverse=True):
        text = text[:start] + new + text[end:]
    return text


def merged(old: Any, wanted: Mapping[str, Any]) -> Any:
    """The same as data: what `joined` must come to."""
    found = dict(old) if isinstance(old, dict) else {}
    for name, value in wanted.items():
        found[name] = merged(found.get(name), value) if isinstance(value, Mapping) else value
    return found


def _edits(text: str, node: Node, wanted: Mapping[str, Any], depth: int) -> Iterator[tuple[int, int, str]]:
    """What to write where, for one object."""
    new = []
    for name, value in wanted.items():
        member = node.members.get(name)
        if member is None:
            new.append(f"{json.dumps(name)}: {_dumped(value, depth)}")
        elif isinstance(value, Mapping) and isinstance(member.value, dict):
            yield from _edits(text, member, value, depth + 1)
        elif member.value != value:
            yield member.start, member.end, _dumped(value, depth)
    if not new:
        return
    inner, outer = "\n" + "  " * depth, "\n" + "  " * (depth - 1)
    block = f",{inner}".join(new)
    if node.members:
        yield node.last, node.last, f",{inner}{block}"
    else:
        rest = text[node.start + 1 : node.end - 1].rstrip()  # comments in an object that holds nothing else
        yield node.start, node.end, f"{{{rest}{inner}{block}{outer}}}"


def _dumped(value: Any, depth: int) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False).replace("\n", "\n" + "  " * depth)


def _tree(text: str) -> Node:
    if not text.strip():
        return Node(0, len(text), {}, {})
    try:
        node = _value(text, _skip(text, 0))
    except (IndexError, RecursionError, json.JSONDecodeError):
        raise ValueError("it is not JSON") from None
    if _skip(text, node.end) != len(text):
        raise ValueError("it is not JSON")
    return node


def _skip(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at


def _value(text: str, at: int) -> Node:
    if text[at] == "{":
        return _object(text, at)
    if text[at] == "[":
        return _array(text, at)
    match = _ATOM.match(text, at)
    if match is None:
        raise ValueError("it is not JSON")
    return Node(at, match.end(), json.loads(match[0]), {})


def _object(text: str, start: int) -> Node:
    members: dict[str, Node] = {}
    at = last = _skip(text, start + 1)
    while text[at] != "}":
        name = _value(text, at)
        at = _skip(text, name.end)
        if not isinstance(name.value, str) or text[at] != ":":
            raise ValueError("it is not JSON")
        member = members[name.value] = _value(text, _skip(text, at + 1))
        last = member.end
        at = _after(text, last, "}")
    return Node(start, at + 1, {name: member.value for name, member in members.items()}, members, last)


def _array(text: str, start: int) -> Node:
    values: list[Any] = []
    at = _skip(text, start + 1)
    while text[at] != "]":
        item = _value(text, at)
        values.append(item.value)
        at = _after(text, item.end, "]")
    return Node(start, at + 1, values, {})


def _after(text: str, at: int, closing: str) -> int:
    """Where the next member begins, or the end."""
    at = _skip(text, at)
    if text[at] == ",":
        return _skip(text, at + 1)
    if text[at] != closing:
        raise ValueError("it is not JSON")
    return at
