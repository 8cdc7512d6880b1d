"""One small document from a host that may be dialled: whole, bounded, and from nowhere else."""

from __future__ import annotations

from typing import Final

from gateway.core.deadline import Deadline
from gateway.core.errors import UpstreamBroken, UpstreamFailed
from gateway.upstream.wire import Wire

SECONDS: Final = 5.0  # for all of it


async def download(wire: Wire, url: str, most: int) -> bytes:
    """The body at `url`, of `most` bytes at most. Raises UpstreamError; a redirect is a failure, as the wire has it."""
    deadline = Deadline(SECONDS)
    exchange = await wire.get(url, deadline, first_event=SECONDS)
    try:
        if exchange.status != 200:
            raise UpstreamFailed(f"The answer to a request for a document was {exchange.status}.")
        if exchange.headers.get("content-encoding", "identity") != "identity":
            raise UpstreamBroken("A document came in an encoding that was not asked for.")
        exchange.expect(SECONDS)  # bounded by the deadline: the head took its part of it
        body = b""
        while block := await exchange.read():
            body += block
            if len(body) > most:
                raise UpstreamBroken(f"A document is larger than {most} bytes.")
        return body
    finally:
        exchange.close()
