"""A front end that keeps its conversations in threads, and shows every event that it hears."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.fakes.gateway import PLAIN, Gateway

SECONDS = 30.0
MODEL = "openai/gpt-4o-mini"


@dataclass(frozen=True)
class Event:
    """One event of a stream."""

    id: str
    kind: str
    data: Any


@dataclass
class Stream:
    """What was heard of an answer."""

    status: int
    headers: Mapping[str, str]
    events: list[Event] = field(default_factory=list)
    body: Any = None  # of a reply that was no stream

    def of(self, kind: str) -> list[Any]:
        return [event.data for event in self.events if event.kind == kind]

    @property
    def kinds(self) -> list[str]:
        return [event.kind for event in self.events]

    @property
    def text(self) -> str:
        return "".join(data.get("content", "") for data in self.of("delta"))

    @property
    def steps(self) -> list[str]:
        return [data["step"] for data in self.of("thinking")]


class FrontEnd:
    """One user at one gateway."""

    def __init__(self, gateway: Gateway, key: str = "", user: str = "") -> None:
        self.url = f"{gateway.origin}/api/threads"
        self.headers = {"authorization": f"Bearer {key or gateway.key}"} | ({"x-syntra-user": user} if user else {})

    def ask(self, method: str, path: str = "", body: object = None, **headers: str) -> httpx.Response:
        content = None if body is None else json.dumps(body)
        sent = self.headers | {name.replace("_", "-"): value for name, value in headers.items()}
        return httpx.request(method, self.url + path, content=content, headers=sent, timeout=SECONDS, verify=PLAIN)

    def ok(self, method: str, path: str = "", body: object = None, **headers: str) -> Any:
        reply = self.ask(method, path, body, **headers)
        assert reply.status_code in (200, 201), reply.text
        return reply.json()

    def refused(self, status: int, method: str, path: str = "", body: object = None, **headers: str) -> Any:
        reply = self.ask(method, path, body, **headers)
        assert reply.status_code == status, reply.text
        return reply.json()["error"]

    def thread(self, **wanted: object) -> str:
        return str(self.ok("POST", "", wanted)["id"])

    def say(self, thread: str, content: object, model: str = MODEL, **more: object) -> Any:
        return self.ok("POST", f"/{thread}/messages", {"content": content, "model": model, **more})

    def listed(self, thread: str) -> list[tuple[str, Any]]:
        return [(one["role"], one["content"]) for one in self.ok("GET", f"/{thread}/messages")["data"]]

    @contextmanager
    def hearing(
        self, path: str, body: object = None, method: str = "POST", **headers: str
    ) -> Iterator[tuple[Stream, Iterator[Event]]]:
        """A stream while it is told; whoever leaves the block has left the stream."""
        content = None if body is None else json.dumps(body)
        sent = self.headers | {name.replace("_", "-"): value for name, value in headers.items()}
        with httpx.stream(
            method, self.url + path, content=content, headers=sent, timeout=SECONDS, verify=PLAIN
        ) as reply:
            stream = Stream(reply.status_code, reply.headers)
            if not reply.headers.get("content-type", "").startswith("text/event-stream"):
                stream.body = json.loads(reply.read() or b"null")
            yield stream, heard(reply, stream)

    def hear(self, path: str, body: object = None, method: str = "POST", **headers: str) -> Stream:
        """A stream to its end."""
        with self.hearing(path, body, method, **headers) as (stream, events):
            if stream.body is None and stream.status == 200:
                list(events)
            return stream

    def stream(self, thread: str, content: object, model: str = MODEL, **headers: str) -> Stream:
        return self.hear(f"/{thread}/messages/stream", {"content": content, "model": model}, **headers)


def heard(reply: httpx.Response, stream: Stream) -> Iterator[Event]:
    """Events as they come; a field that no event has breaks the test."""
    fields: dict[str, str] = {}
    for line in reply.iter_lines():
        if line and not line.startswith(":"):
            name, _, value = line.partition(": ")
            assert name in ("id", "event", "data"), line
            fields[name] = value
        elif not line and fields:
            event = Event(fields.get("id", ""), fields["event"], json.loads(fields["data"]))
            stream.events.append(event)
            yield event
            fields = {}
