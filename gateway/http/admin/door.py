"""The way from the front door to the administrative API, which is loaded when the first request for it comes.

What the API is not given it cannot leak or misread: of a request it sees the method, the path, the query and the body,
and who is asking. Headers stay at the door, where the key was looked up and `x-org-id` compared.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, cast

from gateway.core.caller import Caller
from gateway.core.errors import BodyTooLarge, StoreAway, WrongMethod
from gateway.http.admin.parts import Parts
from gateway.http.intake import Head
from gateway.http.visit import JSON, Visit
from gateway.stores.breaker import Unavailable

if TYPE_CHECKING:
    from litestar.types import ASGIApp, Message, Receive, Scope

log = logging.getLogger("syntra")

PATH: Final = "/api/orgs"
FAILURE: Final = "syntra_failure"  # where in its scope the API leaves an error for the visit to tell
_APPLICATION: Final = "gateway.http.admin.application"
_BODIES: Final = ("POST", "PUT", "PATCH")
_METHODS: Final = ("GET", *_BODIES, "DELETE")
_MOST_BYTES: Final = 64 * 1024
_MOST_SECONDS: Final = 30.0  # of one act; a provider may be asked about a key meanwhile


class Administration:
    """Serves `/api/orgs…` for a caller who is known."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._application: ASGIApp | None = None
        self._loading = asyncio.Lock()

    async def serve(self, visit: Visit, head: Head, caller: Caller) -> None:
        """One request of any method; failures are told as everywhere."""
        if visit.method not in _METHODS:
            raise WrongMethod(f"This URL does not take {visit.method}.", ", ".join(_METHODS))
        body = await visit.body(head, self._parts.body_seconds) if visit.method in _BODIES else b""
        if len(body) > _MOST_BYTES:
            raise BodyTooLarge(f"The body is larger than {_MOST_BYTES // 1024} KiB.")
        application = self._application or await self._load()
        if self._parts.postgres.state == "away":
            raise _away()
        scope = _scope(visit, caller)
        reply = _Reply()
        try:
            async with asyncio.timeout(_MOST_SECONDS):
                await application(scope, _once(body), reply.send)
        except TimeoutError:
            raise _away() from None
        failure = cast("dict[str, object]", scope).get(FAILURE)
        if isinstance(failure, Unavailable):
            raise _away() from None
        if isinstance(failure, Exception):
            raise failure
        await visit.whole(reply.status, (JSON,), reply.body)

    async def _load(self) -> ASGIApp:
        """Import the API, in a thread: it takes a third of a second in which streams must go on."""
        async with self._loading:
            if self._application is None:
                module = await asyncio.to_thread(importlib.import_module, _APPLICATION)
                made: Callable[[Parts], ASGIApp] = module.application
                self._application = made(self._parts)
            return self._application


class _Reply:
    """What the API answers, in one piece."""

    def __init__(self) -> None:
        self.status = 0
        self.body = b""

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        elif message["type"] == "http.response.body":
            self.body += message["body"]


def _scope(visit: Visit, caller: Caller) -> Scope:
    path = visit.whole_path
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": visit.method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": visit.query,
        "headers": [(b"content-type", b"application/json")],
        "client": None,
        "server": None,
        "state": {},
        "extensions": {},
        "user": caller,
        "auth": None,
    }
    return cast("Scope", scope)


def _once(body: bytes) -> Receive:
    async def receive() -> Message:
        return cast("Message", {"type": "http.request", "body": body, "more_body": False})

    return cast("Receive", receive)


def _away() -> StoreAway:
    return StoreAway("PostgreSQL does not answer, so nothing can be administered now; please try again.")
