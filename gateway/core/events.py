"""What a provider's answer becomes inside: a stream of chunks in OpenAI's own shape, whatever the wire.

One chunk type serves as the event that travels through the stages and as what is written to the client, so nothing is
converted on the way of a provider that speaks this wire. Fields that Syntra does not know survive in `extra`.
Source of the fields: OpenAI's API reference, "The chat completion chunk object", and what OpenRouter, Perplexity,
Kimi and vLLM were seen to add.
"""

from __future__ import annotations

import secrets
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType, field

# gc=False: none of these can be part of a cycle, and a stream makes them by the thousand.
Extra = dict[str, Raw] | UnsetType
NULL = Raw(b"null")
_EXTRA = f"extra {secrets.token_hex(8)}"  # no provider's field has this name


class FunctionDelta(Struct, omit_defaults=True, gc=False):
    """A piece of a function call; `arguments` are the model's bytes, to be joined, never parsed."""

    name: str | None = None
    arguments: str | None = None


class ToolCallDelta(Struct, omit_defaults=True, gc=False):
    """A piece of a tool call; pieces of one call share `index`."""

    index: int | None | UnsetType = UNSET
    id: str | None = None
    type: str | None = None
    function: FunctionDelta | None = None
    custom: Raw | UnsetType = UNSET
    extra_content: Raw | UnsetType = UNSET  # Gemini's thought signatures, as Google's own OpenAI endpoint writes them


class Delta(Struct, omit_defaults=True, forbid_unknown_fields=True, gc=False):
    """What one chunk adds to one choice."""

    role: str | None = None
    content: str | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    reasoning_details: Raw | UnsetType = UNSET
    thinking_blocks: Raw | UnsetType = UNSET
    tool_calls: list[ToolCallDelta] | None = None
    function_call: Raw | UnsetType = UNSET
    audio: Raw | UnsetType = UNSET
    annotations: Raw | UnsetType = UNSET
    images: Raw | UnsetType = UNSET
    native: Raw | UnsetType = UNSET  # an event in the client's own dialect; whoever asked in that tells it
    extra: Extra = field(default=UNSET, name=_EXTRA)


class Choice(Struct, forbid_unknown_fields=True, gc=False):
    """One choice's part of a chunk."""

    index: int = 0
    delta: Delta = field(default_factory=Delta)
    logprobs: Raw = NULL
    finish_reason: str | None = None
    usage: Raw | UnsetType = UNSET  # Kimi puts it here
    native_finish_reason: Raw | UnsetType = UNSET
    extra: Extra = field(default=UNSET, name=_EXTRA)


class Chunk(Struct, forbid_unknown_fields=True, gc=False):
    """One event of an answer; the last one of every answer has no choices and holds the usage."""

    id: str = ""
    object: str = "chat.completion.chunk"
    created: int = 0
    model: str = ""
    choices: list[Choice] = []
    system_fingerprint: str | None | UnsetType = UNSET
    service_tier: str | None | UnsetType = UNSET
    usage: Raw | UnsetType = UNSET
    error: Raw | UnsetType = UNSET
    provider: Raw | UnsetType = UNSET
    citations: Raw | UnsetType = UNSET
    search_results: Raw | UnsetType = UNSET
    obfuscation: Raw | UnsetType = UNSET
    extra: Extra = field(default=UNSET, name=_EXTRA)


class TextDelta(Delta, omit_defaults=True, forbid_unknown_fields=True, kw_only=True, gc=False):
    """More text, and nothing beside it but perhaps the role."""

    role: str | None = None
    content: str
    refusal: None = None
    reasoning_content: None = None
    reasoning: None = None
    reasoning_details: UnsetType = UNSET
    thinking_blocks: UnsetType = UNSET
    tool_calls: None = None
    function_call: UnsetType = UNSET
    audio: UnsetType = UNSET
    annotations: UnsetType = UNSET
    images: UnsetType = UNSET
    native: UnsetType = UNSET
    extra: UnsetType = field(default=UNSET, name=_EXTRA)


class TextChoice(Choice, forbid_unknown_fields=True, kw_only=True, gc=False):
    """The choice that goes on."""

    index: int = 0
    delta: TextDelta
    logprobs: Raw = NULL
    finish_reason: None = None
    usage: UnsetType = UNSET
    native_finish_reason: Raw | UnsetType = UNSET
    extra: UnsetType = field(default=UNSET, name=_EXTRA)


class Text(Chunk, forbid_unknown_fields=True, kw_only=True, gc=False):
    """A chunk that adds text to one choice and says no more, as nearly every chunk of a stream: stages look no further.

    JSON tells it from others while it is decoded, in C; nobody may add to one what its fields do not take.
    """

    id: str = ""
    object: str = "chat.completion.chunk"
    created: int = 0
    model: str = ""
    choices: Annotated[list[TextChoice], Meta(min_length=1, max_length=1)]  # type: ignore[assignment]  # narrower
    system_fingerprint: str | None | UnsetType = UNSET
    service_tier: str | None | UnsetType = UNSET
    usage: None | UnsetType = UNSET  # type: ignore[assignment]  # OpenAI's null in every chunk but the last
    error: UnsetType = UNSET
    provider: Raw | UnsetType = UNSET
    citations: UnsetType = UNSET
    search_results: UnsetType = UNSET
    obfuscation: Raw | UnsetType = UNSET
    extra: UnsetType = field(default=UNSET, name=_EXTRA)


class PromptDetails(Struct, omit_defaults=True, gc=False):
    """Parts of the prompt's tokens."""

    cached_tokens: int | None = None
    audio_tokens: int | None = None
    cache_write_tokens: int | None = None


class CompletionDetails(Struct, omit_defaults=True, gc=False):
    """Parts of the completion's tokens."""

    reasoning_tokens: int | None = None
    audio_tokens: int | None = None
    accepted_prediction_tokens: int | None = None
    rejected_prediction_tokens: int | None = None


class Usage(Struct, omit_defaults=True, gc=False):
    """Tokens of one answer, as OpenAI counts them: cached ones are part of the prompt, reasoning of the completion."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    total_tokens: int = 0
    prompt_tokens_details: PromptDetails | None = None
    completion_tokens_details: CompletionDetails | None = None

    @property
    def sane(self) -> bool:
        """Whether the counts can be believed: there, none negative, none beyond any model's window."""
        read, said = self.prompt_tokens, self.completion_tokens
        return 0 <= read <= _MOST_TOKENS and 0 <= said <= _MOST_TOKENS and read + said > 0


class WholeChoice(Struct, forbid_unknown_fields=True, gc=False):
    """One choice of an answer that was not streamed."""

    index: int = 0
    message: Delta = field(default_factory=Delta)
    logprobs: Raw = NULL
    finish_reason: str | None = None


class Completion(Struct, forbid_unknown_fields=True, gc=False):
    """An answer that was not streamed, with the fields that most providers send."""

    id: str = ""
    object: str = ""
    created: int = 0
    model: str = ""
    choices: list[WholeChoice] = []
    system_fingerprint: str | None | UnsetType = UNSET
    service_tier: str | None | UnsetType = UNSET
    usage: Raw | UnsetType = UNSET
    error: Raw | UnsetType = UNSET
    provider: Raw | UnsetType = UNSET
    citations: Raw | UnsetType = UNSET
    search_results: Raw | UnsetType = UNSET


_MOST_TOKENS = 50_000_000  # no window is near it; above, the provider's counter is broken

S = TypeVar("S", bound=Struct)

_text = msgspec.json.Decoder(Text)
_chunk = msgspec.json.Decoder(Chunk)
_completion = msgspec.json.Decoder(Completion)
_usage = msgspec.json.Decoder(Usage)
_object = msgspec.json.Decoder(dict[str, Raw])
_objects = msgspec.json.Decoder(list[dict[str, Raw]])
_encoder = msgspec.json.Encoder()


def decode_chunk(data: bytes) -> Chunk:
    """One frame's JSON to a chunk; raises msgspec.MsgspecError or UnicodeDecodeError when it is not one."""
    if data.find(b'"content"') >= 0:  # twice as quick as `in`, which takes it for a number first
        try:
            return _text.decode(data)
        except msgspec.ValidationError:  # more than text
            pass
    try:
        return _chunk.decode(data)
    except msgspec.ValidationError:
        # Unknown fields are rare, so they may cost: known and unknown are told apart level by level.
        return _decode_odd(data)


def decode_completion(data: bytes) -> Chunk:
    """A whole answer's JSON to one chunk whose deltas are whole messages."""
    try:
        whole = _completion.decode(data)
    except msgspec.ValidationError:
        raw = _object.decode(data)
        choices = _objects.decode(_pop(raw, "choices", b"[]"))
        for raw_choice in choices:
            raw_choice["delta"] = raw_choice.pop("message", Raw(b"{}"))
        chunk = _odd(Chunk, raw)
        chunk.choices = [_odd_choice(raw_choice) for raw_choice in choices]
    else:
        chunk = Chunk(
            whole.id,
            whole.object,
            whole.created,
            whole.model,
            [Choice(c.index, c.message, c.logprobs, c.finish_reason) for c in whole.choices],
            whole.system_fingerprint,
            whole.service_tier,
            whole.usage,
            whole.error,
            whole.provider,
            whole.citations,
            whole.search_results,
        )
    for choice in chunk.choices:
        if choice.delta.tool_calls:
            for k, call in enumerate(choice.delta.tool_calls):
                call.index = k
    return chunk


def decode_usage(raw: Raw) -> Usage | None:
    """The counts in a usage object, or None where they are missing or cannot be believed."""
    try:
        usage = _usage.decode(raw)
    except msgspec.ValidationError:
        return None
    return usage if usage.sane else None


def encode_usage(usage: Usage) -> Raw:
    """A usage object as it is written to clients."""
    return Raw(_encoder.encode(usage))


def _decode_odd(data: bytes) -> Chunk:
    """A chunk with fields that we do not know: they go to `extra` of their level."""
    raw = _object.decode(data)
    choices = [_odd_choice(choice) for choice in _objects.decode(_pop(raw, "choices", b"[]"))]
    chunk = _odd(Chunk, raw)
    chunk.choices = choices
    return chunk


def _odd_choice(raw: dict[str, Raw]) -> Choice:
    delta = _odd(Delta, _object.decode(_pop(raw, "delta", b"{}")))
    choice = _odd(Choice, raw)
    choice.delta = delta
    return choice


def _pop(raw: dict[str, Raw], name: str, empty: bytes) -> bytes:
    """A field's JSON, or `empty` where it is missing or null."""
    value = bytes(raw.pop(name, NULL))
    return empty if value == b"null" else value


def _odd(kind: type[S], raw: dict[str, Raw]) -> S:
    """A struct of the fields that `kind` has; nulls where it wants none are left out, the rest is `extra`."""
    extra = {name: raw.pop(name) for name in list(raw) if name not in kind.__struct_encode_fields__}
    known = {name: value for name, value in raw.items() if bytes(value) != b"null"}
    struct = msgspec.json.decode(_encoder.encode(known), type=kind)
    if extra:
        struct.extra = extra  # type: ignore[attr-defined]  # each of the three kinds has it
    return struct


def text_chunk(content: str, index: int = 0, *, created: int = 0, model: str = "") -> Text:
    """A chunk of one choice's text."""
    return Text(created=created, model=model, choices=[TextChoice(index=index, delta=TextDelta(content=content))])


def encode_chunk(chunk: Chunk) -> bytes:
    """A chunk as JSON, extras in their places."""
    if type(chunk) is Text:
        return _encoder.encode(chunk)
    if chunk.extra is not UNSET:
        return _encoder.encode(_plain(chunk))
    for choice in chunk.choices:
        if choice.extra is not UNSET or choice.delta.extra is not UNSET:
            return _encoder.encode(_plain(chunk))
    return _encoder.encode(chunk)


def _plain(struct: Struct) -> dict[str, Any]:
    """A struct as a dict, its extras merged in; what is unset, and a delta's nulls, are left out."""
    plain: dict[str, Any] = {}
    for name in struct.__struct_fields__:
        value = getattr(struct, name)
        if value is UNSET or (value is None and isinstance(struct, Delta)):
            continue
        if name == "extra":
            plain.update(value)
        elif name == "choices":
            plain[name] = [_plain(choice) for choice in value]
        else:
            plain[name] = _plain(value) if name == "delta" else value
    return plain
