"""A Responses request as the chat completion that every stage reads, and what must be remembered to answer it."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct, structs

from gateway.core import chat, native, privacy
from gateway.core.chat import ChatRequest
from gateway.core.errors import BadRequest, Unknown
from gateway.core.given_back import given_back
from gateway.core.native import Aside, Native
from gateway.dialects.responses import body as bodies
from gateway.dialects.responses import calling as callings
from gateway.dialects.responses import memory
from gateway.dialects.responses.body import Body, Received
from gateway.dialects.responses.calling import Calling
from gateway.dialects.responses.items import Remembered, Talk
from gateway.dialects.responses.memory import Seal

ENCRYPTED: Final = "reasoning.encrypted_content"
LOGPROBS: Final = "message.output_text.logprobs"

# What goes to no provider: state that is kept here; and what `privacy` keeps, which clients tell of a machine.
_OURS: Final = frozenset({"store", "previous_response_id", "background", "conversation", "prompt", "stream_options"})
# Fields that mean the same in a chat completion and have the same name there.
_SAME: Final = ("temperature", "top_p", "user", "safety_identifier", "prompt_cache_key", "service_tier")
_KEPT_AT_OPENAI: Final = frozenset({"prompt_cache_retention", "prompt_cache_options"})  # no loss elsewhere
_PREFIXES: Final = {
    "message": "msg",
    "function_call": "fc",
    "function_call_output": "fco",
    "custom_tool_call": "ctc",
    "custom_tool_call_output": "ctco",
    "reasoning": "rs",
}

_encode = msgspec.json.Encoder().encode
_object = msgspec.json.Decoder(dict[str, Raw])


class Asked(Struct, frozen=True):
    """One request: as a chat completion, and what its answer must know of it."""

    request: ChatRequest
    body: Body
    fields: Mapping[str, Raw]
    calling: Calling
    items: Sequence[Raw]  # of this turn, each with an id
    searching: ChatRequest | None = None  # the same for who can search the web, where that is all the request calls


def understand(
    received: Received, seal: Seal, *, before: Sequence[Raw] = (), kept: Mapping[str, Raw] | None = None
) -> Asked:
    """The request; `before` are the items of earlier turns, `kept` the items that this one refers to, by id."""
    items = _resolved(received.items(), kept or {})
    body = received.body
    calling = callings.read(body.tools or [])
    talk = Talk(calling, partial(memory.opened, seal=seal))
    if body.instructions:
        talk.messages.append({"role": "system", "content": body.instructions})
    talk.tell([*before, *items], len(before))
    if not talk.messages:
        raise BadRequest("'input' has nothing that could be answered.", param="input", code="invalid_value")
    fields, lost = _fields(body, calling)
    lost += [name for name in received.fields if name not in bodies.KNOWN | privacy.UNSENT | _KEPT_AT_OPENAI]
    request = chat.parse(_encode({**fields, "messages": talk.messages}))
    request = structs.replace(
        request,
        native=Native(native.RESPONSES, _spoken(received.fields, [*before, *items])),
        asides=_asides(calling, talk.remembered, len(talk.messages)),
        lost=tuple(dict.fromkeys([*calling.lost, *talk.lost, *lost])),
        lenient=True,
        truncates=body.truncation == "auto",
        session=privacy.session((body.metadata or {}).get("user_id", "")),
    )
    searching = _searching(request, calling) if calling.searches and body.tool_choice != "none" else None
    return Asked(request, body, received.fields, calling, [_with_id(item) for item in items], searching)


def _searching(request: ChatRequest, calling: Calling) -> ChatRequest:
    """The request with its search as a chat completion asks for one."""
    options = calling.search_options()
    return structs.replace(
        request,
        body=structs.replace(request.body, web_search_options=_object.decode(options)),
        fields={**request.fields, "web_search_options": options},
        lost=tuple(name for name in request.lost if name not in calling.lost),
    )


def as_chat(raw: bytes) -> ChatRequest | None:
    """A Responses body that came as a chat completion, as Cursor sends it: to be answered as one. None for no such."""
    fields = chat.decode(_object, raw)
    if "input" not in fields or "messages" in fields:
        return None
    received = bodies.parse(raw)
    if received.body.previous_response_id is not None:
        message = "'previous_response_id' is for /v1/responses; send the whole conversation in 'input'."
        raise BadRequest(message, param="previous_response_id", code="unsupported_parameter")
    return structs.replace(understand(received, memory.Unsealed()).request, native=None)


def _resolved(items: Sequence[Raw], kept: Mapping[str, Raw]) -> list[Raw]:
    """The items, with what a reference refers to in its place."""
    found: list[Raw] = []
    for k, raw in enumerate(items):
        kind = bodies.kind(raw, f"input[{k}]")
        if kind.type != "item_reference":
            found.append(raw)
            continue
        item = kept.get(kind.id or "")
        if item is None:
            raise Unknown(f"Item with id '{str(kind.id)[:100]}' not found.", param=f"input[{k}].id")
        found.append(item)
    return found


def _fields(body: Body, calling: Calling) -> tuple[dict[str, Any], list[str]]:
    """The fields of the chat completion, and the names of those that have no place in one."""
    fields: dict[str, Any] = {"model": body.model}
    lost: list[str] = []
    if body.stream:
        fields |= {"stream": True, "stream_options": {"include_usage": True}}
    fields |= {name: value for name in _SAME if (value := getattr(body, name)) is not None}
    if body.max_output_tokens is not None:
        fields["max_completion_tokens"] = body.max_output_tokens
    if body.top_logprobs or body.includes(LOGPROBS):
        fields |= {"logprobs": True, "top_logprobs": body.top_logprobs or 0}
    if body.reasoning is not None and body.reasoning.effort is not None:
        fields["reasoning_effort"] = body.reasoning.effort
    fields |= _text(body)
    choice = callings.choose(calling, body.tool_choice)
    if choice.lost:
        lost.append("tool_choice")
    if choice.tools:
        fields["tools"] = choice.tools
        fields |= {} if choice.value is None else {"tool_choice": choice.value}
        fields |= {} if body.parallel_tool_calls is None else {"parallel_tool_calls": body.parallel_tool_calls}
    if body.max_tool_calls is not None:
        lost.append("max_tool_calls")
    return fields, lost


def _text(body: Body) -> dict[str, Any]:
    """The format of the text, and how wordy it shall be."""
    if body.text is None:
        return {}
    fields: dict[str, Any] = {} if body.text.verbosity is None else {"verbosity": body.text.verbosity}
    form = body.text.format
    if form is None or form.type == "text":
        return fields
    wanted: dict[str, Any] = {"type": form.type}
    if form.type == "json_schema":
        optional = {"strict": form.strict, "description": form.description}
        schema = {"name": form.name, "schema": form.schema}
        wanted["json_schema"] = schema | {name: value for name, value in optional.items() if value is not None}
    return {**fields, "response_format": wanted}


def _asides(calling: Calling, remembered: Sequence[Remembered], count: int) -> dict[str, Aside]:
    """What single providers are told beside: their own thinking again, and a search where they have one."""
    asides = calling.asides()
    by_provider: dict[str, dict[int, bytes]] = {}
    for one in remembered:
        by_provider.setdefault(one.provider, {})[one.place - count] = _encode(one.message)
    for provider, messages in by_provider.items():
        asides[provider] = structs.replace(asides.get(provider, Aside()), messages=messages)
    return asides


def _spoken(fields: Mapping[str, Raw], items: Sequence[Raw]) -> dict[str, Raw]:
    """The request for a provider that speaks Responses: the whole conversation, since the state of it is kept here."""
    said = {name: raw for name, raw in fields.items() if name not in _OURS and name not in privacy.UNSENT}
    if bytes(fields.get("input", b"")).startswith(b'"') and len(items) == 1:
        return said
    said["input"] = Raw(_encode([given_back(item) for item in items if _readable(item)]))
    return said


def _readable(item: Raw) -> bool:
    """Whether a provider could read it: no thought that another one sealed, or that nobody did."""
    if b'"reasoning"' not in bytes(item):
        return True
    found = _object.decode(item)
    if bytes(found.get("type", b"")) != b'"reasoning"':
        return True
    content = found.get("encrypted_content")
    text = None if content is None else msgspec.json.decode(content)
    return isinstance(text, str) and not memory.is_ours(text)


def _with_id(item: Raw) -> Raw:
    """The item with an id and a type, as it is kept and listed."""
    kind = bodies.kind(item, "input")
    if kind.id is not None and b'"type"' in bytes(item):
        return item
    prefix = _PREFIXES.get(kind.type or "", "item")
    identity = kind.id or f"{prefix}_{secrets.token_hex(16)}"
    return Raw(_encode({**_object.decode(item), "id": identity, "type": kind.type}))
