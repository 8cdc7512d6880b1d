"""Schemas of tools as Gemini can be told them."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.upstream.schemas import fit, sound

TEXT = {"type": "string"}


@pytest.mark.parametrize(
    ("schema", "told"),
    [
        (
            {"type": "object", "properties": {"a": True, "b": TEXT}},
            {"type": "object", "properties": {"a": {}, "b": TEXT}},
        ),
        ({"type": "object", "properties": "whatever"}, {"type": "object"}),
        ({"type": "object", "properties": None}, {"type": "object"}),
        ({"type": "array", "items": True}, {"type": "array", "items": {}}),
        ({"type": "object", "additionalProperties": False}, {"type": "object", "additionalProperties": False}),
        ({"oneOf": [TEXT, {"const": 7}]}, {"anyOf": [TEXT, {"type": "integer"}]}),
        ({"anyOf": "whatever"}, {}),
        ({"const": "x"}, {"enum": ["x"], "type": "string"}),
        ({"enum": ["x", "y"]}, {"enum": ["x", "y"], "type": "string"}),
        ({"enum": ["x", 1]}, {"enum": ["x", 1]}),
        ({"type": "integer", "enum": [1, 2]}, {"type": "integer"}),
        ({"properties": {"enum": TEXT, "items": TEXT}}, {"properties": {"enum": TEXT, "items": TEXT}}),
        ({"$defs": {"x": True}, "$ref": "#/$defs/x"}, {"$defs": {"x": {}}, "$ref": "#/$defs/x"}),
        (True, {}),
    ],
)
def test_a_schema_says_the_same_in_words_that_gemini_knows(schema: Any, told: Any) -> None:
    assert sound(schema) == told


def test_only_parameters_of_functions_are_touched() -> None:
    tools: Any = [{"type": "function", "function": {"name": "f"}}, {"googleSearch": {}}, "whatever"]
    before = [*tools]
    fit(tools)
    assert tools == before
    fit(None)
