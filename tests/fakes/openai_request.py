"""What the OpenAI-wire providers accept in a chat completion request, each in its own strictness."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from tests.fakes.shape import (
    Check,
    Refused,
    anything,
    array,
    boolean,
    by_type,
    either,
    filled,
    integer,
    mapping,
    matching,
    maybe,
    null,
    number,
    one_of,
    record,
    refuse,
    string,
    table,
)

NAME = matching(r"[a-zA-Z0-9_-]{1,64}")
LARGEST = 2**31 - 1

CACHE = {"prompt_cache_breakpoint": anything}
TEXT_PART = record({"type": one_of("text"), "text": string}, CACHE)
IMAGE = record({"url": matching(r"(https?://|data:image/).*")}, {"detail": one_of("auto", "low", "high", "original")})
AUDIO = record({"data": filled, "format": one_of("wav", "mp3")})
FILE = record({}, {"file_id": string, "file_data": string, "filename": string})
PART = by_type(
    "type",
    {
        "text": TEXT_PART,
        "image_url": record({"type": string, "image_url": IMAGE}, CACHE),
        "input_audio": record({"type": string, "input_audio": AUDIO}, CACHE),
        "file": record({"type": string, "file": FILE}, CACHE),
    },
)
REFUSAL_PART = record({"type": one_of("refusal"), "refusal": string})
TEXTS = either(string, array(TEXT_PART, 1))
CALLED = record({"name": NAME, "arguments": string})
TOOL_CALL = by_type(
    "type",
    {
        "function": record({"id": filled, "type": string, "function": CALLED}),
        "custom": record({"id": filled, "type": string, "custom": record({"name": NAME, "input": string})}),
    },
)
MESSAGES: Mapping[str, Check] = {
    "system": record({"role": string, "content": TEXTS}, {"name": string}),
    "developer": record({"role": string, "content": TEXTS}, {"name": string}),
    "user": record({"role": string, "content": either(string, array(PART, 1))}, {"name": string}),
    "assistant": record(
        {"role": string},
        {
            "content": either(null, string, array(either(TEXT_PART, REFUSAL_PART), 1)),
            "refusal": maybe(string),
            "annotations": maybe(array(mapping)),  # as it comes with every answer, so that answers can be given back
            "name": string,
            "audio": maybe(record({"id": string})),
            "tool_calls": array(TOOL_CALL, 1, 128),
            "function_call": maybe(CALLED),
        },
    ),
    "tool": record({"role": string, "content": TEXTS, "tool_call_id": filled}),
    "function": record({"role": string, "content": maybe(string), "name": NAME}),
}
REASONING_MESSAGES = {  # Kimi and OpenRouter give reasoning and take it back
    **MESSAGES,
    "assistant": lambda value, at: MESSAGES["assistant"](
        {k: v for k, v in value.items() if k not in {"reasoning_content", "reasoning", "reasoning_details"}}, at
    ),
}
FUNCTION = record({"name": NAME}, {"description": string, "parameters": mapping, "strict": maybe(boolean)})
TOOL = by_type(
    "type",
    {
        "function": record({"type": string, "function": FUNCTION}),
        "custom": record(
            {"type": string, "custom": record({"name": NAME}, {"description": string, "format": mapping})}
        ),
    },
)
TOOL_CHOICE = either(
    one_of("none", "auto", "required"),
    by_type(
        "type",
        {
            "function": record({"type": string, "function": record({"name": NAME})}),
            "allowed_tools": record({"type": string, "allowed_tools": mapping}),
            "custom": record({"type": string, "custom": record({"name": NAME})}),
        },
    ),
)
SCHEMA = record({"name": NAME}, {"description": string, "schema": mapping, "strict": maybe(boolean)})
RESPONSE_FORMAT = by_type(
    "type",
    {
        "text": record({"type": string}),
        "json_object": record({"type": string}),
        "json_schema": record({"type": string, "json_schema": SCHEMA}),
    },
)
VOICE = either(string, record({"id": string}))
FIELDS: Mapping[str, Check] = {
    "model": filled,
    "messages": array(anything, 1, 2048),
    "audio": maybe(record({"voice": VOICE, "format": string})),
    "frequency_penalty": maybe(number(-2, 2)),
    "function_call": either(one_of("none", "auto"), record({"name": NAME})),
    "functions": array(FUNCTION, 1, 128),
    "logit_bias": maybe(table(number(-100, 100))),
    "logprobs": maybe(boolean),
    "max_completion_tokens": maybe(integer(1, LARGEST)),
    "max_tokens": maybe(integer(1, LARGEST)),
    "metadata": maybe(table(string, 16)),
    "modalities": maybe(array(one_of("text", "audio"), 1)),
    "moderation": maybe(mapping),
    "n": maybe(integer(1, 128)),
    "parallel_tool_calls": boolean,
    "prediction": maybe(record({"type": one_of("content"), "content": TEXTS})),
    "presence_penalty": maybe(number(-2, 2)),
    "prompt_cache_key": maybe(string),
    "prompt_cache_options": mapping,
    "prompt_cache_retention": maybe(one_of("in_memory", "24h")),
    "reasoning_effort": maybe(one_of("none", "minimal", "low", "medium", "high", "xhigh", "max")),
    "response_format": RESPONSE_FORMAT,
    "safety_identifier": maybe(string),
    "seed": maybe(integer(-(2**63), 2**63 - 1)),
    "service_tier": maybe(one_of("auto", "default", "flex", "scale", "priority", "fast")),
    "stop": either(null, string, array(string, 1, 4)),
    "store": maybe(boolean),
    "stream": maybe(boolean),
    "stream_options": maybe(record({}, {"include_usage": boolean, "include_obfuscation": boolean})),
    "temperature": maybe(number(0, 2)),
    "tool_choice": TOOL_CHOICE,
    "tools": array(TOOL, 1, 128),
    "top_logprobs": maybe(integer(0, 20)),
    "top_p": maybe(number(0, 1)),
    "user": string,
    "verbosity": maybe(one_of("low", "medium", "high")),
    "web_search_options": mapping,
}


def roles(kinds: Mapping[str, Check]) -> Callable[[Any, str], None]:
    return by_type("role", kinds)


def check_body(body: Any, extra: frozenset[str], messages: Mapping[str, Check] = MESSAGES) -> None:
    """OpenAI's own strictness: every field known, every type right, every tool result asked for."""
    fields = {name: check for name, check in FIELDS.items() if name not in {"model", "messages"}}
    required = {"model": FIELDS["model"], "messages": FIELDS["messages"]}
    record(required, {**fields, **dict.fromkeys(extra, anything)})(body, "")
    array(roles(messages), 1)(body["messages"], "messages")
    check_together(body)
    check_tool_order(body["messages"])


def check_together(body: Any) -> None:
    """Fields that only make sense with others."""
    if body.get("stream_options") is not None:
        why = "The 'stream_options' parameter is only allowed when 'stream' is enabled."
        refuse(body.get("stream"), "stream_options", why)
    if "max_tokens" in body and re.match(r"(o\d|gpt-5)", body["model"]):
        why = (
            "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
        )
        raise Refused("max_tokens", why, code="unsupported_parameter")
    both = "max_tokens" in body and "max_completion_tokens" in body
    refuse(
        not both, "max_tokens", "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported."
    )
    refuse("top_logprobs" not in body or body.get("logprobs"), "top_logprobs", "'logprobs' must be true")
    for needs_tools in ("tool_choice", "parallel_tool_calls"):
        refuse(needs_tools not in body or "tools" in body, needs_tools, f"'{needs_tools}' needs 'tools'.")
    choice = body.get("tool_choice")
    if isinstance(choice, dict) and choice["type"] == "function":
        names = [tool["function"]["name"] for tool in body["tools"] if tool["type"] == "function"]
        refuse(choice["function"]["name"] in names, "tool_choice", "Tool choice not found in 'tools' parameter.")
    if (body.get("response_format") or {}).get("type") == "json_object":
        said = "json" in str(body["messages"]).lower()
        refuse(said, "messages", "'messages' must contain the word 'json' in some form, to use 'response_format'.")


def check_tool_order(messages: list[dict[str, Any]]) -> None:
    """Every tool message answers a call just before it, and every call is answered."""
    open_calls: set[str] = set()
    for index, message in enumerate(messages):
        at = f"messages.[{index}]"
        if message["role"] == "tool":
            why = "messages with role 'tool' must be a response to a preceeding message with 'tool_calls'."
            refuse(message["tool_call_id"] in open_calls, f"{at}.role", why)
            open_calls.discard(message["tool_call_id"])
            continue
        why = f"tool_call_ids did not have response messages: {', '.join(sorted(open_calls))}"
        refuse(not open_calls, f"{at}.role", why)
        if message["role"] == "assistant":
            open_calls = {call["id"] for call in message.get("tool_calls", ())}
            without_words = any(message.get(name) for name in ("tool_calls", "refusal", "audio", "function_call"))
            refuse(without_words or message.get("content") is not None, f"{at}.content", "expected a string, got null")
    refuse(not open_calls, "messages", f"tool_call_ids did not have response messages: {', '.join(sorted(open_calls))}")


def check_alternation(messages: list[dict[str, Any]]) -> None:
    """Perplexity: system messages first, then user and assistant by turns, a user (or tool) at the end."""
    turns = [message["role"] for message in messages]
    while turns and turns[0] == "system":
        turns.pop(0)
    why = "After the (optional) system message(s), user or tool message(s) should alternate with assistant message(s)."
    for index, role in enumerate(turns):
        refuse(role == ("user", "assistant")[index % 2], "messages", why)
    refuse(turns and turns[-1] == "user", "messages", "Last message must have role `user`.")
