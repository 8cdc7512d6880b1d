"""Anthropic's own Messages, for clients that speak them: bytes pass where nothing must be changed.

Texts become chunks like everybody's, so that every stage sees them; all other events travel as they came, thoughts with
their signatures among them, because a thought that was touched is refused when it comes back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from gateway.core import privacy
from gateway.core.chat import ChatRequest
from gateway.core.errors import SyntraError, UpstreamBroken
from gateway.core.events import Choice, Chunk, CompletionDetails, Delta, PromptDetails, Usage, encode_usage, text_chunk
from gateway.core.native import Native
from gateway.core.tokens import estimate
from gateway.upstream import faults
from gateway.upstream.anthropic_fit import fit
from gateway.upstream.dialect import Outbound, Provider

_FRAME_LIMIT: Final = 32 * 1024 * 1024  # bytes; what a search has found comes in one event
_UNCOUNTED: Final = frozenset(
    {"max_tokens", "stream", "temperature", "top_p", "top_k", "stop_sequences", "metadata", "service_tier"}
)  # of the answer, or about it: refused where only a prompt is counted
_REASONS: Final[Mapping[str, str]] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}

_encode = msgspec.json.Encoder().encode
_object = msgspec.json.Decoder(dict[str, Any])
_value = msgspec.json.Decoder()


def said(provider: Provider, model: str, request: ChatRequest, native: Native, *, counts: bool = False) -> Outbound:
    """The request as its client wrote it, for this model, with our key and what stages put before its system prompt."""
    fields: dict[str, Any] = {**native.fields, "model": model}
    if request.body.max_tokens is not None:
        fields["max_tokens"] = request.body.max_tokens
    dropped = fit(fields, model, request)
    _keep_private(fields)
    if counts:
        fields = {name: value for name, value in fields.items() if name not in _UNCOUNTED}
    path = "/v1/messages/count_tokens" if counts else "/v1/messages"
    query = f"?{native.query}" if native.query else ""
    return Outbound(f"{provider.base_url}{path}{query}", headers(provider, native), _encode(fields), dropped)


def _keep_private(fields: dict[str, Any]) -> None:
    """Of whom the request is for goes on what tells nothing of their machine."""
    raw = fields.pop("metadata", None)
    if isinstance(raw, Raw):
        told = _value.decode(raw)
        if isinstance(told, dict) and isinstance(told.get("user_id"), str):
            fields["metadata"] = {"user_id": privacy.opaque(told["user_id"])}
    privacy.drop(fields)


def headers(provider: Provider, native: Native) -> list[tuple[str, str]]:
    """Our key, and the client's own version and betas."""
    return [("x-api-key", provider.key.reveal()), ("content-type", "application/json"), *native.headers]


class _TextDelta(Struct, tag_field="type", tag="text_delta", forbid_unknown_fields=True):
    text: str


class _TextEvent(Struct, tag_field="type", tag="content_block_delta", forbid_unknown_fields=True):
    """The one event that is nearly all of them."""

    index: int
    delta: _TextDelta


class _Event(Struct):
    type: str
    message: dict[str, Any] = {}
    delta: dict[str, Any] = {}
    usage: dict[str, Any] = {}
    error: Raw = Raw(b"{}")


_text = msgspec.json.Decoder(_TextEvent)
_event = msgspec.json.Decoder(_Event)


class MessagesDecoder:
    """Reads one answer; all of its events but the texts travel in `native`."""

    frame_limit = _FRAME_LIMIT

    def __init__(self) -> None:
        self.ended = False
        self._start: Chunk | None = None  # held until there is more: a failure right after it can still be mended
        self._counted: dict[str, Any] = {}
        self._aside = 0  # characters of thoughts and calls, which nobody else here sees

    def frame(self, data: bytes) -> Sequence[Chunk]:
        """One event's chunks."""
        if b'"text_delta"' in data:
            try:
                return self._after_start(text_chunk(_text.decode(data).delta.text))
            except msgspec.MsgspecError:  # a text about such an event, or an event with more in it
                pass
        try:
            return self._frame(data)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            raise UpstreamBroken("The provider sent an event that cannot be read.") from None

    def whole(self, body: bytes) -> Sequence[Chunk]:
        """A whole message as the events that would have told it."""
        try:
            message = _object.decode(body)
            return list(self._told(message))
        except SyntraError:
            raise
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, KeyError, TypeError, AttributeError):
            raise UpstreamBroken("The provider's reply cannot be read.") from None

    def finish(self) -> Sequence[Chunk]:
        """The usage, if the provider told it; of an answer that is cut, what can be told by now."""
        if not self.ended and isinstance(self._counted.get("output_tokens"), int):
            said = self._counted["output_tokens"] + estimate(self._aside)
            usage = _usage({**self._counted, "output_tokens": said})
        else:
            usage = _usage(self._counted)
        return (Chunk(usage=encode_usage(usage)),) if usage is not None else ()

    def _frame(self, data: bytes) -> Sequence[Chunk]:
        event = _event.decode(data)
        raw = Raw(data if b"\n" not in data else _encode(_value.decode(data)))  # an event's data is one line
        if event.type == "ping":
            return ()
        if event.type == "error":
            raise faults.inband("The provider", bytes(event.error))
        if event.type == "message_start":
            self._count(event.message.get("usage"))
            self._start = _opening(raw, event.message)
            return ()
        if event.type == "content_block_delta":
            self._aside += len(event.delta.get("thinking") or event.delta.get("partial_json") or "")
        if event.type == "message_stop":
            self.ended = True
            return self._after_start()
        if event.type == "message_delta":
            self._count(event.usage)
            return self._after_start(_chunk(Delta(native=raw), event.delta.get("stop_reason")))
        return self._after_start(_chunk(Delta(native=raw)))

    def _after_start(self, *chunks: Chunk) -> Sequence[Chunk]:
        if self._start is None:
            return chunks
        start, self._start = self._start, None
        return (start, *chunks)

    def _told(self, message: dict[str, Any]) -> Sequence[Chunk]:
        """A whole message opened, told block by block, and ended."""
        ending = {"stop_reason": message["stop_reason"], "stop_sequence": message.get("stop_sequence")}
        head = {**message, "content": [], "stop_reason": None, "stop_sequence": None}
        more = {name: head.pop(name) for name in ("container", "context_management") if name in head}
        chunks = [_opening(Raw(_encode({"type": "message_start", "message": head})), head)]
        for index, block in enumerate(message["content"]):
            text = block["text"] if block["type"] == "text" else None
            opened = block if text is None else {**block, "text": ""}
            chunks.append(_native("content_block_start", index=index, content_block=opened))
            if text is not None:
                chunks.append(text_chunk(text))
            chunks.append(_native("content_block_stop", index=index))
        usage = message.get("usage") or {}
        self._count(usage)
        end: dict[str, Any] = {"type": "message_delta", "delta": {**ending, **more}, "usage": usage}
        chunks.append(_chunk(Delta(native=Raw(_encode(end))), message["stop_reason"]))
        self.ended = True
        return chunks

    def _count(self, usage: Mapping[str, Any] | None) -> None:
        """Later counts stand beside earlier ones and replace them."""
        self._counted |= {name: value for name, value in (usage or {}).items() if value is not None}


def _chunk(delta: Delta, reason: str | None = None) -> Chunk:
    return Chunk(choices=[Choice(0, delta, finish_reason=None if reason is None else _REASONS.get(reason, "stop"))])


def _opening(raw: Raw, message: Mapping[str, Any]) -> Chunk:
    """The first chunk: it names the role, so that nothing is put before it."""
    return Chunk(id=str(message.get("id") or ""), choices=[Choice(0, Delta(role="assistant", native=raw))])


def _native(kind: str, **fields: Any) -> Chunk:
    return _chunk(Delta(native=Raw(_encode({"type": kind, **fields}))))


def _usage(counted: Mapping[str, Any]) -> Usage | None:
    """The count as everybody's here: what came from the cache or went into it is part of the prompt."""
    if not isinstance(counted.get("input_tokens"), int) or not isinstance(counted.get("output_tokens"), int):
        return None
    read, written = counted.get("cache_read_input_tokens") or 0, counted.get("cache_creation_input_tokens") or 0
    prompt, completion = counted["input_tokens"] + read + written, counted["output_tokens"]
    usage = Usage(prompt, completion, prompt + completion)
    usage.prompt_tokens_details = PromptDetails(read, cache_write_tokens=written or None)
    thought = (counted.get("output_tokens_details") or {}).get("thinking_tokens")
    if thought is not None:
        usage.completion_tokens_details = CompletionDetails(thought)
    return usage
