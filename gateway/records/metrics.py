"""What is counted of all requests, for `/metrics`; every worker's counts in one page.

| name | kind | labels | says |
| --- | --- | --- | --- |
| syntra_requests_total | counter | surface, status | requests answered; status as sent, 499 for a client that left |
| syntra_errors_total | counter | surface, kind | errors that were told, as a reply or in a stream, by their code |
| syntra_in_flight_requests | gauge | | requests that are being served |
| syntra_ttft_seconds | histogram | provider | from asking a provider to its first chunk |
| syntra_duration_seconds | histogram | provider | from a request's coming in to the end of its answer |
| syntra_overhead_seconds | histogram | | from a request's coming in to asking the first provider |
| syntra_loop_lag_seconds | histogram | | how late a worker comes to what is due, looked at twenty times a second |
| syntra_upstream_attempts_total | counter | provider, outcome | calls to providers; answered, cut, left, or the code of the error |
| syntra_routed_total | counter | policy, intent, provider | requests that Syntra chose a provider for |
| syntra_tokens_total | counter | provider, model, kind | tokens; cached ones are part of input, reasoning of output |
| syntra_cost_usd_total | counter | provider, model | US dollars at the price of the moment, where one is known |
| syntra_cache_total | counter | outcome | answers from the cache (hit), from a call that others made (joined), or from neither (miss) |
| syntra_limits_total | counter | outcome, by | what limits said: admitted, limited (429), spent (402); by valkey, allowance, worker or memory |
| syntra_degraded_total | counter | what | requests of which something was skipped because a store did not answer |
| syntra_recall_seconds | histogram | | from looking for a user's memories to having them, or to going on without |
| syntra_notes_total | counter | | memories that models were told |
| syntra_remembered_total | counter | kind | memories that were kept of what users said; statement or fact |
| syntra_not_remembered_total | counter | reason | turns of which nothing was kept: off, unfinished (the answer failed or was cut), step (of a tool loop), nothing (was worth it), full (too many waited), away (the store) |
| syntra_store_health | gauge | store | 1 well, 0.5 slow, 0 away; as the worker sees it that sees it worst |
| syntra_ledger_waiting | gauge | | records that are in no database yet |
| syntra_provider_protocol_total | counter | provider, what | answers that were taken though odd: no end, no usage, other model |
| syntra_cooldowns_total | counter | provider, reason | times that a provider's model was left alone for a while |
| syntra_retries_total | counter | outcome | attempts beyond the first of a request: made, or refused because the budget was spent |
| syntra_policy_reloads_total | counter | outcome | edits of the documents; taken or refused |
| syntra_policy_stale | gauge | | 1 while the last edit was refused and older documents are in force |
| syntra_records_refused_total | counter | | requests that PostgreSQL would not record |

Labels are bounded: what is not known when a worker starts is `other`, so no client can make a series; an organisation is
never a label. Each worker counts in files of its own, mapped into memory, in a folder that the parent makes and names in
PROMETHEUS_MULTIPROC_DIR before anything imports prometheus_client; without one (in tests) this process's counts are all.
"""  # noqa: E501  # a table's rows do not wrap

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Final

from msgspec import Struct
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, values

from gateway.core.caller import SURFACES
from gateway.core.ends import ANSWERED, CUT, LEFT, UNASKED
from gateway.core.health import REASONS
from gateway.core.money import PICO
from gateway.records import exposition
from gateway.records.decision import Decision
from gateway.records.series import Counts, Times
from gateway.upstream.count import ODD
from gateway.upstream.incoming import HIT, JOINED, MISS

STATUSES = tuple(
    "200 201 204 400 401 402 403 404 405 408 409 410 413 415 422 424 429 499 500 501 502 503 504 529".split()
)  # a provider's own 4xx is passed on, so they are many; any other is `other`
OUTCOMES = (
    "answered cut left outrun content_policy_violation context_length_exceeded insufficient_quota model_not_found "
    "rate_limit_exceeded upstream_broken upstream_credential upstream_error upstream_rejected upstream_timeout "
    "upstream_unreachable"
).split()
ERRORS = (
    "above_ceiling ambiguous_authorization conflict content_policy_violation context_length_exceeded "
    "decision_not_found draining email_missing email_not_verified email_unusual forbidden_parameter "
    "idempotency_key_in_use idempotency_key_reused insufficient_quota internal_error invalid_api_key invalid_header "
    "invalid_request_error invalid_token invalid_value issuer_away last_owner message_not_found method_not_allowed "
    "missing_required_parameter model_not_allowed model_not_found no_candidate no_user not_allowed not_found "
    "not_operator organisation_not_found organisation_required overloaded paced provider_key_refused "
    "provider_key_sealed rate_limit_exceeded role_too_low server_error store_unavailable stream_gone "
    "thread_not_found unknown_parameter unknown_policy unknown_url unpriced_model unsupported_model "
    "unsupported_parameter unsupported_provider unsupported_value upstream_broken upstream_credential upstream_error "
    "upstream_rejected upstream_timeout upstream_unreachable wrong_organisation wrong_user"
).split()
TOKENS = ("input", "cached", "output", "reasoning")
CACHE = (HIT, JOINED, MISS)
LIMITS = ("admitted", "limited", "spent")
LIMITED_BY = ("valkey", "allowance", "worker", "memory")
DEGRADED = ("keys", "limits", "memory", "supermemory", "cache", "store", "idempotency")
KEPT = ("statement", "fact")
NOT_KEPT = ("off", "unfinished", "step", "nothing", "full", "away")
HEALTH: Final[Mapping[str, float]] = {"ok": 1.0, "slow": 0.5, "away": 0.0}

_TTFT = (0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3, 5, 8, 15, 30, 60)  # s; flash models begin at 0.2
_DURATION = (0.1, 0.25, 0.5, 1, 2, 3, 5, 8, 12, 20, 30, 60, 120, 300, 600)  # s; nothing may take longer than the last
_OVERHEAD = (0.0005, 0.001, 0.0015, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.02, 0.05, 0.1, 0.25, 1)  # s
_LAG = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1)  # s; what is due comes up to 1 ms late by itself
_LOOK = 0.05  # s between two looks at the loop: whatever stalls it longer is seen
_LOOKS = 20  # between two flushes; a worker that is killed loses what it counted since


class Watched(Struct, frozen=True):
    """What is looked at once a second instead of being told."""

    in_flight: Callable[[], int] = lambda: 0
    stores: Callable[[], Mapping[str, str]] = dict  # name and state: ok, slow or away
    ledger_waiting: Callable[[], int] = lambda: 0


class Metrics:
    """Counts of this worker, and the page of all; `folder` is what PROMETHEUS_MULTIPROC_DIR named, if anything."""

    def __init__(
        self,
        folder: Path | None,
        *,
        providers: Collection[str] = (),
        models: Collection[str] = (),
        policies: Collection[str] = (),
        intents: Collection[str] = (),
    ) -> None:
        if folder is not None and values.ValueClass is values.MutexValue:
            raise RuntimeError("PROMETHEUS_MULTIPROC_DIR was set after prometheus_client had been imported")
        self._folder = folder
        self._own = CollectorRegistry()
        self._waiting: list[Counts | Times] = []
        self._watched = Watched()
        count, times = self._count, self._times
        self._requests = count("requests", "Requests answered.", surface=SURFACES, status=STATUSES)
        self._errors = count("errors", "Errors told.", surface=SURFACES, kind=ERRORS)
        self.ttft = times("ttft", "Seconds to a provider's first chunk.", _TTFT, provider=providers)
        self.duration = times("duration", "Seconds from request to the answer's end.", _DURATION, provider=providers)
        self.overhead = times("overhead", "Seconds until a provider is asked.", _OVERHEAD)
        self._lag = times("loop_lag", "Seconds that the loop is late.", _LAG)
        self.attempts = count("upstream_attempts", "Calls to providers.", provider=providers, outcome=OUTCOMES)
        self.routed = count("routed", "Requests routed.", policy=policies, intent=intents, provider=providers)
        self._tokens = count("tokens", "Tokens.", provider=providers, model=models, kind=TOKENS)
        self._cost = count("cost_usd", "US dollars.", unit=1 / PICO, provider=providers, model=models)
        self.cache = count("cache", "Answers by where they came from.", outcome=CACHE)
        self._limits = count("limits", "What limits said.", outcome=LIMITS, by=LIMITED_BY)
        self._degraded = count("degraded", "Requests of which something was skipped.", what=DEGRADED)
        self._recall = times("recall", "Seconds until memories are found.", _OVERHEAD)
        self._notes = count("notes", "Memories that models were told.")
        self._remembered = count("remembered", "Memories kept of what users said.", kind=KEPT)
        self._not_remembered = count("not_remembered", "Turns of which nothing was kept.", reason=NOT_KEPT)
        self._cooldowns = count("cooldowns", "Models left alone.", provider=providers, reason=REASONS)
        self.odd = count("provider_protocol", "Answers taken though odd.", provider=providers, what=ODD)
        self._retries = count("retries", "Attempts beyond the first.", outcome=("made", "refused"))
        self._reloads = count("policy_reloads", "Edits of the documents.", outcome=("taken", "refused"))
        self._refusals = count("records_refused", "Requests that PostgreSQL would not record.")
        self._stale = self._gauge("policy_stale", "1 while the last edit was refused.", "livemax")
        self._in_flight = self._gauge("in_flight_requests", "Requests being served.", "livesum")
        self._ledger = self._gauge("ledger_waiting", "Records in no database yet.", "livesum")
        self._health = self._gauge("store_health", "1 well, 0.5 slow, 0 away.", "livemin", "store")

    def _count(self, name: str, says: str, *, unit: float = 1.0, **labels: Collection[str]) -> Counts:
        counter = Counter(f"syntra_{name}_total", says, list(labels), registry=self._own)
        counts = Counts(counter, *labels.values(), unit=unit)
        self._waiting.append(counts)
        return counts

    def _times(self, name: str, says: str, bounds: Sequence[float], **labels: Collection[str]) -> Times:
        histogram = Histogram(f"syntra_{name}_seconds", says, list(labels), buckets=bounds, registry=self._own)
        times = Times(histogram, bounds, *labels.values())
        self._waiting.append(times)
        return times

    def _gauge(self, name: str, says: str, mode: str, *labels: str) -> Gauge:
        return Gauge(f"syntra_{name}", says, labels, multiprocess_mode=mode, registry=self._own)  # type: ignore[arg-type]

    def watch(self, watched: Watched) -> None:
        """What to look at from now on."""
        self._watched = watched

    def flush(self) -> None:
        """Let everybody see what this worker has counted; on the loop, where it counts."""
        for metric in self._waiting:
            metric.flush()
        self._in_flight.set(self._watched.in_flight())
        self._ledger.set(self._watched.ledger_waiting())
        for store, state in self._watched.stores().items():
            self._health.labels(store).set(HEALTH.get(state, 0.0))

    async def follow(self) -> None:
        """Flush once a second, and see how late the loop is, until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            for _ in range(_LOOKS):
                due = loop.time() + _LOOK
                await asyncio.sleep(_LOOK)
                self._lag.add(max(0.0, loop.time() - due))
            self.flush()

    def settled(self, decision: Decision) -> None:
        """A request that went to providers is over."""
        outcome = decision.outcome
        for attempt in decision.attempts:
            if attempt.outcome not in UNASKED and attempt.cache == MISS:
                ended = (
                    outcome.ended if attempt.outcome == ANSWERED and outcome.ended in (CUT, LEFT) else attempt.outcome
                )
                provider = _provider(attempt.model)
                self.attempts.add(provider, ended)
                for what in attempt.odd:
                    self.odd.add(provider, what)
        if outcome.overhead_ms:
            self.overhead.add(outcome.overhead_ms / 1e3)
        for what in decision.degraded:
            self._degraded.add(what)
        if not outcome.model:
            return
        self.cache.add(outcome.cache)
        provider = _provider(outcome.model)
        if outcome.cache == MISS:  # the provider's own pace
            self.duration.add(outcome.duration_ms / 1e3, provider)
            if outcome.ttft_ms is not None:
                self.ttft.add(outcome.ttft_ms / 1e3, provider)
        if not decision.pinned and decision.plan is not None and decision.facts is not None:
            self.routed.add(decision.plan.policy, decision.facts.intent, provider)

    def request(self, surface: str, status: int) -> None:
        """A request was answered, or its client left (499)."""
        self._requests.add(surface, status)

    def error(self, surface: str, kind: str) -> None:
        """An error was told; `kind` is the error's."""
        self._errors.add(surface, kind)

    def used(self, model: str, tokens: tuple[int, int, int, int], cost: int | None) -> None:
        """What a call came to: tokens as in `TOKENS`, of a `provider/model`; picodollars, where a price is known."""
        provider = _provider(model)
        for kind, number in zip(TOKENS, tokens, strict=True):
            if number:
                self._tokens.more(number, provider, model, kind)
        if cost:
            self._cost.more(cost, provider, model)

    def limited(self, outcome: str, by: str) -> None:
        """Limits said admitted, limited or spent: by valkey, by its allowance, by this worker alone, or from memory."""
        self._limits.add(outcome, by)

    def recalled(self, seconds: float, notes: int) -> None:
        """A user's memories were looked for, and a model is told so many."""
        self._recall.add(seconds)
        if notes:
            self._notes.more(notes)

    def remembered(self, kind: str) -> None:
        """Something that a user said was kept."""
        self._remembered.add(kind)

    def not_remembered(self, reason: str) -> None:
        """Nothing was kept of a turn."""
        self._not_remembered.add(reason)

    def cooldown(self, provider: str, reason: str) -> None:
        """A provider's model is left alone for a while."""
        self._cooldowns.add(provider, reason)

    def retried(self, *, made: bool) -> None:
        """One more attempt was made for a request, or there was no budget for it."""
        self._retries.add("made" if made else "refused")

    def reloaded(self, *, taken: bool) -> None:
        """The documents were edited."""
        self._reloads.add("taken" if taken else "refused")
        self._stale.set(0 if taken else 1)

    def records_refused(self, number: int) -> None:
        """Records are put aside, for people to look at."""
        self._refusals.more(number)

    def page(self, accept: str) -> tuple[str, bytes]:
        """The media type and text of all workers' counts: OpenMetrics where `accept` names it. Blocks; for a thread."""
        return exposition.page(self._own, self._folder, accept)


@lru_cache(maxsize=1024)
def _provider(model: str) -> str:
    return model.partition("/")[0]
