"""An embeddings request, read as far as Syntra must, and carried for the rest."""

from __future__ import annotations

import base64
import struct
from collections.abc import Sequence
from typing import Literal

import msgspec
from msgspec import Raw, Struct

from gateway.core import privacy
from gateway.core.chat import check_text, decode, refuse_forbidden
from gateway.core.errors import BadRequest
from gateway.core.tokens import estimate


class EmbeddingsBody(Struct):
    """The fields that Syntra reads. `input` is a text, texts, tokens, or lists of tokens."""

    model: str
    input: str | list[str | int | list[int]]
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: int | None = None
    user: str | None = None


class EmbeddingsRequest(Struct, frozen=True):
    """A request that was understood, with every field as it came."""

    body: EmbeddingsBody
    fields: dict[str, Raw]

    @property
    def tokens(self) -> int:
        """How many there are to embed: counted where the client has made tokens, else estimated."""
        given = self.body.input
        if isinstance(given, str):
            return estimate(len(given))
        characters = sum(len(item) for item in given if isinstance(item, str))
        made = sum(1 if isinstance(item, int) else len(item) for item in given if not isinstance(item, str))
        return estimate(characters) + made


_fields = msgspec.json.Decoder(dict[str, Raw])
_body = msgspec.json.Decoder(EmbeddingsBody)


def parse(raw: bytes) -> EmbeddingsRequest:
    """Bytes to a request; raises BadRequest with the path of what is wrong."""
    check_text(raw)
    fields = decode(_fields, raw)
    refuse_forbidden(fields)
    privacy.drop(fields, privacy.UNSENT)
    body = decode(_body, raw)
    if not body.input:
        raise BadRequest("'input' must not be empty.", param="input", code="invalid_value")
    return EmbeddingsRequest(body, fields)


def pack(vector: Sequence[float]) -> str:
    """32-bit floats, little endian, in base64: what OpenAI's clients ask for by default."""
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


def unpack(packed: str) -> Sequence[float]:
    """What `pack` has made; raises ValueError for anything else."""
    held = base64.b64decode(packed, validate=True)
    if len(held) % 4:
        raise ValueError("no 32-bit floats")
    return struct.unpack(f"<{len(held) // 4}f", held)
