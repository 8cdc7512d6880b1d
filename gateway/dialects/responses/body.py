"""The body of `POST /v1/responses`: its fields and its items, checked as far as Syntra reads them.

Source: OpenAI's API reference, "Create a model response", and the bodies of Codex, Cline, opencode, Cursor and the SDKs
that were recorded. Items and tools are decoded one by one, because each has its own form and its own path in an error.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from gateway.core import chat
from gateway.core.errors import BadRequest

_MOST_METADATA: Final = 16


class Format(Struct):
    """Text, JSON mode, or a JSON schema that the text must fit."""

    type: str
    name: str | None = None
    schema: Raw | UnsetType = UNSET
    strict: bool | None = None
    description: str | None = None


class Text(Struct):
    """How the text of the answer shall be."""

    format: Format | None = None
    verbosity: str | None = None


class Reasoning(Struct):
    """How hard the model shall think, and whether it tells of it."""

    effort: str | None = None
    summary: str | None = None


class StreamOptions(Struct):
    """Of a chat completion's options only the usage says anything here, and it is always told."""

    include_usage: bool | None = None
    include_obfuscation: bool | None = None


class Body(Struct):
    """The fields of a request that Syntra reads."""

    model: str
    input: str | list[Raw] | None = None
    instructions: str | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    store: bool | None = None
    background: bool | None = None
    previous_response_id: str | None = None
    conversation: str | dict[str, Raw] | None = None
    prompt: Raw | UnsetType = UNSET
    include: list[str] | None = None
    tools: list[Raw] | None = None
    tool_choice: str | dict[str, Raw] | None = None
    parallel_tool_calls: bool | None = None
    max_output_tokens: chat.Count | None = None
    max_tool_calls: chat.Count | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    text: Text | None = None
    reasoning: Reasoning | None = None
    truncation: Literal["auto", "disabled"] | None = None
    metadata: Annotated[dict[str, str], Meta(max_length=_MOST_METADATA)] | None = None
    service_tier: str | None = None
    user: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None

    @property
    def keeps(self) -> bool:
        """Whether the answer shall be kept; OpenAI keeps it unless told otherwise."""
        return self.store is not False

    def includes(self, what: str) -> bool:
        """Whether this was asked for by `include`."""
        return self.include is not None and what in self.include


KNOWN: Final = frozenset(Body.__struct_fields__)


class Kind(Struct):
    """What is looked at first in an item."""

    type: str | None = None
    role: str | None = None
    id: str | None = None
    call_id: str | None = None


class Audio(Struct):
    """Audio in the request: base64 data and its format."""

    data: str
    format: str


class Part(Struct):
    """One part of a message's content or of a call's output."""

    type: str
    text: str | None = None
    refusal: str | None = None
    image_url: str | chat.ImageUrl | None = None
    detail: str | None = None
    file_id: str | None = None
    file_data: str | None = None
    file_url: str | None = None
    filename: str | None = None
    input_audio: Audio | None = None


class Message(Struct):
    """A message by anybody."""

    role: Literal["user", "assistant", "system", "developer"]
    content: str | list[Part]


class FunctionCall(Struct):
    """A function that the model called."""

    call_id: str
    name: str
    arguments: str
    namespace: str | None = None


class CustomCall(Struct):
    """A tool of free text that the model called."""

    call_id: str
    name: str
    input: str
    namespace: str | None = None


class CallOutput(Struct):
    """What came of a call."""

    call_id: str
    output: str | list[Part]


class Thought(Struct):
    """A piece of a reasoning item: of its summary, or of the reasoning itself."""

    text: str
    type: str = ""


class ReasoningItem(Struct):
    """What the model thought; `encrypted_content` is for whoever sealed it."""

    summary: list[Thought] = []
    content: list[Thought] | None = None
    encrypted_content: str | None = None

    @property
    def words(self) -> str:
        """The reasoning, as far as it is told in the open."""
        return "\n\n".join(thought.text for thought in self.content or self.summary)


class AdditionalTools(Struct):
    """Tools that came later in the conversation."""

    tools: list[Raw]


class Reference(Struct):
    """An item that is kept here, by its id."""

    id: str


class Received(Struct, frozen=True):
    """A body that was understood: its typed fields, and the bytes of each."""

    body: Body
    fields: dict[str, Raw]

    def items(self) -> list[Raw]:
        """The input as items; a string is a message by the user."""
        given = self.body.input
        if isinstance(given, str):
            return [Raw(_encode({"type": "message", "role": "user", "content": given}))]
        return given or []

    def references(self) -> list[str]:
        """The ids of the kept items that the input refers to."""
        kinds = (kind(raw, f"input[{k}]") for k, raw in enumerate(self.items()))
        return [found.id for found in kinds if found.type == "item_reference" and found.id is not None]


_encode = msgspec.json.Encoder().encode
_fields = msgspec.json.Decoder(dict[str, Raw])
_body = msgspec.json.Decoder(Body)
_kind = msgspec.json.Decoder(Kind)


def parse(raw: bytes) -> Received:
    """Bytes to a body; raises BadRequest with `param` set to the path of what is wrong."""
    chat.check_text(raw)
    fields = chat.decode(_fields, raw)
    chat.refuse_forbidden(fields)
    body = chat.decode(_body, raw)
    if body.previous_response_id == "":  # some clients always say one, and mean none
        body.previous_response_id = None
        del fields["previous_response_id"]
    _check(body, fields)
    return Received(body, fields)


def _check(body: Body, fields: dict[str, Raw]) -> None:
    """What is not offered is refused in words; what types alone do not say is checked."""
    if body.background:
        raise _unsupported("background", "A response in the background cannot be had here; leave 'background' out.")
    if body.conversation is not None:
        raise _unsupported("conversation", "Conversations are not kept here; use 'previous_response_id'.")
    if body.prompt is not UNSET and bytes(body.prompt) != b"null":
        raise _unsupported("prompt", "Prompt templates are not kept here; send 'instructions' and 'input'.")
    if not body.input and body.previous_response_id is None:
        if "input" in fields and body.input is not None:
            raise BadRequest("'input' must not be empty.", param="input", code="invalid_value")
        raise chat.missing("input")
    form = body.text.format if body.text is not None else None
    if form is not None and form.type == "json_schema":
        if form.name is None:
            raise chat.missing("text.format.name")
        if form.schema is UNSET:
            raise chat.missing("text.format.schema")


def kind(raw: Raw, at: str) -> Kind:
    """What an item is: a message without a type has a role, and a reference to a kept item has nothing but its id."""
    found = chat.decode(_kind, raw, at)
    if found.type is None:
        if found.role is None and found.id is None:
            raise chat.missing(f"{at}.type")
        found.type = "item_reference" if found.role is None else "message"
    return found


def _unsupported(name: str, message: str) -> BadRequest:
    return BadRequest(message, param=name, code="unsupported_parameter")
