"""The three dialects of an answer, read by their letter to one thing that can be compared."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from gateway.doctor import heard
from tests.fakes import caller, events, messages
from tests.fakes.caller import Told
from tests.fakes.gateway import PLAIN, Gateway

SECONDS = 60.0
PATHS = {"chat": "/v1/chat/completions", "responses": "/v1/responses", "messages": "/v1/messages"}
READERS = {
    ("chat", True): heard.chat,
    ("chat", False): heard.chat_whole,
    ("responses", True): heard.responses,
    ("responses", False): heard.responses_whole,
    ("messages", True): heard.messages,
    ("messages", False): heard.messages_whole,
}


@dataclass(frozen=True)
class Said:
    """An answer without its dialect: counts are those of the whole prompt and the whole completion."""

    text: str
    calls: tuple[tuple[str, Any], ...] = ()  # names, and arguments as data
    counts: tuple[int, int] | None = None
    ended: str = field(default="", compare=False)  # in the dialect's own word


def post(gateway: Gateway, path: str, body: Any, headers: Mapping[str, str] | None = None) -> httpx.Response:
    """Posts data, and reads the reply to its end."""
    sent = {"anthropic-version": "2023-06-01"} if path.startswith(PATHS["messages"]) else {}
    with httpx.Client(timeout=SECONDS, trust_env=False, verify=PLAIN) as http:
        return http.post(f"{gateway.origin}{path}", json=body, headers={**gateway.headers, **sent, **(headers or {})})


def read(dialect: str, reply: httpx.Response, *, streamed: bool) -> Said:
    """An answer; what is not as the dialect wants it fails the test."""
    assert reply.status_code == 200, reply.text
    kind = reply.headers["content-type"].partition(";")[0]
    assert kind == ("text/event-stream" if streamed else "application/json")
    if streamed:
        _in_order(dialect, reply)
    elif dialect == "responses":
        events.RESPONSE.validate_json(reply.content)
    told = READERS[dialect, streamed](reply.content)
    calls = tuple((call.name, json.loads(call.arguments)) for call in told.calls)
    assert len({call.id for call in told.calls}) == len(calls)
    return Said(told.text, calls, _counts(dialect, told.usage), told.ended)


def _in_order(dialect: str, reply: httpx.Response) -> None:
    if dialect == "responses":
        events.read(reply.text)
    elif dialect == "messages":
        messages.joined(messages.read_events(reply.content))
    else:
        told = Told(reply.status_code, reply.headers, reply.content)
        caller.read_events(told)
        assert told.done
        assert told.after_done == []
        assert len(told.finishes()) == 1


def _counts(dialect: str, usage: Mapping[str, Any] | None) -> tuple[int, int] | None:
    if usage is None:
        return None
    if dialect == "chat":
        return usage["prompt_tokens"], usage["completion_tokens"]
    if dialect == "responses":
        return usage["input_tokens"], usage["output_tokens"]
    prompt = usage["input_tokens"] + usage["cache_read_input_tokens"] + usage["cache_creation_input_tokens"]
    return prompt, usage["output_tokens"]
