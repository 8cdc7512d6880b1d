"""OpenAI's own Responses, for clients that speak it: what the chat form cannot carry gets through.

The state of a conversation is ours, so the whole of it goes out each time and nothing is stored there; what a thinking
model needs to see again comes back encrypted. Texts become chunks like everybody's, so that every stage sees them; all
other events travel as they are. A server that answers in chat completions whatever it is asked is understood too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from gateway.core.artefacts import unmarked
from gateway.core.errors import SyntraError, UpstreamBroken, UpstreamRejected
from gateway.core.events import (
    NULL,
    Choice,
    Chunk,
    CompletionDetails,
    Delta,
    PromptDetails,
    Usage,
    encode_usage,
    text_chunk,
)
from gateway.core.native import Native
from gateway.upstream import faults
from gateway.upstream.dialect import Decoder

_ENCRYPTED: Final = "reasoning.encrypted_content"
_NO_THINKER: Final = re.compile(r"(ft:)?(gpt-3|gpt-4|chatgpt-)")  # they refuse to be asked for reasoning
_FRAME_LIMIT: Final = 32 * 1024 * 1024  # bytes; a picture comes in one event
_IDLE: Final = frozenset({"response.created", "response.in_progress", "response.queued", "keepalive"})
_TEXTS: Final = {
    "response.output_text.delta": "content",
    "response.refusal.delta": "refusal",
    "response.reasoning_summary_text.delta": "reasoning_content",
    "response.reasoning_text.delta": "reasoning",
}
_PARTS: Final = {
    "output_text": "content",
    "refusal": "refusal",
    "summary_text": "reasoning_content",
    "reasoning_text": "reasoning",
}
_ENDS: Final = frozenset({"response.completed", "response.incomplete"})
_CALLS: Final = frozenset({"function_call", "custom_tool_call"})
_NAMED: Final = frozenset({b'"function_call"', b'"custom_tool_call"', b'"message"'})
_REASONS: Final = {"max_output_tokens": "length", "content_filter": "content_filter"}
_OF_THE_RESPONSE: Final = ("service_tier", "reasoning", "text", "temperature", "top_p", "truncation", "top_logprobs")
_OUR_FAULT: Final = re.compile(r"invalid_\w+|image_\w+|\w*_image\w*|unsupported_\w+|bio_policy")  # codes: the request's

_encode = msgspec.json.Encoder().encode
_object = msgspec.json.Decoder(dict[str, Any])
_items = msgspec.json.Decoder(list[dict[str, Raw]])
_string = msgspec.json.Decoder(str | None)


class _Event(Struct):
    type: str = ""
    delta: str | None = None
    logprobs: list[Raw] | None = None


class _Typed(Struct):
    type: str


_event = msgspec.json.Decoder(_Event)
_typed = msgspec.json.Decoder(_Typed)


def said(model: str, native: Native, issuer: str) -> tuple[bytes, tuple[str, ...]]:
    """The request's body for this model, and the client's fields that were left out; thoughts are the issuer's own."""
    fields: dict[str, object] = {**native.fields, "model": model, "store": False, **_own(native, issuer)}
    if native.system:
        own = native.fields.get("instructions", NULL)
        fields["instructions"] = "\n\n".join(filter(None, (native.system, msgspec.json.decode(own))))
    include: list[str] = msgspec.json.decode(native.fields.get("include", NULL)) or []
    dropped: tuple[str, ...] = ()
    if _NO_THINKER.match(model):
        dropped = ("reasoning",) if fields.pop("reasoning", NULL) != NULL else ()
        include = [what for what in include if what != _ENCRYPTED]
    elif _ENCRYPTED not in include:
        include.append(_ENCRYPTED)  # what is not stored there must come back to be of use again
    fields.pop("include", None)
    return _encode({**fields, "include": include} if include else fields), dropped


def _own(native: Native, issuer: str) -> dict[str, object]:
    """The input with the thoughts that this issuer can read again; without the others, and then without ids too.

    An id would tell OpenAI that a call had a thought, without which it refuses the call.
    """
    raw = native.fields.get("input", NULL)
    if b'"encrypted_content"' not in bytes(raw):
        return {}
    items: list[dict[str, Raw]] = []
    lost = False
    for item in _items.decode(raw):
        sealed = _string.decode(item.get("encrypted_content", NULL))
        if sealed is not None and bytes(item.get("type", NULL)) == b'"reasoning"':
            own = unmarked(sealed, issuer)
            lost = lost or own is None
            if own is None:
                continue
            item["encrypted_content"] = Raw(_encode(own))
        items.append(item)
    if lost:
        items = [item if _is_bare(item) else {name: v for name, v in item.items() if name != "id"} for item in items]
    return {"input": items}


def _is_bare(item: Mapping[str, Raw]) -> bool:
    """Whether it cannot do without its id, or has its thought with it."""
    return bytes(item.get("type", NULL)) not in _NAMED


class ResponsesDecoder:
    """Reads one answer; the events of its items travel in `native`. `chat` makes a reader of chat completions."""

    frame_limit = _FRAME_LIMIT

    def __init__(self, chat: Callable[[], Decoder]) -> None:
        self.ended = False
        self._usage: Raw | None = None
        self._as_chat = chat
        self._chat: Decoder | None = None  # once it is known to be one

    def frame(self, data: bytes) -> Sequence[Chunk]:
        """One event's chunks."""
        if self._chat is not None:
            chunks = self._chat.frame(data)
            self.ended = self._chat.ended
            return chunks
        try:
            return self._frame(data)
        except SyntraError:
            raise
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, KeyError, TypeError, AttributeError):
            raise UpstreamBroken("The provider sent an event that cannot be read.") from None

    def whole(self, body: bytes) -> Sequence[Chunk]:
        """A whole response as the events that would have told it."""
        try:
            response = _object.decode(body)
            if "choices" in response:
                self._chat = self._as_chat()
                return self._chat.whole(body)
            chunks = [_chunk(delta) for delta in _told(response["output"])]
            return [*chunks, self._end(response)]
        except SyntraError:
            raise
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, KeyError, TypeError, AttributeError):
            raise UpstreamBroken("The provider's reply cannot be read.") from None

    def finish(self) -> Sequence[Chunk]:
        """The usage, if the provider told it."""
        if self._chat is not None:
            return self._chat.finish()
        return (Chunk(usage=self._usage),) if self._usage is not None else ()

    def _frame(self, data: bytes) -> Sequence[Chunk]:
        if data == b"[DONE]":
            return ()
        try:
            event = _event.decode(data)
        except msgspec.ValidationError:
            event = _Event(_typed.decode(data).type)
        field = _TEXTS.get(event.type)
        if field == "content" and event.delta is not None and not event.logprobs:
            return (text_chunk(event.delta),)
        if field is not None:
            delta = Delta()
            setattr(delta, field, event.delta)
            logprobs = Raw(_encode({"content": event.logprobs})) if event.logprobs else NULL
            return (Chunk(choices=[Choice(0, delta, logprobs)]),)
        if event.type in _IDLE:
            return ()
        if event.type in _ENDS:
            return (self._end(_object.decode(data)["response"]),)
        if event.type == "response.failed":
            raise _failure(_object.decode(data)["response"].get("error") or {})
        if event.type in ("error", ""):
            told = _object.decode(data)
            if "choices" in told and not told.get("error"):
                self._chat = self._as_chat()
                return self.frame(data)
            raise _failure(told.get("error") or told)
        return (_chunk(Delta(native=Raw(data))),)

    def _end(self, response: Mapping[str, Any]) -> Chunk:
        """The last chunk but the usage: why it ended, and what is told of the response itself."""
        if response.get("error"):
            raise _failure(response["error"])
        self.ended = True
        if response.get("usage"):
            self._usage = encode_usage(_usage(response["usage"]))
        about = {name: response[name] for name in _OF_THE_RESPONSE if response.get(name) is not None}
        native = Raw(_encode({"type": "response.ended", "response": about}))
        return Chunk(choices=[Choice(0, Delta(native=native), finish_reason=_reason(response))])


def _chunk(delta: Delta) -> Chunk:
    return Chunk(choices=[Choice(0, delta)])


def _told(output: Sequence[dict[str, Any]]) -> Iterator[Delta]:
    """The items of a whole response, each opened, said and closed."""
    for at, item in enumerate(output):
        yield _native("response.output_item.added", output_index=at, item=item)
        for name, place, added in (
            ("summary", "summary_index", "response.reasoning_summary_part.added"),
            ("content", "content_index", "response.content_part.added"),
        ):
            for index, part in enumerate(item.get(name) or ()):
                if not isinstance(part, dict) or part.get("type") not in _PARTS:
                    continue
                yield _native(added, output_index=at, item_id=item["id"], part=part, **{place: index})
                delta = Delta()
                setattr(delta, _PARTS[part["type"]], part.get("text") or part.get("refusal") or "")
                yield delta
        yield _native("response.output_item.done", output_index=at, item=item)


def _native(kind: str, **fields: Any) -> Delta:
    return Delta(native=Raw(_encode({"type": kind, **fields})))


def _reason(response: Mapping[str, Any]) -> str:
    """Why it ended, in the words of chat completions."""
    if response.get("status") == "incomplete":
        details: Mapping[str, str] = response.get("incomplete_details") or {}
        return _REASONS.get(details.get("reason", ""), "length")
    called = any(item.get("type") in _CALLS for item in response.get("output") or ())
    return "tool_calls" if called else "stop"


def _usage(told: Mapping[str, Any]) -> Usage:
    prompt, completion = told["input_tokens"], told["output_tokens"]
    usage = Usage(prompt, completion, told.get("total_tokens") or prompt + completion)
    if details := told.get("input_tokens_details"):
        usage.prompt_tokens_details = PromptDetails(
            details.get("cached_tokens"), cache_write_tokens=details.get("cache_write_tokens")
        )
    if details := told.get("output_tokens_details"):
        usage.completion_tokens_details = CompletionDetails(details.get("reasoning_tokens"))
    return usage


def _failure(error: Mapping[str, Any]) -> SyntraError:
    """A failure in the middle; its codes are words of their own."""
    code = error.get("code")
    if isinstance(code, str) and _OUR_FAULT.fullmatch(code):
        return UpstreamRejected("The provider refused the request as invalid.", code=code)
    known = {name: error.get(name) for name in ("message", "type", "code", "param")}
    return faults.inband("The provider", _encode(known))
