"""A Messages request's tools as functions, under names that every provider takes."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Sequence
from typing import Any, Final

import msgspec
from msgspec import UNSET, Raw, Struct

from gateway.dialects.messages.body import Tool, ToolChoice, decode, refused, tool_decoder

_LONGEST: Final = 64  # characters of a function's name at most providers; Anthropic takes twice as many
_DIGEST: Final = 8
_SEARCHES: Final = "web_search_"
_FINDERS: Final = "tool_search_tool_"  # Anthropic's own search among deferred tools


_schema = msgspec.json.Decoder(dict[str, Raw])


class Tools(Struct):
    """The tools of one request."""

    functions: list[dict[str, Any]] = []
    choice: str | dict[str, Any] | None = None
    parallel: bool | None = None  # said only where it is denied
    searches: bool = False  # whether a search of the web is all that is asked for
    lost: tuple[str, ...] = ()


def short(name: str) -> str:
    """A name within every provider's limit; which one it was, `originals` knows."""
    if len(name) <= _LONGEST:
        return name
    digest = hashlib.blake2b(name.encode("utf-8", "replace"), digest_size=_DIGEST // 2).hexdigest()
    return f"{name[: _LONGEST - _DIGEST - 1]}_{digest}"


def originals(raws: Sequence[Raw] | None) -> dict[str, str]:
    """The client's names behind those that had to be shortened."""
    names = (tool_decoder.decode(raw).name for raw in raws or ())
    return {short(name): name for name in names if len(name) > _LONGEST}


def read(raws: Sequence[Raw] | None, choice: ToolChoice | None, referred: Collection[str]) -> Tools:
    """The tools that any model can be given.

    A deferred tool is shown from when a result has referred to it, as Anthropic does; all of them are where the
    search that would refer to them is Anthropic's own.
    """
    tools = [decode(tool_decoder, raw, f"tools.{k}") for k, raw in enumerate(raws or ())]
    own = [tool for tool in tools if tool.type not in (None, "custom")]
    found_here = not any((tool.type or "").startswith(_FINDERS) for tool in own)
    made = Tools()
    for k, tool in enumerate(tools):
        if tool.type in (None, "custom") and not (tool.defer_loading and found_here and tool.name not in referred):
            made.functions.append(_function(tool, f"tools.{k}"))
    made.searches = bool(own) and not made.functions and all((one.type or "").startswith(_SEARCHES) for one in own)
    made.lost = tuple(dict.fromkeys(tool.name or tool.type or "" for tool in own if not made.searches))
    if made.functions and choice is not None:
        _choose(made, choice, {tool.name for tool in tools}, {tool.name for tool in own})
    return made


def _function(tool: Tool, at: str) -> dict[str, Any]:
    if not tool.name:
        raise refused(f"{at}.name", "Field required")
    if tool.input_schema is UNSET:
        raise refused(f"{at}.input_schema", "Field required")
    schema = decode(_schema, tool.input_schema, f"{at}.input_schema")
    if not bytes(schema.get("properties", b"{")).startswith(b"{"):  # others refuse what Anthropic does not look at
        schema = {"type": Raw(b'"object"')}
    function: dict[str, Any] = {"name": short(tool.name), "parameters": schema}
    if tool.description:
        function["description"] = tool.description
    return {"type": "function", "function": function}


_KINDS: Final = {"auto": "auto", "any": "required", "none": "none"}


def _choose(made: Tools, choice: ToolChoice, names: Collection[str], own: Collection[str]) -> None:
    if choice.type == "tool":
        if choice.name is None:
            raise refused("tool_choice.name", "Field required")
        if choice.name not in names:
            raise refused("tool_choice", f"Tool '{choice.name}' not found in provided tools")
        shown = {function["function"]["name"] for function in made.functions}
        if choice.name not in own and short(choice.name) in shown:
            made.choice = {"type": "function", "function": {"name": short(choice.name)}}
    elif choice.type in _KINDS:
        made.choice = _KINDS[choice.type]
    else:
        raise refused("tool_choice.type", f"Input should be 'auto', 'any', 'tool' or 'none', not '{choice.type[:50]}'")
    if choice.disable_parallel_tool_use:
        made.parallel = False


def references(contents: Sequence[Raw]) -> Iterator[str]:
    """The names of deferred tools that a result refers to."""
    for raw in contents:
        if b'"tool_reference"' in bytes(raw):
            try:
                found = _reference.decode(raw)
            except msgspec.ValidationError:
                continue
            if found.type == "tool_reference":
                yield found.tool_name


class _Reference(Struct):
    type: str
    tool_name: str


_reference = msgspec.json.Decoder(_Reference)
