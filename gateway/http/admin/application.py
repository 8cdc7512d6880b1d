"""The administrative API as an application: its routes, the guard before all of them, and how its failures are told."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Annotated, Any, TypeVar, cast

import msgspec
from litestar import Litestar, Request, Response, Router
from litestar.datastructures import State
from litestar.di import Provide
from litestar.exceptions import HTTPException, ValidationException
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.spec import Schema
from litestar.params import PathParameter
from litestar.plugins import OpenAPISchemaPlugin
from litestar.typing import FieldDefinition

from gateway.core import chat
from gateway.core.caller import Caller
from gateway.core.errors import BadRequest, UnknownRoute, WrongMethod
from gateway.core.secret import Secret
from gateway.http.admin import audit, decisions, keys, limits, members, organisations, provider_keys, usage
from gateway.http.admin.desk import Desk
from gateway.http.admin.door import FAILURE, PATH
from gateway.http.admin.guard import guard, unknown
from gateway.http.admin.parts import Parts

T = TypeVar("T")

_ROUTES: dict[str, Sequence[HTTPRouteHandler]] = {
    "/": (organisations.make, organisations.listed),
    "/{org_id:str}": (organisations.one, organisations.change, organisations.end),
    "/{org_id:str}/members": (members.listed, members.add, members.change, members.remove),
    "/{org_id:str}/keys": (keys.listed, keys.make, keys.one, keys.change, keys.revoke),
    "/{org_id:str}/provider-keys": (
        provider_keys.listed,
        provider_keys.keep,
        provider_keys.one,
        provider_keys.change,
        provider_keys.remove,
    ),
    "/{org_id:str}/limits": (limits.look, limits.put_limits),
    "/{org_id:str}/usage": (usage.summed,),
    "/{org_id:str}/audit": (audit.listed,),
    "/{org_id:str}/decisions": (decisions.listed,),
}


class Ask(Request[Caller, None, State]):
    """A request whose body is read as strictly as every other body of Syntra's."""

    async def json(self) -> Any:
        """The body as the type that the route takes; raises BadRequest, with `param`."""
        field = self.route_handler.parsed_data_field
        body = await self.body()
        chat.check_text(body)
        return chat.decode(_decoder(object if field is None else field.annotation), body)


def application(parts: Parts) -> Litestar:
    """The application; whoever calls it has put the caller into the scope as `user`."""
    return _litestar(parts, None)


def handlers() -> Iterator[tuple[str, HTTPRouteHandler]]:
    """Every route with its path."""
    for at, group in _ROUTES.items():
        for handler in group:
            yield PATH + at.rstrip("/") + next(iter(handler.paths)).rstrip("/"), handler


def document(config: OpenAPIConfig) -> dict[str, Any]:
    """The routes as an OpenAPI document."""
    return _litestar(cast("Parts", None), config).openapi_schema.to_schema()


def _litestar(parts: Parts, config: OpenAPIConfig | None) -> Litestar:
    async def ours(request: Ask) -> Desk:
        return Desk(parts, request.user, request.user.organisation)

    async def desk(
        org_id: Annotated[str, PathParameter(description="The organisation's id or its name.")], request: Ask
    ) -> Desk:
        return Desk(parts, request.user, await _named(parts, request.user, org_id))

    desks = {True: {"desk": Provide(desk)}, False: {"desk": Provide(ours)}}
    routers = [Router(at, route_handlers=of, dependencies=desks["org_id" in at]) for at, of in _ROUTES.items()]
    return Litestar(
        route_handlers=[Router(PATH, route_handlers=routers)],
        guards=[guard],
        exception_handlers={Exception: _failed},
        request_class=Ask,
        openapi_config=config,
        plugins=[_SecretSchema()],
        logging_config=None,
    )


async def _named(parts: Parts, caller: Caller, named: str) -> str:
    """The id of the organisation in a path that the guard has let pass: the caller's, or one that they operate."""
    if caller.is_of(named):
        return caller.organisation
    for one in await parts.postgres.call("select id, name from organisations()"):
        if named in (one["name"], str(one["id"]), one["id"].hex):
            return str(one["id"])
    raise unknown()


def _failed(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Leave the failure to the visit, which tells those of the whole house."""
    cast("dict[str, object]", request.scope)[FAILURE] = _ours(request, error)
    return Response(b"")


def _ours(request: Request[Any, Any, Any], error: Exception) -> Exception:
    """Litestar's own errors as ours."""
    if isinstance(error, ValidationException):
        first = cast("list[dict[str, str]]", error.extra or [{}])[0]
        param = first.get("key")
        if param == "data":
            return BadRequest("This needs a body: a JSON object.")
        return BadRequest(f"Invalid value for '{param}': {first.get('message')}", param=param, code="invalid_value")
    if not isinstance(error, HTTPException) or error.status_code >= 500:
        return error
    if error.status_code == 405:
        allowed = (error.headers or {}).get("Allow", "GET")
        return WrongMethod(f"This URL takes {allowed}, not {request.method}.", allowed)
    if error.status_code == 404:
        return UnknownRoute(f"Nothing is served at {request.method} {request.scope['path'][:200]}.")
    return BadRequest(error.detail)


@cache
def _decoder(wanted: type[T]) -> msgspec.json.Decoder[T]:
    return msgspec.json.Decoder(wanted, dec_hook=_secret)


def _secret(wanted: type, value: object) -> object:
    if wanted is Secret and isinstance(value, str):
        return Secret(value)
    raise TypeError("expected `str`")


class _SecretSchema(OpenAPISchemaPlugin):
    """In the document a Secret is what goes over the wire."""

    def is_plugin_supported_field(self, field_definition: FieldDefinition) -> bool:
        return field_definition.annotation is Secret

    def to_openapi_schema(self, field_definition: FieldDefinition, schema_creator: object) -> Schema:
        return Schema(type="string", format="password")  # type: ignore[arg-type]
