"""A provider for those who have no key yet: it answers at once, in form, and says what it is."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from gateway.core.chat import ChatRequest
from gateway.core.errors import BadRequest
from gateway.core.events import Choice, Chunk, Delta, FunctionDelta, ToolCallDelta, Usage, encode_usage, text_chunk
from gateway.core.ids import uuid7
from gateway.upstream import rehearse
from gateway.upstream.count import Counted
from gateway.upstream.rehearse import BreakingAnswer

_ANSWER = (
    "Hello, this is Syntra. No provider key is set, so this answer is simulated: your client, your key and the stream "
    "work. Set OPENAI_API_KEY, ANTHROPIC_API_KEY, GOOGLE_API_KEY, PERPLEXITY_API_KEY, KIMI_API_KEY or "
    "OPENROUTER_API_KEY and start again to get real answers. You wrote: “{words}”"
)
_MOST_WORDS = 200  # characters of the question that are said back
_DEPTH = 8  # levels of a schema that are filled in
_MOST_VALUES = 1000
_MOST_ITEMS = 3
_DIMENSIONS = 256


class SimulatedAnswer:
    """An answer in small pieces, as a provider would send them."""

    def __init__(self, chunks: list[Chunk], usage: Usage) -> None:
        self._chunks = iter([*chunks, Chunk(usage=encode_usage(usage))])
        self._usage = usage

    async def next(self) -> Sequence[Chunk]:
        """One chunk at a time, the usage last."""
        chunk = next(self._chunks, None)
        return (chunk,) if chunk is not None else ()

    def counted(self) -> Counted:
        """The tokens of the whole: it costs nothing."""
        return Counted(self._usage, estimated=False)


class Simulated:
    """Stands in for every provider while none has a key."""

    def ask(self, request: ChatRequest, model: str = "") -> SimulatedAnswer | BreakingAnswer:
        """An answer that fits the request: text, JSON of the wanted schema, or a call of the tool that must be used.

        Some models do what else is rare; raises what they answer instead.
        """
        rehearse.refuse(model)
        chunks: list[Chunk] = []
        name = _first_tool(request) if model == rehearse.CALL else _forced_tool(request)
        for index in range(request.body.n or 1):
            chunks.append(Chunk(choices=[Choice(index, Delta(role="assistant", content=""))]))
            if name is not None:
                chunks.append(Chunk(choices=[Choice(index, Delta(tool_calls=[_call(request, name)]))]))
            else:
                words = _text(request).split(" ")
                pieces = [word if k == 0 else f" {word}" for k, word in enumerate(words)]
                chunks += [text_chunk(piece, index) for piece in pieces]
            chunks.append(Chunk(choices=[Choice(index, finish_reason="tool_calls" if name else "stop")]))
        prompt = sum(len(message) for message in request.messages) // 4
        usage = Usage(prompt, len(chunks), prompt + len(chunks))
        failure = rehearse.breaking(model)
        if failure is not None:
            return BreakingAnswer(chunks, Counted(usage, estimated=False), failure)
        return SimulatedAnswer(chunks, usage)


def embed(text: str) -> list[float]:
    """A unit vector that depends on the text alone; near texts are not near each other."""
    digest = hashlib.shake_256(text.encode()).digest(_DIMENSIONS)
    values = [byte / 127.5 - 1.0 for byte in digest]
    norm = sum(value * value for value in values) ** 0.5
    return [value / norm for value in values]


def _text(request: ChatRequest) -> str:
    wanted = request.body.response_format
    if wanted is not None and wanted.json_schema is not None:
        return msgspec.json.encode(_example(wanted.json_schema.schema)).decode()
    if wanted is not None and wanted.type == "json_object":
        return '{"simulated": true}'
    said = [message.text() for message in request.body.messages if message.role == "user"]
    return _ANSWER.format(words=said[-1][:_MOST_WORDS] if said else "")


class _Named(Struct):
    name: str


class _ForcedTool(Struct):
    function: _Named | None = None


def _first_tool(request: ChatRequest) -> str | None:
    """The first function that is offered, unless its result is what was said last."""
    names = [tool.function.name for tool in request.body.tools or () if tool.function is not None]
    return names[0] if names and request.body.messages[-1].role != "tool" else None


def _forced_tool(request: ChatRequest) -> str | None:
    """The function that must be called, if the request leaves no choice."""
    names = [tool.function.name for tool in request.body.tools or () if tool.function is not None]
    choice = request.body.tool_choice
    if isinstance(choice, dict):
        try:
            forced = msgspec.convert({name: msgspec.json.decode(raw) for name, raw in choice.items()}, _ForcedTool)
        except msgspec.ValidationError:
            raise BadRequest("'tool_choice' names no function.", param="tool_choice", code="invalid_value") from None
        return forced.function.name if forced.function is not None else None
    return names[0] if choice == "required" and names else None


def _call(request: ChatRequest, name: str) -> ToolCallDelta:
    schemas = {t.function.name: t.function.parameters for t in request.body.tools or () if t.function is not None}
    function = FunctionDelta(name, msgspec.json.encode(_example(schemas.get(name, UNSET))).decode())
    return ToolCallDelta(0, f"call_{uuid7()}", "function", function)


def _example(raw: Raw | UnsetType) -> Any:
    schema = {} if raw is UNSET else msgspec.json.decode(raw)
    return _Example(schema).of(schema)


class _Example:
    """The plainest value that a JSON schema allows, as far as its common words go; odd schemas give odd values."""

    def __init__(self, root: Any) -> None:
        self._root = root
        self._left = _MOST_VALUES

    def of(self, schema: Any, depth: int = _DEPTH) -> Any:
        """A value for this schema."""
        self._left -= 1
        if not isinstance(schema, dict) or depth == 0 or self._left < 0:
            return None
        if isinstance(schema.get("$ref"), str):
            return self.of(self._find(schema["$ref"]), depth - 1)
        if "const" in schema:
            return schema["const"]
        for word in ("enum", "anyOf", "oneOf", "allOf"):
            if isinstance(schema.get(word), list) and schema[word]:
                first = schema[word][0]
                return first if word == "enum" else self.of(first, depth - 1)
        kind = schema.get("type", "object")
        return self._of_kind(schema, kind[0] if isinstance(kind, list) and kind else kind, depth)

    def _of_kind(self, schema: dict[str, Any], kind: Any, depth: int) -> Any:
        if kind == "object":
            properties = schema.get("properties")
            pairs = properties.items() if isinstance(properties, dict) else ()
            return {name: self.of(inner, depth - 1) for name, inner in pairs}
        if kind == "array":
            least = schema.get("minItems")
            count = min(least, _MOST_ITEMS) if isinstance(least, int) else 0
            return [self.of(schema.get("items"), depth - 1) for _ in range(count)]
        plain: dict[str, Any] = {"string": "simulated", "integer": 0, "number": 0.0, "boolean": True}
        return plain.get(kind) if isinstance(kind, str) else None

    def _find(self, reference: str) -> Any:
        """Where `#/$defs/Name` leads; None where it leads nowhere."""
        here = self._root
        for word in reference.removeprefix("#/").split("/"):
            here = here.get(word) if isinstance(here, dict) else None
        return here
