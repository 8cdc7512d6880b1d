"""A provider: checks a request as strictly as the real one, then says what the test scripted."""

from __future__ import annotations

import asyncio
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tests.fakes.faults import act
from tests.fakes.script import Failure, Frame, Script, dumps
from tests.fakes.server import Reply, Request, Server
from tests.fakes.shape import Refused

if TYPE_CHECKING:
    from tests.fakes.issuers import Guard


class Provider(Server, ABC):
    """One fake provider. `fake.script(pieces=(…,), fault=…)` sets what it says from now on."""

    name: str

    def __init__(self, key: str | None = None) -> None:
        super().__init__(self._handle)
        self.key = key or f"sk-upstream-{self.name}-5f0e8d1c2b3a49586776859403f2e1d0"
        self.says = Script()
        self.by_model: dict[str, Script] = {}
        self.guard: Guard | None = None  # of its artefacts
        self.refusals: list[Refused] = []
        self.plays: Callable[[Request], Script] | None = None  # what it says depends on what it is asked

    # what a test uses

    def script(self, **words: Any) -> Script:
        """Says this to every request from now on."""
        self.says = Script(**words)
        return self.says

    @contextmanager
    def saying(self, script: Script) -> Iterator[None]:
        before, self.says = self.says, script
        try:
            yield
        finally:
            self.says = before

    def reset(self) -> None:
        self.says = Script()
        self.by_model.clear()
        self.guard = None
        self.plays = None
        self.refusals.clear()
        self.requests.clear()
        self.failures.clear()

    @property
    def last(self) -> Request:
        return self.requests[-1]

    @property
    def accepted(self) -> int:
        """How many requests will be answered as scripted, whatever is scripted from now on."""
        return sum(request.accepted for request in self.requests)

    # what a wire says

    @abstractmethod
    def check(self, request: Request) -> None:
        """Raises Refused for whatever the real provider refuses."""

    @abstractmethod
    def frames(self, script: Script, body: Any) -> list[Frame]:
        """The whole answer as a stream."""

    @abstractmethod
    def whole(self, script: Script, body: Any) -> Any:
        """The whole answer as one JSON document."""

    @abstractmethod
    def failure(self, failure: Failure) -> Any:
        """An error document in this provider's shape."""

    @abstractmethod
    def inband(self) -> bytes:
        """An error inside a stream."""

    @abstractmethod
    def context_length(self) -> Failure:
        """How this provider says that the prompt is too long."""

    @abstractmethod
    def refused(self, refused: Refused) -> Failure:
        """How this provider words a request that it does not accept."""

    def wants_stream(self, request: Request) -> bool:
        return bool(request.json.get("stream"))

    def model_of(self, request: Request) -> str:
        return str(request.json["model"])

    def text_after_the_end(self, body: Any) -> list[Frame]:
        """What a confused server adds after its own end."""
        late = self.frames(Script(pieces=("AFTER THE END",)), body)
        return [frame for frame in late if frame.part in {"delta", "done"}]

    async def other(self, request: Request, reply: Reply) -> bool:
        """Answers routes that are not the chat; true if it did."""
        return False

    def key_error(self) -> Failure:
        return Failure(401, "authentication_error", f"Incorrect API key provided: {self.key}.", "invalid_api_key")

    # how it is said

    async def _handle(self, request: Request, reply: Reply) -> None:
        try:
            if await self.other(request, reply):
                return
            self.check(self.guard.check(request) if self.guard is not None else request)
        except Refused as refused:
            self.refusals.append(refused)
            await self.fail(reply, self.refused(refused))
            return
        except (json.JSONDecodeError, UnicodeDecodeError):
            await self.fail(reply, self.refused(Refused("body", "We could not parse the JSON body of your request.")))
            return
        script = self.plays(request) if self.plays else self.by_model.get(self.model_of(request), self.says)
        request.accepted = True
        if script.fault is not None:
            await act(script.fault, self, script, request, reply)
        elif self.wants_stream(request):
            await reply.head(200, self.stream_headers())
            await self.send(reply, script, self.signed(script, request.json))
            await reply.end()
        else:
            await asyncio.sleep(script.delay)
            await reply.whole(200, dumps(self.whole(script, request.json)), *self.json_headers())

    def signed(self, script: Script, body: Any) -> list[Frame]:
        """The whole answer as a stream, with artefacts of its own where somebody guards them."""
        if self.guard is None:
            return self.frames(script, body)
        said = self.guard.thinks(script, body)
        return self.guard.sign(said, self.frames(said, body), body)

    async def send(self, reply: Reply, script: Script, frames: list[Frame]) -> None:
        """Sends frames the way the script wants them framed and cut."""
        for frame in frames:
            if script.delay:
                await asyncio.sleep(script.delay)
            for _ in range(script.pings):
                await reply.chunk(b": keep-alive\n\n")
            data = dress(frame.data, script)
            for start in range(0, len(data), script.split or len(data)):
                await reply.chunk(data[start : start + (script.split or len(data))])

    async def fail(self, reply: Reply, failure: Failure, *headers: tuple[str, str]) -> None:
        await reply.whole(failure.status, dumps(self.failure(failure)), *self.json_headers(), *headers)

    def stream_headers(self) -> list[tuple[str, str]]:
        return [("content-type", "text/event-stream; charset=utf-8"), ("cache-control", "no-cache")]

    def json_headers(self) -> list[tuple[str, str]]:
        return [("content-type", "application/json"), ("x-request-id", "req_fake_provider_1")]


def dress(data: bytes, script: Script) -> bytes:
    """Rewrites a frame's line ends and spaces; JSON holds no raw newline, so this touches only framing."""
    if script.no_space:
        data = b"\n".join(line.replace(b": ", b":", 1) for line in data.split(b"\n"))
    if script.crlf:
        data = data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    return data
