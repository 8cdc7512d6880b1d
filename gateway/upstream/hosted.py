"""Passes to a provider what it alone can do (images, sounds, moderation, ranking), and counts what that has used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
from msgspec import Struct

from gateway.core.caller import Credential
from gateway.core.deadline import Deadline, Patience
from gateway.core.errors import BadRequest, UpstreamBroken, UpstreamError
from gateway.core.forms import FormBody, PassedBody
from gateway.core.tariff import Consumed
from gateway.core.tokens import estimate
from gateway.upstream.answer import Entry, Sent, post, refuse_failure
from gateway.upstream.dialect import Outbound
from gateway.upstream.openai_wire import OpenAIWire
from gateway.upstream.providers import Candidate, Places
from gateway.upstream.sse import Frames
from gateway.upstream.wire import Exchange, Wire

EVENTS: Final = "text/event-stream"
_SECOND: Final = 16_000  # bytes of sound, at 128 kbit/s
_CHARACTERS: Final = 15.0  # that are spoken in a second
_FRAME: Final = 32 * 1024 * 1024  # bytes of an event: an image is one


class Service(Struct, frozen=True):
    """One kind of work that is passed through."""

    path: str  # behind a provider's base URL, and behind /v1 here
    surface: str  # what it is counted as
    kind: str  # who does it for `syntra` stands under this name in the catalogue


SERVICES: Final = (
    Service("/images/generations", "images", "images"),
    Service("/images/edits", "images", "images"),
    Service("/images/variations", "images", "images"),
    Service("/audio/speech", "audio", "speech"),
    Service("/audio/transcriptions", "audio", "transcription"),
    Service("/audio/translations", "audio", "transcription"),
    Service("/moderations", "moderations", "moderation"),
    Service("/rerank", "rerank", "rerank"),
)


class _Details(Struct):
    image_tokens: int = 0
    audio_tokens: int = 0


class _Usage(Struct):
    """The names under which providers tell it."""

    input_tokens: int = 0
    prompt_tokens: int = 0
    output_tokens: int = 0
    completion_tokens: int = 0
    total_tokens: int = 0
    seconds: float = 0.0
    input_tokens_details: _Details | None = None
    input_token_details: _Details | None = None


class _Reply(Struct):
    """What is read of a reply or of an event; it passes as it came."""

    type: str = ""
    usage: _Usage | None = None
    data: list[msgspec.Raw] | None = None
    duration: float | None = None


_reply = msgspec.json.Decoder(_Reply, strict=False)


class Passing:
    """A reply on its way through; whoever has it closes it."""

    def __init__(self, exchange: Exchange, service: Service, consumed: Consumed, *, idle: float) -> None:
        self.headers = exchange.headers
        self.media_type = exchange.headers.get("content-type", "application/octet-stream")
        self.streams = self.media_type.partition(";")[0].strip().lower() == EVENTS
        self.close = exchange.close
        self.estimated = True
        self.consumed = consumed  # as it is thought, until it is told
        self._exchange = exchange
        self._images = service.kind == "images"
        self._frames = Frames(_FRAME)
        self._idle = idle
        self._ended = False

    async def whole(self) -> bytes:
        """The whole body."""
        body = await self._exchange.body()
        if self.media_type.partition(";")[0].strip().lower() == "application/json":
            self._count(body)
        return body

    async def read(self) -> bytes:
        """Some events as they came; empty at the end. Raises UpstreamBroken where that is not their own."""
        block = await self._exchange.read()
        for data in self._frames.feed(block):
            self._count(data)
        if not block and not self._ended:
            raise UpstreamBroken("The provider's stream ended before its last event.")
        self._exchange.expect(self._idle)
        return block

    def _count(self, data: bytes) -> None:
        try:
            reply = _reply.decode(data)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            self._ended = self._ended or data == b"[DONE]"
            return
        self._ended = self._ended or reply.type.endswith((".completed", ".done"))
        images = len(reply.data or ()) if self._images else 0
        if reply.usage is not None:
            self.consumed, self.estimated = _told(reply.usage, images), False
        elif reply.duration or images:
            self.consumed, self.estimated = Consumed(images=images, seconds=reply.duration or 0.0), False


class Host:
    """Asks a candidate to do what is passed through."""

    def __init__(self, wire: Wire, patience: Patience, places: Places) -> None:
        self._wire = wire
        self._patience = patience
        self._places = places

    async def ask(
        self,
        service: Service,
        candidate: Candidate,
        credentials: Mapping[str, Credential],
        body: PassedBody,
        thought: Consumed,
        deadline: Deadline,
        sent: Sent,
        entry: Entry,
    ) -> Passing:
        """The reply, whose head is there, to a call that is thought to use so much and waits at the `entry`.

        Raises BadRequest where the provider's wire has no such thing.
        """
        provider = self._places.with_key(candidate, credentials)
        if not isinstance(provider.dialect, OpenAIWire):
            raise BadRequest(
                f"{provider.name} offers no {service.surface} here.", param="model", code="unsupported_model"
            )
        headers = [(name, value) for name, value in OpenAIWire.headers(provider) if name != "content-type"]
        outbound = Outbound(
            f"{provider.base_url}{service.path}",
            [*headers, ("content-type", body.media_type)],
            body.renamed(candidate.model),
        )
        try:
            exchange = await post(self._wire, outbound, deadline, self._patience.total, sent, entry)
            try:
                await refuse_failure(exchange, provider)
            except BaseException:
                exchange.close()
                raise
        except UpstreamError as error:
            error.provider = provider.name
            raise
        return Passing(exchange, service, thought, idle=self._patience.idle)


def expected(service: Service, body: PassedBody) -> Consumed:
    """What a call is thought to use, until its provider has told."""
    if service.kind == "images":
        number = body.text("n")
        return Consumed(input=estimate(len(body.text("prompt"))), images=int(number) if number.isdecimal() else 1)
    if service.kind == "speech":
        characters = len(body.text("input"))
        return Consumed(characters=characters, seconds=characters / _CHARACTERS)
    if service.kind == "transcription":
        return Consumed(seconds=body.file_bytes / _SECOND if isinstance(body, FormBody) else 0.0)
    read: Sequence[str] = [body.text(name) for name in ("input", "query", "documents")]
    return Consumed(input=estimate(sum(map(len, read))), queries=int(service.kind == "rerank"))


def _told(usage: _Usage, images: int) -> Consumed:
    details = usage.input_tokens_details or usage.input_token_details or _Details()
    read = usage.input_tokens or usage.prompt_tokens
    said = usage.output_tokens or usage.completion_tokens
    return Consumed(
        input=read or max(0, usage.total_tokens - said),
        output=said,
        input_media=details.image_tokens + details.audio_tokens,
        images=images,
        seconds=usage.seconds,
    )
