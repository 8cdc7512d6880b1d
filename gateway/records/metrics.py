"""What is counted of all requests, for `/metrics`; every worker's counts in one page.

| name | kind | labels | says |
| --- | --- | --- | --- |
| syntra_requests_total | counter | surface, status | requests answered; status as sent, 499 for a client that left |
| syntra_ttft_seconds | histogram | provider | from asking a provider to its first chunk |
| syntra_duration_seconds | histogram | provider | from a request's coming in to the end of its answer |
| syntra_upstream_attempts_total | counter | provider, outcome | calls to providers; answered, cut, left, or the code of the error |
| syntra_routed_total | counter | policy, intent, provider | requests that Syntra chose a provider for |
| syntra_cooldowns_total | counter | provider, reason | times that a provider's model was left alone for a while |
| syntra_policy_reloads_total | counter | outcome | edits of the documents; taken or refused |
| syntra_policy_stale | gauge | | 1 while the last edit was refused and older documents are in force |
| syntra_records_refused_total | counter | | requests that PostgreSQL would not record |

Labels are bounded: what is not known when a worker starts is `other`, so no client can make a series. Each worker counts
in files of its own, mapped into memory, in a folder that the parent makes and names in PROMETHEUS_MULTIPROC_DIR before
anything imports prometheus_client; without one (in tests) this process's counts are all there is.
"""  # noqa: E501  # a table's rows do not wrap

from __future__ import annotations

import asyncio
import fcntl
import os
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Generic, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, values
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.openmetrics.exposition import CONTENT_TYPE_LATEST as OPEN_METRICS
from prometheus_client.openmetrics.exposition import generate_latest as generate_open_metrics

from gateway.core.health import REASONS
from gateway.records.decision import ANSWERED, CUT, LEFT, RESTING, Decision

SURFACES = ("chat", "embeddings", "models", "responses", "messages", "route", "decisions", "metrics")
STATUSES = tuple(
    "200 400 401 402 403 404 405 408 409 413 415 422 424 429 499 500 501 502 503 504 529".split()
)  # a provider's own 4xx is passed on, so they are many; any other is `other`
OUTCOMES = (
    "answered cut left context_length_exceeded model_not_found rate_limit_exceeded upstream_broken upstream_credential "
    "upstream_error upstream_rejected upstream_timeout upstream_unreachable"
).split()
OTHER = "other"

_TTFT = (0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3, 5, 8, 15, 30, 60)  # s; flash models begin at 0.2
_DURATION = (0.1, 0.25, 0.5, 1, 2, 3, 5, 8, 12, 20, 30, 60, 120, 300, 600)  # s; nothing may take longer than the last
_TICK = 1.0  # s; a worker that is killed loses what it counted since
_GONE = "gone"  # stands where a worker's process id does
_KINDS = ("counter", "histogram")  # what outlives its worker

Labels = tuple[str | int, ...]
M = TypeVar("M", bound=MetricWrapperBase)

# These have no types of their own.
_file: Callable[[str], Any] = MmapedDict
_entries: Callable[[str], Iterator[tuple[str, float, float, int]]] = MmapedDict.read_all_values_from_file
_collect: Callable[[CollectorRegistry, str], object] = MultiProcessCollector
_open_metrics: Callable[[CollectorRegistry], bytes] = generate_open_metrics


class _Series(Generic[M]):
    """The series of one metric, looked up once; a label's value that is not allowed becomes `other`."""

    def __init__(self, metric: M, *allowed: Collection[str]) -> None:
        self._metric = metric
        self._allowed = [frozenset(each) for each in allowed]
        self._known: dict[Labels, M] = {}

    def at(self, labels: Labels) -> M:
        """The series of these labels."""
        return self._known.get(labels) or self._find(labels)

    def _find(self, labels: Labels) -> M:
        told = [str(label) for label in labels]
        bounded = [label if label in known else OTHER for label, known in zip(told, self._allowed, strict=True)]
        series = self._metric.labels(*bounded)
        if bounded == told:
            self._known[labels] = series  # only these: what is not allowed has no end
        return series


# Both count in a dictionary first: a mapped file costs 3 µs a value, which a busy worker's requests would feel.


class _Counts:
    """A counter."""

    def __init__(self, counter: Counter, *allowed: Collection[str]) -> None:
        self._series = _Series(counter, *allowed)
        self._waiting: dict[Labels, int] = {}

    def add(self, *labels: str | int) -> None:
        """One more."""
        self._waiting[labels] = self._waiting.get(labels, 0) + 1

    def flush(self) -> None:
        """Let everybody see them."""
        waiting, self._waiting = self._waiting, {}
        for labels, number in waiting.items():
            self._series.at(labels).inc(number)


class _Times:
    """A histogram of seconds."""

    def __init__(self, histogram: Histogram, bounds: Sequence[float], *allowed: Collection[str]) -> None:
        self._series = _Series(histogram, *allowed)
        self._bounds = bounds
        self._waiting: dict[Labels, list[float]] = {}  # how many in each bucket and beyond all, then their sum

    def add(self, seconds: float, *labels: str | int) -> None:
        """One observation."""
        row = self._waiting.get(labels)
        if row is None:
            row = self._waiting[labels] = [0.0] * (len(self._bounds) + 2)
        row[bisect_left(self._bounds, seconds)] += 1
        row[-1] += seconds

    def flush(self) -> None:
        """Let everybody see them: by way of the histogram's own cells, since it takes observations one by one only."""
        waiting, self._waiting = self._waiting, {}
        for labels, row in waiting.items():
            series = self._series.at(labels)
            for cell, number in zip(series._buckets, row[:-1], strict=True):  # noqa: SLF001
                if number:
                    cell.inc(number)
            series._sum.inc(row[-1])  # noqa: SLF001


class Metrics:
    """Counts of this worker, and the page of all; `folder` is what PROMETHEUS_MULTIPROC_DIR named, if anything."""

    def __init__(
        self,
        folder: Path | None,
        *,
        providers: Collection[str] = (),
        policies: Collection[str] = (),
        intents: Collection[str] = (),
    ) -> None:
        if folder is not None and values.ValueClass is values.MutexValue:
            raise RuntimeError("PROMETHEUS_MULTIPROC_DIR was set after prometheus_client had been imported")
        self._folder = folder
        own = self._own = CollectorRegistry()
        self._requests = _Counts(
            Counter("syntra_requests_total", "Requests answered.", ["surface", "status"], registry=own),
            SURFACES,
            STATUSES,
        )
        first, whole = "Seconds to a provider's first chunk.", "Seconds from request to the answer's end."
        self._ttft = _Times(
            Histogram("syntra_ttft_seconds", first, ["provider"], buckets=_TTFT, registry=own), _TTFT, providers
        )
        self._duration = _Times(
            Histogram("syntra_duration_seconds", whole, ["provider"], buckets=_DURATION, registry=own),
            _DURATION,
            providers,
        )
        self._attempts = _Counts(
            Counter("syntra_upstream_attempts_total", "Calls to providers.", ["provider", "outcome"], registry=own),
            providers,
            OUTCOMES,
        )
        self._routed = _Counts(
            Counter("syntra_routed_total", "Requests routed.", ["policy", "intent", "provider"], registry=own),
            policies,
            intents,
            providers,
        )
        self._cooldowns = _Counts(
            Counter("syntra_cooldowns_total", "Models left alone.", ["provider", "reason"], registry=own),
            providers,
            REASONS,
        )
        edits = Counter("syntra_policy_reloads_total", "Edits of the documents.", ["outcome"], registry=own)
        self._taken, self._refused = edits.labels("taken"), edits.labels("refused")
        stale = "1 while the last edit was refused."
        self._stale = Gauge("syntra_policy_stale", stale, multiprocess_mode="livemax", registry=own)
        lost = "Requests that PostgreSQL would not record."
        self._refusals = Counter("syntra_records_refused_total", lost, registry=own)

    def flush(self) -> None:
        """Let everybody see what this worker has counted; on the loop, where it counts."""
        for metric in (self._requests, self._ttft, self._duration, self._attempts, self._routed, self._cooldowns):
            metric.flush()

    async def follow(self) -> None:
        """Flush once a second until cancelled."""
        while True:
            await asyncio.sleep(_TICK)
            self.flush()

    def settled(self, decision: Decision) -> None:
        """A chat request is over."""
        outcome = decision.outcome
        for attempt in decision.attempts:
            if attempt.outcome != RESTING:
                ended = (
                    outcome.ended if attempt.outcome == ANSWERED and outcome.ended in (CUT, LEFT) else attempt.outcome
                )
                self.attempt(_provider(attempt.model), ended)
        if not outcome.model:
            return
        provider = _provider(outcome.model)
        self.duration(provider, outcome.duration_ms / 1e3)
        if outcome.ttft_ms is not None:
            self.ttft(provider, outcome.ttft_ms / 1e3)
        if not decision.pinned and decision.plan is not None and decision.facts is not None:
            self.routed(decision.plan.policy, decision.facts.intent, provider)

    def request(self, surface: str, status: int) -> None:
        """A request was answered, or its client left (499)."""
        self._requests.add(surface, status)

    def ttft(self, provider: str, seconds: float) -> None:
        """A provider began to answer."""
        self._ttft.add(seconds, provider)

    def duration(self, provider: str, seconds: float) -> None:
        """An answer of this provider's has ended."""
        self._duration.add(seconds, provider)

    def attempt(self, provider: str, outcome: str) -> None:
        """A provider was asked; `outcome` is `answered`, `cut`, `left` or the kind of the error."""
        self._attempts.add(provider, outcome)

    def routed(self, policy: str, intent: str, provider: str) -> None:
        """Syntra chose."""
        self._routed.add(policy, intent, provider)

    def cooldown(self, provider: str, reason: str) -> None:
        """A provider's model is left alone for a while."""
        self._cooldowns.add(provider, reason)

    def reloaded(self, *, taken: bool) -> None:
        """The documents were edited."""
        (self._taken if taken else self._refused).inc()
        self._stale.set(0 if taken else 1)

    def records_refused(self, number: int) -> None:
        """Records are put aside, for people to look at."""
        self._refusals.inc(number)

    def page(self, accept: str) -> tuple[str, bytes]:
        """The media type and text of all workers' counts: OpenMetrics where `accept` names it. Blocks; for a thread."""
        if self._folder is None:
            return _encoded(self._own, accept)
        with _alone(self._folder):
            _bury(self._folder)
            everybody = CollectorRegistry()
            _collect(everybody, str(self._folder))
            return _encoded(everybody, accept)


def _provider(model: str) -> str:
    return model.partition("/")[0]


def _encoded(registry: CollectorRegistry, accept: str) -> tuple[str, bytes]:
    if "application/openmetrics-text" in accept:
        return OPEN_METRICS, _open_metrics(registry)
    return CONTENT_TYPE_PLAIN_0_0_4, generate_latest(registry)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One worker at a time reads the files: what one adds up and removes, another must not miss."""
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _bury(folder: Path) -> None:
    """Forget what dead workers said of their present, add up what they have counted: their files would never end."""
    for path in sorted(folder.glob("*_*.db")):
        kind, _, process = path.stem.rpartition("_")
        if process != _GONE and not _alive(int(process)):
            if kind in _KINDS and path.stat().st_size:  # none yet: it died while it made it
                _add(path, folder / f"{kind}_{_GONE}.db")
            path.unlink()


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody's
        return True
    return True


def _add(path: Path, to: Path) -> None:
    total = _file(str(to))
    try:
        for key, value, _, _ in _entries(str(path)):
            total.write_value(key, total.read_value(key)[0] + value, 0.0)
    finally:
        total.close()
