"""The fault table is whole: every row has a test, and every test that is named is there."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

from tests.faults.row import Row
from tests.faults.rows import ROWS

TESTS = Path(__file__).resolve().parents[1]
NUMBERS = {"U": 26, "C": 12, "S": 11, "P": 8, "T": 4}


@cache
def names(file: str) -> frozenset[str]:
    """The tests in a file."""
    tree = ast.parse((TESTS / file).read_text("utf-8"))
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


def test_no_row_is_left_out_or_twice() -> None:
    numbers = [row.number for row in ROWS]
    assert len(set(numbers)) == len(numbers)
    assert set(numbers) == {f"{kind}{number + 1}" for kind, most in NUMBERS.items() for number in range(most)}


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_every_row_is_held_by_a_test_that_exists(row: Row) -> None:
    assert row.tests
    for test in row.tests:
        file, _, name = test.partition("::")
        assert (TESTS / file).exists(), test
        assert name in names(file), test
