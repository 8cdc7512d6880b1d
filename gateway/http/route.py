"""`POST /api/route`: where a chat request would go and why, without calling anyone."""

from __future__ import annotations

import msgspec

from gateway.core import chat
from gateway.core.caller import Caller
from gateway.core.errors import SyntraError
from gateway.http.chat import wishes_of
from gateway.http.intake import Head
from gateway.http.visit import JSON, Visit
from gateway.pipeline import plan
from gateway.records.decision import explained
from gateway.rules import Rules


class Routes:
    """Explains routes."""

    def __init__(self, rules: Rules, *, body_seconds: float) -> None:
        self._rules = rules
        self._body_seconds = body_seconds

    async def serve(self, visit: Visit, head: Head, caller: Caller) -> None:
        """Facts and plan of the chat request in the body; without any provider's key, as if all six had one."""
        request = chat.parse(await visit.body(head, self._body_seconds))
        facts, route = await plan(
            self._rules.reader, self._rules.explains(caller), caller, request, wishes_of(head, visit)
        )
        if isinstance(route, SyntraError):
            raise route
        told = explained(facts, route.plan, route.searching)
        told |= {"document": route.document, "assumed_keys": self._rules.assumed and not caller.credentials}
        await visit.whole(200, (JSON,), msgspec.json.encode(told))
