"""A visit's last words."""

from __future__ import annotations

import asyncio
import time

from gateway.core.errors import SyntraError, UpstreamBroken
from gateway.http.intake import Head
from gateway.http.lounge import Lounge
from gateway.http.visit import Visit
from tests.fakes.doors import visit


def test_a_stream_is_not_cut_before_its_error_is_on_the_wire() -> None:
    written: list[float] = []

    async def serve(there: Visit, _: Head) -> None:
        def told(error: SyntraError) -> bytes:
            return error.body()

        await there.start_stream((), told)
        raise UpstreamBroken("It broke off.")

    async def run() -> float:
        await visit(Lounge(1), lambda _: written.append(time.monotonic())).run(serve)
        return time.monotonic()

    over = asyncio.run(run())
    assert len(written) == 2  # the head, and the error
    assert over - written[-1] > 0.09  # what ends the visit cuts the stream, and the server discards what is not out
