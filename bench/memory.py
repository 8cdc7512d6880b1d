"""What recalling costs with many memories in the store: `taskset -c 0 python -m bench.memory [--memories 100000]`.

Users of a thousand memories each, in the embedded PostgreSQL and Qdrant Edge, on whatever cores it is given; then users
at random are asked about, one after the other.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import time
from datetime import UTC, datetime, timedelta
from random import Random
from uuid import UUID

import numpy as np
import psycopg
import uvloop

from gateway.core.ids import uuid7
from gateway.core.memories import New
from tests.quality.memory import shelf, unhurried

WORDS = """tea cello garden budget plan dog sister birthday allergy car exam doctor salary holiday train bread lamp
paint window bicycle mountain river novel camera guitar kitchen office flight hotel museum wedding neighbour recipe
""".split()
NAMES = "Ann Bob Cleo Dan Eva Finn Gus Hana Ines Jan Kira Leo Mia Noa Otto Pia Quin Rosa Sam Tom".split()
EACH = 1000
BATCH = 500


def sentence(pick: Random) -> str:
    """Something that somebody could have said."""
    some = pick.sample(WORDS, 4)
    number = pick.randrange(2000)
    return f"{pick.choice(NAMES)} told me that my {some[0]} and the {some[1]} {number} need a new {some[2]} {some[3]}."


async def late() -> float:
    """How long others waited for the loop at most, in ms; until it is cancelled."""
    worst = 0.0
    try:
        while True:
            began = time.perf_counter()
            await asyncio.sleep(0.001)
            worst = max(worst, (time.perf_counter() - began) * 1e3 - 1)
    except asyncio.CancelledError:
        return worst


def cpu() -> float:
    """Seconds of this process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def measure(memories: int, asked: int) -> None:
    unhurried()
    pick = Random(1)  # noqa: S311  # no secret depends on it
    organisations = [str(UUID(uuid7())) for _ in range(10)]
    users = [(organisations[k % 10], f"user {k}") for k in range(max(1, memories // EACH))]
    start = datetime(2026, 1, 1, tzinfo=UTC)
    async with shelf() as kept_here:
        watch = asyncio.create_task(late())
        began, used = time.perf_counter(), cpu()
        for whose in users:
            for at in range(0, EACH, BATCH):
                said = [
                    New(sentence(pick), start + timedelta(minutes=at + k), thread=f"{k // 20}") for k in range(BATCH)
                ]
                await kept_here.add(kept_here.of(*whose), said)
        seconds = time.perf_counter() - began
        watch.cancel()
        count = len(users) * EACH
        print(
            f"{count} memories kept, {count / seconds:.0f} a second; {(cpu() - used) / count * 1e6:.0f} us of ours each"
        )
        print(f"others waited {await watch:.1f} ms for the loop at most")
        place = kept_here.of(*users[0])._postgres.place  # noqa: SLF001  # nobody else needs to know
        with psycopg.connect(place.owner.reveal(), autocommit=True) as owner:
            owner.execute("analyze syntra.memory")  # as autovacuum does within a minute
        took = []
        used = cpu()
        for _ in range(asked):
            kept = kept_here.of(*pick.choice(users))
            question = f"what did {pick.choice(NAMES)} say about my {pick.choice(WORDS)} and the {pick.choice(WORDS)}?"
            began = time.perf_counter()
            await kept_here.search(kept, question, 24)
            took.append((time.perf_counter() - began) * 1e3)
        p50, p95 = np.percentile(took, (50, 95))
        print(f"a recall: p50 {p50:.2f} ms, p95 {p95:.2f} ms; {(cpu() - used) / asked * 1e3:.2f} ms of ours each")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--memories", type=int, default=100_000)
    parser.add_argument("--asked", type=int, default=500)
    args = parser.parse_args()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(measure(args.memories, args.asked))


if __name__ == "__main__":
    main()
