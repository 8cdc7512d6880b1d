"""Providers that act out a word or two, and a fallback over them."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest

from gateway.core.chat import ChatRequest, parse
from gateway.core.closing import Closing
from gateway.core.deadline import Deadline, Patience
from gateway.core.errors import SyntraError
from gateway.core.health import Health
from gateway.core.pace import Pace
from gateway.core.secret import Secret
from gateway.stages.fallback import Begun, Fallback, Tried
from gateway.stores.cooldowns import Cooldowns
from gateway.stores.pacer import Pacer
from gateway.upstream.answer import Remote
from gateway.upstream.dialect import Provider
from gateway.upstream.egress import Egress
from gateway.upstream.openai_wire import OpenAIWire
from gateway.upstream.providers import Candidate, Places, Upstream
from gateway.upstream.share import Circle
from gateway.upstream.wire import Wire
from tests.fakes.server import Reply, Request, Server

EVENTS = [("content-type", "text/event-stream")]
PATIENCE = Patience(connect=1, first_event=0.4, idle=0.4, total=3)


def event(**choice: Any) -> bytes:
    return b"data: " + json.dumps({"id": "c", "choices": [{"index": 0, **choice}]}).encode() + b"\n\n"


GOOD = [event(delta={"role": "assistant", "content": "Hi"}), event(delta={}, finish_reason="stop"), b"data: [DONE]\n\n"]


WORDS = {
    "context": "maximum context length is 8000 tokens, you requested 9000 tokens",
    "content": "Output blocked by content filtering policy",
}


async def act(script: str, reply: Reply) -> None:
    """What a provider does: a status with a wait ("429 7"), or one of a few words."""
    status, _, wait = script.partition(" ")
    if status.isdigit():
        headers = [("retry-after", wait)] if wait.isdigit() else []
        body = {"error": {"message": WORDS.get(wait, "x")}}
        await reply.whole(int(status), json.dumps(body).encode(), *headers, ("content-type", "application/json"))
        return
    if script == "html":
        await reply.whole(200, b"<html>", ("content-type", "text/html"))
        return
    if script == "silent":
        await reply.silence()
    if script == "late":
        await asyncio.sleep(0.3)
        script = "good"
    if script == "moderated":
        told = {"error": {"message": "flagged", "code": 403, "metadata": {"reasons": ["violence"]}}}
        await reply.whole(403, json.dumps(told).encode(), ("content-type", "application/json"))
        return
    if script == "reset":
        await reply.reset()
        return
    await reply.head(200, EVENTS)
    if script == "comments then silent":
        await reply.chunk(b": ping\n\n")
        await reply.silence()
    if script == "error":
        await reply.chunk(b'data: {"error": {"message": "x", "code": 500}}\n\n')
    if script == "busy error":
        await reply.chunk(b'data: {"error": {"message": "x", "code": 429}}\n\n')
    if script == "filtered":
        await reply.chunk(event(delta={"role": "assistant"}, finish_reason="content_filter"))
        await reply.chunk(b"data: [DONE]\n\n")
    if script == "half":
        await reply.chunk(GOOD[0])
    if script == "garbage":
        await reply.chunk(b"data: {half\n\n")
    if script == "good":
        for block in GOOD:
            await reply.chunk(block)
    if script != "cut":
        await reply.end()
    else:
        await reply.cut()


class Scene:
    """Providers a, b, c… that act out their scripts, and a fallback over them."""

    def __init__(self, stack: ExitStack, scripts: tuple[str, ...]) -> None:
        self.servers = [stack.enter_context(Server(self._handler(script))) for script in scripts]
        self._refusing = ExitStack()
        for server, script in zip(self.servers, scripts, strict=True):
            if script == "refused":
                stack.enter_context(server.refusing())
        names = "abcdef"[: len(scripts)]
        self.providers = {
            name: Provider(name, f"{server.origin}/v1", Secret("k"), OpenAIWire())
            for name, server in zip(names, self.servers, strict=True)
        }
        self.candidates = [Candidate(name, "m") for name in names]
        self.health = Health()
        self.tried: list[Tried] = []
        self.counted: list[tuple[str, str]] = []
        self.retries: list[bool] = []
        self.pace = Pace()
        self.pacer = Pacer({}, dict, None, workers=1)
        self.moves: tuple[str, ...] = ()
        self.spent = False  # the budget for retries
        self.circle: Circle | None = None

    @staticmethod
    def _handler(script: str) -> Callable[[Request, Reply], Any]:
        async def handler(request: Request, reply: Reply) -> None:
            await act(script, reply)

        return handler

    async def begin(self, stack: Closing, *, seconds: float = 3) -> Begun:
        wire = Wire(Egress([provider.base_url for provider in self.providers.values()], private=True), PATIENCE)
        stack.callback(wire.close)
        upstream = Upstream(Places({}, self.providers), Remote(wire, PATIENCE))
        fallback = Fallback(
            upstream,
            self.health,
            self.pace,
            Cooldowns(self.health, None),
            self.pacer,
            counted=self.count,
            retried=self.retry,
        )
        if self.spent:
            while fallback._retries.take(time.monotonic()):
                pass
        request, deadline = asked(), Deadline(seconds)
        return await fallback.begin(
            self.candidates,
            {},
            request,
            deadline,
            stack,
            tried=self.tried.append,
            circle=self.circle,
            moves=self.moves,
        )

    def retry(self, *, made: bool) -> None:
        self.retries.append(made)

    def count(self, provider: str, reason: str) -> None:
        self.counted.append((provider, reason))

    def asked(self) -> tuple[int, ...]:
        return tuple(len(server.requests) for server in self.servers)


def asked() -> ChatRequest:
    return parse(b'{"model":"m","messages":[{"role":"user","content":"x"}],"stream":true}')


def failure(scene: Scene, **how: Any) -> SyntraError:
    async def run() -> None:
        with Closing() as stack:
            await scene.begin(stack, **how)

    with pytest.raises(SyntraError) as caught:
        asyncio.run(run())
    return caught.value
