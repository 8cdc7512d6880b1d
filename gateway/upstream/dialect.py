"""What a provider's wire must offer: a request out, chunks in, and its failures in our terms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from msgspec import Struct

from gateway.core import artefacts
from gateway.core.chat import ChatRequest
from gateway.core.errors import SyntraError
from gateway.core.events import Chunk
from gateway.core.secret import Secret


class Provider(Struct, frozen=True):
    """A provider that can be called: whose it is, where it is, and with which key."""

    name: str
    base_url: str  # what the provider's own SDK means by it: OpenAI's ends in /v1, Anthropic's and Gemini's are origins
    key: Secret
    dialect: Dialect
    credential: str = artefacts.EVERYBODY  # the id of the key

    @property
    def issuer(self) -> str:
        """Whose its thoughts are: what it has sealed under one key it does not open under another."""
        return artefacts.issuer(self.name, self.credential)


class Outbound(Struct, frozen=True):
    """A request as it leaves us; `dropped` names the client's fields that this wire cannot carry."""

    url: str
    headers: Sequence[tuple[str, str]]
    body: bytes
    dropped: tuple[str, ...] = ()


class Decoder(Protocol):
    """One answer while its bytes come in."""

    ended: bool  # the terminal event was seen: nothing may follow, and nothing is missing
    frame_limit: int  # bytes of one event; above any real one

    def frame(self, data: bytes) -> Sequence[Chunk]:
        """The chunks in one server-sent event's data; raises UpstreamError for an in-band error or garbage."""

    def whole(self, body: bytes) -> Sequence[Chunk]:
        """The chunks in a whole answer that was not streamed; the deltas are whole messages."""

    def finish(self) -> Sequence[Chunk]:
        """What is due when the body has ended, such as the usage; called after the terminal event or at the end."""


class Dialect(Protocol):
    """A wire: how a request is written on it and how its answers are read."""

    @property
    def native(self) -> str:
        """The clients' dialect that it speaks beside chat completions; empty for most."""

    def encode(self, provider: Provider, model: str, request: ChatRequest) -> Outbound:
        """The request as this provider wants it; raises BadRequest where it cannot be said on this wire."""

    def decoder(self, model: str, request: ChatRequest) -> Decoder:
        """A reader for one answer to `request`."""

    def fault(self, provider: Provider, status: int, headers: Mapping[str, str], body: bytes) -> SyntraError:
        """The error that a reply with this status (not 200) means; headers have lower-case names."""
