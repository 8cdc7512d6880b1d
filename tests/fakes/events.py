"""A Responses client that hides nothing: every event by the letter of the SDK's own types."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from tests.fakes.caller import SECONDS
from tests.fakes.gateway import PLAIN, Gateway

EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
RESPONSE: TypeAdapter[Any] = TypeAdapter(Response)
OURS = frozenset({"error", "response.failed"})  # said in more fields and with more codes than the SDK knows


@dataclass
class Heard:
    """One reply, streamed or whole."""

    status: int
    headers: Mapping[str, str]
    text: str = ""
    events: list[dict[str, Any]] = field(default_factory=list)
    torn: bool = False  # the connection ended inside the body

    @property
    def json(self) -> Any:
        return json.loads(self.text)

    @property
    def response(self) -> dict[str, Any]:
        """The whole response, however it came."""
        found: dict[str, Any] = self.events[-1]["response"] if self.events else self.json
        return found

    @property
    def kinds(self) -> list[str]:
        return [event["type"] for event in self.events]

    @property
    def output(self) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = self.response["output"]
        return items

    @property
    def output_text(self) -> str:
        return said(self.output)

    @property
    def calls(self) -> list[dict[str, Any]]:
        return [item for item in self.output if item["type"] in {"function_call", "custom_tool_call"}]

    @property
    def warning(self) -> str:
        return self.headers.get("x-syntra-warning", "")


def said(output: list[dict[str, Any]]) -> str:
    messages = [item for item in output if item["type"] == "message"]
    return "".join(part.get("text", "") for item in messages for part in item["content"])


def respond(gateway: Gateway, model: str, *, headers: Mapping[str, str] | None = None, **body: Any) -> Heard:
    """Posts a response and reads it to its end; every event must fit the SDK's types and follow the one before."""
    body = {"model": model, "input": "Say hello.", **body}
    sent = {**gateway.headers, **(headers or {})}
    with (
        httpx.Client(timeout=SECONDS, trust_env=False, verify=PLAIN) as http,
        http.stream("POST", f"{gateway.base_url}/responses", json=body, headers=sent) as reply,
    ):
        heard = Heard(reply.status_code, reply.headers)
        whole = b""
        try:
            for piece in reply.iter_raw():
                whole += piece
        except (httpx.RemoteProtocolError, httpx.ReadError):
            heard.torn = True
    heard.text = whole.decode()
    if heard.headers.get("content-type", "").startswith("text/event-stream"):
        heard.events = read(heard.text)
    elif heard.status == 200:
        RESPONSE.validate_json(heard.text)
    return heard


def read(text: str) -> list[dict[str, Any]]:
    """The events of a stream, each with its name before it and its number in its place."""
    events: list[dict[str, Any]] = []
    for block in text.split("\n\n"):
        lines = [line for line in block.split("\n") if line and not line.startswith(":")]
        if not lines:
            continue
        name, data = lines
        event = json.loads(data.removeprefix("data: "))
        assert name == f"event: {event['type']}"
        assert event["sequence_number"] == len(events)
        if event["type"] not in OURS:
            EVENT.validate_python(event)
        events.append(event)
    check_order(events)
    return events


def check_order(events: list[dict[str, Any]]) -> None:
    """Every item is opened once and closed once, and all that is told of it stands between and adds up."""
    open_items: dict[int, dict[str, Any]] = {}
    closed: dict[int, dict[str, Any]] = {}
    texts: dict[tuple[Any, ...], str] = {}
    for event in events:
        kind, at = event["type"], event.get("output_index")
        if kind == "response.output_item.added":
            assert at == len(open_items) + len(closed), event
            open_items[at] = event["item"]
        elif kind == "response.output_item.done":
            opened = open_items.pop(at)
            assert (opened["id"], opened["type"]) == (event["item"]["id"], event["item"]["type"])
            closed[at] = event["item"]
        elif at is not None:
            assert open_items[at]["id"] == event.get("item_id", open_items[at]["id"]), event
            place = (at, event.get("content_index"), event.get("summary_index"), kind.rpartition(".")[0])
            if kind.endswith(".delta"):
                texts[place] = texts.get(place, "") + event["delta"]
            elif kind.endswith(".done") and not kind.endswith("_part.done"):
                whole = next(event[name] for name in ("text", "refusal", "arguments", "input") if name in event)
                assert texts.get(place, "") == whole, event
    if events and events[-1]["type"] in {"response.completed", "response.incomplete"}:
        assert open_items == {}
        assert events[-1]["response"]["output"] == [closed[at] for at in sorted(closed)]
        assert events[-1]["response"]["usage"]
        assert [event["type"] for event in events[:2]] == ["response.created", "response.in_progress"]
