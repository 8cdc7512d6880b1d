"""`POST /v1/embeddings`."""

from __future__ import annotations

from gateway.core import embeddings
from gateway.core.caller import Caller
from gateway.core.deadline import Deadline
from gateway.http.intake import Head
from gateway.http.visit import JSON, Visit
from gateway.reply import warning
from gateway.stages.policy import Policies
from gateway.upstream.embed import Embedder
from gateway.upstream.names import SYNTRA
from gateway.upstream.providers import SIMULATED, Candidate


class Embeddings:
    """Serves embeddings."""

    def __init__(self, policies: Policies, embedder: Embedder, *, body_seconds: float, total_seconds: float) -> None:
        self._policies = policies
        self._embedder = embedder
        self._body_seconds = body_seconds
        self._total_seconds = total_seconds

    async def serve(self, visit: Visit, head: Head, caller: Caller) -> None:
        """One request; there is nothing to stream."""
        request = embeddings.parse(await visit.body(head, self._body_seconds))
        name = request.body.model
        candidate = self._policies.of(caller).embedder(caller, name) or Candidate(SIMULATED, SYNTRA)
        deadline = Deadline(self._total_seconds)
        embedded = await self._embedder.embed(candidate, caller.credentials, name, request, deadline)
        simulated = [(b"x-syntra-simulated", b"true")] if candidate.provider == SIMULATED else []
        await visit.whole(200, (JSON, *simulated, *warning(embedded.dropped)), embedded.body)
