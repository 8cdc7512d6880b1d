"""The composition root: every part is made here once and given what it uses."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from litestar import Litestar, asgi
from litestar.config.cors import CORSConfig
from litestar.datastructures import State
from litestar.types import ASGIApp

from gateway import settings
from gateway.http import docs
from gateway.http.chat import ChatCompletions
from gateway.http.door import Door
from gateway.http.embeddings import Embeddings
from gateway.http.front import Front
from gateway.http.lounge import Lounge
from gateway.http.models import Models
from gateway.http.public import failed, health, live, ready
from gateway.pipeline import Services
from gateway.stages.choose import Choose
from gateway.stages.fallback import Fallback
from gateway.stages.keys import Keys
from gateway.stages.persona import Persona
from gateway.stores import keyfile
from gateway.upstream import prices, providers
from gateway.upstream.answer import Remote
from gateway.upstream.egress import Egress
from gateway.upstream.embed import Embedder
from gateway.upstream.wire import Wire
from policies import documents

_GC = (50_000, 20, 100)  # a stream makes no cycles; with 1,000 of them open, Python's own thresholds cost 2 % of a core


def worker() -> ASGIApp:
    """The application of a worker that Granian has just forked; settings come from the environment."""
    # Until Granian sets its own, a worker has its parent's handler, and would outlive a SIGTERM that comes now.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    chosen = settings.read(os.environ)
    app = create(chosen, os.environ)
    if chosen.frontend_url:  # browsers call: every reply needs what CORS adds
        return app
    return Front(app, app.state.doors)


def create(chosen: settings.Settings, environ: Mapping[str, str]) -> Litestar:
    """The application of one worker; called in the worker's own process."""
    found = providers.configured(environ, chosen.providers)
    persona = documents.persona()
    known = prices.load(list(found))
    patience = chosen.patience
    egress = Egress([provider.base_url for provider in found.values()], private=chosen.allow_private)
    wire = Wire(egress, patience, ca_bundle=chosen.ca_bundle, proxy=chosen.outbound_proxy)
    choose = Choose(documents.models(), found, known)
    fallback = Fallback(providers.Upstream(found, Remote(wire, patience)))
    services = Services(choose, Persona(persona), fallback, known, persona.name)
    lounge = Lounge(chosen.drain_seconds)
    door = Door(Keys(keyfile.read_or_make(chosen.data_path), persona=chosen.persona), lounge)
    waits = {"body_seconds": chosen.body_seconds, "total_seconds": patience.total}
    chat = ChatCompletions(services, **waits)
    embeddings = Embeddings(choose, Embedder(wire, patience, found), **waits)

    doors = {
        "/v1/chat/completions": door.route("POST", chat.serve),
        "/v1/embeddings": door.route("POST", embeddings.serve),
    }

    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        lounge.open()
        gc.collect()
        gc.freeze()  # what the start has made stays; looking through it again and again only costs latency
        gc.set_threshold(*_GC)
        try:
            yield
        finally:
            lounge.close()
            wire.close()

    app = Litestar(
        route_handlers=[
            *(asgi(path, copy_scope=True)(handler) for path, handler in doors.items()),
            asgi("/v1/models", is_mount=True, copy_scope=True)(door.route("GET", Models(choose).serve)),
            health,
            live,
            ready,
            docs.assets(),
        ],
        lifespan=[lifespan],
        state=State({"live": list(found) or [providers.SIMULATED], "lounge": lounge, "doors": doors}),
        exception_handlers={Exception: failed},
        cors_config=_cors(chosen.frontend_url),
        openapi_config=docs.config(),
        logging_config=None,
    )
    docs.describe(app.openapi_schema)
    return app


def _cors(frontend_url: str) -> CORSConfig | None:
    """Browsers of these origins may call and may read our headers; of no others."""
    origins = [origin.strip().rstrip("/") for origin in frontend_url.split(",") if origin.strip()]
    if not origins:
        return None
    exposed = ["x-request-id", "x-syntra-decision", "x-syntra-simulated", "x-syntra-warning", "retry-after"]
    return CORSConfig(allow_origins=origins, expose_headers=exposed, max_age=600)
