"""What recording a request costs: the worker's share and PostgreSQL's, by the processor's own clock.

Run as: python -m bench.ledger DATABASE_URL
The URL is an owner's, of an empty database on this machine: PostgreSQL's processes are looked at in /proc.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psycopg
import uvloop

from gateway.core.events import Usage
from gateway.core.ids import uuid7
from gateway.core.money import Picodollars
from gateway.records import billing
from gateway.records.decision import Attempt, Decision, Outcome
from gateway.records.journal import Journal
from gateway.records.ledger import Ledger
from gateway.stores import postgres_place, schema
from gateway.stores.postgres import Postgres
from policies.engine import Plan, Scored
from policies.facts import Facts, Live

MODELS = 26  # candidates, as with the six providers' keys
ROUNDS = 15  # of which the best is told: whatever else runs only takes time
TICKS = 4  # batches of a round
MICRO = 1e6


@dataclass(frozen=True)
class Load:
    """So many requests in a quarter of a second, of so many organisations."""

    what: str
    requests: int
    organisations: int = 1
    routed: bool = False


LOADS = (
    Load("pinned, 2,500 a second", 625),
    Load("pinned, 500 a second", 125),
    Load("pinned, 2,500 a second, 10 organisations", 625, organisations=10),
    Load("routed among 26, 1,000 a second", 250, routed=True),
)


def decision(organisation: str, *, routed: bool) -> Decision:
    """A request that was answered, as the pipeline leaves it."""
    usage, cost = Usage(210, 90, 300), Picodollars(85_500_000)
    model = "openai/gpt-4o-mini"
    made = Decision(
        uuid7(),
        organisation,
        uuid7(),
        "syntra" if routed else model,
        document="967dabd361ad",
        pinned=not routed,
        attempts=[Attempt(model, ttft_ms=312.513, duration_ms=900.125, usage=usage, cost=cost)],
        outcome=Outcome("answered", model, usage, cost, ttft_ms=312.513),
    )
    if routed:
        names = [f"provider-{k % 6}/a-model-of-theirs-{k}" for k in range(MODELS)]
        scored = tuple(
            Scored(name, -0.1 / (k + 3), 0.9 / (k + 1), 10**7 + k, 300 / 7 + k, 900 / 7 + k)
            for k, name in enumerate(names)
        )
        made.facts = Facts(intent="coding_help", confidence=0.9535, complexity=0.4135, tokens=210)
        made.plan = Plan("balanced", 0.85, scored[:3], scored)
        made.live = {name: Live(300 / 7 + k, 80 / 7 + k, 0.0) for k, name in enumerate(names)}
    return made


def spent(processes: list[int]) -> float:
    """Seconds of processor that these have used."""
    nanoseconds = 0
    for process in processes:
        with suppress(FileNotFoundError):
            nanoseconds += int(Path(f"/proc/{process}/schedstat").read_text().split()[0])
    return nanoseconds / 1e9


def backends(owner: psycopg.Connection) -> list[int]:
    """The processes that serve us."""
    return [pid for (pid,) in owner.execute("select pid from pg_stat_activity where usename = 'syntra_app'")]


async def measure(
    load: Load, owner: psycopg.Connection, place: postgres_place.PostgresPlace
) -> tuple[float, float, float]:
    """Microseconds a request: to price it and write it down, to bring it to PostgreSQL, and PostgreSQL's own."""
    organisations = [uuid7() for _ in range(load.organisations)]
    for one in organisations:
        owner.execute("insert into syntra.organisation (id, name) values (%s, %s)", (one, one))
    with tempfile.TemporaryDirectory() as folder:
        async with Postgres(place) as postgres:
            journal = Journal(Path(folder))
            ledger = Ledger(journal, postgres, refused=lambda _: None)
            journal.open(asyncio.get_running_loop())
            kept = carried = 0.0
            await ledger._turn()  # noqa: SLF001  # what is measured
            theirs = spent(backends(owner))
            for _ in range(TICKS):
                ended = [
                    decision(organisations[k % load.organisations], routed=load.routed) for k in range(load.requests)
                ]
                began = time.process_time()
                for k, one in enumerate(ended):
                    one.outcome.cost = billing.total(one.attempts)
                    rows = billing.rows(one)
                    ledger.keep(one.organisation, one.id, rows[-1].at, rows, one)
                    if k % 2:  # two requests a turn of the loop
                        journal.flush()
                journal.flush()
                kept += time.process_time() - began
                began = time.process_time()
                await ledger._turn()  # noqa: SLF001
                carried += time.process_time() - began
            theirs = spent(backends(owner)) - theirs
            journal.close()
    each = MICRO / (TICKS * load.requests)
    return kept * each, carried * each, theirs * each


def main(url: str) -> None:
    """Print a table."""
    place = postgres_place.place(url)
    schema.migrate(place, b"bench")
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)  # as a worker has it
    print("| microseconds of processor a request | priced and written down | carried to PostgreSQL | PostgreSQL |")
    print("|---|---|---|---|")
    with psycopg.connect(url, autocommit=True) as owner:
        for load in LOADS:
            found = [uvloop.run(measure(load, owner, place)) for _ in range(ROUNDS)]
            figures = " | ".join(f"{min(column):.1f}" for column in zip(*found, strict=True))
            print(f"| {load.what} | {figures} |", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
