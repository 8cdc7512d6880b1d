"""A client that hides nothing: every event, every header, and how the connection ended."""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.fakes.gateway import PLAIN, Gateway

HELLO: Any = [{"role": "user", "content": "Say hello."}]
SECONDS = 30.0


@dataclass
class Told:
    """One reply, streamed or whole."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b""
    events: list[Any] = field(default_factory=list)
    done: bool = False  # a [DONE] was said
    after_done: list[str] = field(default_factory=list)
    torn: bool = False  # the connection ended inside the body

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> dict[str, Any] | None:
        """The error, as a status or in the stream."""
        if self.events:
            found = [event["error"] for event in self.events if event.get("error")]
            return found[0] if found else None
        return self.json.get("error") if self.body else None

    @property
    def chunks(self) -> list[Any]:
        return [event for event in self.events if "choices" in event]

    def deltas(self, index: int = 0) -> list[dict[str, Any]]:
        return [choice["delta"] for choice in self.choices(index)]

    def choices(self, index: int = 0) -> list[dict[str, Any]]:
        return [choice for chunk in self.chunks for choice in chunk["choices"] if choice["index"] == index]

    def said(self, what: str = "content", index: int = 0) -> str:
        return "".join(delta.get(what) or "" for delta in self.deltas(index))

    @property
    def text(self) -> str:
        return self.said() if self.events else str(self.json["choices"][0]["message"]["content"])

    def finishes(self, index: int = 0) -> list[str]:
        return [choice["finish_reason"] for choice in self.choices(index) if choice.get("finish_reason")]

    def calls(self, index: int = 0) -> dict[int, dict[str, str]]:
        """The tool calls, put together as clients do: by their integer index."""
        made: dict[int, dict[str, str]] = {}
        for delta in self.deltas(index):
            for part in delta.get("tool_calls") or ():
                assert type(part["index"]) is int, part
                call = made.setdefault(part["index"], {"id": "", "name": "", "arguments": ""})
                call["id"] += part.get("id") or ""
                call["name"] += part.get("function", {}).get("name") or ""
                call["arguments"] += part.get("function", {}).get("arguments") or ""
        return made


def ask(gateway: Gateway, model: str, *, headers: Mapping[str, str] | None = None, **body: Any) -> Told:
    """Posts a chat completion and reads the answer to its end, whatever that is."""
    body = {"model": model, "messages": HELLO, **body}
    url = f"{gateway.base_url}/chat/completions"
    with (
        httpx.Client(timeout=SECONDS, trust_env=False, verify=PLAIN) as http,
        http.stream("POST", url, json=body, headers={**gateway.headers, **(headers or {})}) as response,
    ):
        told = Told(response.status_code, response.headers)
        try:
            for piece in response.iter_raw():
                told.body += piece
        except (httpx.RemoteProtocolError, httpx.ReadError):
            told.torn = True
    if response.headers.get("content-type", "").startswith("text/event-stream"):
        read_events(told)
    return told


def stream(gateway: Gateway, model: str, **body: Any) -> Told:
    return ask(gateway, model, stream=True, **body)


def read_events(told: Told) -> None:
    """Reads server-sent events by the letter: LF only, `data: ` only, blank line after each."""
    for block in told.body.decode("utf-8").split("\n\n"):
        for line in block.split("\n"):
            if not line or line.startswith(":"):
                continue
            assert line.startswith("data: "), line
            data = line.removeprefix("data: ")
            if told.done:
                told.after_done.append(data)
            elif data == "[DONE]":
                told.done = True
            else:
                told.events.append(json.loads(data))


def raw(gateway: Gateway, sent: bytes, *, finish: bool = False) -> Told:
    """Sends bytes as they are and reads one reply that has a content-length."""
    with socket.create_connection(("127.0.0.1", gateway.port), SECONDS) as sock:
        try:
            sock.sendall(sent)
            if finish:
                sock.shutdown(socket.SHUT_WR)
        except (BrokenPipeError, ConnectionResetError):
            pass  # the server answered before it had read everything
        return read_reply(sock)


def read_reply(sock: socket.socket) -> Told:
    data = b""
    while b"\r\n\r\n" not in data:
        got = sock.recv(65_536)
        assert got, f"no reply, only {data!r}"
        data += got
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines)}
    length = int(headers.get("content-length", "0"))
    while len(body) < length:
        got = sock.recv(65_536)
        assert got, f"short reply: {body!r}"
        body += got
    return Told(int(first.split(" ")[1]), headers, body)
