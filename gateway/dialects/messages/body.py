"""The body of a Messages request: its types and bounds, and what is wrong with one that does not fit them.

Content is decoded block by block, each as its type wants it; a block of a type that nobody here knows stays raw.
Source of the fields: Anthropic's API reference, `POST /v1/messages`, and what its clients were seen to send.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, TypeVar

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from gateway.core.errors import BadRequest

Text = str | list[Raw]


class Source(Struct):
    """Where an image or a document is."""

    type: str
    media_type: str | None = None
    data: str | None = None
    url: str | None = None
    file_id: str | None = None
    content: Text | None = None


class TextBlock(Struct):
    """A piece of text."""

    text: str


class ImageBlock(Struct):
    """A picture."""

    source: Source


class DocumentBlock(Struct):
    """A document: a PDF, plain text, or blocks of its own."""

    source: Source
    title: str | None = None
    context: str | None = None


class SearchResult(Struct):
    """A passage that the client has found."""

    source: str
    title: str
    content: list[Raw]


class ToolUse(Struct):
    """A call of one of the client's tools; `input` is an object."""

    id: str
    name: str
    input: dict[str, Raw]


class ToolResult(Struct):
    """What a call gave."""

    tool_use_id: str
    content: Text | None = None
    is_error: bool | None = None


class Thinking(Struct):
    """A thought, and what proves it."""

    thinking: str
    signature: str = ""


class Unknown(Struct):
    """A block that no other model than Anthropic's has a use for, or that nobody here knows."""

    type: str


Block = TextBlock | ImageBlock | DocumentBlock | SearchResult | ToolUse | ToolResult | Thinking | Unknown

KINDS: Final[Mapping[str, type[Block]]] = {
    "text": TextBlock,
    "image": ImageBlock,
    "document": DocumentBlock,
    "search_result": SearchResult,
    "tool_use": ToolUse,
    "tool_result": ToolResult,
    "thinking": Thinking,
}


class Message(Struct):
    """One message."""

    role: Literal["user", "assistant", "system"]
    content: Text


class ToolChoice(Struct):
    """Which tools may or must be called."""

    type: str
    name: str | None = None
    disable_parallel_tool_use: bool | None = None


class Thoughts(Struct):
    """Whether and how long to think: `enabled`, `adaptive` or `disabled`."""

    type: str
    budget_tokens: Annotated[int, Meta(ge=0, le=2**31 - 1)] | None = None
    display: str | None = None


class Metadata(Struct):
    """What the client says about itself."""

    user_id: str | None = None


class Format(Struct):
    """The form of the answer."""

    type: str
    schema: Raw = Raw(b"{}")


class OutputConfig(Struct):
    """How much effort, and which form."""

    effort: str | None = None
    format: Format | None = None


Count = Annotated[int, Meta(ge=1, le=2**31 - 1)]


class Body(Struct):
    """The fields that are read; whatever else there is stays in the native words."""

    model: str
    messages: list[Message]
    max_tokens: Count | None = None
    system: Text | None = None
    stream: bool | None = None
    temperature: Annotated[float, Meta(ge=0, le=1)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    top_k: Annotated[int, Meta(ge=0, le=2**31 - 1)] | None = None
    stop_sequences: list[str] | None = None
    tools: list[Raw] | None = None
    tool_choice: ToolChoice | None = None
    thinking: Thoughts | None = None
    metadata: Metadata | None = None
    service_tier: str | None = None
    output_config: OutputConfig | None = None
    output_format: Format | None = None


class Tool(Struct):
    """A tool; one whose type is not `custom` is one of Anthropic's own, and `mcp_toolset` has no name."""

    name: str = ""
    type: str | None = None
    description: str | None = None
    input_schema: Raw | UnsetType = UNSET
    defer_loading: bool | None = None


class _Typed(Struct):
    type: str


T = TypeVar("T")

_typed = msgspec.json.Decoder(_Typed)
_decoders: Final[Mapping[str, msgspec.json.Decoder[Any]]] = {
    kind: msgspec.json.Decoder(struct) for kind, struct in KINDS.items()
}
_tool_result = _decoders["tool_result"]
body_decoder = msgspec.json.Decoder(Body)
tool_decoder = msgspec.json.Decoder(Tool)

_NEEDS: Final[Mapping[str, tuple[str, ...]]] = {
    "base64": ("media_type", "data"),
    "text": ("data",),
    "url": ("url",),
    "file": ("file_id",),
    "content": ("content",),
}
_MISSING = re.compile(r"Object missing required field `(.+)`")
_EXPECTED = re.compile(r"Expected `(\w+)(?: \| \w+)*`, got `(\w+)`")
_BOUND = re.compile(r"Expected `\w+` (>=|<=|>|<) ([\d.e+-]+)")
_PLACE = re.compile(r"\[(\d+)\]")
_WORDS = {"str": "string", "int": "integer", "float": "number", "bool": "boolean", "array": "list"}
_BOUNDS = {">=": "greater than or equal to", "<=": "less than or equal to", ">": "greater than", "<": "less than"}
_ROLE = "Input should be 'user', 'assistant' or 'system'"


def blocks(content: Text, at: str, *, answers: bool = False) -> list[Block]:
    """The blocks of a content, a string being one text; `answers` where results of calls may be among them."""
    if isinstance(content, str):
        return [TextBlock(content)] if content else []
    return [_block(raw, f"{at}.{k}", answers=answers) for k, raw in enumerate(content)]


def _block(raw: Raw, at: str, *, answers: bool) -> Block:
    kind = decode(_typed, raw, at).type
    decoder = _decoders.get(kind)
    if decoder is not None:
        block: Block = decode(decoder, raw, at)
        if isinstance(block, ImageBlock | DocumentBlock):
            _check_source(block.source, f"{at}.source")
        return block
    if answers and b'"tool_use_id"' in bytes(raw):  # a result by another name answers its call all the same
        result: ToolResult = decode(_tool_result, raw, at)
        return result
    return Unknown(kind)


def _check_source(source: Source, at: str) -> None:
    for name in _NEEDS.get(source.type, ()):
        if getattr(source, name) is None:
            raise refused(f"{at}.{source.type}.{name}", "Field required")


def decode(decoder: msgspec.json.Decoder[T], raw: bytes | Raw, at: str = "") -> T:
    """Decode JSON; raises BadRequest with the path of what is wrong, in Anthropic's manner."""
    try:
        return decoder.decode(raw)
    except msgspec.ValidationError as error:
        raise _wrong(str(error), at) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadRequest(f"The request body is not valid JSON: {error}") from None
    except RecursionError:
        raise BadRequest("The request body is nested too deeply.") from None


def refused(at: str, reason: str) -> BadRequest:
    """A request that is wrong at this place."""
    return BadRequest(f"{at}: {reason}", param=at or None)


def _wrong(message: str, at: str) -> BadRequest:
    """Msgspec says "Expected `str`, got `int` - at `$.messages[0].content`"; Anthropic "messages.0.content: …"."""
    reason, _, path = message.partition(" - at `$")
    path = _PLACE.sub(r".\1", path.rstrip("`")).replace("[...]", "").lstrip(".")
    at = f"{at}.{path}" if at and path else at or path
    if missing := _MISSING.fullmatch(reason):
        return refused(f"{at}.{missing[1]}" if at else missing[1], "Field required")
    if reason.startswith("Invalid enum value") and at.endswith(".role"):
        return refused(at, _ROLE)
    if expected := _EXPECTED.fullmatch(reason):
        return refused(at, f"Input should be a valid {_WORDS.get(expected[1], expected[1])}")
    if bound := _BOUND.fullmatch(reason):
        return refused(at, f"Input should be {_BOUNDS[bound[1]]} {bound[2]}")
    return refused(at, reason)
