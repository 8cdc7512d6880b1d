"""TOML as people keep it: top-level values and whole tables put in, every other line left as it is."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any, Final

_HEADER: Final = re.compile(r"\s*\[")
_PLAIN: Final = re.compile(r"[A-Za-z0-9_-]+")


def read(text: str) -> Any:
    """The text as data; raises ValueError."""
    return tomllib.loads(text)


def joined(text: str, wanted: Mapping[str, Any]) -> str:
    """The text with these values, those of the top before the first table; a table with values replaces its old one."""
    lines = text.splitlines()
    first = next((k for k, line in enumerate(lines) if _HEADER.match(line)), len(lines))
    top, tables = lines[:first], lines[first:]
    values = {name: value for name, value in wanted.items() if not isinstance(value, Mapping)}
    kept = [line for line in top if _name(line) not in values]
    said = [f"{name} = {_said(value)}" for name, value in values.items()]
    while kept and not kept[-1].strip():
        kept.pop()
    parts = ["\n".join([*said, *kept])]
    new = dict(_tables(wanted, ()))
    rest = "\n".join(_without(tables, new)).strip("\n")
    parts += [rest] if rest else []
    parts += [f"[{'.'.join(map(_key, path))}]\n" + "\n".join(body) for path, body in new.items()]
    return "\n\n".join(part for part in parts if part) + "\n"


def expected(old: Mapping[str, Any], wanted: Mapping[str, Any]) -> Any:
    """What `joined` must come to, as data: a table that holds values of ours holds nothing else."""
    found = dict(old)
    for name, value in wanted.items():
        if not isinstance(value, Mapping):
            found[name] = value
            continue
        before = found.get(name, {})
        plain = any(not isinstance(one, Mapping) for one in value.values())
        tables = {key: one for key, one in before.items() if isinstance(one, Mapping)} if plain else before
        found[name] = expected(tables, value)
    return found


def _tables(wanted: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], list[str]]]:
    """Each table that holds values, by its path."""
    for name, value in wanted.items():
        if isinstance(value, Mapping):
            body = [f"{key} = {_said(one)}" for key, one in value.items() if not isinstance(one, Mapping)]
            if body:
                yield (*path, name), body
            yield from _tables(value, (*path, name))


def _without(lines: list[str], gone: Mapping[tuple[str, ...], object]) -> Iterator[str]:
    """The lines without those of the tables that are written anew."""
    inside = False
    for line in lines:
        if _HEADER.match(line):
            inside = _path(line) in gone
        if not inside:
            yield line


def _path(line: str) -> tuple[str, ...]:
    """The path in a table's header; an array of tables has none."""
    try:
        node: Any = tomllib.loads(line)
    except tomllib.TOMLDecodeError:
        return ()
    path = []
    while isinstance(node, dict) and node:
        name, node = next(iter(node.items()))
        path.append(name)
    return tuple(path) if isinstance(node, dict) else ()


def _name(line: str) -> str:
    return line.partition("=")[0].strip().strip("\"'") if "=" in line else ""


def _key(name: str) -> str:
    return name if _PLAIN.fullmatch(name) else json.dumps(name)


def _said(value: Any) -> str:
    """Strings, lists of them, numbers and truths are the same in JSON and in TOML."""
    return json.dumps(value, ensure_ascii=False)
