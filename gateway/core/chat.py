"""A chat completion request: what we read of it, and every byte that we do not need to understand.

A request is decoded twice, both times in one pass of C: once into `ChatBody`, the fields that Syntra reads, with types
and bounds; once into raw slices, so that what no stage rewrites reaches a provider of the same wire byte for byte.
Source of the fields: OpenAI's API reference, `POST /v1/chat/completions`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Literal, TypeVar

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from gateway.core import privacy
from gateway.core.artefacts import Artefacts
from gateway.core.errors import BadRequest
from gateway.core.native import Aside, Native

Role = Literal["system", "developer", "user", "assistant", "tool", "function"]
SYSTEM_ROLES = frozenset({"system", "developer"})


class ImageUrl(Struct):
    """An image by URL or data URI."""

    url: str
    detail: str | None = None


class InputAudio(Struct):
    """Audio in the request: base64 data and its format."""

    data: str
    format: str


class File(Struct):
    """A file by content (data URI) or by the provider's id."""

    file_data: str | None = None
    file_id: str | None = None
    filename: str | None = None


class Part(Struct):
    """One part of a message's content; a type that nobody here knows is carried along."""

    type: str
    text: str | None = None
    image_url: ImageUrl | None = None
    input_audio: InputAudio | None = None
    file: File | None = None
    refusal: str | None = None


class CalledFunction(Struct):
    """The function that an assistant called; `arguments` is JSON as the model wrote it, valid or not."""

    name: str
    arguments: str = ""


class CalledTool(Struct):
    """A tool call in an assistant message."""

    id: str
    type: str = "function"
    function: CalledFunction | None = None


class Message(Struct):
    """One message of the conversation."""

    role: Role
    content: str | list[Part] | None = None
    name: str | None = None
    tool_calls: list[CalledTool] | None = None
    tool_call_id: str | None = None
    refusal: str | None = None
    reasoning_content: str | None = None

    def text(self) -> str:
        """The message's text, parts joined."""
        if isinstance(self.content, str):
            return self.content
        return "".join(part.text or "" for part in self.content or ())


class Function(Struct):
    """A function that the model may call; `parameters` is a JSON schema."""

    name: str
    description: str | None = None
    parameters: Raw | UnsetType = UNSET
    strict: bool | None = None


class Tool(Struct):
    """A tool that the model may use; types other than `function` are carried along."""

    type: str
    function: Function | None = None


class JsonSchema(Struct):
    """A schema that the reply must fit."""

    name: str
    schema: Raw | UnsetType = UNSET
    strict: bool | None = None
    description: str | None = None


class ResponseFormat(Struct):
    """Text, JSON mode, or a JSON schema."""

    type: str
    json_schema: JsonSchema | None = None


class StreamOptions(Struct):
    """What a stream shall carry beside the text."""

    include_usage: bool | None = None


Penalty = Annotated[float, Meta(ge=-2, le=2)]
Count = Annotated[int, Meta(ge=1, le=2**31 - 1)]


class ChatBody(Struct):
    """The fields of a chat completion request that Syntra reads."""

    model: str
    messages: list[Message]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    n: Annotated[int, Meta(ge=1, le=128)] | None = None
    max_tokens: Count | None = None
    max_completion_tokens: Count | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    frequency_penalty: Penalty | None = None
    presence_penalty: Penalty | None = None
    logit_bias: dict[str, float] | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    stop: str | list[str] | None = None
    seed: Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)] | None = None
    tools: list[Tool] | None = None
    tool_choice: str | dict[str, Raw] | None = None
    parallel_tool_calls: bool | None = None
    functions: list[Function] | None = None
    response_format: ResponseFormat | None = None
    reasoning_effort: str | None = None
    verbosity: str | None = None
    modalities: list[str] | None = None
    audio: dict[str, Raw] | None = None
    prediction: dict[str, Raw] | None = None
    web_search_options: dict[str, Raw] | None = None
    service_tier: str | None = None
    store: bool | None = None
    metadata: dict[str, str] | None = None
    user: str | None = None
    prompt_cache_key: str | None = None
    safety_identifier: str | None = None

    @property
    def wants_json(self) -> bool:
        """Whether the answer is for a program to parse."""
        return self.response_format is not None and self.response_format.type != "text"


KNOWN_FIELDS = frozenset(ChatBody.__struct_fields__) | {"function_call"}

# What could choose a host or a credential, here or in a proxy behind us (CVE-2024-6587 and its kin), compared without
# case, hyphens and underscores.
_FORBIDDEN = frozenset(
    """apibase baseurl apikey apihost apitype apiversion apiproxy host endpoint url proxy proxies headers extraheaders
    defaultheaders extrabody extraquery customllmprovider modellist deploymentid organization project mockresponse
    sslverify authorization credentials""".split()
)
_LIMITS = ("max_tokens", "max_completion_tokens")  # two names for one thing
_FORBIDDEN_PREFIXES = ("aws", "azure", "vertex", "litellm", "watsonx")

T = TypeVar("T")

_fields = msgspec.json.Decoder(dict[str, Raw])
_body = msgspec.json.Decoder(ChatBody)
_list = msgspec.json.Decoder(list[Raw])
_encode = msgspec.json.Encoder().encode

_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
_MISSING = re.compile(r"Object missing required field `(.+)`")
_UNKNOWN = re.compile(r"Object contains unknown field `(.+)`", re.DOTALL)
_NEED_CONTENT = frozenset({"system", "developer", "user", "tool"})
_PART_FIELDS = {"text": "text", "image_url": "image_url", "input_audio": "input_audio", "file": "file"}


class ChatRequest(Struct, frozen=True):
    """A request that was understood: types in `body`, bytes in `fields` and `messages` (one slice each, same order)."""

    body: ChatBody
    fields: dict[str, Raw]
    messages: tuple[bytes | Raw, ...]
    native: Native | None = None  # the client's own words, where it speaks another dialect
    asides: Mapping[str, Aside] = {}  # by provider
    lost: tuple[str, ...] = ()  # what of the client's words this form cannot say
    lenient: bool = False  # what a provider has not is left out with a warning, never refused
    kept: Mapping[int, Artefacts] = {}  # of earlier answers, by their place from the end: stages put theirs in front
    ahead: int = 0  # messages in front that are not the client's
    truncates: bool = False  # the client leaves it to us what goes where it is too long
    session: str = ""  # that the user's id names

    def users_words(self) -> str:
        """Everything that the user wrote in this conversation, message by message."""
        return "\n".join(message.text() for message in self.body.messages if message.role == "user")

    def without(self, names: Iterable[str]) -> tuple[ChatRequest, tuple[str, ...]]:
        """The same request without these fields, and which of them it had."""
        had = tuple(name for name in names if name in self.fields)
        if not had:
            return self, had
        known = {name: None for name in had if name in ChatBody.__struct_fields__}
        fields = {name: raw for name, raw in self.fields.items() if name not in had}
        native = self.native and self.native.without(frozenset(had))
        body = msgspec.structs.replace(self.body, **known)
        return msgspec.structs.replace(self, body=body, fields=fields, native=native), had

    def plain(self, provider: str) -> ChatRequest:
        """The request as chat completions alone can say it to this provider."""
        aside = self.asides.get(provider)
        if aside is None:
            return msgspec.structs.replace(self, native=None) if self.native is not None else self
        messages = list(self.messages)
        for place, message in aside.messages.items():
            messages[place] = message
        lost = tuple(name for name in self.lost if name not in aside.found)
        fields = {**self.fields, **aside.fields}
        return msgspec.structs.replace(self, fields=fields, messages=tuple(messages), native=None, asides={}, lost=lost)

    def at_most(self, tokens: int) -> ChatRequest:
        """The same request with its limit lowered to what a model can say, where it does not insist on its own."""
        asked = [name for name in _LIMITS if 0 < tokens < (getattr(self.body, name) or 0)]
        if not self.lenient or not asked:
            return self
        fields = {**self.fields, **dict.fromkeys(asked, Raw(_encode(tokens)))}
        body = msgspec.structs.replace(self.body, **dict.fromkeys(asked, tokens))
        return msgspec.structs.replace(
            self, body=body, fields=fields, native=self.native and self.native.at_most(tokens)
        )

    def with_system(self, text: str) -> ChatRequest:
        """The same request with `text` before everything else in its system prompt; the client's own bytes stay."""
        first = self.body.messages[0]
        if first.role not in SYSTEM_ROLES:
            head = _encode({"role": "system", "content": text})
            return self._with_head(text, Message(role="system", content=text), head, replaced=0)
        raw = _fields.decode(self.messages[0])
        if isinstance(first.content, list):
            parts = [Raw(_encode({"type": "text", "text": text})), *_list.decode(raw["content"])]
            raw["content"] = Raw(_encode(parts))
            content: str | list[Part] = [Part(type="text", text=text), *first.content]
        else:
            content = f"{text}\n\n{first.content or ''}"
            raw["content"] = Raw(_encode(content))
        return self._with_head(text, msgspec.structs.replace(first, content=content), _encode(raw), replaced=1)

    def with_last(self, text: str) -> ChatRequest:
        """The same request with another text in its last message."""
        last = msgspec.structs.replace(self.body.messages[-1], content=text)
        raw = {**_fields.decode(self.messages[-1]), "content": Raw(_encode(text))}
        body = msgspec.structs.replace(self.body, messages=[*self.body.messages[:-1], last])
        return msgspec.structs.replace(self, body=body, messages=(*self.messages[:-1], _encode(raw)))

    def _with_head(self, text: str, message: Message, raw: bytes, *, replaced: int) -> ChatRequest:
        """The request with `text` in another first message, in place of the first `replaced` ones."""
        native = self.native and self.native.with_system(text)
        body = msgspec.structs.replace(self.body, messages=[message, *self.body.messages[replaced:]])
        messages, ahead = (raw, *self.messages[replaced:]), self.ahead + 1 - replaced
        return msgspec.structs.replace(self, body=body, messages=messages, native=native, ahead=ahead)


def is_answered(request: ChatRequest) -> bool:
    """Whether the conversation has answers already."""
    return "assistant" in [message.role for message in request.body.messages]  # half the price of any()


def parse(raw: bytes) -> ChatRequest:
    """Bytes to a request; raises BadRequest with `param` set to the path of what is wrong."""
    check_text(raw)
    return read(raw)


def read(raw: bytes) -> ChatRequest:
    """The same for bytes whose text has been checked."""
    fields = decode(_fields, raw)
    refuse_forbidden(fields)
    body = decode(_body, raw)
    _check_messages(body.messages)
    _check_format(body)
    session = privacy.session(body.metadata.get("user_id", "")) if body.metadata else ""
    _keep_private(body, fields)
    return ChatRequest(body, fields, tuple(_list.decode(fields["messages"])), session=session)


def check_text(raw: bytes) -> None:
    """Refuse what JSON decoders disagree about or stores cannot hold: bad UTF-8, and NUL even when escaped."""
    if not raw.isascii():
        try:
            raw.decode()
        except UnicodeDecodeError as error:
            raise BadRequest(f"The body is not valid UTF-8 (byte {error.start}).") from None
    if b"\\u0000" in raw and _NUL.search(raw):
        raise BadRequest("The body contains a NUL character (\\u0000).")


def decode(decoder: msgspec.json.Decoder[T], raw: bytes, at: str = "") -> T:
    """Decode JSON, telling what is wrong in OpenAI's terms; `at` is the path of what is decoded."""
    try:
        return decoder.decode(raw)
    except msgspec.ValidationError as error:
        raise _wrong_type(str(error), at) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadRequest(f"We could not parse the JSON body of your request: {error}") from None
    except RecursionError:
        raise BadRequest("The JSON body is nested too deeply.") from None


def _wrong_type(message: str, at: str) -> BadRequest:
    """Msgspec says "Expected `str`, got `int` - at `$.messages[0].content`"; the path becomes `param`."""
    reason, _, path = message.partition(" - at `$")
    param = f"{at}{path.rstrip('`')}".lstrip(".") or None
    if missing := _MISSING.fullmatch(reason):
        param = f"{param}.{missing[1]}" if param else missing[1]
        return BadRequest(f"Missing required parameter: '{param}'.", param=param, code="missing_required_parameter")
    if unknown := _UNKNOWN.fullmatch(reason):
        param = f"{param}.{unknown[1]}" if param else unknown[1]
        return BadRequest(f"Unknown parameter: '{param[:200]}'.", param=param[:200], code="unknown_parameter")
    where = f" for '{param}'" if param else ""
    return BadRequest(f"Invalid value{where}: {reason.lower()}.", param=param, code="invalid_value")


def refuse_forbidden(fields: Iterable[str]) -> None:
    """No field of a request chooses a host or a credential."""
    for name in [name for name in fields if name not in KNOWN_FIELDS]:
        plain = name.lower().replace("_", "").replace("-", "")
        if plain in _FORBIDDEN or plain.startswith(_FORBIDDEN_PREFIXES):
            raise BadRequest(
                f"The field '{name}' is not accepted: a request cannot choose hosts, headers or credentials.",
                param=name,
                code="forbidden_parameter",
            )


def _check_messages(messages: list[Message]) -> None:
    """What types alone do not say about messages."""
    if not messages:
        raise BadRequest("'messages' must not be empty.", param="messages", code="invalid_value")
    for k, message in enumerate(messages):
        if message.role == "tool" and message.tool_call_id is None:
            raise missing(f"messages[{k}].tool_call_id")
        if message.content is None and message.role in _NEED_CONTENT:
            raise missing(f"messages[{k}].content")
        if isinstance(message.content, list):
            for j, part in enumerate(message.content):
                field = _PART_FIELDS.get(part.type)
                if field is not None and getattr(part, field) is None:
                    raise missing(f"messages[{k}].content[{j}].{field}")


def _check_format(body: ChatBody) -> None:
    """What types alone do not say about tools and the format of the reply."""
    for k, tool in enumerate(body.tools or ()):
        if tool.type == "function" and tool.function is None:
            raise missing(f"tools[{k}].function")
    wanted = body.response_format
    if wanted is not None and wanted.type == "json_schema" and wanted.json_schema is None:
        raise missing("response_format.json_schema")
    if body.stream_options is not None and not body.stream:
        raise BadRequest(
            "'stream_options' is only allowed with 'stream'.", param="stream_options", code="invalid_value"
        )


def _keep_private(body: ChatBody, fields: dict[str, Raw]) -> None:
    """Take out what no provider needs to know of the user's machine."""
    privacy.drop(fields)
    if body.metadata and (labels := privacy.labels(body.metadata)) != body.metadata:
        body.metadata, fields["metadata"] = labels, Raw(_encode(labels))


def missing(param: str) -> BadRequest:
    """A parameter that is not there."""
    return BadRequest(f"Missing required parameter: '{param}'.", param=param, code="missing_required_parameter")
