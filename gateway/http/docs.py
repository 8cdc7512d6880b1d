"""`/docs`: the API as OpenAPI, rendered by pages that need no internet."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable
from pathlib import Path
from typing import Any

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

_ASSETS = "/docs/assets"
_KEY = "key"
_SAY_HELLO = {"model": "syntra", "messages": [{"role": "user", "content": "Say hello."}]}


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
        components=Components(security_schemes={_KEY: scheme}),
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
    bodies = (ChatBody, EmbeddingsBody)
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
    paths["/v1/models"] = PathItem(get=_operation("List the models", "models"))
    name = Parameter(name="model", param_in="path", required=True, schema=Schema(type="string"))  # type: ignore[arg-type]
    paths["/v1/models/{model}"] = PathItem(get=_operation("Look one model up", "models", parameters=[name]))
    own = document.components.schemas
    own.update({name: _Plain(schema) for name, schema in components.items()})


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
) -> Operation:
    request = None
    if body is not None:
        media = OpenAPIMediaType(schema=Reference(ref=body["$ref"]), examples={"hello": Example(value=example)})
        request = RequestBody(content={"application/json": media}, required=True)
    replies: dict[str, OpenAPIResponse | Reference] = {
        "200": OpenAPIResponse(description="As OpenAI's; with `stream: true` as server-sent events."),
        "4XX": OpenAPIResponse(description='`{"error": {"message", "type", "param", "code"}}`'),
        "5XX": OpenAPIResponse(description="The provider or Syntra failed; the same shape."),
    }
    return Operation(
        summary=summary,
        tags=[tag],
        request_body=request,
        responses=replies,
        parameters=list(parameters) or None,
        security=[{_KEY: []}],
    )
