"""A visit's last words."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from gateway.core.errors import SyntraError, UpstreamBroken
from gateway.http.intake import Head
from gateway.http.lounge import Lounge
from gateway.http.visit import Visit

SCOPE = {"type": "http", "method": "POST", "path": "/v1/chat/completions", "query_string": b"", "headers": []}


def test_a_stream_is_not_cut_before_its_error_is_on_the_wire() -> None:
    written: list[float] = []

    async def receive() -> Any:
        await asyncio.sleep(60)

    async def send(_: Any) -> None:
        written.append(time.monotonic())

    async def serve(visit: Visit, _: Head) -> None:
        def told(error: SyntraError) -> bytes:
            return error.body()

        await visit.start_stream((), told)
        raise UpstreamBroken("It broke off.")

    async def run() -> float:
        await Visit(SCOPE, receive, send, Lounge(1)).run(serve)  # type: ignore[arg-type]
        return time.monotonic()

    over = asyncio.run(run())
    assert len(written) == 2  # the head, and the error
    assert over - written[-1] > 0.09  # what ends the visit cuts the stream, and the server discards what is not out
