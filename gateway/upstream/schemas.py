"""JSON Schemas of tools as Gemini can be told them: what LiteLLM trips over is said in other words, or left open."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from msgspec import UNSET

_NAMED: Final = ("properties", "$defs", "definitions")  # schemas by name
_SINGLE: Final = ("items", "additionalProperties")
_LISTS: Final = ("anyOf", "oneOf", "allOf")
_OTHER: Final[Mapping[str, str]] = {"oneOf": "anyOf", "const": "enum"}  # Gemini's word for it
_TYPES: Final[Mapping[type, str]] = {str: "string", bool: "boolean", int: "integer", float: "number"}


def fit(tools: Any) -> None:
    """Rewrite the parameters of these functions in place."""
    for tool in tools if isinstance(tools, list) else ():
        function = tool.get("function") if isinstance(tool, dict) else None
        if isinstance(function, dict) and function.get("parameters") is not None:
            function["parameters"] = sound(function["parameters"])


def sound(schema: Any) -> dict[str, Any]:
    """The same schema without booleans for schemas, and with a type for every constant; what is no schema is open."""
    if not isinstance(schema, dict):
        return {}
    told = {_OTHER.get(name, name): _told(name, value) for name, value in schema.items()}
    return _typed({name: value for name, value in told.items() if value is not UNSET})


def _told(name: str, value: Any) -> Any:
    """One word of a schema; UNSET where it says nothing that could be read."""
    if name in _NAMED:
        return {key: sound(one) for key, one in value.items()} if isinstance(value, dict) else UNSET
    if name in _LISTS:
        return [sound(one) for one in value] if isinstance(value, list) else UNSET
    if name in _SINGLE and not (name == "additionalProperties" and isinstance(value, bool)):
        return sound(value)
    return [value] if name == "const" else value


def _typed(schema: dict[str, Any]) -> dict[str, Any]:
    """A choice of constants has their type, or LiteLLM would call it an object; only strings can be enumerated."""
    among = schema.get("enum")
    if not isinstance(among, list) or not among:
        return schema
    kinds = {_TYPES.get(type(value), "") for value in among}
    if "type" not in schema and len(kinds) == 1 and "" not in kinds:
        schema["type"] = kinds.pop()
    if schema.get("type") in ("integer", "number", "boolean"):
        schema.pop("enum")
    return schema
