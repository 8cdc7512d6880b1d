"""Who shares an answer: requests of one circle whose bytes to the provider are the same.

The key is made of what goes out, after every stage has had its say, and of the circle; so nothing that could make a
difference can be forgotten in it, and nobody outside the circle can come to it.
"""

from __future__ import annotations

import asyncio
from functools import partial
from hashlib import blake2b

from msgspec import Struct

from gateway.upstream.dialect import Outbound
from gateway.upstream.flights import Dial, Flight, Passenger, Progress

_DIGEST = 20  # bytes of a key


class Circle(Struct, frozen=True):
    """Those who may share the answer to a request, and how."""

    organisation: str
    scope: str  # within it: a person, or a key that is nobody's
    joins_s: float = 0.0  # seconds for which others may join a call after its start


class Sharing:
    """Lets requests of one circle hear one call."""

    def __init__(self) -> None:
        self._flying: dict[bytes, Flight] = {}

    async def board(self, circle: Circle, outbound: Outbound, dial: Dial, sent: Progress) -> Passenger:
        """The call of this request: one that is under way, or a new one that `dial` makes. Raises as `dial` does."""
        key = digest(circle, outbound)
        flight = self._flying.get(key)
        if flight is None or not flight.joinable:
            until = asyncio.get_running_loop().time() + circle.joins_s
            flight = self._flying[key] = Flight(until, partial(self._gone, key))
            passenger = flight.board(sent)
            flight.start(dial)
        else:
            passenger = flight.board(sent)
        try:
            await passenger.opened()
        except BaseException:
            passenger.close()
            raise
        return passenger

    def _gone(self, key: bytes, flight: Flight) -> None:
        if self._flying.get(key) is flight:
            del self._flying[key]


def digest(circle: Circle, outbound: Outbound) -> bytes:
    """The key: no two requests that differ have the same, since each part is told with its length."""
    whole = blake2b(digest_size=_DIGEST)
    head = [circle.organisation, circle.scope, outbound.url, *(part for header in outbound.headers for part in header)]
    for part in head:
        encoded = part.encode()
        whole.update(b"%d " % len(encoded) + encoded)
    whole.update(outbound.body)
    return whole.digest()
