"""Finds the line on which a key of a TOML file stands; tomllib reads values and forgets where they were.

The text has been read by tomllib before, so this only has to find its way through TOML that is right.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from typing import Final

Path = tuple[str | int, ...]  # ("model", 3, "quality", "coding_help")

_BLANK: Final = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_KEY: Final = re.compile(r"""(?:"(?:[^"\\\n]|\\.)*"|'[^'\n]*'|[A-Za-z0-9_-]+)""")
_BETWEEN: Final = re.compile(r"[ \t]*\.[ \t]*")
_VALUE: Final = re.compile(
    r'"""(?:[^\\]|\\.)*?"{3,5}'  # five quotes are two that belong to the text and three that end it
    r"|'''.*?'{3,5}"
    r'|"(?:[^"\\\n]|\\.)*"'
    r"|'[^'\n]*'"
    r"|[^,\]}\n#]+",
    re.DOTALL,
)


class Lines:
    """Where everything in a text of TOML stands, by path."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._line = 1
        self._counted = 0  # the place up to which lines were counted
        self._counts: dict[Path, int] = {}  # how many tables an array of tables has so far
        self._lines: dict[Path, int] = {(): 1}
        self._document()

    def of(self, path: Path) -> int:
        """The line of this key, or of the nearest thing around it that is there."""
        while path not in self._lines:
            path = path[:-1]
        return self._lines[path]

    def __iter__(self) -> Iterator[Path]:
        return iter(self._lines)

    def _document(self) -> None:
        table: Path = ()
        while not self._done():
            if self._take("[["):
                table = self._header(array=True)
            elif self._take("["):
                table = self._header(array=False)
            else:
                self._pair(table)

    def _header(self, *, array: bool) -> Path:
        """The path of a table; a part that names an array of tables means the last of them."""
        line, path = self._here(), Path()
        keys = self._keys()
        for key in keys[:-1]:
            path = self._last((*path, key))
            self._lines.setdefault(path, line)
        path = (*path, keys[-1])
        if array:
            self._counts[path] = self._counts.get(path, 0) + 1
            self._lines.setdefault(path, line)
            path = self._last(path)
        self._lines[path] = line  # also where a longer header has named it before
        self._skip()
        self._take("]]" if array else "]")
        return path

    def _last(self, path: Path) -> Path:
        count = self._counts.get(path, 0)
        return (*path, count - 1) if count else path

    def _pair(self, table: Path) -> None:
        line, path = self._here(), table
        for key in self._keys():
            path = (*path, key)
            self._lines.setdefault(path, line)
        self._skip()
        self._take("=")
        self._skip()
        self._value(path)

    def _value(self, path: Path) -> None:
        if self._take("["):
            index = 0
            while not self._closed("]"):
                self._lines[*path, index] = self._here()
                self._value((*path, index))
                index += 1
        elif self._take("{"):
            while not self._closed("}"):
                self._pair(path)
        elif not self._match(_VALUE):
            self._at = len(self._text)  # never so in TOML that is right

    def _closed(self, bracket: str) -> bool:
        """Whether the list or table ends here; the comma before the next part is passed over."""
        self._skip()
        if self._take(","):
            self._skip()
        return self._take(bracket) or self._at >= len(self._text)

    def _keys(self) -> list[str]:
        self._skip()
        keys = [self._key()]
        while self._match(_BETWEEN):
            keys.append(self._key())
        return keys

    def _key(self) -> str:
        raw = self._match(_KEY)
        if not raw:
            self._at = len(self._text)  # the same
        if raw[:1] not in {'"', "'"}:
            return raw
        [key] = tomllib.loads(f"{raw} = 0")
        return key

    def _here(self) -> int:
        self._skip()
        self._line += self._text.count("\n", self._counted, self._at)
        self._counted = self._at
        return self._line

    def _done(self) -> bool:
        self._skip()
        return self._at >= len(self._text)

    def _skip(self) -> None:
        self._match(_BLANK)

    def _take(self, token: str) -> bool:
        found = self._text.startswith(token, self._at)
        self._at += len(token) if found else 0
        return found

    def _match(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self._text, self._at)
        self._at = found.end() if found else self._at
        return found[0] if found else ""
