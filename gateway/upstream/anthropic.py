"""Anthropic's own wire, where LiteLLM's configuration alone does not reach: its address, its rules, its thinking."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Raw, Struct

from gateway.core.events import Choice, Chunk, Delta, FunctionDelta, ToolCallDelta, text_chunk
from gateway.core.tokens import estimate
from gateway.upstream.terms import ANTHROPIC, Said, Terms
from gateway.upstream.translated import JSON_TOOL, Dictionary, TranslatedDecoder

_ANY_OBJECT = {"type": "object", "properties": {}, "additionalProperties": True}
_LEAST_THINKING = 1024  # tokens

_encode = msgspec.json.Encoder().encode


def say(config: Any, terms: Terms, model: str, key: str, base: str, *, stream: bool) -> Said:
    """Anthropic's own wire; LiteLLM has its path and a few of its rules only inside its client."""
    params = terms.params
    top_k = params.pop("top_k", None)
    if params.get("temperature", 0) > 1:
        params["temperature"] = 1
        terms.dropped.append("temperature")
    any_json = params.get("response_format") == {"type": "json_object"}
    if any_json:
        del params["response_format"]
    asked_to_think = "reasoning_effort" in params or "thinking" in params
    optional = config.map_openai_params(params, {}, model, True)
    optional.pop("json_mode", None)
    if top_k is not None:
        optional["top_k"] = top_k
    if "user" in params and "metadata" not in optional:  # LiteLLM keeps mail addresses and telephone numbers back
        terms.dropped.append("user")
    asked_to_stop = [params["stop"]] if isinstance(params.get("stop"), str) else params.get("stop", [])
    if len(optional.get("stop_sequences", ())) < len(asked_to_stop):  # blank ones are refused, so LiteLLM drops them
        terms.dropped.append("stop")
    if asked_to_think:
        _reconcile_thinking(terms, optional)
    if any_json:
        _force_object(terms, optional)
    litellm_params: dict[str, Any] = {}
    headers = config.validate_environment({}, model, terms.messages, optional, litellm_params, key, base)
    body = config.transform_request(model, terms.messages, optional, litellm_params, headers)
    if stream:
        body["stream"] = True
    return f"{base.rstrip('/')}/v1/messages", headers, body


def _reconcile_thinking(terms: Terms, optional: dict[str, Any]) -> None:
    """Anthropic refuses thinking beside forced tools, a temperature, or a tool loop that began without it."""
    thinking = optional.get("thinking")
    if not isinstance(thinking, dict) or thinking.get("type") == "disabled":
        return
    history = [message for message in terms.messages if message["role"] == "assistant"]
    in_loop = any(message.get("tool_calls") for message in history[-1:])
    thoughtless = in_loop and not history[-1].get("thinking_blocks")
    forced = optional.get("tool_choice", {}).get("type") in ("any", "tool")
    limit = optional.get("max_tokens", sys.maxsize)
    if forced or thoughtless or limit <= _LEAST_THINKING:
        del optional["thinking"]
        optional.pop("output_config", None)
        if not terms.params.keys() & {"max_tokens", "max_completion_tokens"}:
            optional.pop("max_tokens", None)  # LiteLLM made it, to fit the thinking
        terms.dropped += [name for name in ("reasoning_effort", "thinking") if name in terms.params]
        return
    if "budget_tokens" in thinking:  # the limit counts thinking too, so half of it stays for the answer
        thinking["budget_tokens"] = min(thinking["budget_tokens"], max(_LEAST_THINKING, limit // 2))
    for name in ("temperature", "top_k"):
        if optional.get(name, 1) != 1:
            del optional[name]
            terms.dropped.append(name)


def _force_object(terms: Terms, optional: dict[str, Any]) -> None:
    """JSON mode without a schema, which LiteLLM forgets: by a tool that takes any object, where tools are free."""
    if optional.get("tools") or optional.get("thinking"):
        terms.dropped.append("response_format")
        return
    optional["tools"] = [{"name": JSON_TOOL, "input_schema": _ANY_OBJECT}]
    optional["tool_choice"] = {"type": "tool", "name": JSON_TOOL}


class _Text(Struct, tag_field="type", tag="text_delta", forbid_unknown_fields=True):
    text: str


class _Thought(Struct, tag_field="type", tag="thinking_delta", forbid_unknown_fields=True):
    thinking: str


class _Json(Struct, tag_field="type", tag="input_json_delta", forbid_unknown_fields=True):
    partial_json: str


class _BlockDelta(Struct, tag_field="type", tag="content_block_delta", forbid_unknown_fields=True):
    """The one event of Anthropic's that is nearly all of them."""

    index: int
    delta: _Text | _Thought | _Json


_block_delta = msgspec.json.Decoder(_BlockDelta)


class AnthropicDecoder(TranslatedDecoder):
    """Reads Anthropic's events; `message_stop` is the end."""

    def __init__(self, model: str, parser: Any, config: Any, dictionary: Dictionary, params: dict[str, Any]) -> None:
        super().__init__(ANTHROPIC, model, parser, config, dictionary, params)
        self._blocks: list[Mapping[str, Any]] = []  # of thinking that are whole
        self._thought: list[str] = []
        self._thinking = 0  # characters

    def _event(self, data: bytes) -> Sequence[Chunk]:
        """One event's chunks.

        Deltas go past LiteLLM: 2 µs instead of 30. Its parser keeps nothing of a text; of a thought it keeps the text
        only to tokenize it at the end, on the event loop; of arguments whether there were any, and that it is told.
        """
        if b'"content_block_delta"' not in data:
            return super()._event(data)
        try:
            delta = _block_delta.decode(data).delta
        except msgspec.ValidationError:  # an event that is not quite one of these
            return super()._event(data)
        if isinstance(delta, _Text):
            return (text_chunk(delta.text, created=self._created, model=self._model),)
        if isinstance(delta, _Thought):
            self._think([{"type": "thinking", "thinking": delta.thinking}], Delta())
            return self._chunk([Choice(0, Delta(reasoning_content=delta.thinking))])
        number = self._calls.get(0, {}).get(self._parser.tool_index)
        if number is None or number < 0 or not delta.partial_json:
            return super()._event(data)
        self._parser.content_blocks.append({"delta": {"type": "input_json_delta", "partial_json": delta.partial_json}})
        piece = ToolCallDelta(number, function=FunctionDelta(arguments=delta.partial_json))
        return self._chunk([Choice(0, Delta(tool_calls=[piece]))])

    def _check(self, told: dict[str, Any]) -> None:
        """Errors; and an estimate of the thinking's tokens where Anthropic does not count them."""
        super()._check(told)
        usage = told.get("usage")
        if not isinstance(usage, dict) or usage.get("output_tokens_details"):
            return
        blocks = told.get("content") or ()
        thinking = self._thinking + sum(len(block.get("thinking") or "") for block in blocks)
        if thinking:
            # Else LiteLLM tokenizes the thinking with a tokenizer that is not Claude's: 0.2 s for a long one.
            tokens = min(estimate(thinking), usage["output_tokens"])
            usage["output_tokens_details"] = {"thinking_tokens": tokens}

    def _think(self, blocks: Iterable[Mapping[str, Any]], delta: Delta) -> None:
        """Thinking comes in pieces and is of use only whole, with its signature; all that is whole goes each time."""
        for block in blocks:
            thought = block.get("thinking") or ""
            self._thinking += len(thought)
            self._thought.append(thought)
            if block.get("signature"):
                whole = "".join(self._thought)
                self._blocks.append({"type": "thinking", "thinking": whole, "signature": block["signature"]})
                self._thought.clear()
            elif block["type"] == "redacted_thinking":
                self._blocks.append({"type": block["type"], "data": block["data"]})
            else:
                continue
            delta.thinking_blocks = Raw(_encode(self._blocks))

    def _reasons(self, told: dict[str, Any]) -> Mapping[int, str | None]:
        where = told if told.get("type") == "message" else told.get("delta") or {}
        return {0: where.get("stop_reason")}

    def _after(self, told: dict[str, Any]) -> None:
        self.ended = told.get("type") == "message_stop"
