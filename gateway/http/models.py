"""`GET /v1/models` and `GET /v1/models/{id}`."""

from __future__ import annotations

import msgspec

from gateway.core.caller import Caller
from gateway.core.errors import UnknownModel
from gateway.http.intake import Head
from gateway.http.visit import JSON, Visit
from gateway.stages.policy import Policies

_CREATED = 1735689600  # 2025-01-01: clients want a number, and no provider's map has one


class Models:
    """Lists what can be asked for."""

    def __init__(self, policies: Policies) -> None:
        self._policies = policies

    async def serve(self, visit: Visit, head: Head, caller: Caller) -> None:
        """Every name, Syntra's own first; or one of them, slashes and all."""
        name = visit.path.removeprefix("/v1/models").strip("/")
        names, organisation = self._policies.of(caller).names, caller.name
        if not name:
            data = [_model(known) for known in names.names(organisation)]
            await visit.whole(200, (JSON,), msgspec.json.encode({"object": "list", "data": data}))
        elif names.knows(organisation, name):
            await visit.whole(200, (JSON,), msgspec.json.encode(_model(name)))
        else:
            raise UnknownModel(name[:100], names.near(organisation, name))


def _model(name: str) -> dict[str, object]:
    owner = name.partition("/")[0] if "/" in name else "syntra"
    return {"id": name, "object": "model", "created": _CREATED, "owned_by": owner}
