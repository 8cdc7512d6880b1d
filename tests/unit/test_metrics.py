"""What is counted: under the names that are written down, for all workers, whatever clients say."""

from __future__ import annotations

import ast
import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families as plain

from gateway.core.caller import Caller
from gateway.core.ends import ANSWERED, CUT, LEFT
from gateway.core.errors import BadKey, SyntraError, UpstreamError
from gateway.core.health import REASONS
from gateway.core.ids import uuid7
from gateway.core.money import Picodollars
from gateway.http.door import Door
from gateway.http.lounge import Lounge
from gateway.http.metrics import Exposition
from gateway.records import metrics as file
from gateway.records.decision import Attempt, Decision, Outcome
from gateway.records.metrics import ERRORS, HEALTH, OUTCOMES, SURFACES, TOKENS, Metrics, Watched
from gateway.records.series import OTHER
from policies.engine import Plan
from policies.facts import Facts
from tests.fakes.doors import NO_TWINS
from tests.fakes.gateway import ROOT
from tests.laps import laps
from tests.unit.wire_rig import Run

KEY = "sk-syn-0123456789ab-00112233445566778899aabbccddeeff00112233"
KNOWN = {
    "providers": ("openai", "google"),
    "models": ("openai/gpt-4o-mini",),
    "policies": ("balanced",),
    "intents": ("coding_help",),
}
ROW = re.compile(r"^\| (syntra_\w+) \| (\w+) \| ([\w, ]*?) ?\|", re.MULTILINE)

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def counted(metrics: Metrics) -> Samples:
    metrics.flush()
    families = plain(metrics.page("")[1].decode())
    return {(s.name, frozenset(s.labels.items())): s.value for family in families for s in family.samples}


def value(samples: Samples, name: str, **labels: str) -> float:
    return samples.get((name, frozenset(labels.items())), 0.0)


# What only we can say, so that it is never `other`.
INNER = {("kind", kind) for kind in TOKENS} | {("outcome", outcome) for outcome in ("taken", "refused", "made")}


def count_everything(metrics: Metrics, *, known: bool = True) -> None:
    def said(name: str) -> str:
        return name if known else f"{name}{uuid7()}"

    metrics.request(said("chat"), 200 if known else 299)
    metrics.error(said("chat"), said("draining"))
    metrics.overhead.add(0.002)
    metrics.used(f"{said('openai')}/gpt-4o-mini", (1000, 600, 50, 20), Picodollars(250_000_000))
    metrics.cache.add(said("miss"))
    metrics.limited(said("limited"), said("valkey"))
    metrics._lag.add(0.004)
    metrics._degraded.add(said("keys"))
    metrics.watch(Watched(lambda: 3, lambda: {"postgres": "ok", "valkey": "slow", "vectors": "away"}, lambda: 7))
    metrics.ttft.add(0.3, said("openai"))
    metrics.duration.add(2.0, said("openai"))
    metrics.attempts.add(said("openai"), said("answered"))
    metrics.routed.add(said("balanced"), said("coding_help"), said("openai"))
    metrics.cooldown(said("openai"), said("slow"))
    metrics.recalled(0.004, 2)
    metrics.remembered(said("statement"))
    metrics.not_remembered(said("nothing"))
    metrics.retried(made=True)
    metrics.odd.add(said("openai"), said("no end"))
    metrics.reloaded(taken=False)
    metrics.records_refused(3)
    metrics.flush()


def test_the_names_and_labels_are_those_that_are_written_down() -> None:
    metrics = Metrics(None, **KNOWN)
    count_everything(metrics)
    written = {
        name: (kind, frozenset(filter(None, labels.split(", "))))
        for name, kind, labels in ROW.findall(file.__doc__ or "")
    }
    served = {}
    for family in plain(metrics.page("")[1].decode()):
        if not family.name.endswith("_created"):
            name = f"{family.name}_total" if family.type == "counter" else family.name
            labels = frozenset(label for sample in family.samples for label in sample.labels) - {"le"}
            served[name] = (family.type, labels)
    assert written == served


def test_what_is_counted_can_be_read() -> None:
    metrics = Metrics(None, **KNOWN)
    count_everything(metrics)
    count_everything(metrics)
    samples = counted(metrics)
    assert value(samples, "syntra_requests_total", surface="chat", status="200") == 2
    assert value(samples, "syntra_routed_total", policy="balanced", intent="coding_help", provider="openai") == 2
    assert value(samples, "syntra_ttft_seconds_bucket", provider="openai", le="0.2") == 0
    assert value(samples, "syntra_ttft_seconds_bucket", provider="openai", le="0.3") == 2
    assert value(samples, "syntra_duration_seconds_sum", provider="openai") == 4.0
    assert value(samples, "syntra_records_refused_total") == 6
    assert value(samples, "syntra_errors_total", surface="chat", kind="draining") == 2
    assert value(samples, "syntra_overhead_seconds_bucket", le="0.002") == 2
    openai = {"provider": "openai", "model": "openai/gpt-4o-mini"}
    tokens = {kind: value(samples, "syntra_tokens_total", kind=kind, **openai) for kind in TOKENS}
    assert tokens == {"input": 2000, "cached": 1200, "output": 100, "reasoning": 40}
    assert value(samples, "syntra_cost_usd_total", **openai) == pytest.approx(0.0005)
    assert value(samples, "syntra_cache_total", outcome="miss") == 2
    assert value(samples, "syntra_limits_total", outcome="limited", by="valkey") == 2
    assert value(samples, "syntra_degraded_total", what="keys") == 2
    assert value(samples, "syntra_in_flight_requests") == 3
    assert value(samples, "syntra_ledger_waiting") == 7
    health = {store: value(samples, "syntra_store_health", store=store) for store in ("postgres", "valkey", "vectors")}
    assert health == {"postgres": 1, "valkey": 0.5, "vectors": 0}


def test_documents_are_stale_until_an_edit_is_taken() -> None:
    metrics = Metrics(None)
    assert value(counted(metrics), "syntra_policy_stale") == 0
    metrics.reloaded(taken=False)
    assert value(counted(metrics), "syntra_policy_stale") == 1
    metrics.reloaded(taken=True)
    samples = counted(metrics)
    assert value(samples, "syntra_policy_stale") == 0
    assert value(samples, "syntra_policy_reloads_total", outcome="taken") == 1
    assert value(samples, "syntra_policy_reloads_total", outcome="refused") == 1


def test_no_client_makes_a_series_or_costs_memory() -> None:
    metrics = Metrics(None, **KNOWN)
    for _ in range(50):
        count_everything(metrics, known=False)
    samples = counted(metrics)
    labels = {(label, value) for _, pairs in samples for label, value in pairs if label not in ("le", "store")}
    assert {value for label, value in labels if (label, value) not in INNER} == {OTHER}
    assert value(samples, "syntra_upstream_attempts_total", provider=OTHER, outcome=OTHER) == 50
    assert metrics.attempts._series._known == {}


def test_every_reason_to_cool_down_has_its_own_series() -> None:
    metrics = Metrics(None, **KNOWN)
    for reason in REASONS:
        metrics.cooldown("openai", reason)
    samples = counted(metrics)
    assert {value(samples, "syntra_cooldowns_total", provider="openai", reason=reason) for reason in REASONS} == {1}


def decision(ended: str, *attempts: Attempt, pinned: bool = False) -> Decision:
    outcome = Outcome(
        ended,
        model=attempts[-1].model if attempts and attempts[-1].ttft_ms else "",
        ttft_ms=300.0,
        duration_ms=2000.0,
    )
    facts, plan = Facts(intent="coding_help"), Plan("balanced", 0.5, (), ())
    return Decision(
        uuid7(), "acme", "k", "syntra", pinned=pinned, facts=facts, plan=plan, attempts=list(attempts), outcome=outcome
    )


def test_a_request_that_fell_back_counts_every_call_and_one_route() -> None:
    metrics = Metrics(None, **KNOWN)
    failed, resting = Attempt("openai/gpt-4o", "upstream_timeout"), Attempt("openai/gpt-4o-mini", "resting")
    metrics.settled(decision(ANSWERED, failed, resting, Attempt("google/gemini-2.5-flash", ttft_ms=300.0)))
    samples = counted(metrics)
    tried = {pairs: n for (name, pairs), n in samples.items() if name == "syntra_upstream_attempts_total"}
    assert tried == {
        frozenset({("provider", "openai"), ("outcome", "upstream_timeout")}): 1,
        frozenset({("provider", "google"), ("outcome", "answered")}): 1,
    }
    assert value(samples, "syntra_routed_total", policy="balanced", intent="coding_help", provider="google") == 1
    assert value(samples, "syntra_ttft_seconds_count", provider="google") == 1
    assert value(samples, "syntra_duration_seconds_sum", provider="google") == 2.0


@pytest.mark.parametrize("ended", [CUT, LEFT])
def test_an_answer_that_did_not_end_is_counted_as_such(ended: str) -> None:
    metrics = Metrics(None, **KNOWN)
    metrics.settled(decision(ended, Attempt("openai/gpt-4o", ttft_ms=300.0)))
    assert value(counted(metrics), "syntra_upstream_attempts_total", provider="openai", outcome=ended) == 1


def test_a_pin_was_not_routed_and_nobody_asked_is_nobody_timed() -> None:
    metrics = Metrics(None, **KNOWN)
    metrics.settled(decision(ANSWERED, Attempt("openai/gpt-4o", ttft_ms=300.0), pinned=True))
    metrics.settled(decision("no_candidate"))
    names = [name for (name, _), n in counted(metrics).items() if n]
    assert not any(name.startswith("syntra_routed") for name in names)
    assert value(counted(metrics), "syntra_duration_seconds_count", provider="openai") == 1


def test_the_outcomes_are_the_kinds_of_the_errors() -> None:
    kinds = {kind.__dict__.get("code") for kind in _tree(UpstreamError)}
    assert {kind for kind in kinds if kind} <= set(OUTCOMES)


def test_every_error_that_we_tell_has_its_own_series() -> None:
    kinds = {str(kind("…").kind) for kind in _tree(SyntraError) if _takes_a_message(kind)}
    for path in (ROOT / "gateway").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.keyword) and node.arg == "code" and isinstance(node.value, ast.Constant):
                kinds.add(str(node.value.value))
    assert kinds - {"None"} - set(ERRORS) == set()


def _takes_a_message(kind: type[SyntraError]) -> bool:
    return kind.__init__ in (SyntraError.__init__, UpstreamError.__init__)


def test_every_door_has_its_own_series() -> None:
    told = {
        node.args[1].value
        for path in (ROOT / "gateway").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "route"
        if len(node.args) == 4 and isinstance(node.args[1], ast.Constant)
    }
    assert {"chat", "embeddings"} <= told <= set(SURFACES)


def test_a_loop_that_is_late_is_seen() -> None:
    metrics = Metrics(None, **KNOWN)

    async def run() -> None:
        following = asyncio.create_task(metrics.follow())
        await asyncio.sleep(0.1)
        time.sleep(0.3)  # noqa: ASYNC251  # that is what it shall see
        await asyncio.sleep(0.1)
        following.cancel()

    asyncio.run(run())
    samples = counted(metrics)
    late = value(samples, "syntra_loop_lag_seconds_count") - value(samples, "syntra_loop_lag_seconds_bucket", le="0.1")
    assert late >= 1


def test_what_is_counted_costs_a_request_a_few_microseconds() -> None:
    metrics = Metrics(None, **KNOWN)
    for lap in laps(within=10e-6 * 500):
        with lap:
            for _ in range(500):
                metrics.overhead.add(0.002)
                metrics.used("openai/gpt-4o-mini", (1000, 600, 50, 20), Picodollars(250_000_000))
                metrics.cache.add("miss")
                metrics.limited("admitted", "valkey")


def test_how_a_store_is_has_a_number() -> None:
    assert set(HEALTH) == {"ok", "slow", "away"}


def _tree(kind: type) -> list[type]:
    return [kind, *(below for child in kind.__subclasses__() for below in _tree(child))]


# Several workers: the library decides when it is imported how it counts, so these are processes of their own.

WORKER = """
import os, sys, pathlib, signal
from gateway.records.metrics import Metrics
metrics = Metrics(pathlib.Path(os.environ["PROMETHEUS_MULTIPROC_DIR"]), providers=["openai"])
for line in sys.stdin:
    exec(line)
    metrics.flush()
    print("done", flush=True)
"""


class Worker:
    """A process that counts."""

    def __init__(self, folder: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", WORKER],
            cwd=ROOT,
            env={**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(folder)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def do(self, line: str) -> None:
        assert self.process.stdin
        assert self.process.stdout
        print(line, file=self.process.stdin, flush=True)
        assert self.process.stdout.readline() == "done\n"

    def page(self, folder: Path) -> Samples:
        self.do(f"pathlib.Path({str(folder / 'page.txt')!r}).write_bytes(metrics.page('')[1])")
        families = plain((folder / "page.txt").read_text())
        return {(s.name, frozenset(s.labels.items())): s.value for family in families for s in family.samples}

    def end(self, by: signal.Signals = signal.SIGKILL) -> None:
        self.process.send_signal(by)
        self.process.communicate()


def test_any_worker_tells_of_all_and_forgets_no_dead_ones_counts(tmp_path: Path) -> None:
    folder = tmp_path / "metrics"
    folder.mkdir(mode=0o700)
    workers = [Worker(folder) for _ in range(3)]
    for worker in workers:
        worker.do("metrics.attempts.add('openai', 'answered'); metrics.ttft.add(0.3, 'openai')")
    workers[2].do("metrics.reloaded(taken=False)")
    for number, state in enumerate(("ok", "away", "slow")):
        watch = f"metrics.watch(Watched(lambda: {number + 1}, lambda: {{'postgres': {state!r}}}, lambda: {number}))"
        workers[number].do(f"from gateway.records.metrics import Watched; {watch}")
    (folder / "counter_999999999.db").write_bytes(b"")  # of one that died while it made it

    def told(by: Worker) -> tuple[float, ...]:
        samples = by.page(tmp_path)
        return (
            value(samples, "syntra_upstream_attempts_total", provider="openai", outcome="answered"),
            value(samples, "syntra_ttft_seconds_bucket", provider="openai", le="0.3"),
            value(samples, "syntra_policy_stale"),
            value(samples, "syntra_in_flight_requests"),
            value(samples, "syntra_ledger_waiting"),
            value(samples, "syntra_store_health", store="postgres"),
        )

    assert told(workers[0]) == told(workers[1]) == (3, 3, 1, 6, 3, 0)
    workers[2].end()
    assert told(workers[0]) == told(workers[0]) == (3, 3, 0, 3, 1, 0)
    workers[1].end()
    workers[1] = Worker(folder)
    workers[1].do("metrics.attempts.add('openai', 'answered')")
    assert told(workers[1]) == told(workers[0]) == (4, 3, 0, 1, 0, 1)
    processes = {path.stem.rpartition("_")[2] for path in folder.glob("*.db")}
    assert processes == {"gone", str(workers[0].process.pid), str(workers[1].process.pid)}
    for worker in workers[:2]:
        worker.end()


def test_a_worker_whose_folder_came_too_late_does_not_start(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="after prometheus_client had been imported"):
        Metrics(tmp_path)


async def identify(bearer: str | None) -> Caller:
    if bearer != KEY:
        raise BadKey("no")
    return Caller("o", "local", "k", operator=True)


def asked_for(run: Run[Any], metrics: Metrics, *headers: tuple[bytes, bytes], method: str = "GET") -> tuple[Any, str]:
    sent: list[Any] = []

    async def ask() -> None:
        async def receive() -> Any:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        door = Door(identify, Lounge(1.0), lambda surface, visit: None, NO_TWINS)
        scope: Any = {"type": "http", "method": method, "path": "/metrics", "headers": list(headers)}
        await Exposition(metrics, door).application(scope, receive, send)

    run(ask())
    return sent[0], b"".join(message["body"] for message in sent[1:]).decode()


BEARER = (b"authorization", f"Bearer {KEY}".encode())
PROMETHEUS = (
    b"application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,text/plain;version=0.0.4;q=0.2,*/*;q=0.1"
)


@pytest.mark.parametrize(
    ("accept", "media_type", "parse"),
    [
        (None, "text/plain; version=0.0.4; charset=utf-8", plain),
        (b"*/*", "text/plain; version=0.0.4; charset=utf-8", plain),
        (b"text/plain;version=junk, \xff\x00", "text/plain; version=0.0.4; charset=utf-8", plain),
        (PROMETHEUS, "application/openmetrics-text; version=1.0.0; charset=utf-8", open_metrics),
        (
            b"application/openmetrics-text; version=junk",
            "application/openmetrics-text; version=1.0.0; charset=utf-8",
            open_metrics,
        ),
    ],
)
def test_the_page_comes_in_the_form_that_was_asked_for(accept: Any, media_type: str, parse: Any, run: Run[Any]) -> None:
    metrics = Metrics(None, **KNOWN)
    count_everything(metrics)
    head, text = asked_for(run, metrics, BEARER, *([(b"accept", accept)] if accept else []))
    assert head["status"] == 200
    assert dict(head["headers"])[b"content-type"].decode() == media_type
    assert {family.name for family in parse(text)} > {"syntra_requests", "syntra_ttft_seconds"}


def test_the_page_needs_a_key_and_is_only_read(run: Run[Any]) -> None:
    head, text = asked_for(run, Metrics(None))
    assert (head["status"], json.loads(text)["error"]["code"]) == (401, "invalid_api_key")
    assert asked_for(run, Metrics(None), BEARER, method="POST")[0]["status"] == 405


def test_the_page_for_people_says_the_same() -> None:
    written = [line for line in (file.__doc__ or "").splitlines() if line.startswith("| ")]
    told = [line for line in (ROOT / "docs" / "metrics.md").read_text().splitlines() if line.startswith("| ")]
    assert set(written) <= set(told)
