"""Metrics in which everything is counted, and a look at their page."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families as plain

from gateway.core.ids import uuid7
from gateway.core.money import Picodollars
from gateway.records.metrics import Metrics, Watched

KNOWN = {
    "providers": ("openai", "google"),
    "models": ("openai/gpt-4o-mini",),
    "policies": ("balanced",),
    "intents": ("coding_help",),
}
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def counted(metrics: Metrics) -> Samples:
    metrics.flush()
    families = plain(metrics.page("")[1].decode())
    return {(s.name, frozenset(s.labels.items())): s.value for family in families for s in family.samples}


def value(samples: Samples, name: str, **labels: str) -> float:
    return samples.get((name, frozenset(labels.items())), 0.0)


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
