"""`/docs`: the API as OpenAPI, rendered by pages that need no internet."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

import msgspec
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin, SwaggerRenderPlugin
from litestar.openapi.spec import (
    Components,
    Example,
    OpenAPI,
    OpenAPIMediaType,
    OpenAPIResponse,
    Operation,
    Parameter,
    PathItem,
    Reference,
    RequestBody,
    Schema,
    SecurityScheme,
)
from litestar.router import Router
from litestar.static_files import create_static_files_router

from gateway import __version__
from gateway.core.chat import ChatBody
from gateway.core.embeddings import EmbeddingsBody
from gateway.http.admin.sessions import PATH as SESSIONS
from gateway.http.admin.sessions import Proof
from gateway.http.threads import told as threads
from gateway.upstream.hosted import SERVICES

KEY = "key"  # the name of the security scheme
ADMINISTRATION = Path(__file__).with_name("admin") / "openapi.json"  # made by gateway.http.admin.openapi
_ASSETS = "/docs/assets"
_SAY_HELLO = {"model": "syntra", "messages": [{"role": "user", "content": "Say hello."}]}
_CANDIDATE = {
    "model": "google/gemini-2.5-flash-lite",
    "score": 0.913,
    "cost_usd": 0.000012,
    "ttft_ms": 310,
    "reasons": ["good enough for social_chat", "the cheapest of those"],
}
_TOO_DEAR = _CANDIDATE | {
    "model": "openai/gpt-4o",
    "score": 0.41,
    "cost_usd": 0.00031,
    "reasons": ["26 times the cost"],
}
_EXPLAINED = {
    "intent": "social_chat",
    "confidence": 0.97,
    "complexity": 0.03,
    "fresh": 0.01,
    "language": "en",
    "leans": False,
    "needs": [],
    "tokens": 9,
    "output_tokens": 30,
    "turn": "user",
    "policy": "balanced",
    "document": "7c1f0a5290d4",
    "plan": [_CANDIDATE],
    "candidates": [
        _CANDIDATE | {"quality": 0.86, "taken": True},
        _TOO_DEAR | {"quality": 0.93, "taken": False},
    ],
}
_DECISION = {
    "id": "0199f0c1b2a47d3e8f60718293a4b5c6",
    "object": "decision",
    "model": "syntra",
    "pinned": False,
    "prices": "5d0c33ab91e2",
    **_EXPLAINED,
    "notes": [],
    "attempts": [
        {
            "model": _CANDIDATE["model"],
            "outcome": "answered",
            "ttft_ms": 288.4,
            "duration_ms": 401.2,
            "usage": {"prompt_tokens": 21, "completion_tokens": 9, "total_tokens": 30},
            "estimated": False,
            "cost_usd": "0.000011",
        }
    ],
    "outcome": {"ended": "answered", "model": _CANDIDATE["model"], "cost_usd": "0.000011", "duration_ms": 402.7},
}
_MEMORY = {
    "id": "0199f0c1b2a47d3e8f60718293a4b5c6",
    "object": "memory",
    "text": "My favourite tea is Darjeeling.",
    "kind": "statement",
    "at": "2026-11-26T12:00:00Z",
}
_SESSION = {
    "object": "session",
    "token": "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.…",
    "expires_at": "2026-11-26T12:30:00Z",
    "organisation": "globex",
    "organisation_id": "0199f0c1-b2a4-7d3e-8f60-718293a4b5c6",
    "role": "admin",
}
_AS_OPENAI = "As OpenAI's; with `stream: true` as server-sent events."


def config() -> OpenAPIConfig:
    """The pages: Swagger UI at /docs, the document at /docs/openapi.json."""
    page = SwaggerRenderPlugin(
        js_url=f"{_ASSETS}/swagger-ui-bundle.js",
        css_url=f"{_ASSETS}/swagger-ui.css",
        standalone_preset_js_url=f"{_ASSETS}/swagger-ui-standalone-preset.js",
        favicon=f'<link rel="icon" type="image/png" href="{_ASSETS}/favicon-32x32.png">',
        path=["/", "/swagger"],
    )
    scheme = SecurityScheme(type="http", scheme="bearer", description="The key from the banner: `sk-syn-…`.")
    return OpenAPIConfig(
        title="Syntra",
        version=__version__,
        description="One base URL, one assistant, every provider. Compatible with OpenAI's clients.",
        path="/docs",
        render_plugins=[page, JsonRenderPlugin(path="/openapi.json")],
        components=Components(security_schemes={KEY: scheme}),
    )


def assets() -> Router:
    """Swagger UI's own files, from the package that carries them."""
    spec = importlib.util.find_spec("swagger_ui")
    if spec is None or spec.origin is None:
        raise RuntimeError("swagger-ui-py is not installed; run `make run` again to repair the environment")
    folder = Path(spec.origin).with_name("static")
    return create_static_files_router(path=_ASSETS, directories=[folder], include_in_schema=False)


def describe(document: OpenAPI) -> None:
    """Add the routes that Litestar only passes on."""
    bodies = (ChatBody, EmbeddingsBody, Proof, *threads.BODIES)
    schemas, components = msgspec.json.schema_components(bodies, ref_template="#/components/schemas/{name}")
    paths = document.paths = document.paths or {}
    paths["/v1/chat/completions"] = PathItem(
        post=_operation("Create a chat completion", "chat", body=schemas[0], example=_SAY_HELLO)
    )
    paths["/v1/embeddings"] = PathItem(
        post=_operation(
            "Create embeddings", "embeddings", body=schemas[1], example={"model": "syntra", "input": "Hello"}
        )
    )
    says = "As Anthropic's `POST /v1/messages`, over every provider; with `stream: true` as its events."
    paths["/v1/messages"] = PathItem(post=_operation("Create a message", "messages", says=says))
    paths["/v1/messages/count_tokens"] = PathItem(
        post=_operation("Count a message's tokens", "messages", says='`{"input_tokens": …}`')
    )
    for service in SERVICES:
        paths[f"/v1{service.path}"] = PathItem(
            post=_operation(f"Pass on to who has it: {service.path.strip('/').replace('/', ', ')}", service.surface)
        )
    paths["/v1/responses"] = PathItem(post=_operation("Create a response", "responses"))
    paths["/v1/completions"] = PathItem(post=_operation("Create a text completion", "completions"))
    paths["/v1/models"] = PathItem(get=_operation("List the models", "models"))
    name = Parameter(name="model", param_in="path", required=True, schema=Schema(type="string"))  # type: ignore[arg-type]
    paths["/v1/models/{model}"] = PathItem(get=_operation("Look one model up", "models", parameters=[name]))
    _describe_decisions(paths, schemas[0])
    _describe_memories(paths)
    _describe_threads(paths, dict(zip(threads.BODIES, schemas[3:], strict=True)))
    paths[SESSIONS] = PathItem(
        post=_operation(
            "Sign in: exchange an identity token for a session",
            "sessions",
            body=schemas[2],
            example={"token": "eyJhbGciOiJSUzI1NiIs…", "organisation": "globex"},
            says="A session, which is a bearer for 30 minutes. `organisation` is needed by who belongs to several.",
            shows=_SESSION,
            needs_key=False,
        )
    )
    own = document.components.schemas
    own.update({name: _Plain(schema) for name, schema in components.items()})
    _describe_administration(paths, own)


def _describe_decisions(paths: dict[str, PathItem], chat_body: dict[str, Any]) -> None:
    """Why a request goes where it goes, or went, and how often."""
    paths["/api/route"] = PathItem(
        post=_operation(
            "Ask where a chat completion would go and why, without calling anyone",
            "decisions",
            body=chat_body,
            example=_SAY_HELLO,
            says="What was read in the request, who would be asked in which order, and every candidate's reasons.",
            shows=_EXPLAINED,
        )
    )
    decision = Parameter(name="id", param_in="path", required=True, schema=Schema(type="string"))  # type: ignore[arg-type]
    paths["/api/decisions/{id}"] = PathItem(
        get=_operation(
            "Look up why a request went where it went",
            "decisions",
            parameters=[decision],
            says="The decision whose id a reply had in `x-syntra-decision`; kept for a week.",
            shows=_DECISION,
        )
    )
    metrics = _operation("Read every worker's counts", "health", says="Prometheus' text format, or OpenMetrics.")
    paths["/metrics"] = PathItem(get=metrics)


def _describe_memories(paths: dict[str, PathItem]) -> None:
    """What is kept of a user."""
    tag = "memories"
    one = Parameter(name="id", param_in="path", required=True, schema=Schema(type="string"))  # type: ignore[arg-type]
    some = [
        Parameter(name=name, param_in="query", schema=Schema(type="string"), description=says)  # type: ignore[arg-type]
        for name, says in (
            ("query", "What they shall be about; the best first."),
            ("limit", "How many at most, up to 100."),
            ("after", "The `last_id` of the page before."),
            ("user", "Whose, where the key is nobody's own; as the header `x-syntra-user`."),
        )
    ]
    listed = {"object": "list", "data": [_MEMORY], "has_more": False}
    add = '`{"text", "at"?, "thread"?}`, or `{"memories": […]}` with up to 1,000 of them in their order.'
    paths["/api/memories"] = PathItem(
        get=_operation(
            "List or search a user's memories", tag, parameters=some, says="The latest first.", shows=listed
        ),
        post=_operation("Remember something", tag, says=add, shows=_MEMORY),
        delete=_operation("Forget everything", tag, says="How many there were."),
    )
    cascade = "The facts in it go too; with `cascade=true` all that was derived from it. The ids of what is gone."
    correct = '`{"text"}` takes its place, and that of a fact in its statement.'
    paths["/api/memories/{id}"] = PathItem(
        get=_operation("Look a memory up", tag, parameters=[one], says="The memory.", shows=_MEMORY),
        patch=_operation("Correct a memory", tag, parameters=[one], says=correct, shows=_MEMORY),
        delete=_operation("Forget a memory", tag, parameters=[one], says=cascade),
    )
    paths["/api/memories/export"] = PathItem(get=_operation("Export all memories", tag, says="All, the oldest first."))
    chosen = {"object": "memory.settings", "memory": "read-write"}
    paths["/api/memories/settings"] = PathItem(
        get=_operation("Look up what a user has chosen", tag, says="The choice.", shows=chosen),
        put=_operation("Choose: off, read or read-write", tag, says="The choice.", shows=chosen),
    )


def _describe_threads(paths: dict[str, PathItem], bodies: dict[type[msgspec.Struct], dict[str, Any]]) -> None:
    """Conversations that are kept."""
    for one in threads.OPERATIONS:
        item = paths.setdefault(f"/api/threads{one.path}", PathItem())
        names = [*re.findall(r"\{(\w+)\}", one.path), *one.query]
        parameters = [_parameter(name, "query" if name in one.query else "path") for name in names]
        shows = None if one.shows is None else msgspec.json.decode(msgspec.json.encode(one.shows))
        operation = _operation(
            one.summary,
            "threads",
            body=None if one.body is None else bodies[one.body],
            example=one.example,
            parameters=[*parameters, _parameter("x-syntra-user", "header")],
            says=one.says,
            shows=shows,
        )
        setattr(item, one.method, operation)


def _parameter(name: str, place: Literal["query", "path", "header"]) -> Parameter:
    text = Schema(type="string")  # type: ignore[arg-type]
    about = threads.QUERY.get(name, "")
    return Parameter(name=name, param_in=place, required=place == "path", schema=text, description=about or None)


def _describe_administration(paths: dict[str, PathItem], schemas: dict[str, Schema]) -> None:
    """What is loaded when somebody first administers something is described from a file."""
    told = msgspec.json.decode(ADMINISTRATION.read_bytes())
    paths.update({path: _PlainPath(item) for path, item in told["paths"].items()})
    schemas.update({name: _Plain(schema) for name, schema in told["schemas"].items()})


class _PlainPath(PathItem):
    """A path that is written as it is."""

    def __init__(self, item: dict[str, Any]) -> None:
        super().__init__()
        self._item = item

    def to_schema(self) -> dict[str, Any]:
        """The path itself."""
        return self._item


class _Plain(Schema):
    """A JSON schema that is written as it is."""

    def __init__(self, schema: dict[str, Any]) -> None:
        super().__init__()
        self._schema = schema

    def to_schema(self) -> dict[str, Any]:
        """The schema itself."""
        return self._schema


def _operation(
    summary: str,
    tag: str,
    *,
    body: dict[str, Any] | None = None,
    example: object = None,
    parameters: Iterable[Parameter] = (),
    says: str = _AS_OPENAI,
    shows: object = None,
    needs_key: bool = True,
) -> Operation:
    request = None
    if body is not None:
        media = OpenAPIMediaType(schema=Reference(ref=body["$ref"]), examples={"hello": Example(value=example)})
        request = RequestBody(content={"application/json": media}, required=True)
    content = None
    if shows is not None:
        content = {"application/json": OpenAPIMediaType(examples={"hello": Example(value=shows)})}
    replies: dict[str, OpenAPIResponse | Reference] = {
        "200": OpenAPIResponse(description=says, content=content),
        "4XX": OpenAPIResponse(description='`{"error": {"message", "type", "param", "code"}}`'),
        "5XX": OpenAPIResponse(description="The provider or Syntra failed; the same shape."),
    }
    return Operation(
        summary=summary,
        tags=[tag],
        request_body=request,
        responses=replies,
        parameters=list(parameters) or None,
        security=[{KEY: []}] if needs_key else [],
    )
