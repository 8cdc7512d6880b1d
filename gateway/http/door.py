"""The door of every route that needs a key: who is not let in here is not let in anywhere."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, cast

from gateway.core.caller import Caller
from gateway.core.errors import WrongMethod
from gateway.http.intake import Head
from gateway.http.lounge import Lounge
from gateway.http.visit import Visit
from gateway.stages.keys import Keys

if TYPE_CHECKING:
    from litestar.types import HTTPScope, Receive, Scope, Send

Serve = Callable[[Visit, Head, Caller], Awaitable[None]]


class Door:
    """Makes ASGI applications of handlers; each gets a visit whose caller is known."""

    def __init__(self, keys: Keys, lounge: Lounge, counted: Callable[[str, int], None]) -> None:
        self._keys = keys
        self._lounge = lounge
        self._counted = counted

    def route(self, method: str, surface: str, serve: Serve) -> Callable[[Scope, Receive, Send], Awaitable[None]]:
        """An ASGI application that serves one method; `surface` is what its requests are counted as."""

        async def enter(visit: Visit, head: Head) -> None:
            if visit.method != method:
                raise WrongMethod(f"This URL takes {method}, not {visit.method}.", method)
            await serve(visit, head, self._keys.identify(head.bearer))

        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            visit = Visit(cast("HTTPScope", scope), receive, send, self._lounge)
            await visit.run(enter)
            self._counted(surface, visit.status)

        return application
