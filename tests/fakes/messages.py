"""A client of Messages that hides nothing: every event with its name, and the message that they come to."""

from __future__ import annotations

import json
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.fakes.gateway import PLAIN, Gateway

SECONDS = 30.0
VERSION = {"anthropic-version": "2023-06-01"}
HELLO: Any = [{"role": "user", "content": "Say hello."}]
TOOL = {
    "name": "look_up",
    "description": "Looks a word up.",
    "input_schema": {"type": "object", "properties": {"word": {"type": "string"}}, "required": ["word"]},
}


@dataclass
class Heard:
    """One reply, streamed or whole."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b""
    events: list[Any] = field(default_factory=list)
    torn: bool = False

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def names(self) -> list[str]:
        return [event["type"] for event in self.events]

    @property
    def error(self) -> dict[str, Any] | None:
        """The error, as a status or in the stream."""
        told = [event for event in self.events if event["type"] == "error"]
        if told or self.events:
            return told[0] if told else None
        return self.json if self.json.get("type") == "error" else None

    @property
    def message(self) -> dict[str, Any]:
        """The message: the reply, or what its events come to, by the letter."""
        return joined(self.events) if self.events else self.json

    @property
    def text(self) -> str:
        return "".join(block["text"] for block in self.message["content"] if block["type"] == "text")


def joined(events: list[Any]) -> dict[str, Any]:
    """What a client makes of a stream; it is strict about the order of events."""
    assert events[0]["type"] == "message_start", events[0]
    assert [event["type"] for event in events[-2:]] == ["message_delta", "message_stop"]
    message = deepcopy(events[0]["message"])
    assert message["content"] == []
    current: dict[str, Any] | None = None
    pieces = ""
    for event in events[1:-2]:
        kind = event["type"]
        if kind == "content_block_start":
            assert current is None
            assert event["index"] == len(message["content"])
            current, pieces = dict(event["content_block"]), ""
            message["content"].append(current)
            continue
        assert current is not None, event
        assert event["index"] == len(message["content"]) - 1
        if kind == "content_block_stop":
            if current["type"] == "tool_use":
                current["input"] = json.loads(pieces) if pieces else current["input"]
            current = None
            continue
        assert kind == "content_block_delta", event
        delta = event["delta"]
        if delta["type"] == "input_json_delta":
            pieces += delta["partial_json"]
        elif delta["type"] == "citations_delta":
            current["citations"] = [*(current["citations"] or ()), delta["citation"]]
        else:
            name = delta["type"].removesuffix("_delta")
            current[name] += delta[name]
    assert current is None
    message.update(events[-2]["delta"])
    message["usage"] = {**message["usage"], **events[-2]["usage"]}
    return dict(message)


def ask(
    gateway: Gateway, model: str, *, path: str = "/v1/messages", headers: Mapping[str, str] | None = None, **body: Any
) -> Heard:
    """Posts a request and reads the reply to its end, whatever that is."""
    body = {"model": model, "max_tokens": 1000, "messages": HELLO, **body}
    return post(gateway, json.dumps(body).encode(), path=path, headers=headers)


def stream(gateway: Gateway, model: str, **body: Any) -> Heard:
    return ask(gateway, model, stream=True, **body)


def post(
    gateway: Gateway, raw: bytes, *, path: str = "/v1/messages", headers: Mapping[str, str] | None = None
) -> Heard:
    sent = {"x-api-key": gateway.key, "content-type": "application/json", **VERSION, **(headers or {})}
    with (
        httpx.Client(timeout=SECONDS, trust_env=False, verify=PLAIN) as http,
        http.stream("POST", f"{gateway.origin}{path}", content=raw, headers=sent) as response,
    ):
        heard = Heard(response.status_code, response.headers)
        try:
            for piece in response.iter_raw():
                heard.body += piece
        except (httpx.RemoteProtocolError, httpx.ReadError):
            heard.torn = True
    if response.headers.get("content-type", "").startswith("text/event-stream"):
        heard.events = read_events(heard.body)
    return heard


def read_events(body: bytes) -> list[Any]:
    """Reads server-sent events by the letter: a name, one line of data, a blank line; the name stands in the data too."""
    events = []
    for block in body.decode().split("\n\n"):
        lines = [line for line in block.split("\n") if line and not line.startswith(":")]
        if not lines:
            continue
        name, data = lines
        assert name.startswith("event: "), block
        assert data.startswith("data: "), block
        event = json.loads(data.removeprefix("data: "))
        assert event["type"] == name.removeprefix("event: ")
        events.append(event)
    return events
