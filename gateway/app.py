"""The composition root: every part is made here once and given what it uses."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from litestar import Litestar, asgi
from litestar.config.cors import CORSConfig
from litestar.datastructures import State
from litestar.plugins import PluginProtocol
from litestar.plugins.core import MsgspecDIPlugin
from litestar.types import ASGIApp

from gateway import settings
from gateway.backing import Backing
from gateway.books import Books
from gateway.core import heap, precedence
from gateway.core.health import Health
from gateway.core.pace import Lengths, Pace
from gateway.core.rolling import Rolling
from gateway.dialects.messages import errors as messages_errors
from gateway.dialects.responses import failures as responses_failures
from gateway.http import docs
from gateway.http.admin.door import PATH as ORGANISATIONS
from gateway.http.admin.door import Administration
from gateway.http.admin.parts import Parts
from gateway.http.admin.sessions import PATH as SESSIONS
from gateway.http.admin.sessions import SignIn
from gateway.http.chat import ChatCompletions
from gateway.http.completions import Completions
from gateway.http.decisions import PATH as DECISIONS
from gateway.http.decisions import DecisionLookup
from gateway.http.door import Door
from gateway.http.embeddings import Embeddings
from gateway.http.front import Front
from gateway.http.hosted import Hosted
from gateway.http.lounge import Lounge
from gateway.http.memories import PATH as MEMORIES
from gateway.http.memories import MemoriesDesk
from gateway.http.messages import COUNT_PATH, AnthropicModels, Messages, by_version
from gateway.http.messages import PATH as MESSAGES
from gateway.http.metrics import Exposition
from gateway.http.models import Models
from gateway.http.public import failed, ready
from gateway.http.public import health as told_health
from gateway.http.public import live as told_live
from gateway.http.repeats import Repeats
from gateway.http.responses import PATH as RESPONSES
from gateway.http.responses import ResponsesSurface
from gateway.http.route import Routes
from gateway.http.single import Terms
from gateway.http.threads.surface import PATH as THREADS
from gateway.http.threads.surface import Threads
from gateway.http.visit import Visit
from gateway.leaning import Leaning
from gateway.outside import Outside
from gateway.pipeline import Services
from gateway.records import log
from gateway.records.metrics import Metrics, Watched
from gateway.rules import Rules
from gateway.stages.fallback import Fallback
from gateway.stages.memory import Counts
from gateway.stages.moving import Moving
from gateway.stores.cooldowns import Cooldowns
from gateway.stores.responses import Responses
from gateway.stores.streams import Streams
from gateway.stores.turns import Turns
from gateway.upstream import providers
from gateway.upstream.hosted import SERVICES
from gateway.upstream.verify import Verify


class Application(Litestar):
    """Litestar without pydantic, which it would load where it finds it: 0.2 s and 11 MB for what no route here uses."""

    @staticmethod
    def _get_default_plugins(plugins: list[PluginProtocol]) -> list[PluginProtocol]:
        return [*plugins, MsgspecDIPlugin()]


def worker() -> ASGIApp:
    """The application of a worker that Granian has just forked; settings come from the environment."""
    chosen = settings.read(os.environ)
    log.configure(log.kind_of(chosen.log, sys.stderr), chosen.log_level)
    app = create(chosen, os.environ)
    if chosen.frontend_url:  # browsers call: every reply needs what CORS adds
        return app
    return Front(app, app.state.doors)


def create(chosen: settings.Settings, environ: Mapping[str, str]) -> Litestar:
    """The application of one worker; called in the worker's own process."""
    outside = Outside(chosen, environ)
    health, pace, lengths, rolling = Health(), Pace(), Lengths(), Rolling.of(environ)
    live = list(outside.live)
    rules = Rules(
        chosen.policies_path,
        live,
        outside.prices,
        health,
        pace,
        lengths,
        reads=chosen.reads_prompts,
        rewrites=chosen.rewrites != "off",
        rolling=rolling,
    )
    metrics = Metrics(
        Path(environ[settings.COUNTS]) if settings.COUNTS in environ else None,
        providers=[*live, providers.SIMULATED],
        models=[model.name for model in rules.library.models.model],
        policies=list(rules.library.routing),
        intents=list(rules.library.intents.intent),
    )
    backing = Backing(
        chosen,
        environ.get(settings.VECTORS, ""),
        outside,
        metrics.limited,
        rules.tempos,
        Counts(metrics.recalled, metrics.remembered, metrics.not_remembered),
    )
    books = Books(chosen.data_path, backing.postgres, metrics, pace, lengths)
    backing.remembering.bill(books.settle)
    cooldowns, turns = Cooldowns(health, backing.valkey), Turns(backing.valkey, rules.reader.answered)
    services = Services(
        rules.reader,
        rules.policies,
        backing.admission,
        Moving(backing.artefacts),
        rules.persona,
        Fallback(
            outside.upstream, health, pace, cooldowns, backing.pacer, counted=metrics.cooldown, retried=metrics.retried
        ),
        books.settle,
        outside.prices,
        backing.remembering.recollection if chosen.memory else None,
        Leaning() if chosen.rewrites == "on" and live else None,
        turns,
    )
    metrics.watch(Watched(lambda: lounge.size, lambda: backing.states, lambda: books.ledger.waiting))
    lines = log.Requests(log.kind_of(chosen.log, sys.stderr))
    ended = partial(_ended, metrics, lines)
    lounge = Lounge(chosen.drain_seconds, backing.elsewhere.told, rolling)
    door = Door(backing.keys.identify, lounge, ended, backing.twins)
    waits = {"body_seconds": chosen.body_seconds, "total_seconds": chosen.total_seconds}
    sign_in = SignIn(backing.people.get, lounge, ended, body_seconds=chosen.body_seconds)
    responses = ResponsesSurface(services, Responses(backing.postgres), backing.pepper.thoughts, **waits)
    messages = Messages(services, outside.counter, **waits)
    threads = Threads(services, backing.postgres, Streams(backing.valkey), **waits)
    doors = {
        "/v1/chat/completions": door.route(
            "POST", "chat", "member", ChatCompletions(services, Repeats(services, backing.answers), **waits).serve
        ),
        "/v1/completions": door.route("POST", "completions", "member", Completions(services, **waits).serve),
        RESPONSES: door.route(None, "responses", "member", responses.serve, responses_failures.whole),
        MESSAGES: door.route("POST", "messages", "member", messages.serve, messages_errors.telling),
        COUNT_PATH: door.route("POST", "messages", "member", messages.count, messages_errors.telling),
        THREADS: door.route(None, "threads", "member", threads.serve),
        **dict(_single(door, rules, outside, backing, books, waits)),
    }

    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        lounge.open()
        await backing.open()
        books.open()
        await cooldowns.start()
        await turns.start()
        lounge.serves()
        loop = asyncio.get_running_loop()
        background = [
            loop.create_task(rules.follow(lambda taken: metrics.reloaded(taken=taken))),
            loop.create_task(metrics.follow()),
            loop.create_task(lines.follow()),
            loop.create_task(precedence.follow()),
            loop.create_task(heap.follow()),
        ]
        heap.settle()
        try:
            yield
        finally:
            await lounge.gone()
            for task in background:
                task.cancel()
            metrics.flush()
            lines.flush()
            lounge.close()
            await threads.runs.close()
            outside.close()
            await rules.tokenizer.close()
            await cooldowns.close()
            await turns.close()
            await books.close()
            await backing.close()

    app = Application(
        route_handlers=[
            *(
                asgi(path, is_mount=path in (RESPONSES, THREADS), copy_scope=True)(handler)
                for path, handler in doors.items()
            ),
            asgi("/v1/models", is_mount=True, copy_scope=True)(
                by_version(
                    door.route(
                        "GET", "models", "viewer", AnthropicModels(rules.policies).serve, messages_errors.telling
                    ),
                    door.route("GET", "models", "viewer", Models(rules.policies).serve),
                )
            ),
            asgi("/api/route", copy_scope=True)(
                door.route("POST", "route", "viewer", Routes(rules, body_seconds=chosen.body_seconds).serve)
            ),
            asgi(DECISIONS, is_mount=True, copy_scope=True)(
                door.route("GET", "decisions", "viewer", DecisionLookup(books.decisions).serve)
            ),
            asgi(ORGANISATIONS, is_mount=True, copy_scope=True)(
                door.route(None, "admin", "viewer", Administration(_office(rules, outside, backing)).serve)
            ),
            asgi(SESSIONS, copy_scope=True)(sign_in.application),
            asgi(MEMORIES, is_mount=True, copy_scope=True)(
                door.route(
                    None,
                    "memories",
                    "member",
                    MemoriesDesk(backing.remembering.shelf, body_seconds=chosen.body_seconds).serve,
                )
            ),
            asgi("/metrics", copy_scope=True)(Exposition(metrics, door).application),
            told_health,
            told_live,
            ready,
            docs.assets(),
        ],
        lifespan=[lifespan],
        state=State(
            {
                "live": live or [providers.SIMULATED],
                "lounge": lounge,
                "doors": doors,
                "rules": rules,
                "health": health,
                "backing": backing,
            }
        ),
        exception_handlers={Exception: failed},
        cors_config=_cors(chosen.frontend_url),
        openapi_config=docs.config(),
        logging_config=None,
    )
    docs.describe(app.openapi_schema)
    return app


def _single(
    door: Door, rules: Rules, outside: Outside, backing: Backing, books: Books, waits: Mapping[str, float]
) -> Iterator[tuple[str, ASGIApp]]:
    """The doors of what is no chat."""
    terms = Terms(backing.admission, backing.pacer, books.settle, outside.prices)
    embeddings = Embeddings(rules.policies, terms, outside.embedder, **waits)
    yield "/v1/embeddings", door.route("POST", "embeddings", "member", embeddings.serve)
    hosted = Hosted(rules.policies, terms, outside.host, **waits)
    for one in SERVICES:
        yield f"/v1{one.path}", door.route("POST", one.surface, "member", partial(hosted.serve, one))


def _ended(metrics: Metrics, lines: log.Requests, surface: str, visit: Visit) -> None:
    """A request is over: it is counted, and has its line in the log."""
    metrics.request(surface, visit.status)
    if visit.failed:
        metrics.error(surface, visit.failed)
    if lines.wants(visit.status):
        seconds = time.perf_counter() - visit.began
        request_id = visit.request_id.decode()
        lines.add(surface, visit.status, request_id, seconds, visit.about.organisation, visit.model, visit.decision)


def _office(rules: Rules, outside: Outside, backing: Backing) -> Parts:
    """What the administrative API works with."""
    verify = Verify(outside.upstream, outside.prices, lambda: [model.name for model in rules.library.models.chat])
    providers = [place.name for place in outside.places]
    return Parts(backing.postgres, backing.pepper, backing.vault, verify.verify, providers, backing.defaults)


def _cors(frontend_url: str) -> CORSConfig | None:
    """Browsers of these origins may call and may read our headers; of no others."""
    origins = [origin.strip().rstrip("/") for origin in frontend_url.split(",") if origin.strip()]
    if not origins:
        return None
    exposed = ["x-request-id", "x-syntra-decision", "x-syntra-simulated", "x-syntra-warning", "retry-after"]
    exposed.append("x-syntra-cache")
    return CORSConfig(allow_origins=origins, expose_headers=exposed, max_age=600)
