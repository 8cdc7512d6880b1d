"""What a door needs where no store is there, and a visit where no server is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from gateway.http.lounge import Lounge
from gateway.http.visit import Visit
from gateway.stores.twins import Twins

NO_TWINS = Twins(None, bytes(32))


def visit(lounge: Lounge, heard: Callable[[Any], None]) -> Visit:
    """A client's visit that stays, and has sent no body; what it is sent is `heard`."""

    async def receive() -> Any:
        await asyncio.sleep(60)

    async def send(message: Any) -> None:
        heard(message)

    scope = {"type": "http", "method": "POST", "path": "/v1/chat/completions", "query_string": b"", "headers": []}
    return Visit(scope, receive, send, lounge)  # type: ignore[arg-type]
