"""One table of what a request may wait for, in the code and in the README; they agree, and so do the words."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from gateway.dependencies import DEPENDENCIES, row
from gateway.records.metrics import DEGRADED

ROOT = Path(__file__).resolve().parents[2]


def test_the_readme_has_the_table_of_the_code() -> None:
    page = (ROOT / "README.md").read_text("utf-8")
    _, _, after = page.partition(
        "| dependency | for what | a request waits at most | without it | `x-syntra-degraded` |\n"
    )
    lines = after.split("\n\n")[0].splitlines()[1:]
    assert lines == [row(one) for one in DEPENDENCIES]


def test_every_word_that_is_told_is_in_the_table_and_has_a_series() -> None:
    told = {one.told for one in DEPENDENCIES} - {""}
    assert told <= set(DEGRADED)
    said: set[str] = set()
    for path in (ROOT / "gateway").rglob("*.py"):
        for found in re.findall(r'x-syntra-degraded", b"(\w+)"', path.read_text("utf-8")):
            said.add(found)
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.keyword) and node.arg == "degraded" and isinstance(node.value, ast.Tuple):
                said |= {part.value for part in node.value.elts if isinstance(part, ast.Constant)}
    assert said
    assert said <= told


def test_the_readme_explains_every_word() -> None:
    page = (ROOT / "README.md").read_text("utf-8")
    line = next(line for line in page.splitlines() if line.startswith("| `x-syntra-degraded` |"))
    for one in DEPENDENCIES:
        if one.told:
            assert f"`{one.told}`" in line, one.told


def test_no_wait_is_longer_than_a_person_would_wait_for_a_store() -> None:
    for one in DEPENDENCIES:
        if one.name in ("PostgreSQL", "Valkey", "Qdrant"):
            assert one.seconds <= 0.25, one
