"""A response while it is told: its events as they come, and the whole of it at the end."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from msgspec import UNSET, Raw

from gateway.core.errors import SyntraError
from gateway.core.events import Chunk, Usage, decode_usage
from gateway.dialects.responses import failures, memory
from gateway.dialects.responses.compose import COMPLETED, INCOMPLETE, Composer
from gateway.dialects.responses.forward import Forwarder
from gateway.dialects.responses.memory import Memory, Seal
from gateway.dialects.responses.request import ENCRYPTED, Asked
from gateway.dialects.responses.writer import Writer, encoded

_object = msgspec.json.Decoder(dict[str, Raw])
_REASONS: Final = {"length": "max_output_tokens", "content_filter": "content_filter"}
_TOLD_BY_PROVIDER: Final = ("service_tier", "reasoning", "text", "temperature", "top_p", "truncation", "top_logprobs")
_DEFAULTS: Final[dict[str, Any]] = {
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "prompt_cache_key": None,
    "reasoning": {"effort": None, "summary": None},
    "safety_identifier": None,
    "service_tier": "default",
    "temperature": 1.0,
    "text": {"format": {"type": "text"}, "verbosity": "medium"},
    "tool_choice": "auto",
    "tools": [],
    "top_logprobs": 0,
    "top_p": 1.0,
    "truncation": "disabled",
    "user": None,
    "metadata": {},
}


class Answer:
    """One response: chunks in, events out; `reply` is the same without a stream."""

    def __init__(self, asked: Asked, identity: str, issuer: str, seal: Seal, *, stored: bool) -> None:
        self.id = identity
        self.stored = stored
        self._asked = asked
        self._issuer = issuer
        self._created = int(time.time())
        self._writer = Writer()
        self._status = "in_progress"
        self._reason: str | None = None
        self._usage: dict[str, Any] | None = None
        self._error: dict[str, str] | None = None
        self._ended: dict[str, int] = {}
        self._echo = _echo(asked)
        self._about: dict[str, Raw] = {}  # what the gateway tells of the answer, where that was asked for
        self._shows_sealed = asked.body.includes(ENCRYPTED)
        self._made: Composer | Forwarder = Composer(
            self._writer,
            asked.calling,
            self._identity,
            Memory(issuer.partition(" ")[0]),
            lambda known: memory.sealed(known, seal),
            self._shown,
        )

    def begin(self) -> bytes:
        """The events before the first word."""
        self._tell("response.created")
        self._tell("response.in_progress")
        return self._writer.take()

    def chunks(self, batch: Sequence[Chunk]) -> bytes:
        """The events that come of these chunks."""
        for chunk in batch:
            if chunk.usage is not UNSET:
                self._about = {} if chunk.extra is UNSET else chunk.extra
                self._usage = _usage(decode_usage(chunk.usage) or Usage())
            if not chunk.choices:
                continue
            choice = chunk.choices[0]
            made = self._made
            if choice.delta.native is not UNSET and isinstance(made, Composer):
                made = self._made = Forwarder(self._writer, self._shown, self._issuer)
            if isinstance(made, Forwarder):
                made.take(choice, None if choice.delta.native is UNSET else choice.delta.native)
            else:
                made.source(chunk)
                made.take(choice)
            if choice.finish_reason is not None:
                self._finish(choice.finish_reason)
        return self._writer.take()

    def end(self) -> bytes:
        """The last event, with the whole response and its usage."""
        self._tell(f"response.{self._status}")
        return self._writer.take()

    def fail(self, error: SyntraError) -> bytes:
        """The events of a failure: one for the SDKs, one for Codex."""
        self._status, self.stored = "failed", False
        self._error = {"code": failures.code(error), "message": failures.message(error)}
        self._writer.event("error", **failures.event(error))
        self._tell("response.failed")
        return self._writer.take()

    def reply(self) -> bytes:
        """The whole response."""
        return bytes(encoded(self.response()))

    def response(self, *, kept: bool = False) -> dict[str, Any]:
        """The response as it stands; `kept`, with what only a later turn needs."""
        echo = self._echo
        if isinstance(self._made, Forwarder):
            told = self._made.response
            echo = echo | {name: told[name] for name in _TOLD_BY_PROVIDER if told.get(name) is not None}
        items = [self._made.items[at] for at in sorted(self._made.items)]
        return {
            "id": self.id,
            "object": "response",
            "created_at": self._created,
            "status": self._status,
            "background": False,
            **self._ended,
            "error": self._error,
            "incomplete_details": {"reason": self._reason} if self._status == INCOMPLETE else None,
            "model": self._asked.body.model,
            "output": items if kept else [self._shown(item) for item in items],
            **echo,
            "store": self.stored,
            "usage": self._usage,
            **self._about,
        }

    def _finish(self, reason: str) -> None:
        self._reason = _REASONS.get(reason)
        self._status = COMPLETED if self._reason is None else INCOMPLETE
        self._ended = {"completed_at": int(time.time())} if self._reason is None else {}
        self._made.finish(self._status)

    def _tell(self, kind: str) -> None:
        self._writer.event(kind, response=self.response())

    def _identity(self, prefix: str, at: int) -> str:
        """Ids of items are made of the response's own, so that each is found by its name alone."""
        return f"{prefix}_{self.id.removeprefix('resp_')}{at:03x}"

    def _shown(self, item: dict[str, Any]) -> dict[str, Any]:
        """An item as the client sees it; what is sealed in it only where that was asked for."""
        if self._shows_sealed or "encrypted_content" not in item or item.get("type") != "reasoning":
            return item
        return {name: value for name, value in item.items() if name != "encrypted_content"}


def _echo(asked: Asked) -> dict[str, Any]:
    """What a response repeats of its request."""
    echo = {name: _given(asked.fields.get(name), default) for name, default in _DEFAULTS.items()}
    echo["tools"] = [_full(tool) for tool in asked.body.tools or ()]
    return echo


def _given(raw: Raw | None, default: Any) -> Any:
    """A field as the client sent it, or its default."""
    return default if raw is None or bytes(raw) == b"null" else raw


def _full(tool: Raw) -> Raw:
    """A tool as it is told again: the SDKs want all fields of a function."""
    if b'"strict"' in bytes(tool) and b'"parameters"' in bytes(tool):
        return tool
    fields = _object.decode(tool)
    if bytes(fields["type"]) != b'"function"':
        return tool
    return encoded({**fields, **{name: fields.get(name) for name in ("parameters", "strict")}})


def _usage(usage: Usage) -> dict[str, Any]:
    """Counts in the words of Responses."""
    prompt, completion = usage.prompt_tokens_details, usage.completion_tokens_details
    return {
        "input_tokens": usage.prompt_tokens,
        "input_tokens_details": {
            "cached_tokens": (prompt.cached_tokens or 0) if prompt is not None else 0,
            "cache_write_tokens": (prompt.cache_write_tokens or 0) if prompt is not None else 0,
        },
        "output_tokens": usage.completion_tokens,
        "output_tokens_details": {
            "reasoning_tokens": (completion.reasoning_tokens or 0) if completion is not None else 0
        },
        "total_tokens": usage.total_tokens or usage.prompt_tokens + usage.completion_tokens,
    }
