"""From a file to a document, with every mistake told by file, line and key."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Struct

from policies import lines
from policies.documents import Document, FullName, Intents, Models, Organisations, Persona, Routing
from policies.lines import Lines

KINDS: Final[Mapping[str, type[Document]]] = {
    "persona": Persona,
    "models": Models,
    "intents": Intents,
    "routing": Routing,
    "organisations": Organisations,
}
Mistake = tuple[lines.Path, str]  # where, and what is wrong there

_TOML: Final = re.compile(r"(.*) \(at (?:line (\d+), column (\d+)|end of document)\)", re.DOTALL)
_STEPS: Final = re.compile(r"(.*?)(?: - at `\$(.*)`)?", re.DOTALL)
_STEP: Final = re.compile(r"\[(\d+)\]|\.([^.\[]+)")
_WORDS: Final = {
    "`float`": "a number",
    "`int`": "a whole number",
    "`str`": "a text",
    "`bool`": "true or false",
    "`array`": "a list",
    "`object`": "a table",
    "`null`": "nothing",
}


class Source(Struct, frozen=True):
    """A file as it is: where, and its bytes."""

    path: Path
    content: bytes

    @property
    def stem(self) -> str:
        """The name of the document: a routing policy is called as its file is."""
        return self.path.stem


class Read(Struct, frozen=True):
    """A file that could be read."""

    source: Source
    lines: Lines
    document: Document

    def told(self, mistakes: Iterable[Mistake]) -> list[str]:
        """Mistakes in this document, each with file, line and key."""
        return _told(self.source, self.lines, mistakes)


def read(source: Source) -> Read | list[str]:
    """The document in this file, or the mistakes that are in the way."""
    try:
        return _read(source)
    except (RecursionError, ValueError) as error:  # Python's own limits: of depth, and of the digits of a number
        what = "it is nested too deeply" if isinstance(error, RecursionError) else _lower(str(error))
        return [f"{source.path}: {what}"]


def _read(source: Source) -> Read | list[str]:
    try:
        text = source.content.decode("utf-8")
        raw = tomllib.loads(text)
    except UnicodeDecodeError as error:
        line = source.content.count(b"\n", 0, error.start) + 1
        return [f"{source.path}:{line}: this is not UTF-8"]
    except tomllib.TOMLDecodeError as error:
        return [f"{source.path}:{_syntax(str(error), text)}"]
    places = Lines(text)
    name = raw.get("kind")
    kind = KINDS.get(name) if isinstance(name, str) else None
    if kind is None:
        said = "it is missing" if name is None else f"there is no kind {name!r}"
        return _told(source, places, [(("kind",), f"{said}; it is one of {', '.join(KINDS)}{near(str(name), KINDS)}")])
    found = list(_mistakes({key: value for key, value in raw.items() if key != "kind"}, kind, ()))
    try:
        document = msgspec.convert(raw, kind)
    except msgspec.ValidationError as error:  # where several are wrong, it names the first only
        return _told(source, places, found or [_split(str(error), ())])
    return Read(source, places, document)


def near(word: str, words: Mapping[str, Any] | list[str]) -> str:
    """The end of a message that proposes what may have been meant, or nothing."""
    found = difflib.get_close_matches(word, words, 1)
    return f"; did you mean {found[0]!r}?" if found else ""


def dotted(path: lines.Path) -> str:
    """A path as people write it: `model[3].quality.coding_help`."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return text.removeprefix(".")


def _told(source: Source, places: Lines, mistakes: Iterable[Mistake]) -> list[str]:
    found = sorted((places.of(where), dotted(where), what) for where, what in mistakes)
    return [f"{source.path}:{line}: {f'{key}: ' if key else ''}{what}" for line, key, what in found]


def _syntax(message: str, text: str) -> str:
    """The message of tomllib in the form of ours; what it finds at the end belongs to the last line."""
    found = _TOML.fullmatch(message)
    if found is None:
        return f"{text.count(chr(10)) + 1}: {_lower(message)}"
    line = found[2] or str(text.rstrip("\n").count("\n") + 1)
    column = f" (column {found[3]})" if found[3] else " (at the end of the file)"
    return f"{line}: {_lower(found[1])}{column}"


def _mistakes(value: object, hint: Any, at: lines.Path) -> Iterator[Mistake]:
    """Everything that keeps a value from being of this type; msgspec would stop at the first."""
    hint = _bare(hint)
    origin, parts = get_origin(hint), get_args(hint)
    if isinstance(hint, type) and issubclass(hint, Struct) and isinstance(value, dict):
        yield from _in_table(value, hint, at)
    elif origin is dict and isinstance(value, dict):
        for key, item in value.items():
            yield from _mistakes(item, parts[1], (*at, key))
    elif origin is list and isinstance(value, list):
        for index, item in enumerate(value):
            yield from _mistakes(item, parts[0], (*at, index))
    elif origin is Literal:
        if value not in parts:
            yield at, f"there is no {value!r}; it is one of {', '.join(parts)}{near(str(value), list(parts))}"
    else:
        try:
            msgspec.convert(value, hint)
        except msgspec.ValidationError as error:
            if hint == FullName and isinstance(value, str):
                yield at, f"{value!r} is not a whole name, provider/model"
            else:
                yield _split(str(error), at)


def _in_table(table: dict[str, object], kind: type[Struct], at: lines.Path) -> Iterator[Mistake]:
    hints = get_type_hints(kind, include_extras=True)
    fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    for key, value in table.items():
        if key in fields:
            yield from _mistakes(value, hints[fields[key].name], (*at, key))
        else:
            yield (*at, key), f"there is no such key{near(key, fields)}"
    for name, field in fields.items():
        if field.required and name not in table:
            yield at, f"{name!r} is missing"


def _bare(hint: Any) -> Any:
    """The type without `| None`: TOML has no null, so a key that may be left out is of the other type."""
    if get_origin(hint) in {Union, UnionType}:
        rest = [part for part in get_args(hint) if part is not NoneType]
        return rest[0] if len(rest) == 1 else hint
    if get_origin(hint) is Annotated and get_origin(get_args(hint)[0]) in {dict, list}:
        return get_args(hint)[0]
    return hint


def _split(message: str, at: lines.Path) -> Mistake:
    """A message of msgspec as a place under `at` and words of ours."""
    found = _STEPS.fullmatch(message)
    words, steps = (found[1], found[2] or "") if found else (message, "")
    for technical, plain in _WORDS.items():
        words = words.replace(technical, plain)
    deeper = tuple(int(index) if index else key for index, key in _STEP.findall(steps))
    return (*at, *deeper), _lower(words)


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]
