"""The composition root: every part is made here once and given what it uses."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from litestar import Litestar, asgi
from litestar.config.cors import CORSConfig
from litestar.datastructures import State

from gateway.http.chat import ChatCompletions
from gateway.http.lounge import Lounge
from gateway.http.public import health, live
from gateway.pipeline import Services
from gateway.settings import Settings
from gateway.stages.choose import Choose
from gateway.stages.fallback import Fallback
from gateway.stages.keys import Keys
from gateway.stages.persona import Persona
from gateway.stores import keyfile
from gateway.upstream import prices, providers
from gateway.upstream.answer import Remote
from gateway.upstream.egress import Egress
from gateway.upstream.wire import Wire
from policies import documents


def create(settings: Settings, environ: Mapping[str, str]) -> Litestar:
    """The application of one worker."""
    live_providers = providers.configured(environ, settings.providers)
    persona = documents.persona()
    known = prices.load(list(live_providers))
    egress = Egress([provider.base_url for provider in live_providers.values()], private=settings.allow_private)
    wire = Wire(egress, settings.patience, ca_bundle=settings.ca_bundle, proxy=settings.outbound_proxy)
    upstream = providers.Upstream(live_providers, Remote(wire, settings.patience))
    choose = Choose(documents.models(), live_providers, known)
    services = Services(choose, Persona(persona), Fallback(upstream), known, persona.name)
    keys = Keys(keyfile.read_or_make(settings.data_path), persona=settings.persona)
    lounge = Lounge(settings.drain_seconds)
    chat = ChatCompletions(
        services, keys, lounge, body_seconds=settings.body_seconds, total_seconds=settings.total_seconds
    )

    @asynccontextmanager
    async def lifespan(app: Litestar) -> AsyncIterator[None]:
        lounge.open()
        try:
            yield
        finally:
            lounge.close()
            wire.close()

    origins = [origin.strip() for origin in settings.frontend_url.split(",") if origin.strip()]
    return Litestar(
        route_handlers=[asgi("/v1/chat/completions")(chat.__call__), health, live],
        lifespan=[lifespan],
        state=State({"live": list(live_providers) or [providers.SIMULATED]}),
        cors_config=CORSConfig(allow_origins=origins) if origins else None,
        openapi_config=None,
        logging_config=None,
    )
