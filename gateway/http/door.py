"""The door of every route that needs a key: who is not let in here is not let in anywhere."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Final

from gateway.core.caller import Caller, Role
from gateway.core.errors import Forbidden, WrongMethod
from gateway.core.telling import Telling, as_chat
from gateway.http.intake import Head
from gateway.http.lounge import Lounge
from gateway.http.twin import SURFACES, Twin
from gateway.http.visit import Visit
from gateway.stores.twins import Twins

if TYPE_CHECKING:
    from litestar.types import Receive, Scope, Send

_OF_A_SURFACE: Final = (b"anthropic-version", b"anthropic-beta")


def _check(caller: Caller, surface: str, role: Role, head: Head) -> None:
    """A key has a role, may be for some surfaces only, and a client that names an organisation must mean the key's."""
    if not caller.is_at_least(role):
        raise Forbidden(f"This needs the role {role}; the key has the role {caller.role}.")
    if caller.scopes.endpoints and surface not in caller.scopes.endpoints:
        raise Forbidden(f"This key is not for {surface}; it is for {', '.join(caller.scopes.endpoints)}.")
    if head.organisation and not caller.is_of(head.organisation):
        raise Forbidden("The header x-org-id names another organisation than the key's.", code="wrong_organisation")


def _where(visit: Visit) -> Sequence[str]:
    """What a request says beside its head and its body that changes its answer."""
    return visit.path, visit.query.decode("latin-1"), *(visit.header(name) for name in _OF_A_SURFACE)


Serve = Callable[[Visit, Head, Caller], Awaitable[None]]


class Door:
    """Makes ASGI applications of handlers; each gets a visit whose caller is known."""

    def __init__(
        self,
        identify: Callable[[str | None], Awaitable[Caller]],
        lounge: Lounge,
        ended: Callable[[str, Visit], None],
        twins: Twins,
    ) -> None:
        self._identify = identify
        self._twins = twins
        self._lounge = lounge
        self._ended = ended

    def route(
        self, method: str | None, surface: str, role: Role, serve: Serve, telling: Telling = as_chat
    ) -> Callable[[Scope, Receive, Send], Awaitable[None]]:
        """An ASGI application that serves one method, or every method, to who has at least this role.

        `surface` is what its requests are counted as, and what a key may be kept to; `telling` is the shape that its
        errors have.
        """

        async def enter(visit: Visit, head: Head) -> None:
            if method is not None and visit.method != method:
                raise WrongMethod(f"This URL takes {method}, not {visit.method}.", method)
            caller = await self._identify(head.bearer)
            visit.about.organisation = caller.organisation
            _check(caller, surface, role, head)
            if head.twin and surface in SURFACES and visit.method == "POST":
                visit.twin = Twin(self._twins, caller, head, _where(visit))
            await serve(visit, head, caller)

        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            visit = Visit(scope, receive, send, self._lounge, telling)  # type: ignore[arg-type]  # routes are HTTP
            visit.about.surface = surface
            await visit.run(enter)
            self._ended(surface, visit)

        return application
