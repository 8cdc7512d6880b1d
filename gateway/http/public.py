"""What needs no key: health."""

from __future__ import annotations

from litestar import get
from litestar.datastructures import State

from gateway import __version__


@get("/health", sync_to_thread=False, tags=["health"], summary="Whether Syntra is up, and which providers are live")
def health(state: State) -> dict[str, object]:
    """Up, with the names of the live providers; `simulated` while none has a key."""
    return {"status": "ok", "version": __version__, "providers": list(state.live)}


@get("/health/live", sync_to_thread=False, tags=["health"], summary="Whether the process answers")
def live() -> dict[str, str]:
    """Always ok while the process runs."""
    return {"status": "ok"}
