"""The few paths that carry all the load go straight to their handlers; everything else goes through Litestar.

Litestar's routing costs 20 µs a request and a wrapper around every chunk that is sent (docs/adr/0008-the-front.md). Its
routes exist all the same: for the documentation, and for browsers, whose CORS questions are Litestar's to answer.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from typing import TYPE_CHECKING

from litestar.enums import ScopeType

if TYPE_CHECKING:
    from litestar.types import ASGIApp, Receive, Scope, Send


class Front:
    """An ASGI application in front of another."""

    def __init__(self, behind: ASGIApp, direct: Mapping[str, ASGIApp]) -> None:
        self._behind = behind
        self._direct = direct

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """By exact path; whatever else is asked, lifespan too, is for the application behind."""
        if scope["type"] == ScopeType.HTTP and (handler := self._direct.get(scope["path"])) is not None:
            return handler(scope, receive, send)
        return self._behind(scope, receive, send)
