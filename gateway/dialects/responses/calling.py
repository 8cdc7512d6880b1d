"""What the model may call: functions and tools of free text as chat completions know them, and their names back again.

A namespace is only a group: its functions become functions of their own. A tool of free text becomes a function with
one text, for the providers that know nothing else. What the provider itself would have to run is not ours to translate.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from hashlib import blake2b
from typing import Any, Final

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType, field

from gateway.core import chat
from gateway.core.errors import BadRequest
from gateway.core.native import Aside

INPUT: Final = "input"  # the one argument of a function that stands for a tool of free text
SEARCHES: Final = frozenset({"web_search", "web_search_preview", "web_search_2025_08_26"})
_SEARCH_BUILT_IN: Final = "perplexity"  # searches for every answer, asked or not
_SEARCH_ALONE: Final = "google"  # has a search, but not beside functions
_MODES: Final = frozenset({"none", "auto", "required"})
_NAME: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_LONGEST: Final = 64
_DIGEST: Final = 4  # bytes of what a name had to lose


class _Tool(Struct):
    """One of `tools`; a namespace has more of them inside."""

    type: str
    name: str | None = None
    description: str | None = None
    parameters: Raw | UnsetType = UNSET
    strict: bool | None = None
    format: dict[str, Any] | None = None
    tools: list[Raw] | None = None
    search_context_size: str | None = None
    user_location: dict[str, Any] | None = None
    external_web_access: bool | None = None
    function: chat.Function | None = None  # as chat completions have it; some clients mix the two


class Callee(Struct, frozen=True):
    """Whom the client means by a name that the model calls."""

    name: str
    namespace: str | None = None
    free: bool = False  # a tool of free text


class Calling(Struct):
    """The tools of one request: as a chat completion has them, and who is behind each of their names."""

    tools: list[dict[str, Any]] = field(default_factory=list)
    callees: dict[str, Callee] = field(default_factory=dict)
    names: dict[Callee, str] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)
    search: _Tool | None = None  # of the web, where one is wanted

    def callee(self, name: str) -> Callee:
        """Whom the client means; a name that nobody has given is called by itself."""
        return self.callees.get(name) or Callee(name)

    def name_of(self, name: str, namespace: str | None, *, free: bool = False) -> str:
        """The name that a callee has in the chat completion."""
        return self.names.get(Callee(name, namespace, free)) or _plain(name)

    @property
    def searches(self) -> bool:
        """Whether a search of the web is all that may be called."""
        others = self.tools or any(name.removeprefix("tools.") not in SEARCHES for name in self.lost)
        return self.search is not None and not others

    def search_options(self) -> Raw:
        """A wanted search as chat completions ask for it."""
        return Raw(_encode(_search_options(self.search) if self.search is not None else {}))

    def asides(self) -> dict[str, Aside]:
        """How the providers that search by themselves are told of a wanted search."""
        if self.search is None:
            return {}
        found = frozenset({f"tools.{self.search.type}"})
        made = {_SEARCH_BUILT_IN: Aside(found=found)}
        if not self.tools:
            made[_SEARCH_ALONE] = Aside({"web_search_options": self.search_options()}, found=found)
        return made


_encode = msgspec.json.Encoder().encode
_tool = msgspec.json.Decoder(_Tool)
_named = msgspec.json.Decoder(dict[str, Any])


def read(tools: list[Raw], at: str = "tools") -> Calling:
    """The tools of a request; raises BadRequest for a malformed one."""
    calling = Calling()
    for k, raw in enumerate(tools):
        add(calling, raw, f"{at}[{k}]")
    return calling


def add(calling: Calling, raw: Raw, at: str) -> None:
    """Take one more tool in."""
    tool = chat.decode(_tool, raw, at)
    if tool.type == "namespace":
        name = _name(tool, at)
        for k, inner in enumerate(tool.tools or ()):
            part = chat.decode(_tool, inner, f"{at}.tools[{k}]")
            if part.type in ("function", "custom"):
                _add_function(calling, part, name, f"{at}.tools[{k}]")
            else:
                calling.lost.append(f"tools.{name}.{part.type}")
    elif tool.type in ("function", "custom"):
        _add_function(calling, tool, None, at)
    else:
        if tool.type in SEARCHES:
            calling.search = tool if tool.external_web_access is not False else None
        calling.lost.append(f"tools.{tool.type}")


def _add_function(calling: Calling, tool: _Tool, namespace: str | None, at: str) -> None:
    if tool.function is not None and tool.name is None:
        inner = tool.function
        tool = _Tool(tool.type, inner.name, inner.description, inner.parameters, inner.strict)
    free = tool.type == "custom"
    callee = Callee(_name(tool, at), namespace, free)
    name = _plain(callee.name)
    if name in calling.callees and namespace is not None:
        name = _plain(f"{namespace}__{callee.name}")
    if name in calling.callees:
        return  # the same function again, as groups sometimes bring it
    calling.callees[name], calling.names[callee] = callee, name
    function: dict[str, Any] = {"name": name}
    if description := _described(tool):
        function["description"] = description
    if free:
        function["parameters"] = _FREE_TEXT
    elif tool.parameters is not UNSET and bytes(tool.parameters) != b"null":
        function["parameters"] = tool.parameters
    if tool.strict is not None and not free:
        function["strict"] = tool.strict
    calling.tools.append({"type": "function", "function": function})


_FREE_TEXT: Final = {
    "type": "object",
    "properties": {INPUT: {"type": "string"}},
    "required": [INPUT],
    "additionalProperties": False,
}


def _described(tool: _Tool) -> str:
    """What the tool is for; of a tool of free text also which text it takes."""
    form = tool.format or {}
    if form.get("type") != "grammar":
        return tool.description or ""
    grammar = f"The text in '{INPUT}' must fit this {form.get('syntax', '')} grammar:\n{form.get('definition', '')}"
    return f"{tool.description}\n\n{grammar}" if tool.description else grammar


def _name(tool: _Tool, at: str) -> str:
    if not tool.name:
        raise chat.missing(f"{at}.name")
    return tool.name


def _plain(name: str) -> str:
    """A name in the letters that every provider takes."""
    if _NAME.fullmatch(name):
        return name
    tail = blake2b(name.encode("utf-8", "surrogatepass"), digest_size=_DIGEST).hexdigest()
    return f"{re.sub('[^a-zA-Z0-9_-]', '_', name)[: _LONGEST - len(tail) - 1]}_{tail}"


def _search_options(search: _Tool) -> dict[str, Any]:
    """A search as chat completions ask for it."""
    options: dict[str, Any] = {}
    if search.search_context_size is not None:
        options["search_context_size"] = search.search_context_size
    if search.user_location is not None:
        where = {name: value for name, value in search.user_location.items() if name != "type" and value is not None}
        options["user_location"] = {"type": "approximate", "approximate": where}
    return options


class Choice(Struct):
    """`tool_choice` as a chat completion has it, and the tools that it leaves."""

    value: str | dict[str, Any] | None
    tools: list[dict[str, Any]]
    lost: bool = False


def choose(calling: Calling, wanted: str | Mapping[str, Raw] | None) -> Choice:
    """Which tool must or may be called; one that is not there for a chat completion leaves the choice to the model."""
    if wanted is None or isinstance(wanted, str):
        if wanted is not None and wanted not in _MODES:
            raise BadRequest(
                f"'tool_choice' is one of {', '.join(sorted(_MODES))}, or an object.",
                param="tool_choice",
                code="invalid_value",
            )
        return Choice(wanted, calling.tools)
    asked = {name: msgspec.json.decode(raw) for name, raw in wanted.items()}
    if asked.get("type") == "allowed_tools":
        return _allowed(calling, asked)
    name = _forced(calling, asked, "tool_choice")
    if name is None:
        return Choice(None, calling.tools, lost=True)
    return Choice({"type": "function", "function": {"name": name}}, calling.tools)


def _allowed(calling: Calling, asked: Mapping[str, Any]) -> Choice:
    tools = asked.get("tools")
    if not isinstance(tools, list):
        raise chat.missing("tool_choice.tools")
    names = set(_names(calling, tools))
    left = [tool for tool in calling.tools if tool["function"]["name"] in names]
    return Choice("required" if asked.get("mode") == "required" else "auto", left)


def _names(calling: Calling, tools: list[Any]) -> Iterator[str]:
    for k, tool in enumerate(tools):
        if not isinstance(tool, dict):
            raise BadRequest("A tool is an object.", param=f"tool_choice.tools[{k}]", code="invalid_value")
        if (name := _forced(calling, tool, f"tool_choice.tools[{k}]")) is not None:
            yield name


def _forced(calling: Calling, asked: Mapping[str, Any], at: str) -> str | None:
    """The chat completion's name for one tool, None for what only its provider could run."""
    if not isinstance(asked.get("type"), str):
        raise chat.missing(f"{at}.type")
    if asked["type"] not in ("function", "custom"):
        return None
    inner = asked.get("function")
    name = asked.get("name") or (inner.get("name") if isinstance(inner, dict) else None)
    if not isinstance(name, str):
        raise chat.missing(f"{at}.name")
    free = asked["type"] == "custom"
    known = next((k for k, callee in calling.callees.items() if (callee.name, callee.free) == (name, free)), None)
    if known is None:
        raise BadRequest(f"The tool '{name[:100]}' is not among 'tools'.", param=at, code="invalid_value")
    return known


def spoken(arguments: str) -> str:
    """The free text in the arguments of a function that stood for a tool of free text."""
    try:
        value = _named.decode(arguments).get(INPUT)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return arguments  # a model that wrote the text itself
    return value if isinstance(value, str) else arguments
