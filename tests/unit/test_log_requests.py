"""A request is one line of the log: no name forges another, and nobody waits until it is read."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

import pytest
from hypothesis import given

from gateway.records import log as file
from gateway.records.log import REQUESTS, Requests
from tests.laps import laps
from tests.unit.log_rig import ANY, logged


@contextmanager
def piped(kind: str) -> Iterator[tuple[Requests, Callable[[], str]]]:
    read, write = os.pipe()
    with logged(kind), os.fdopen(read, "rb") as reader:

        def told() -> str:
            os.close(write)
            return reader.read().decode()

        yield Requests("json" if kind == "json" else "text", write, every=True), told


def test_a_request_is_one_line_with_who_answered_and_how_long_it_took() -> None:
    with piped("json") as (requests, told):
        requests.add("chat", 200, "my-request-7", 0.25, "org-1", "openai/gpt-4o-mini", "decision-1")
        requests.add("models", 401, "other", 0.001)
        requests.flush()
        first, second = map(json.loads, told().splitlines())
    assert datetime.fromisoformat(first.pop("time")).tzinfo is not None
    assert first == {
        "level": "info",
        "logger": REQUESTS,
        "message": "chat 200",
        "request_id": "my-request-7",
        "surface": "chat",
        "status": 200,
        "duration_ms": 250.0,
        "organisation": "org-1",
        "provider": "openai",
        "model": "gpt-4o-mini",
        "decision": "decision-1",
    }
    assert set(second) == set(first) - {"organisation", "provider", "model", "decision"} | {"time"}


def test_people_see_it_at_a_glance() -> None:
    with piped("text") as (requests, told):
        requests.add("chat", 200, "my-request-7", 0.25, "org-1", "openai/gpt-4o-mini")
        requests.flush()
        line = told()
    assert line.endswith(" INFO    syntra.requests [my-request-7]: chat 200 250.0 ms openai/gpt-4o-mini org-1\n")


@given(ANY)
def test_no_model_name_forges_a_line(name: str) -> None:
    for kind in ("json", "text"):
        with piped(kind) as (requests, told):
            requests.add("chat", 200, "r", 0.1, "", f"openai/{name}")
            requests.flush()
            written = told()
        assert len(written.splitlines()) == 1
        if kind == "json":
            assert written.isascii()
            assert json.loads(written).get("model", "") == name


def test_lines_are_written_by_themselves() -> None:
    async def run() -> str:
        with piped("json") as (requests, told):
            following = asyncio.create_task(requests.follow())
            for number in range(200):
                requests.add("chat", 200, str(number), 0.1)
            await asyncio.sleep(1.0)
            following.cancel()
            return told()

    lines = [json.loads(line)["request_id"] for line in asyncio.run(run()).splitlines()]
    assert lines == list(map(str, range(200)))


def test_a_log_that_nobody_reads_slows_nobody_and_takes_no_memory_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file, "_MOST_WAITING", 3000)
    read, write = os.pipe()

    drain = threading.Thread(target=lambda: [None for _ in iter(lambda: os.read(read, 65536), b"")])

    async def run(requests: Requests) -> float:
        following = asyncio.create_task(requests.follow())
        slowest = 0.0
        for number in range(20_000):
            requests.add("chat", 200, str(number), 0.1, "org-1" * 10)
            if number % 100 == 0:
                began = time.perf_counter()
                await asyncio.sleep(0.002)
                slowest = max(slowest, time.perf_counter() - began)
        waiting, lost = len(requests._waiting), requests._lost
        drain.start()
        await asyncio.sleep(1.0)
        following.cancel()
        assert (waiting, lost > 0, requests._waiting) == (3000, True, [])
        return slowest

    with logged() as stream:
        assert asyncio.run(run(Requests("json", write, every=True))) < 0.2
    os.close(write)
    drain.join()
    os.close(read)
    assert "lines of requests were lost" in stream.getvalue()


def test_below_its_level_a_request_costs_nothing() -> None:
    with logged():
        logging.getLogger().setLevel("WARNING")
        requests = Requests("json", 2, every=True)
        requests.add("chat", 200, "r", 0.1)
        assert requests._waiting == []


def test_a_line_costs_a_request_a_microsecond() -> None:
    with logged():
        requests = Requests("json", os.open(os.devnull, os.O_WRONLY), every=True)

    def add() -> None:
        for _ in range(500):
            requests.add("chat", 200, "01a2179287fc7f0397aac6a87eae9741", 0.1, "o" * 36, "openai/gpt-4o", "d" * 32)

    for lap in laps(within=1e-6 * 500):
        with lap:
            add()
        requests.flush()
    for lap in laps(within=8e-6 * 500):
        add()
        with lap:
            requests.flush()  # in a thread of its own
    os.close(requests._descriptor)


def test_at_info_only_what_did_not_go_well_has_a_line() -> None:
    read, write = os.pipe()
    try:
        requests = Requests("json", write)
        requests.on = True
        for status in (200, 204, 401, 499, 502):
            requests.add("chat", status, f"id-{status}", 0.1)
        requests.flush()
        told = [json.loads(line)["status"] for line in os.read(read, 65536).splitlines()]
    finally:
        os.close(read)
        os.close(write)
    assert told == [401, 499, 502]
