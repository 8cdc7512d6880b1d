"""YAML as people keep it: values and one item of a list put in, every other line left as it is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import yaml


def read(text: str) -> dict[str, Any]:
    """The text as data; an empty text is an empty mapping. Raises ValueError."""
    try:
        found = yaml.safe_load(text)
    except yaml.YAMLError:
        raise ValueError("it is not YAML") from None
    if found is not None and not isinstance(found, dict):
        raise ValueError("it does not hold a mapping")
    return found or {}


def with_values(text: str, wanted: Mapping[str, Any]) -> str:
    """The text with these values at its top level, each in place of its own. Raises ValueError."""
    found = read(text)
    kept = text.rstrip("\n").splitlines() if text.strip() else []
    for name, value in wanted.items():
        line = _said(name, value)
        if name not in found:
            kept.append(line)
        else:
            kept = [line if re.match(rf"{re.escape(name)}\s*:", old) else old for old in kept]
    return "\n".join(kept) + "\n"


def with_item(text: str, head: Mapping[str, Any], name: str, item: Mapping[str, Any]) -> str:
    """The text with this item first in the list `name`, in place of the one with its `name`. Raises ValueError.

    A text that is empty begins with `head`.
    """
    found = read(text)
    if not text.strip():
        return "\n".join([*(_said(key, value) for key, value in head.items()), *_list(name, item, "  ")]) + "\n"
    lines = text.rstrip("\n").splitlines()
    items = found.get(name)
    if not items:
        kept = [line for line in lines if name not in found or not re.match(rf"{re.escape(name)}\s*:", line)]
        return "\n".join([*kept, *_list(name, item, "  ")]) + "\n"
    if not isinstance(items, list):
        raise ValueError(f"its {name} are no list")  # noqa: TRY004  # of a text, not of an argument
    nodes = next(value for key, value in _root(text).value if key.value == name).value
    indent = " " * max(0, nodes[0].start_mark.column - 2)
    for node, old in zip(nodes, items, strict=True):
        if isinstance(old, dict) and old.get("name") == item["name"]:
            end = max(node.end_mark.line, node.start_mark.line + 1)
            while end > node.start_mark.line + 1 and _is_idle(lines[end - 1]):
                end -= 1  # comments and empty lines behind it belong to what follows
            return "\n".join([*lines[: node.start_mark.line], *_item(item, indent), *lines[end:]]) + "\n"
    at = nodes[0].start_mark.line
    return "\n".join([*lines[:at], *_item(item, indent), *lines[at:]]) + "\n"


def expected(old: Any, head: Mapping[str, Any], name: str, item: Mapping[str, Any]) -> Any:
    """What `with_item` must come to, as data."""
    found = dict(old or head)
    items = list(found.get(name) or ())
    places = [k for k, one in enumerate(items) if isinstance(one, dict) and one.get("name") == item["name"]]
    if places:
        items[places[0]] = dict(item)
    else:
        items.insert(0, dict(item))
    return {**found, name: items}


def _is_idle(line: str) -> bool:
    return not line.strip() or line.lstrip().startswith("#")


def _root(text: str) -> Any:
    return yaml.compose(text, Loader=yaml.SafeLoader)


def _said(name: str, value: Any) -> str:
    """One line."""
    if isinstance(value, list):
        return f"{name}: [{', '.join(map(str, value))}]"
    return str(yaml.safe_dump({name: value}, allow_unicode=True, default_flow_style=False, width=1000)).strip("\n")


def _list(name: str, item: Mapping[str, Any], indent: str) -> list[str]:
    return [f"{name}:", *_item(item, indent)]


def _item(item: Mapping[str, Any], indent: str) -> list[str]:
    lines = [_said(key, value) for key, value in item.items()]
    return [f"{indent}{'- ' if k == 0 else '  '}{line}" for k, line in enumerate(lines)]
