"""Whatever a TOML text looks like, every key of it is found on the line on which it was written."""

from __future__ import annotations

import tomllib

from hypothesis import given
from hypothesis import strategies as st

from policies.lines import Lines, Path


@given(st.text(alphabet="ab=.[]{},\"'\\#\n 1", max_size=40))
def test_no_text_keeps_it_from_ending(text: str) -> None:
    assert 1 <= Lines(text).of(("a",)) <= text.count("\n") + 1


# A writer of TOML that notes the line of everything it writes, in as many of TOML's forms as it can.

bare = st.text("abcdefgh-_9", min_size=1, max_size=4)
keys = st.one_of(bare, st.text(min_size=1, max_size=4).filter(lambda text: "\r" not in text))
texts = st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\r"), max_size=8)
leaves = st.one_of(st.integers(-99, 99), st.booleans(), st.floats(allow_nan=False, allow_infinity=False), texts)
values = st.recursive(
    leaves,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(keys, inner, max_size=3)),
    max_leaves=6,
)
tables = st.dictionaries(keys, values, max_size=4)


class Writer:
    """Writes tables; `lines` says where each thing went."""

    def __init__(self, draw: st.DataObject) -> None:
        self._draw = draw
        self.text = ""
        self.lines: dict[Path, int] = {(): 1}

    def _chance(self) -> bool:
        return self._draw.draw(st.booleans())

    def _note(self, path: Path) -> None:
        self.lines.setdefault(path, self.text.count("\n") + 1)

    def _gap(self, *, newlines: bool) -> None:
        self.text += self._draw.draw(st.sampled_from(["", " ", "\t", *(["\n", "\n# x = [1]\n"] if newlines else [])]))

    def _key(self, key: str) -> str:
        if key.isascii() and key.replace("-", "").replace("_", "").isalnum() and self._chance():
            return key
        if "'" not in key and key.isprintable() and self._chance():
            return f"'{key}'"
        return _quoted(key)

    def table(self, table: dict[str, object], path: Path = ()) -> None:
        """Keys, then tables and arrays of tables under headers."""
        later = []
        for key, value in table.items():
            headed = isinstance(value, dict) or (
                isinstance(value, list) and value and all(isinstance(one, dict) for one in value)
            )
            if headed and self._chance():
                later.append((key, value))
            else:
                self._gap(newlines=True)
                self._pair(key, value, path)
                self.text += self._draw.draw(st.sampled_from(["\n", " # a = 1\n", "\n\n"]))
        for key, value in later:
            parts = value if isinstance(value, list) else [value]
            for index, part in enumerate(parts):
                name = ".".join(_quoted(step) for step in (*path, key) if isinstance(step, str))
                self._note((*path, key))
                if isinstance(value, list):
                    self._note((*path, key, index))
                self.text += f"[[{name}]]\n" if isinstance(value, list) else f"[ {name} ]\n"
                self.table(part, (*path, key, index) if isinstance(value, list) else (*path, key))

    def _pair(self, key: str, value: object, path: Path) -> None:
        self._note((*path, key))
        self.text += self._key(key)
        while isinstance(value, dict) and len(value) == 1 and self._chance():
            [(deeper, value)] = value.items()
            path, key = (*path, key), deeper
            self._note((*path, key))
            self.text += f" . {self._key(key)}"
        self.text += " = "
        self._value(value, (*path, key))

    def _value(self, value: object, path: Path) -> None:
        if isinstance(value, dict):
            self.text += "{"
            for index, (key, item) in enumerate(value.items()):
                self.text += ", " if index else " "
                self._pair(key, item, path)
            self.text += " }"
        elif isinstance(value, list):
            self.text += "["
            for index, item in enumerate(value):
                self._gap(newlines=True)
                self._note((*path, index))
                self._value(item, (*path, index))
                self._gap(newlines=False)
                self.text += ","
            self._gap(newlines=True)
            self.text += "]"
        elif isinstance(value, str):
            self.text += self._string(value)
        else:
            self.text += str(value).lower()

    def _string(self, value: str) -> str:
        plain = all(letter.isprintable() or letter == "\n" for letter in value)
        if plain and "'''" not in value and not value.endswith("'") and self._chance():
            return f"'''\n{value}'''"
        if plain and '"' not in value and "\\" not in value and self._chance():
            return f'"""\n{value}"""'
        return _quoted(value)


def _quoted(text: str) -> str:
    escaped = "".join(
        {"\\": "\\\\", '"': '\\"', "\n": "\\n"}.get(letter, letter if letter.isprintable() else f"\\U{ord(letter):08x}")
        for letter in text
    )
    return f'"{escaped}"'


def _paths(value: object, path: Path = ()) -> set[Path]:
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return {path}.union(*(_paths(item, (*path, key)) for key, item in parts))


@given(tables, st.data())
def test_every_key_of_every_table_is_found_on_its_line(table: dict[str, object], data: st.DataObject) -> None:
    writer = Writer(data)
    writer.table(table)
    read = tomllib.loads(writer.text)
    assert read == table
    lines = Lines(writer.text)
    assert set(lines) == _paths(read)
    assert {path: lines.of(path) for path in writer.lines} == writer.lines
