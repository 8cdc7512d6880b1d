"""Answers of foreign wires, event by event, through LiteLLM's parsers, as chunks.

LiteLLM's parsers are trusted with a wire's grammar and not with its end: where a provider told no finish reason they
say "stop", and for one that means failure too. So a reason is taken only where the event itself has one, and failures
are errors.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from gateway.core.errors import SyntraError, UpstreamBroken, UpstreamError, UpstreamFailed
from gateway.core.events import (
    NULL,
    Choice,
    Chunk,
    CompletionDetails,
    Delta,
    FunctionDelta,
    PromptDetails,
    ToolCallDelta,
    Usage,
    encode_usage,
)
from gateway.upstream import faults
from gateway.upstream.sse import FRAME_LIMIT

JSON_TOOL = "json_tool_call"  # what LiteLLM and we call the tool that a wanted JSON reply is forced through
_SERVER_TOOL = "srvtoolu_"  # Anthropic's own searches; they are not for the client to run
_SIGNATURE = "__thought__"  # LiteLLM hides a Gemini signature behind it in a call's id
_RENAMED = {"model_context_window_exceeded": "length"}
_FAILED = frozenset(
    """error ERROR network_error MALFORMED_FUNCTION_CALL MALFORMED_RESPONSE UNEXPECTED_TOOL_CALL TOO_MANY_TOOL_CALLS
    MISSING_THOUGHT_SIGNATURE FINISH_REASON_UNSPECIFIED""".split()
)
_AS_CONTENT, _HIDDEN = -1, -2  # in place of a call's index: its arguments are the reply; it is nobody's business

_encode = msgspec.json.Encoder().encode
_object = msgspec.json.Decoder(dict[str, Any])


class _Log:
    """What LiteLLM's translators want of its logger."""

    def __init__(self) -> None:
        self.optional_params: dict[str, Any] = {}
        self.model_call_details: dict[str, Any] = {}

    def post_call(self, *args: object, **kwargs: object) -> None:
        """Bodies are not logged."""


class Dictionary(Struct, frozen=True):
    """What LiteLLM's translators speak in: httpx's response, its own answer, its map of reasons, and a logger."""

    response: Any
    answer: Any
    reason: Any
    log: Any = _Log()


class TranslatedDecoder:
    """Reads one answer of a wire that LiteLLM has a parser for."""

    frame_limit = FRAME_LIMIT

    def __init__(
        self, name: str, model: str, parser: Any, config: Any, dictionary: Dictionary, params: dict[str, Any]
    ) -> None:
        self.ended = False
        self._name: Final = name
        self._model = model
        self._parser = parser
        self._config = config
        self._dictionary = dictionary
        self._params = params
        self._created = int(time.time())
        self._usage: Any = None
        self._finished: set[int] = set()
        self._calls: dict[int, dict[object, int]] = {}  # by choice: the parser's index of a call to ours

    def frame(self, data: bytes) -> Sequence[Chunk]:
        """One event's chunks."""
        try:
            return self._event(data)
        except SyntraError:
            raise
        except Exception:  # noqa: BLE001  # whatever a lookup raises where an event is not what it should be
            raise self._broken() from None

    def whole(self, body: bytes) -> Sequence[Chunk]:
        """A whole answer as one chunk."""
        try:
            chunks = self._answer(_object.decode(body))
        except SyntraError:
            raise
        except Exception:  # noqa: BLE001  # as above
            raise self._broken() from None
        if not chunks or len(self._finished) < len(chunks[0].choices):
            raise self._broken()
        self.ended = True
        return chunks

    def finish(self) -> Sequence[Chunk]:
        """The usage, if the provider told it."""
        if self._usage is None:
            return ()
        return (Chunk(created=self._created, model=self._model, usage=encode_usage(_usage(self._usage))),)

    def _event(self, data: bytes) -> Sequence[Chunk]:
        if data == b"[DONE]":
            self.ended = bool(self._finished)
            return ()
        return self._parse(_object.decode(data))

    def _parse(self, told: dict[str, Any]) -> Sequence[Chunk]:
        """One event through LiteLLM's parser."""
        self._check(told)
        parsed = self._parser.chunk_parser(told)
        choices = self._generic(parsed) if isinstance(parsed, dict) else self._typical(parsed, told)
        self._after(told)
        return self._chunk(choices)

    def _answer(self, told: dict[str, Any]) -> Sequence[Chunk]:
        """A whole answer; one in OpenAI's form is the one event that would say the same."""
        if "choices" in told:
            for choice in told["choices"]:
                choice["delta"] = choice.pop("message")
                for k, call in enumerate(choice["delta"].get("tool_calls") or ()):
                    call["index"] = k
            return self._parse(told)
        self._check(told)
        answer = self._config.transform_response(
            model=self._model,
            raw_response=self._dictionary.response(200, content=_encode(told)),
            model_response=self._dictionary.answer(),
            logging_obj=self._dictionary.log,
            request_data={},
            messages=[],
            optional_params={},
            litellm_params=self._params,
            encoding=None,
        )
        return self._chunk(self._typical(answer, told))

    def _check(self, told: dict[str, Any]) -> None:
        """Raise what an error object in place of an answer means."""
        if told.get("error"):
            raise faults.inband(self._name, _encode(told["error"]))

    def _typical(self, parsed: Any, told: dict[str, Any]) -> list[Choice]:
        """LiteLLM's usual form of a parsed event, or of a whole answer."""
        if parsed is None:
            return []
        self._usage = getattr(parsed, "usage", None) or self._usage
        reasons = self._reasons(told)
        made = []
        for choice in parsed.choices:
            said = choice.message if hasattr(choice, "message") else choice.delta
            logprobs = getattr(choice, "logprobs", None)
            made += self._choice(choice.index, said, choice.finish_reason, logprobs, reasons)
        return made

    def _reasons(self, told: dict[str, Any]) -> Mapping[int, str | None]:
        """The finish reasons that the event itself has, by choice; Cohere, which has only one, tells it on top."""
        choices = told.get("choices", [told])
        return {choice.get("index", k): choice.get("finish_reason") for k, choice in enumerate(choices)}

    def _after(self, told: dict[str, Any]) -> None:
        """OpenAI's form ends with `[DONE]`, after a usage that comes late; every other form with its reason."""
        self.ended = "choices" not in told and bool(self._finished)

    def _generic(self, parsed: dict[str, Any]) -> list[Choice]:
        """LiteLLM's older form of a parsed event."""
        self._usage = parsed.get("usage") or self._usage
        call = parsed.get("tool_use")
        delta = {"content": parsed.get("text"), "tool_calls": [call] if call else None}
        native = parsed.get("finish_reason") if parsed.get("is_finished") else None
        return self._choice(0, delta, native and self._dictionary.reason(native), None, {0: native})

    def _choice(
        self, index: int, said: Any, reason: str | None, logprobs: Any, told: Mapping[int, str | None]
    ) -> list[Choice]:
        """One choice of a parsed event; none where it adds nothing."""
        delta = self._delta(index, said)
        native = told.get(index)
        if native in _FAILED:
            raise UpstreamFailed(f"{self._name} failed while it wrote the answer.", provider=self._name)
        reason = _RENAMED.get(native, reason) if native else None
        if reason:
            self._finished.add(index)
            reason = self._true_reason(index, reason)
        elif delta == _EMPTY and logprobs is None:
            return []
        return [Choice(index, delta, NULL if logprobs is None else _raw(logprobs), reason)]

    def _true_reason(self, index: int, reason: str) -> str:
        """Calls that were not passed on are no reason to wait for their results."""
        called = any(k >= 0 for k in self._calls.get(index, {}).values())
        return "stop" if reason == "tool_calls" and not called else reason

    def _delta(self, index: int, said: Any) -> Delta:
        """What a parsed event adds to one choice."""
        delta = Delta(content=_get(said, "content") or None, reasoning_content=_get(said, "reasoning_content") or None)
        if calls := _get(said, "tool_calls"):
            self._add_calls(index, calls, delta)
        for name in ("annotations", "images", "audio"):
            if value := _get(said, name):
                setattr(delta, name, _raw(value))
        if blocks := _get(said, "thinking_blocks"):
            self._think(blocks, delta)
        return delta

    def _think(self, blocks: Iterable[Mapping[str, Any]], delta: Delta) -> None:
        delta.thinking_blocks = _raw(blocks)

    def _add_calls(self, choice: int, calls: Iterable[Any], delta: Delta) -> None:
        """Pieces of calls, numbered from 0 in each choice; a forced JSON reply becomes content again."""
        numbers = self._calls.setdefault(choice, {})
        made = []
        for call in calls:
            function = _get(call, "function")
            name, arguments, identity = _get(function, "name"), _get(function, "arguments"), _get(call, "id")
            place = _get(call, "index")
            if place is None:  # then a piece with an id begins a call, and one without continues the last
                place = len(numbers) if identity or not numbers else len(numbers) - 1
            if place not in numbers:
                numbers[place] = _number(identity, name, numbers)
            number = numbers[place]
            if number == _AS_CONTENT:
                delta.content = (delta.content or "") + (arguments or "") or None
            if number < 0:
                continue
            identity, _, signature = (identity or "").partition(_SIGNATURE)
            piece = ToolCallDelta(number, identity or None, "function" if identity else None)
            piece.function = FunctionDelta(name or None, arguments)
            if signature:
                piece.extra_content = Raw(_encode({"google": {"thought_signature": signature}}))
            made.append(piece)
        delta.tool_calls = made or None

    def _chunk(self, choices: list[Choice]) -> Sequence[Chunk]:
        return (Chunk(created=self._created, model=self._model, choices=choices),) if choices else ()

    def _broken(self) -> UpstreamError:
        return UpstreamBroken(f"{self._name} sent an event that cannot be read.", provider=self._name)


def _number(identity: str | None, name: str | None, numbers: Mapping[object, int]) -> int:
    """What a new call is: the reply itself, nobody's business, or the next one."""
    if name == JSON_TOOL:
        return _AS_CONTENT
    if identity and identity.startswith(_SERVER_TOOL):
        return _HIDDEN
    return sum(number >= 0 for number in numbers.values())


def _usage(told: Any) -> Usage:
    """LiteLLM's count as ours; it already counts cached tokens as part of the prompt."""
    prompt_tokens, completion_tokens = _get(told, "prompt_tokens") or 0, _get(told, "completion_tokens") or 0
    usage = Usage(prompt_tokens, completion_tokens, _get(told, "total_tokens") or prompt_tokens + completion_tokens)
    if prompt := _get(told, "prompt_tokens_details"):
        cached, written = _get(prompt, "cached_tokens"), _get(prompt, "cache_creation_tokens")
        usage.prompt_tokens_details = PromptDetails(cached, _get(prompt, "audio_tokens"), written or None)
    if completion := _get(told, "completion_tokens_details"):
        counts = (_get(completion, "reasoning_tokens"), _get(completion, "audio_tokens"))
        usage.completion_tokens_details = CompletionDetails(*counts)
    return usage


def _get(said: Any, name: str) -> Any:
    """A field of LiteLLM's answers, which are dicts here and models there."""
    return said.get(name) if isinstance(said, dict) else getattr(said, name, None)


def _raw(value: Any) -> Raw:
    return Raw(_encode_models(value))


def _plain(value: Any) -> Any:
    if hasattr(value, "model_dump"):
        return value.model_dump(exclude_none=True)
    raise TypeError(type(value).__name__)


_encode_models = msgspec.json.Encoder(enc_hook=_plain).encode
_EMPTY = Delta()
