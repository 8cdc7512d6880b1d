"""Images, sounds, moderation and ranking: passed through to who has them, metered and limited as everything is."""

from __future__ import annotations

import asyncio
import time

from gateway.core.caller import Caller
from gateway.core.deadline import Deadline
from gateway.core.ends import ANSWERED, LEFT
from gateway.core.errors import BadRequest, SyntraError, UpstreamError
from gateway.core.events import Usage
from gateway.core.forms import PassedBody, parse_form, parse_json
from gateway.core.money import Picodollars
from gateway.core.tariff import Consumed
from gateway.core.telling import as_chat_in_band
from gateway.http.intake import Head
from gateway.http.single import Single, Terms
from gateway.http.visit import Visit
from gateway.records.decision import Attempt
from gateway.stages.fallback import in_vain
from gateway.stages.policy import Policies
from gateway.upstream.answer import Sent
from gateway.upstream.hosted import Host, Passing, Service, expected
from gateway.upstream.names import SYNTRA
from gateway.upstream.providers import Candidate


class Hosted:
    """Serves what is passed through."""

    def __init__(
        self, policies: Policies, terms: Terms, host: Host, *, body_seconds: float, total_seconds: float
    ) -> None:
        self._policies = policies
        self._terms = terms
        self._host = host
        self._body_seconds = body_seconds
        self._total_seconds = total_seconds

    async def serve(self, service: Service, visit: Visit, head: Head, caller: Caller) -> None:
        """One request of a service."""
        raw = await visit.body(head, self._body_seconds, forms=True)
        body = parse_form(visit.header(b"content-type"), raw) if head.form else parse_json(raw)
        name = body.text("model") or SYNTRA
        with Single(self._terms, visit, head, caller, service.surface, name) as single:
            candidate = self._policies.of(caller).host(caller, service.kind, name)
            if candidate is None:
                raise BadRequest(
                    f"No provider with a key here is known for {service.surface}; name a model as `provider/model`.",
                    param="model",
                    code="unsupported_model",
                )
            used = expected(service, body)
            await single.admit(candidate, used.input + used.output, self._cost(candidate, used), unpriced=True)
            passing = await self._ask(service, candidate, caller, body, used, single)
            try:
                await self._pass(visit, passing, candidate, single)
            finally:
                passing.close()

    async def _ask(
        self, service: Service, candidate: Candidate, caller: Caller, body: PassedBody, used: Consumed, single: Single
    ) -> Passing:
        deadline, sent, began = Deadline(self._total_seconds), Sent(), time.monotonic()
        entry = single.entry(candidate, deadline)
        try:
            passing = await self._host.ask(service, candidate, caller.credentials, body, used, deadline, sent, entry)
        except (UpstreamError, asyncio.CancelledError) as error:
            failure = error if isinstance(error, UpstreamError) else None
            single.in_vain(in_vain(candidate, lambda: used.input, sent, began, failure))
            raise
        single.heard(candidate, passing.headers)
        return passing

    async def _pass(self, visit: Visit, passing: Passing, candidate: Candidate, single: Single) -> None:
        """The reply as it comes, and what it has come to however it ends."""
        try:
            if passing.streams:
                await visit.start_stream(single.headers(candidate), as_chat_in_band)
                while block := await passing.read():
                    await visit.write(block)
            else:
                answer = await passing.whole()
        except BaseException as error:
            outcome = error.kind if isinstance(error, SyntraError) else LEFT
            single.count(self._attempt(candidate, passing, outcome), ended=False)
            raise
        single.count(self._attempt(candidate, passing))
        if passing.streams:
            await visit.end(b"")
        else:
            media_type = (b"content-type", passing.media_type.encode("latin-1", "replace"))
            await visit.whole(200, (media_type, *single.headers(candidate)), answer)

    def _attempt(self, candidate: Candidate, passing: Passing, outcome: str = ANSWERED) -> Attempt:
        used = passing.consumed
        usage = Usage(used.input, used.output, used.input + used.output)
        cost = self._cost(candidate, used)
        return Attempt(candidate.name, outcome, usage=usage, cost=cost, estimated=passing.estimated)

    def _cost(self, candidate: Candidate, used: Consumed) -> Picodollars | None:
        known = self._terms.prices.get(candidate.name)
        return known.tariff.of(used) if known is not None and known.tariff is not None else None
