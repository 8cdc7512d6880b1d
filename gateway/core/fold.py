"""Many chunks to one completion: what a client gets that did not ask for a stream."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET, Raw, Struct, field

from gateway.core.events import Choice, Chunk, Delta, ToolCallDelta

_encoder = msgspec.json.Encoder()


class _Call(Struct):
    """One tool call while its pieces come in."""

    head: ToolCallDelta
    arguments: list[str] = field(default_factory=list)

    def plain(self) -> dict[str, Any]:
        call: dict[str, Any] = {"id": self.head.id, "type": self.head.type or "function"}
        if self.head.function is not None:
            call["function"] = {"name": self.head.function.name or "", "arguments": "".join(self.arguments)}
        for name in ("custom", "extra_content"):
            if (value := getattr(self.head, name)) is not UNSET:
                call[name] = value
        return call


class _Message(Struct):
    """One choice while its pieces come in."""

    content: list[str] = field(default_factory=list)
    text: dict[str, list[str]] = field(default_factory=dict)  # beside the content
    calls: dict[int, _Call] = field(default_factory=dict)
    logprobs: dict[str, list[Raw] | None] | None = None
    audio: dict[str, Any] = field(default_factory=dict)
    whole: dict[str, Any] = field(default_factory=dict)  # fields that come in one piece; the last one wins
    finish_reason: str | None = None


_TEXTS = ("refusal", "reasoning_content", "reasoning")


class Fold:
    """Gathers the chunks of one answer; `completion()` is the same answer without a stream."""

    def __init__(self) -> None:
        self._messages: dict[int, _Message] = {}
        self._head: dict[str, Any] = {}
        self._usage: Raw | None = None

    def add(self, chunk: Chunk) -> None:
        """Take one chunk in."""
        head = self._head
        head["id"], head["created"], head["model"] = chunk.id, chunk.created, chunk.model
        if chunk.choices:  # the last one, which is the usage, says nothing else
            self._head_of(chunk)
        if chunk.extra is not UNSET:
            head.update(chunk.extra)
        if chunk.usage is not UNSET:
            self._usage = chunk.usage
        for choice in chunk.choices:
            self._add_choice(choice)

    def _head_of(self, chunk: Chunk) -> None:
        """What a chunk says beside its choices; spelled out, since every chunk is asked."""
        head = self._head
        if chunk.system_fingerprint is not UNSET:
            head["system_fingerprint"] = chunk.system_fingerprint
        if chunk.service_tier is not UNSET:
            head["service_tier"] = chunk.service_tier
        if chunk.provider is not UNSET:
            head["provider"] = chunk.provider
        if chunk.citations is not UNSET:
            head["citations"] = chunk.citations
        if chunk.search_results is not UNSET:
            head["search_results"] = chunk.search_results

    def _add_choice(self, choice: Choice) -> None:
        message = self._messages.get(choice.index)
        if message is None:
            message = self._messages[choice.index] = _Message()
        message.finish_reason = choice.finish_reason or message.finish_reason
        if bytes(choice.logprobs) != b"null":
            _join_logprobs(message, choice.logprobs)
        delta = choice.delta
        if delta.content is not None:
            message.content.append(delta.content)
        if delta.refusal is not None or delta.reasoning_content is not None or delta.reasoning is not None:
            for name in _TEXTS:
                if (text := getattr(delta, name)) is not None:
                    message.text.setdefault(name, []).append(text)
        _add_objects(message, delta)
        if delta.tool_calls:
            for piece in delta.tool_calls:
                _join_call(message.calls, piece)

    def completion(self) -> bytes:
        """The answer as JSON, choices in order of their index."""
        choices = [_plain_choice(index, self._messages[index]) for index in sorted(self._messages)]
        whole = {**self._head, "object": "chat.completion", "choices": choices, "usage": self._usage}
        return _encoder.encode(whole)


def _plain_choice(index: int, message: _Message) -> dict[str, Any]:
    texts = {name: "".join(pieces) for name, pieces in message.text.items()}
    content = "".join(message.content) if message.content else None
    if not content and (message.calls or message.audio or texts.get("refusal")):
        content = None
    plain: dict[str, Any] = {"role": "assistant", "content": content, "refusal": texts.pop("refusal", "") or None}
    plain.update(texts)
    plain.update(message.whole)
    if message.calls:
        plain["tool_calls"] = [message.calls[k].plain() for k in sorted(message.calls)]
    if message.audio:
        plain["audio"] = message.audio
    reason = message.finish_reason
    return {"index": index, "message": plain, "logprobs": message.logprobs, "finish_reason": reason}


def _add_objects(message: _Message, delta: Delta) -> None:
    """What is not text: some comes whole, some in pieces of a list or of an object."""
    if delta.thinking_blocks is not UNSET:
        message.whole["thinking_blocks"] = delta.thinking_blocks
    if delta.annotations is not UNSET:
        message.whole["annotations"] = delta.annotations
    if delta.images is not UNSET:
        message.whole["images"] = delta.images
    if delta.reasoning_details is not UNSET:
        pieces = msgspec.json.decode(delta.reasoning_details, type=list[Raw] | None)
        message.whole.setdefault("reasoning_details", []).extend(pieces or ())
    if delta.function_call is not UNSET:
        _join_texts(message.whole.setdefault("function_call", {}), delta.function_call, ("name", "arguments"))
    if delta.audio is not UNSET:
        _join_texts(message.audio, delta.audio, ("data", "transcript"))
    if delta.extra is not UNSET:
        message.whole.update(delta.extra)


def _join_call(calls: dict[int, _Call], piece: ToolCallDelta) -> None:
    """Join one piece of a tool call; the first piece names it, the others bring arguments."""
    index = piece.index if isinstance(piece.index, int) else len(calls)
    call = calls.setdefault(index, _Call(piece))
    if piece.function is not None and piece.function.arguments:
        call.arguments.append(piece.function.arguments)


def _join_logprobs(message: _Message, raw: Raw) -> None:
    """Logprobs are lists that are told in pieces; a list that is null in every piece is null."""
    message.logprobs = message.logprobs or {}
    for name, items in msgspec.json.decode(raw, type=dict[str, list[Raw] | None]).items():
        known = message.logprobs.get(name)
        message.logprobs[name] = known if items is None else [*(known or ()), *items]


def _join_texts(whole: dict[str, Any], raw: Raw, texts: tuple[str, ...]) -> None:
    """Join one piece of an object: some of its fields are texts that are told in pieces, the others come once."""
    for name, value in (msgspec.json.decode(raw, type=dict[str, Any] | None) or {}).items():
        if name in texts and isinstance(value, str):
            whole[name] = (whole.get(name) or "") + value
        elif value is not None or name not in whole:
            whole[name] = value
