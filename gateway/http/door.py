"""The door of every route that needs a key: who is not let in here is not let in anywhere."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, cast

from gateway.core.caller import Caller
from gateway.core.errors import Forbidden, WrongMethod
from gateway.http.intake import Head
from gateway.http.lounge import Lounge
from gateway.http.visit import Visit
from gateway.stages.keys import Keys

if TYPE_CHECKING:
    from litestar.types import HTTPScope, Receive, Scope, Send


def _check(caller: Caller, surface: str, head: Head) -> None:
    """A key may be for some surfaces only, and a client that names its organisation must mean the key's."""
    if caller.scopes.endpoints and surface not in caller.scopes.endpoints:
        raise Forbidden(f"This key is not for {surface}; it is for {', '.join(caller.scopes.endpoints)}.")
    if head.organisation and head.organisation not in (caller.organisation, caller.name):
        raise Forbidden("The header x-org-id names another organisation than the key's.", code="wrong_organisation")


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
            caller = await self._keys.identify(head.bearer)
            _check(caller, surface, head)
            await serve(visit, head, caller)

        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            visit = Visit(cast("HTTPScope", scope), receive, send, self._lounge)
            await visit.run(enter)
            self._counted(surface, visit.status)

        return application
