"""How a surface tells its errors. The tree is one; each surface's clients read another shape of it.

Before the reply's head is out, an error is told whole: with its status. After that the surface's own stream tells it in
band, because only the stream knows what it has said so far (an event's number, a block that is still open).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec import Struct

from gateway.core.errors import SyntraError


class Told(Struct, frozen=True):
    """An error as a whole reply of JSON, with headers beside those that the error itself has."""

    status: int
    body: bytes
    headers: Sequence[tuple[bytes, bytes]] = ()


Telling = Callable[[SyntraError, str], Told]  # from an error and the request's id
InBand = Callable[[SyntraError], bytes]  # whole events


def as_chat(error: SyntraError, _: str) -> Told:
    """OpenAI's shape: what every surface has that has none of its own."""
    return Told(error.status, error.body())


def as_chat_in_band(error: SyntraError) -> bytes:
    """OpenAI's shape as the event of a stream; never followed by `[DONE]`."""
    return b"data: %b\n\n" % error.body()
