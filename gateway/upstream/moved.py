"""A conversation that other providers have answered before, made fit for the one that answers it next.

Ids of calls take its form. What others want to see again leaves, because it would be refused; what it wants to see
again comes back from what is kept, or stays where the client has it.
"""

from __future__ import annotations

import re
from operator import is_
from typing import Any, Final

import msgspec
from msgspec import Raw

from gateway.core.artefacts import Artefacts
from gateway.core.callids import ANY, FORMS, Renaming
from gateway.core.chat import ChatRequest, Message, is_answered
from gateway.upstream.dialect import Provider

_ARTEFACTS: Final = frozenset(
    {
        "thinking_blocks",
        "reasoning_details",
        "reasoning_content",
        "reasoning",
        "extra_content",
        "provider_specific_fields",
    }
)
_OF_CALLS: Final = frozenset({"extra_content", "provider_specific_fields"})
_MARK: Final = re.compile(rb'"(?:thinking_blocks|reasoning|extra_content|provider_specific)')
_NOTHING: Final[frozenset[str]] = frozenset()
TAKES: Final = {  # whoever is not in it is a server that nobody here knows, and gets what its client gives
    "openai": _NOTHING,
    "perplexity": _NOTHING,
    "anthropic": frozenset({"thinking_blocks"}),
    "google": frozenset({"extra_content"}),
    "kimi": frozenset({"reasoning_content"}),
    "openrouter": frozenset({"reasoning_details", "reasoning_content", "reasoning"}),
}
_THOUGHTFUL: Final = "kimi"  # refuses a call that was not thought about, whoever made it
_THOUGHTLESS: Final = ("moonshot-v1",)  # its models that do not think
_UNSAID: Final = Raw(b'" "')  # the least that it takes for a thought
_ANTHROPIC: Final = "anthropic"

_encode = msgspec.json.Encoder().encode
_object = msgspec.json.Decoder(dict[str, Raw])
_objects = msgspec.json.Decoder(list[dict[str, Raw]])

Fields = dict[str, Raw]


def fit(request: ChatRequest, provider: Provider, model: str) -> ChatRequest:
    """The same conversation as this provider takes it; the same request where it takes it as it is."""
    if not is_answered(request):
        return request
    messages = request.body.messages
    thinks = provider.name == _THOUGHTFUL and not model.startswith(_THOUGHTLESS)
    renaming = Renaming(FORMS.get(provider.name, ANY))
    raws = list(request.messages)
    for place, message in enumerate(messages):
        if message.role == "tool" and message.tool_call_id is not None:
            said = renaming.result(message.tool_call_id)
            if said != message.tool_call_id:
                raws[place] = _encode({**_object.decode(raws[place]), "tool_call_id": said})
        elif message.role == "assistant":
            kept = request.kept.get(place - len(messages))
            raws[place] = _thoughts(raws[place], kept, provider)
            raws[place] = _calls(raws[place], message, renaming)
            if thinks and message.tool_calls and b'"reasoning_content"' not in bytes(raws[place]):
                raws[place] = _encode({**_object.decode(raws[place]), "reasoning_content": _UNSAID})
    fields = _with_tools(request) if provider.name == _ANTHROPIC else request.fields
    if fields is request.fields and all(map(is_, raws, request.messages)):
        return request
    return msgspec.structs.replace(request, messages=tuple(raws), fields=fields, kept={})


def _thoughts(raw: bytes | Raw, kept: Artefacts | None, provider: Provider) -> bytes | Raw:
    """A message without what others want to see again, and with what this provider does."""
    takes = TAKES.get(provider.name, _ARTEFACTS)
    if kept is not None:
        takes = _NOTHING  # it is known whose thoughts these are: all of them come back, or none
    elif takes is _ARTEFACTS or not _is_marked(bytes(raw)):
        return raw
    fields = {name: value for name, value in _object.decode(raw).items() if name not in _ARTEFACTS - takes}
    if bytes(fields.get("tool_calls", b"null")) != b"null":
        lost = _OF_CALLS - takes
        calls = _objects.decode(fields["tool_calls"])
        plain = [{name: value for name, value in call.items() if name not in lost} for call in calls]
        fields["tool_calls"] = Raw(_encode(plain))
    if kept is not None and kept.issuer == provider.issuer:
        fields = kept.into(fields)
    return _encode(fields)


def _is_marked(raw: bytes) -> bool:
    """Whether there may be artefacts in a message; most have none, and are not looked at twice."""
    return _MARK.search(raw) is not None


def _calls(raw: bytes | Raw, message: Message, renaming: Renaming) -> bytes | Raw:
    """A message with the ids of its calls in the provider's form."""
    if not message.tool_calls:
        return raw
    said = [renaming.call(call.id, call.function.name if call.function else "tool") for call in message.tool_calls]
    if all(call.id == identity for call, identity in zip(message.tool_calls, said, strict=True)):
        return raw
    fields: dict[str, Any] = dict(_object.decode(raw))
    calls = _objects.decode(fields["tool_calls"])
    fields["tool_calls"] = [{**call, "id": identity} for call, identity in zip(calls, said, strict=True)]
    return _encode(fields)


def _with_tools(request: ChatRequest) -> Fields:
    """Anthropic refuses calls in a conversation that has no tools now: those that were called are named to it."""
    if request.body.tools:
        return request.fields
    called = [call.function.name for one in request.body.messages for call in one.tool_calls or () if call.function]
    if not called:
        return request.fields
    plain = {"type": "object", "properties": {}}
    tools = [{"type": "function", "function": {"name": name, "parameters": plain}} for name in dict.fromkeys(called)]
    return {**request.fields, "tools": Raw(_encode(tools)), "tool_choice": Raw(b'"none"')}
