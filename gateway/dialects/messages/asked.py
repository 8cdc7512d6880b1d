"""A Messages request: read into a chat completion for every provider, kept in its own words for Anthropic."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from gateway.core import chat, privacy
from gateway.core.chat import ChatRequest
from gateway.core.errors import BadRequest
from gateway.core.native import MESSAGES, Aside, Native
from gateway.dialects.messages import names, toolbox, turns
from gateway.dialects.messages.body import Body, Format, body_decoder, decode, refused

_EFFORTS: Final = {"low": "low", "medium": "medium", "high": "high", "xhigh": "high", "max": "high"}
_SPARING, _MIDDLING = 4_096, 16_384  # tokens of thinking that are little, and that are not yet much
# Read and said otherwise, or of no consequence elsewhere: nobody loses anything by their not being sent.
_TAKEN: Final = frozenset(Body.__struct_fields__) | {"cache_control", "betas"}
_SAME: Final = ("max_tokens", "temperature", "top_p", "top_k")
_HINTS: Final = {"auto": "", "standard_only": "service_tier"}

_fields = msgspec.json.Decoder(dict[str, Raw])
_encode = msgspec.json.Encoder().encode


class Words(Struct, frozen=True):
    """What a request says outside its body and belongs to it: two headers, and the query."""

    version: str = ""
    beta: str = ""
    query: str = ""


class Asked(Struct, frozen=True):
    """A request, and what is needed to answer it."""

    request: ChatRequest
    model: str  # as the client named it
    stream: bool
    thinks: bool  # whether the client wants to see thinking
    originals: Mapping[str, str]  # tool names that had to be shortened, to the client's
    beginning: bytes  # how the conversation began
    session: str = ""  # what the client calls it
    without_search: ChatRequest | None = None  # the same for who cannot search the web, where the request is for that


def parse(raw: bytes, words: Words, *, counts: bool = False) -> Asked:
    """Bytes to a request; raises BadRequest with the path of what is wrong. One that only `counts` needs no limit."""
    chat.check_text(raw)
    fields = decode(_fields, raw)
    chat.refuse_forbidden(fields)
    body = decode(body_decoder, raw)
    if body.max_tokens is None and not counts:
        raise refused("max_tokens", "Field required")
    conversation = turns.read(body.messages, turns.system_text(body.system))
    found = toolbox.read(body.tools, body.tool_choice, conversation.referred)
    lost = [*conversation.lost, *found.lost, *_lost(body, fields)]
    said = _said(body, conversation, found)
    request = _request(said, body, fields, words, conversation, lost)
    without = None
    if found.searches:
        del said["web_search_options"]
        without = _request(said, body, fields, words, conversation, [*lost, "web_search"])
    return Asked(
        request,
        body.model,
        bool(body.stream),
        body.thinking is not None and body.thinking.type != "disabled",
        toolbox.originals(body.tools),
        turns.first_words(conversation),
        _session(body),
        without,
    )


def conversation_name(asked: Asked, header: str, claude_code: str = "") -> str:
    """What tells this conversation from others: a session of Claude Code's holds its subagents' too.

    That is said in the user's id or in the header `claude_code`; any other `header` names one conversation.
    """
    session = claude_code or asked.session
    if header and header != session:
        return header
    if not session:
        return ""
    digest = hashlib.blake2b(asked.beginning, digest_size=8).hexdigest()
    return f"{session} {digest}"


def _request(
    said: Mapping[str, object],
    body: Body,
    fields: dict[str, Raw],
    words: Words,
    conversation: turns.Conversation,
    lost: list[str],
) -> ChatRequest:
    request = _checked(said)
    beta = (("anthropic-beta", words.beta),) if words.beta else ()
    headers = (("anthropic-version", words.version or "2023-06-01"), *beta)
    native = Native(MESSAGES, fields, headers=headers, query=words.query)
    return msgspec.structs.replace(
        request,
        native=native,
        asides=_asides(body, fields, conversation),
        lost=tuple(dict.fromkeys(lost)),
        lenient=True,
    )


def _checked(said: Mapping[str, object]) -> ChatRequest:
    """The chat completion; what is wrong with it was wrong in the client's own words, so the path is of no use."""
    try:
        return chat.read(_encode(said))
    except BadRequest as error:
        raise BadRequest(error.message) from None


def _said(body: Body, conversation: turns.Conversation, found: toolbox.Tools) -> dict[str, Any]:
    """The chat completion's fields."""
    said: dict[str, Any] = {"model": names.meant(body.model), "messages": conversation.messages}
    said |= {name: value for name in _SAME if (value := getattr(body, name)) is not None}
    if body.stop_sequences:
        said["stop"] = body.stop_sequences
    if body.stream:
        said |= {"stream": True, "stream_options": {"include_usage": True}}
    if (effort := _effort(body)) is not None:
        said["reasoning_effort"] = effort
    wanted = _format(body)
    if wanted is not None and wanted.type == "json_schema":
        said["response_format"] = {"type": "json_schema", "json_schema": {"name": "answer", "schema": wanted.schema}}
    return said | _tools(found)


def _tools(found: toolbox.Tools) -> dict[str, Any]:
    """The fields that are about tools."""
    said: dict[str, Any] = {"web_search_options": {}} if found.searches else {}
    if found.functions:
        said["tools"] = found.functions
        if found.choice is not None:
            said["tool_choice"] = found.choice
        if found.parallel is not None:
            said["parallel_tool_calls"] = found.parallel
    return said


def _format(body: Body) -> Format | None:
    config = body.output_config
    return config.format if config is not None and config.format is not None else body.output_format


def _effort(body: Body) -> str | None:
    """How hard to think, in the word that other providers have for it; None leaves it to the model."""
    thinking = body.thinking
    if thinking is not None and thinking.type == "disabled":
        return None
    if body.output_config is not None and body.output_config.effort is not None:
        return _EFFORTS.get(body.output_config.effort)
    if thinking is None or thinking.budget_tokens is None:
        return None
    budget = thinking.budget_tokens
    return "low" if budget < _SPARING else "medium" if budget < _MIDDLING else "high"


def _asides(body: Body, fields: Mapping[str, Raw], conversation: turns.Conversation) -> dict[str, Aside]:
    """What single providers are told beside what all are: their own reasoning back, and what to keep in a cache."""
    count = len(conversation.messages)
    thoughtful = turns.raw(conversation.thoughtful, count)
    sealed = turns.raw(conversation.sealed, count)
    signed = turns.raw(conversation.signed, count)
    asides = {}
    if thoughtful:
        asides["kimi"] = Aside(messages=thoughtful)
    if signed:
        asides["google"] = Aside(messages=signed)
    caches = names.meant(body.model).startswith("openrouter/anthropic/") and _marks_cache(fields)
    if thoughtful or sealed or caches:
        own = {"cache_control": Raw(b'{"type":"ephemeral"}')} if caches else {}
        asides["openrouter"] = Aside(fields=own, messages={**thoughtful, **sealed})
    return asides


def _marks_cache(fields: Mapping[str, Raw]) -> bool:
    return any(b'"cache_control"' in bytes(fields[name]) for name in ("system", "tools", "messages") if name in fields)


def _lost(body: Body, fields: Mapping[str, Raw]) -> list[str]:
    """The fields that no chat completion has a word for."""
    lost = [name for name in fields if name not in _TAKEN and bytes(fields[name]) not in (b"null", b"[]", b"{}")]
    if body.service_tier is not None and (name := _HINTS.get(body.service_tier, "service_tier")):
        lost.append(name)
    return lost


def _session(body: Body) -> str:
    """The session that the user's id names."""
    return privacy.session((body.metadata and body.metadata.user_id) or "")
