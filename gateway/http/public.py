"""What needs no key: health, and the errors of routes that do not exist."""

from __future__ import annotations

import logging
import time

from litestar import Request, Response, get
from litestar.datastructures import State
from litestar.exceptions import HTTPException

from gateway import __version__
from gateway.core.artefacts import EVERYBODY
from gateway.core.errors import BadRequest, Internal, SyntraError, UnknownRoute, WrongMethod
from gateway.core.telling import as_chat
from gateway.dialects.messages import errors as messages_errors
from gateway.http.intake import named

log = logging.getLogger("syntra")


@get("/health", sync_to_thread=False, tags=["health"], summary="Whether Syntra is up, and which providers are live")
def health(state: State) -> dict[str, object]:
    """Up, with the names of the live providers (`simulated` while none has a key), the documents and who rests."""
    documents = {"version": state.rules.library.version}
    if state.rules.error:
        documents["error"] = state.rules.error  # the last edit cannot be used, and `version` stays in force
    listed = {model.name for model in state.rules.library.models.model}
    resting = [
        {
            "model": f"{one.provider}/{one.model}",
            "reason": one.reason,
            "state": one.state,
            "seconds": one.seconds,
        }
        for one in state.health.snapshot(time.monotonic())
        # What clients pin is their affair, and an organisation's own key is that of its own.
        if one.credential == EVERYBODY and (one.model == "*" or f"{one.provider}/{one.model}" in listed)
    ]
    status = "draining" if state.lounge.draining else "ok"
    return {
        "status": status,
        "version": __version__,
        "providers": state.live,
        "policies": documents,
        "stores": state.backing.states,
        "cooling": resting,
    }


@get("/health/live", sync_to_thread=False, tags=["health"], summary="Whether the process answers")
def live() -> dict[str, str]:
    """Always ok while the process runs."""
    return {"status": "ok"}


@get("/health/ready", sync_to_thread=False, tags=["health"], summary="Whether requests should be sent here")
def ready(state: State) -> Response[dict[str, str]]:
    """503 while the process drains, and until the database was set up once; not while a store is merely away."""
    if state.lounge.draining:
        return Response({"status": "draining"}, status_code=503)
    if not state.backing.preparation.ready:
        return Response({"status": "starting", "error": state.backing.preparation.error}, status_code=503)
    return Response({"status": "ready"})


def failed(request: Request[object, object, State], error: Exception) -> Response[bytes]:
    """Errors of Litestar itself, such as an unknown URL, in the shape of the surface that was meant."""
    failure = _told(request, error)
    request_id = named(request.scope)
    telling = messages_errors.telling if request.scope["path"].startswith("/v1/messages/") else as_chat
    told = telling(failure, request_id)
    headers = {name.decode(): value.decode() for name, value in (*told.headers, *failure.headers)}
    headers["x-request-id"] = request_id
    return Response(told.body, status_code=told.status, media_type="application/json", headers=headers)


def _told(request: Request[object, object, State], error: Exception) -> SyntraError:
    if not isinstance(error, HTTPException):
        log.error("defect", exc_info=error)
        return Internal("Syntra failed on this request; the log has more.")
    if error.status_code == 405:
        allowed = (error.headers or {}).get("Allow", "GET")
        return WrongMethod(f"This URL takes {allowed}, not {request.method}.", allowed)
    if error.status_code == 404:
        path = request.scope["path"][:200]
        return UnknownRoute(f"Nothing is served at {request.method} {path}. The routes are listed at /docs.")
    if error.status_code < 500:
        return BadRequest(error.detail)
    log.error("defect", exc_info=error)
    return Internal("Syntra failed on this request; the log has more.")
