"""The page of metrics: of all workers, in the form that was asked for, for who has a key."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families as plain

from gateway.core.caller import Caller
from gateway.core.errors import BadKey
from gateway.http.door import Door
from gateway.http.lounge import Lounge
from gateway.http.metrics import Exposition
from gateway.records import metrics as file
from gateway.records.metrics import Metrics
from tests.fakes.doors import NO_TWINS
from tests.fakes.gateway import ROOT
from tests.unit.metrics_rig import KNOWN, Samples, count_everything, value
from tests.unit.wire_rig import Run

KEY = "sk-syn-0123456789ab-00112233445566778899aabbccddeeff00112233"
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
