"""What is counted: under the names that are written down, whatever clients say."""

from __future__ import annotations

import ast
import asyncio
import re
import time

import pytest
from prometheus_client.parser import text_string_to_metric_families as plain

from gateway.core.ends import ANSWERED, CUT, LEFT
from gateway.core.errors import SyntraError, UpstreamError
from gateway.core.health import REASONS
from gateway.core.ids import uuid7
from gateway.core.money import Picodollars
from gateway.records import metrics as file
from gateway.records.decision import Attempt, Decision, Outcome
from gateway.records.metrics import ERRORS, HEALTH, OUTCOMES, SURFACES, TOKENS, Metrics
from gateway.records.series import OTHER
from policies.engine import Plan
from policies.facts import Facts
from tests.fakes.gateway import ROOT
from tests.laps import laps
from tests.unit.metrics_rig import KNOWN, count_everything, counted, value

ROW = re.compile(r"^\| (syntra_\w+) \| (\w+) \| ([\w, ]*?) ?\|", re.MULTILINE)
# What only we can say, so that it is never `other`.
INNER = {("kind", kind) for kind in TOKENS} | {("outcome", outcome) for outcome in ("taken", "refused", "made")}


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


@pytest.mark.parametrize("by", ["valkey", "allowance", "worker", "memory"])
def test_who_let_a_request_in_is_told_by_its_name(by: str) -> None:
    metrics = Metrics(None, **KNOWN)
    metrics.limited("admitted", by)
    assert value(counted(metrics), "syntra_limits_total", outcome="admitted", by=by) == 1


def test_how_a_store_is_has_a_number() -> None:
    assert set(HEALTH) == {"ok", "slow", "away"}


def _tree(kind: type) -> list[type]:
    return [kind, *(below for child in kind.__subclasses__() for below in _tree(child))]
