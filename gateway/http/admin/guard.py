"""Who may call a route: said at the route, and a route that says nothing is nobody's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from litestar.connection import ASGIConnection
from litestar.handlers.base import BaseRouteHandler
from msgspec import Struct

from gateway.core.caller import Caller, Role
from gateway.core.errors import Forbidden, Unknown

if TYPE_CHECKING:
    from collections.abc import Mapping

RULE: Final = "may"


class Rule(Struct, frozen=True):
    """Who may call a route, at least."""

    role: Role
    operator: bool = False  # only in the organisation that operates this installation
    reaches: bool = False  # the operator's owners may do it to any organisation


def may(role: Role, *, operator: bool = False, reaches: bool = False) -> dict[str, Any]:
    """A route's `opt`: who may call it."""
    return {RULE: Rule(role, operator, reaches)}


def guard(connection: ASGIConnection[Any, Caller, Any, Any], handler: BaseRouteHandler) -> None:
    """Raise Unknown for an organisation that is not the caller's, and Forbidden for a role that is too small.

    The organisation comes first and costs one comparison of strings: whether another one exists is not to be learnt,
    neither from the words nor from the time that they take.
    """
    caller = connection.user
    rule = handler.opt.get(RULE)
    wanted: Mapping[str, str] = connection.path_params
    if not isinstance(rule, Rule):
        raise Forbidden("Nobody may call this route.")
    if "org_id" in wanted and not caller.is_of(wanted["org_id"]) and not (rule.reaches and operates(caller)):
        raise unknown()
    if not caller.is_at_least(rule.role):
        raise Forbidden(f"This takes the role {rule.role}; your key's is {caller.role}.", code="role_too_low")
    if rule.operator and not caller.operator:
        raise Forbidden("Only the organisation that operates this installation may do this.", code="not_operator")


def operates(caller: Caller) -> bool:
    """Whether the caller is an owner of the operator's organisation."""
    return caller.operator and caller.role == "owner"


def unknown() -> Unknown:
    """What is said of every organisation that is not the caller's, whether it exists or not."""
    return Unknown("There is no such organisation, or your key is not one of its keys.", code="organisation_not_found")
