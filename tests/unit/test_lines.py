"""Every key of a TOML text is found on the line on which it stands."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from policies.lines import Lines, Path

TEXT = '''\
kind = "models" # a comment with [brackets] = "and" more
"quoted \\u00e9" = 1
'single' . inner = { a = 1, b = [2, { c = 3 }] }
empty = []

[[model]]
name = "a/b#c"
price.input = 1
price.output = 2
[model.quality]
coding = [0.5,
    # the hard end
    0.25,
]

[[model]] # the second
name = 'x]'
long = """
[not.a.table]
key = "is text"
a \\""" quote and five quotes"""""
after = 1
[[model.inner]]
x = 1
[[model.inner]]
x = [
    "a", '''
TEXT += "'''b\n''',\n    2026-01-01 12:00:00, 1e5]\n[z.y.x]\nlast = true\n"


@dataclass(frozen=True)
class Place:
    """A path, and the line of it."""

    path: Path
    line: int

    def __str__(self) -> str:
        return ".".join(map(str, self.path)) or "(the file)"


@pytest.mark.parametrize(
    "place",
    [
        Place((), 1),
        Place(("kind",), 1),
        Place(("quoted é",), 2),
        Place(("single", "inner", "b", 1, "c"), 3),
        Place(("empty",), 4),
        Place(("model",), 6),
        Place(("model", 0), 6),
        Place(("model", 0, "name"), 7),
        Place(("model", 0, "price"), 8),
        Place(("model", 0, "price", "input"), 8),
        Place(("model", 0, "price", "output"), 9),
        Place(("model", 0, "quality"), 10),
        Place(("model", 0, "quality", "coding"), 11),
        Place(("model", 0, "quality", "coding", 1), 13),
        Place(("model", 1), 16),
        Place(("model", 1, "long"), 18),
        Place(("model", 1, "after"), 22),
        Place(("model", 1, "inner", 0, "x"), 24),
        Place(("model", 1, "inner", 1), 25),
        Place(("model", 1, "inner", 1, "x", 0), 27),
        Place(("model", 1, "inner", 1, "x", 1), 27),
        Place(("model", 1, "inner", 1, "x", 2), 29),
        Place(("z",), 30),
        Place(("z", "y", "x"), 30),
        Place(("z", "y", "x", "last"), 31),
    ],
    ids=str,
)
def test_a_key_is_found_on_its_line(place: Place) -> None:
    assert Lines(TEXT).of(place.path) == place.line


@pytest.mark.parametrize(
    "place",
    [
        Place(("nothing",), 1),
        Place(("model", 0, "nothing"), 6),
        Place(("model", 0, "price", "nothing", "below"), 8),
        Place(("model", 7), 6),
        Place(("z", "y", "x", "last", "deeper"), 31),
    ],
    ids=str,
)
def test_what_is_not_there_is_told_at_the_nearest_thing_around_it(place: Place) -> None:
    assert Lines(TEXT).of(place.path) == place.line


@pytest.mark.parametrize(
    "text", ["", "\n", "# nothing", "a = ", "[", "[[", "a = [", "= 1", "a = {", '"""', "a.b.", "]", "a = [1 2]"]
)
def test_a_text_that_is_wrong_ends_all_the_same(text: str) -> None:
    assert Lines(text).of(("a", "b")) >= 1
