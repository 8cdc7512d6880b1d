"""The administrative API's part of `/docs`: made from the routes, kept in `openapi.json`, which a test holds to them.

It is a file so that nobody who opens the page, and no start, has to load the API for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec
from litestar.openapi.config import OpenAPIConfig
from msgspec import Struct

from gateway.core.caller import Scopes
from gateway.core.limits import Limits
from gateway.http.admin.application import document, handlers
from gateway.http.admin.audit import Act
from gateway.http.admin.guard import RULE, Rule
from gateway.http.admin.keys import Key, KeyMade
from gateway.http.admin.members import Member
from gateway.http.admin.organisations import Organisation, OrganisationDetail, OrganisationMade
from gateway.http.admin.paging import Deleted
from gateway.http.admin.provider_keys import ProviderKey
from gateway.http.docs import ADMINISTRATION, KEY
from gateway.records.usage import Used

_ID: Final = "0199f0c1-b2a4-7d3e-8f60-718293a4b5c6"
_AT: Final = datetime(2026, 11, 26, 9, 30, tzinfo=UTC)
_ORGANISATION: Final[dict[str, Any]] = {"id": _ID, "name": "acme", "operator": False, "created_at": _AT}
_A_KEY: Final[dict[str, Any]] = {
    "id": _ID,
    "name": "laptop",
    "hint": "sk-syn-4f1d0c9be2a7-…",
    "role": "member",
    "person": "ada@example.com",
    "persona": True,
    "memory": "read-write",
    "scopes": Scopes(models=("syntra*",)),
    "limits": Limits(usd_per_day=5),
    "expires_at": None,
    "revoked_at": None,
    "last_used_on": None,
    "created_at": _AT,
}
_WHOLE: Final = "sk-syn-4f1d0c9be2a7-…"

_LIMITS: Final = Limits(usd_per_month=500)

EXAMPLES: Final[tuple[Struct, ...]] = (
    Organisation(**_ORGANISATION),
    OrganisationDetail(**_ORGANISATION, limits=Limits(usd_per_month=200), ceiling=_LIMITS),
    OrganisationMade(**_ORGANISATION, limits=_LIMITS, ceiling=_LIMITS, key_id=_ID, key=_WHOLE),
    Member(id=_ID, email="ada@example.com", name="Ada", role="admin", created_at=_AT),
    Key(**_A_KEY),
    KeyMade(**_A_KEY, key=_WHOLE),
    ProviderKey(
        id=_ID,
        provider="openai",
        api_key="…abcd",
        last4="abcd",
        is_active=True,
        created_at=_AT,
        updated_at=_AT,
        verified_at=_AT,
    ),
    Act(
        seq=2,
        at=_AT,
        actor=f"{_ID} ada@example.com",
        act="key.create",
        subject=_ID,
        detail={"name": "laptop", "role": "member"},
        prev="9f2c…",
        hash="41d8…",
    ),
    Deleted(_ID, "key.deleted"),
    Used(
        day="2026-11-26",
        model="openai/gpt-4o-mini",
        requests=120,
        attempts=121,
        errors=1,
        input_tokens=48_000,
        cached_tokens=12_000,
        output_tokens=9_100,
        reasoning_tokens=0,
        cost=12_660_000_000,
        cost_usd="0.012660",
        estimated=0,
        unpriced=0,
    ),
)

_PAGE: Final = re.compile(r"Page_.*?(\w+)_(?=\"|$)")
_ERROR: Final = {"description": '`{"error": {"message", "type", "param", "code"}}`'}
_X_ORG_ID: Final = {
    "name": "x-org-id",
    "in": "header",
    "required": False,
    "schema": {"type": "string"},
    "description": "The organisation's id or name; must be the key's own.",
}
_SAYS: Final = {200: "Done.", 201: "Made."}


def text() -> bytes:
    """What `openapi.json` must hold."""
    found = msgspec.to_builtins(document(OpenAPIConfig(title="", version="", use_handler_docstrings=True)))
    paths, schemas = found["paths"], found["components"]["schemas"]
    for path, method, rule in _rules():
        _tidy(paths[path][method], rule)
    for schema in schemas.values():
        schema.pop("default", None)  # of whichever field happened to be met first
    for example in EXAMPLES:
        schemas[type(example).__name__]["examples"] = [msgspec.to_builtins(example)]
    told = msgspec.json.encode({"paths": paths, "schemas": schemas}, order="sorted").decode()
    return msgspec.json.format(_PAGE.sub(r"PageOf\1", told)).encode() + b"\n"


def write(path: Path = ADMINISTRATION) -> None:
    """Write `openapi.json` anew."""
    path.write_bytes(text())


def _rules() -> Iterator[tuple[str, str, Rule]]:
    """Every route with who may call it."""
    for path, handler in handlers():
        for method in handler.http_methods:
            yield re.sub(r":\w+", "", path).rstrip("/"), method.lower(), handler.opt[RULE]


def _tidy(operation: dict[str, Any], rule: Rule) -> None:
    """Our errors instead of Litestar's, who may call it, and the key that it takes."""
    replies: Mapping[str, Any] = operation["responses"]
    done = {code: reply | {"description": _SAYS[int(code)]} for code, reply in replies.items() if code < "300"}
    for reply in done.values():
        reply.pop("headers", None)
    operation["responses"] = {**done, "4XX": _ERROR, "5XX": _ERROR}
    operation["parameters"] = [*operation.get("parameters", ()), _X_ORG_ID]
    operation["security"] = [{KEY: []}]
    takes = f"Takes the role {rule.role}"
    if rule.operator:
        takes += " in the organisation that operates this installation"
    if rule.reaches:
        takes += "; the operator's owners may do it to any organisation"
    operation["description"] = f"{operation.get('description', '')}\n\n{takes}.".strip()
