"""`GET /api/decisions/{id}`: why a request went where it went."""

from __future__ import annotations

import msgspec

from gateway.core.caller import Caller
from gateway.core.errors import Unknown
from gateway.http.intake import Head
from gateway.http.visit import JSON, Visit
from gateway.records.decision import Decision, view
from gateway.records.decisions import Decisions

PATH = "/api/decisions"


class DecisionLookup:
    """Shows the decisions of the caller's organisation, by the id that each reply has in `x-syntra-decision`."""

    def __init__(self, decisions: Decisions) -> None:
        self._decisions = decisions

    async def serve(self, visit: Visit, head: Head, caller: Caller) -> None:
        """One decision; another organisation's is as unknown as one that never was."""
        decision_id = visit.path.removeprefix(PATH).strip("/")
        record = await self._decisions.find(decision_id, caller.organisation)
        if record is None:
            hint = "Decisions are kept for a week, and only who was answered may see them."
            message = f"There is no decision '{decision_id[:100]}'. {hint}"
            raise Unknown(message, param="id", code="decision_not_found")
        await visit.whole(200, (JSON,), _shown(record))


def _shown(record: bytes) -> bytes:
    """The decision as people read it; one that another version of Syntra has written, as it was written."""
    try:
        decision = msgspec.json.decode(record, type=Decision)
    except msgspec.ValidationError:
        return record
    return msgspec.json.encode(view(decision))
