"""`Idempotency-Key`, as Stripe defines it: the same request again gets the first one's reply, and is not made again.

What is kept is what was begun: an answer, whole or streamed, with its error in band if it broke; also a failure after
which the provider may have done the work. What nobody began (a limit, a bad request, a provider that said no) is not
kept, so that asking again with the same key is a new attempt. Who leaves before the end has not been answered.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from gateway.core.caller import Caller
from gateway.core.errors import BadRequest, Draining, SyntraError, UpstreamBroken, UpstreamSilent
from gateway.core.owner import owner
from gateway.http.intake import Head
from gateway.stores.breaker import Unavailable
from gateway.stores.twins import MOST_KEPT, Held, Kept, Twins

SURFACES: Final = frozenset({"chat", "completions", "responses", "messages", "embeddings"})
DEGRADED: Final = (b"x-syntra-degraded", b"idempotency")
REPLAYED: Final = (b"idempotent-replayed", b"true")
_LONGEST: Final = 255  # characters of a key, as Stripe has it
# What may differ between two tries; who asks, and for whom, is looked at by itself.
_OF_ONE_TRY: Final = {"request_id": "", "bearer": None, "length": None, "user": "", "twin": ""}
_OF_THE_MOMENT: Final = b"x-ratelimit"  # what headers say of a limit is true once


class Again(Exception):
    """The request has been answered before."""

    def __init__(self, kept: Kept) -> None:
        super().__init__()
        self.kept = kept


class Twin:
    """One request that may be asked twice, and its reply while it goes out."""

    def __init__(self, twins: Twins, caller: Caller, head: Head, where: Sequence[str]) -> None:
        """`where` is what the request's line and the headers that one surface alone reads say of it."""
        key = head.twin
        if not key.isascii() or not key.isprintable() or len(key) > _LONGEST:
            words = f"An Idempotency-Key is printable ASCII, at most {_LONGEST} characters."
            raise BadRequest(words, param="Idempotency-Key", code="invalid_header")
        self._twins = twins
        self._organisation = caller.organisation
        self._key = key
        self._who = (caller.key_id, caller.scopes, owner(caller, head.user))
        self._asked = (where, msgspec.structs.replace(head, **_OF_ONE_TRY))
        self._held: Held | None = None
        self._status = 0
        self._headers: list[tuple[bytes, bytes]] = []
        self._blocks: list[bytes] = []
        self._size = 0
        self.degraded = False  # whether nobody could be asked who was first

    async def begin(self, body: bytes) -> None:
        """The request is there: raises Again, Conflict or TwinDiffers where it is not the first with its key."""
        request = msgspec.json.encode((self._who, self._asked)) + _canonical(body)
        try:
            found = await self._twins.begin(self._organisation, self._key, request)
        except Unavailable:
            self.degraded = True
            return
        if isinstance(found, Kept):
            raise Again(found)
        self._held = found

    def start(self, status: int, headers: Sequence[tuple[bytes, bytes]]) -> None:
        """The reply's head goes out."""
        self._status = status
        self._headers = [(bytes(name), value) for name, value in headers if not name.startswith(_OF_THE_MOMENT)]

    def add(self, data: bytes) -> None:
        """A part of the reply goes out."""
        self._size += len(data)
        if self._held is not None and self._size <= MOST_KEPT:
            self._blocks.append(data)

    def end(self, failure: BaseException | None) -> None:
        """The reply is over; what was told of a failure is part of it."""
        if self._held is None:
            return
        begun = self._status == 200 if failure is None else isinstance(failure, UpstreamBroken | UpstreamSilent)
        # A stream that a deploy has cut is asked for again at whoever takes over.
        told_in_band = isinstance(failure, SyntraError) and not isinstance(failure, Draining) and self._status == 200
        if (begun or told_in_band) and self._size <= MOST_KEPT:
            self._twins.keep(self._held, Kept(self._status, self._headers, b"".join(self._blocks)))
        else:
            self._twins.free(self._held)


def _canonical(body: bytes) -> bytes:
    """The same for the same JSON, however it is written; what is none is refused later, and the same as itself."""
    try:
        return msgspec.json.encode(msgspec.json.decode(body), order="sorted")
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return body
