"""The gateway from a request's body to its reply's bytes, in this process: its wire hands requests to the fakes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

from gateway.core import chat
from gateway.core.caller import Caller
from gateway.core.closing import Closing
from gateway.core.deadline import Deadline, Patience
from gateway.core.events import encode_chunk
from gateway.core.health import Health
from gateway.core.pace import Lengths, Pace
from gateway.dialects.messages.asked import Words
from gateway.dialects.messages.asked import parse as parse_messages
from gateway.dialects.messages.events import Events
from gateway.dialects.responses import body as responses_bodies
from gateway.dialects.responses.answer import Answer
from gateway.dialects.responses.request import understand
from gateway.pipeline import Services, Wishes, answer
from gateway.records.decision import Decision
from gateway.records.journal import Journal
from gateway.records.ledger import Ledger
from gateway.records.metrics import Metrics
from gateway.records.settle import Settle
from gateway.reply import Reply
from gateway.rules import Rules
from gateway.stages.admission import Admission
from gateway.stages.fallback import Fallback
from gateway.stages.moving import Moving
from gateway.stores.artefacts import ArtefactStore
from gateway.stores.cooldowns import Cooldowns
from gateway.stores.limits import SharedLimits
from gateway.stores.pacer import Pacer
from gateway.stores.postgres import Postgres
from gateway.stores.postgres_place import place
from gateway.stores.thoughts import Thoughts
from gateway.stores.valkey import Valkey
from gateway.upstream import prices
from gateway.upstream.answer import Remote
from gateway.upstream.providers import NAMES, Places, Upstream, configured
from gateway.upstream.wire import Wire
from tests.fakes.provider import Provider
from tests.fakes.server import Request
from tests.fakes.shape import Refused

CALLER = Caller("00000000-0000-7000-8000-000000000001", "local", "key-1")
KEY = b"k" * 32


class Told:
    """A provider's reply, as the wire lends it."""

    def __init__(self, status: int, kind: str, blocks: list[bytes]) -> None:
        self.status = status
        self.headers: Mapping[str, str] = {"content-type": kind}
        self.ended = False
        self._blocks = blocks

    @property
    def complete(self) -> bool:
        return not self._blocks

    async def head(self) -> None:
        """It is there."""

    async def read(self) -> bytes:
        return self._blocks.pop(0) if self._blocks else b""

    async def body(self) -> bytes:
        return b"".join(self._blocks)

    def expect(self, seconds: float) -> None:
        """Nothing here is waited for."""

    def close(self) -> None:
        """Nothing is held."""


class InsideWire:
    """Takes a request to the fake whose address it has; a refusal is kept for the test to read."""

    def __init__(self, fakes: Mapping[str, Provider]) -> None:
        self._fakes = fakes
        self.refused: list[str] = []
        self.requests: list[tuple[str, Request]] = []

    async def send(
        self,
        url: str,
        headers: bytes,
        body: bytes,
        deadline: Deadline,
        *,
        first_event: float,
        sent: Callable[[], None] | None = None,
    ) -> Told:
        name, _, target = url.removeprefix("https://").partition("/")
        fake = self._fakes[name.removesuffix(".test")]
        lines = [line.partition(": ") for line in headers.decode().split("\r\n") if line]
        request = Request("POST", f"/{target}", {key: value for key, _, value in lines}, body)
        if sent is not None:
            sent()
        try:
            fake.check(fake.guard.check(request) if fake.guard is not None else request)
        except Refused as refused:
            self.refused.append(f"{fake.name}: {refused}\n{body.decode()}")
            failure = json.dumps(fake.failure(fake.refused(refused))).encode()
            return Told(refused.status, "application/json", [failure])
        self.requests.append((fake.name, request))
        frames = fake.signed(fake.says, request.json)
        if fake.says.fault is not None:  # whatever it is: here it is a connection that ends
            texts = [k for k, frame in enumerate(frames) if frame.part == "delta"]
            frames = frames[: texts[fake.says.after]]
        return Told(200, "text/event-stream", [frame.data for frame in frames])


def addresses(fakes: Mapping[str, Provider]) -> dict[str, str]:
    """The variables of fakes that are nowhere."""
    env = {}
    for name, fake in fakes.items():
        prefix = {"openai": "/v1", "kimi": "/v1", "openrouter": "/api/v1"}.get(name, "")
        env |= {f"{name.upper()}_API_KEY": fake.key, f"{name.upper()}_BASE_URL": f"https://{name}.test{prefix}"}
    return env


class Inside:
    """One worker, without its doors."""

    debug = False

    def __init__(self, services: Services, wire: InsideWire) -> None:
        self.services = services
        self.wire = wire
        self.told = b""  # of the last answer, also where it broke
        self.decision: Decision | None = None
        self._paths: dict[str, Callable[[Any], Any]] = {
            "/v1/chat/completions": self._chat,
            "/v1/messages": self._messages,
            "/v1/responses": self._responses,
        }

    async def ask(self, path: str, body: Any) -> bytes:
        """The stream that answers a request; raises what a client would be told by a status."""
        told: bytes = await self._paths[path](json.dumps(body).encode())
        return told

    async def _begin(self, request: chat.ChatRequest, surface: str, stack: Closing) -> Reply:
        wishes = Wishes(persona=False, surface=surface, debug=self.debug)
        reply = await answer(self.services, CALLER, request, wishes, Deadline(30), stack)
        self.decision, self.told = reply.decision, b""
        return reply

    async def _chat(self, raw: bytes) -> bytes:
        with Closing() as stack:
            reply = await self._begin(chat.parse(raw), "chat", stack)
            while chunks := await reply.next():
                self.told += b"".join(b"data: %b\n\n" % encode_chunk(chunk) for chunk in chunks)
            return self.told + b"data: [DONE]\n\n"

    async def _messages(self, raw: bytes) -> bytes:
        asked = parse_messages(raw, Words())
        with Closing() as stack:
            reply = await self._begin(asked.request, "messages", stack)
            events = Events(asked, reply.id, "req", len(raw))
            told = b""
            while chunks := await reply.next():
                told += events.chunks(chunks)
            return told + events.end()

    async def _responses(self, raw: bytes) -> bytes:
        thoughts = Thoughts(KEY, CALLER.organisation)
        asked = understand(responses_bodies.parse(raw), thoughts)
        with Closing() as stack:
            reply = await self._begin(asked.request, "responses", stack)
            answer = Answer(asked, "resp_1", reply.issuer, thoughts, stored=False)
            told = answer.begin()
            while chunks := await reply.next():
                told += answer.chunks(chunks)
            return told + answer.end()


@asynccontextmanager
async def inside(
    fakes: Mapping[str, Provider], folder: Path, valkey: Valkey | None = None, policies: Path | None = None
) -> AsyncIterator[Inside]:
    """A worker whose ledger writes to `folder`, whose providers are these, and whose policies are in a folder."""
    health, pace, lengths = Health(), Pace(), Lengths()
    known = prices.load(NAMES)
    rules = Rules(policies, list(fakes), known, health, pace, lengths, reads=False)
    wire = InsideWire(fakes)
    environ = addresses(fakes)
    remote = Remote(cast("Wire", wire), Patience(connect=1, first_event=10, idle=10, total=30))
    upstream = Upstream(Places(environ, configured(environ, "")), remote)
    metrics = Metrics(None, providers=list(fakes), models=[], policies=[], intents=[])
    journal = Journal(folder)
    journal.open(asyncio.get_running_loop())
    postgres = Postgres(place("postgresql://nobody@127.0.0.1:1/nowhere"))
    store = ArtefactStore(valkey, KEY)
    services = Services(
        rules.reader,
        rules.policies,
        Admission(SharedLimits(valkey)),
        Moving(store),
        rules.persona,
        Fallback(
            upstream,
            health,
            pace,
            Cooldowns(health, None),
            Pacer({}, dict, None, workers=1),
            counted=lambda *_: None,
            retried=lambda **_: None,
        ),
        Settle(pace, lengths, Ledger(journal, postgres, refused=lambda _: None), metrics),
        known,
    )
    try:
        yield Inside(services, wire)
    finally:
        await store.close()
        journal.close()
        await rules.tokenizer.close()
