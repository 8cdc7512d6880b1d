"""`GET /metrics`: every worker's counts, for Prometheus.

It needs a key like every other route (`authorization: Bearer …` in the scrape's configuration): which providers a team
uses, how much and how they fail is nobody else's business, and an exception for the loopback address would be one for
everybody as soon as a proxy stands in front.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from gateway.core.caller import Caller
from gateway.core.errors import Forbidden
from gateway.core.precedence import in_thread
from gateway.http.door import Door
from gateway.http.intake import Head
from gateway.http.visit import Visit
from gateway.records.metrics import Metrics

if TYPE_CHECKING:
    from litestar.types import Receive, Scope, Send


class Exposition:
    """The page of counts, in the form that the scraper asks for."""

    def __init__(self, metrics: Metrics, door: Door) -> None:
        self._metrics = metrics
        self._door = door

    async def application(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The route; only it reads the Accept header, so no other request pays for that."""
        accept = b",".join(value for name, value in scope.get("headers", ()) if name == b"accept").decode("latin-1")
        await self._door.route("GET", "metrics", "viewer", partial(self._serve, accept))(scope, receive, send)

    async def _serve(self, accept: str, visit: Visit, head: Head, caller: Caller) -> None:
        if not caller.operator:
            raise Forbidden("The counts are of all organisations together: only the operator's keys read them.")
        self._metrics.flush()
        # In a thread: adding up the files of many workers takes longer than a stream may wait.
        media_type, text = await in_thread(partial(self._metrics.page, accept))
        await visit.whole(200, ((b"content-type", media_type.encode()),), text)
