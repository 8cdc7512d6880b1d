"""Somebody who talks over a shared key, is remembered, and looks at what is remembered."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import httpx

from gateway.core.ids import uuid7
from tests.fakes.gateway import Gateway
from tests.fakes.provider import Provider

OPENAI, ANTHROPIC, KIMI = "openai/gpt-4o-mini", "anthropic/claude-sonnet-4-5", "kimi/kimi-k2.5"


class User:
    """Somebody who talks over a shared key."""

    def __init__(self, gateway: Gateway, name: str | None = None) -> None:
        self.gateway = gateway
        self.name = name or f"user-{uuid7()}"
        self.headers = {**gateway.headers, "x-syntra-user": self.name}

    def chat(
        self, *turns: str, model: str = OPENAI, headers: Mapping[str, str] | None = None, **body: Any
    ) -> httpx.Response:
        roles = ("user", "assistant")
        messages = [{"role": roles[k % 2], "content": text} for k, text in enumerate(turns)]
        return self.post("/v1/chat/completions", {"model": model, "messages": messages, **body}, headers)

    def post(self, path: str, body: Any, headers: Mapping[str, str] | None = None) -> httpx.Response:
        """One request, again where a busy machine did not recall in time."""
        sent = {**self.headers, **(headers or {})}
        for _ in range(10):
            reply = httpx.post(f"{self.gateway.origin}{path}", json=body, headers=sent, timeout=30)
            if "memory" not in reply.headers.get("x-syntra-degraded", ""):
                break
            time.sleep(0.2)
        return reply

    def memories(self, path: str = "", method: str = "GET", **options: Any) -> httpx.Response:
        url = f"{self.gateway.origin}/api/memories{path}"
        return httpx.request(method, url, headers=self.headers, timeout=30, **options)

    def texts(self) -> list[str]:
        return [one["text"] for one in self.memories().json()["data"]]

    def knows(self, *texts: str) -> None:
        """Waits until these are kept: that happens after the reply."""
        wait_for(lambda: set(texts) <= set(self.texts()), self.texts)

    def add(self, text: str, **more: Any) -> dict[str, Any]:
        reply = self.memories(method="POST", json={"text": text, **more})
        assert reply.status_code == 201, reply.text
        assert "x-syntra-degraded" not in reply.headers
        return dict(reply.json())


def wait_for(check: Callable[[], bool], seen: Callable[[], object], seconds: float = 10.0) -> None:
    until = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < until, seen()
        time.sleep(0.05)


def said(provider: Provider) -> str:
    """The last user message as the provider got it."""
    content = provider.last.json["messages"][-1]["content"]
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)
