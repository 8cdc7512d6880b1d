"""What remembering and recalling cost with many memories in the store: `taskset -c 0 python -m bench.memory`.

Many people with a thousand memories each, and one with twenty thousand, in the embedded PostgreSQL and Qdrant Edge;
then people at random are asked about through the product's own recall, one question after the other. Words are drawn
from the vocabulary as they are in what people write: few of them often, most of them rarely. `--json` prints figures
for `make bench`.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import itertools
import json
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import TypeVar
from uuid import UUID

import numpy as np
import psycopg
import uvloop
from msgspec import Struct

from bench.processes import Readings, seconds, started_in
from gateway.core.chat import ChatRequest, parse
from gateway.core.ids import uuid7
from gateway.core.memories import New
from gateway.remembering import Remembering
from gateway.stages.memory import Scope
from gateway.stores.embedding import HOME
from tests.quality.memory import remembering, unhurried

NAMES = "Ann Bob Cleo Dan Eva Finn Gus Hana Ines Jan Kira Leo Mia Noa Otto Pia Quin Rosa Sam Tom".split()
COMMON = 150  # words at the front of the vocabulary, which every text has
EACH = 1000  # memories of a person; one has twenty times as many
MANY = 20_000
BATCH = 250
TOKENS = 600  # what notes may take, as a policy has it by default
WARM = 50  # questions that are not counted
T = TypeVar("T")


class Measured(Struct):
    """What one run has shown; times in ms, rates a second."""

    memories: int
    kept: float  # memories a second
    kept_cpu: float  # us of all processors for one memory
    kept_late: float  # the longest that the loop worked without a break, of its own time
    p50: float
    p95: float
    many_p50: float  # of who has 20,000
    many_p95: float
    cpu: float  # of all processes for one recall
    many_cpu: float
    late: float
    told: float  # the share of questions that got a note


class Talk:
    """What people could have said and asked."""

    def __init__(self) -> None:
        self.pick = Random(1)  # noqa: S311  # no secret depends on it
        lines = (HOME / "vocabulary.txt").read_text("utf-8").split("\n")
        self._words = [word for word in lines if word.isalpha() and word.isascii() and len(word) > 2][COMMON:]
        self._often = list(itertools.accumulate(1 / (at + 100) for at in range(len(self._words))))

    def said(self) -> str:
        """A statement of a dozen words that are about something."""
        words = self.pick.choices(self._words, cum_weights=self._often, k=9)
        return f"{self.pick.choice(NAMES)} and I {' '.join(words[:4])}, so my {' '.join(words[4:])}."

    def asked(self, about: str) -> str:
        """A question about a statement."""
        words = [word.strip(",.") for word in about.split()[3:]]
        return f"What was it with {about.split(maxsplit=1)[0]} and the {' '.join(self.pick.sample(words, 3))}?"


class Watch:
    """The longest that the loop of this thread worked without letting others in, by the thread's own clock.

    At most half a millisecond too much: what the loop did, with breaks, before the watch was due.
    """

    def __init__(self) -> None:
        self.worst = 0.0  # ms
        self._task = asyncio.create_task(self._look())

    async def _look(self) -> None:
        while True:
            began = time.thread_time()
            await asyncio.sleep(0.0005)
            self.worst = max(self.worst, (time.thread_time() - began) * 1e3)

    def over(self) -> float:
        """End; what was seen."""
        self._task.cancel()
        return self.worst


async def keep(here: Remembering, whose: tuple[str, str], texts: Sequence[str]) -> None:
    """Keep the statements of one person."""
    kept, start = here.shelf.of(*whose), datetime(2026, 1, 1, tzinfo=UTC)
    for at in range(0, len(texts), BATCH):
        places = range(at, min(at + BATCH, len(texts)))
        said = [New(texts[k], start + timedelta(minutes=k), thread=f"{k // 20}") for k in places]
        await here.shelf.add(kept, said)


def request(text: str) -> ChatRequest:
    """A user's turn."""
    return parse(json.dumps({"model": "syntra", "messages": [{"role": "user", "content": text}]}).encode())


async def ask(here: Remembering, scope: Scope, text: str) -> tuple[float, bool]:
    """How long one recall took, in ms, and whether it found something to tell."""
    asked = request(text)
    began = time.perf_counter()
    recalled = await here.recollection.recall(scope, asked, TOKENS)
    took = (time.perf_counter() - began) * 1e3
    if recalled.degraded:
        raise AssertionError("a recall was late")
    return took, bool(recalled.notes)


async def measure(memories: int, questions: int) -> Measured:
    """One run."""
    unhurried()
    talk = Talk()
    organisations = [str(UUID(uuid7())) for _ in range(10)]
    people = [(organisations[k % 10], f"user {k}") for k in range(max(1, (memories - MANY) // EACH))]
    sizes = dict.fromkeys(people, EACH) | {(organisations[0], "who has many"): MANY}
    with TemporaryDirectory(prefix="syntra-bench-") as folder:
        async with remembering(Path(folder)) as here:
            engines = started_in(folder)
            texts = {whose: [talk.said() for _ in range(count)] for whose, count in sizes.items()}
            samples = {whose: said[::100] for whose, said in texts.items()}
            gc.collect()
            gc.freeze()  # as a worker does; and what the bench has made is not looked through
            watch, began, used = Watch(), time.perf_counter(), seconds(engines)
            for whose, said in texts.items():
                await keep(here, whose, said)
            took, used, kept_late = time.perf_counter() - began, seconds(engines) - used, watch.over()
            count = sum(sizes.values())
            settle(here)
            many = list(sizes)[-1:]
            asked = partial(recalls, here, talk, engines, samples=samples, questions=questions)
            some, some_cpu, told = await quietest(partial(asked, people))
            lots, lots_cpu, _ = await quietest(partial(asked, many))
            watch = Watch()  # by itself: it looks every half millisecond, which a recall would pay for
            await asked(people)
            late = watch.over()
            return Measured(
                memories=count,
                kept=count / took,
                kept_cpu=used / count * 1e6,
                kept_late=kept_late,
                p50=float(np.percentile(some, 50)),
                p95=float(np.percentile(some, 95)),
                many_p50=float(np.percentile(lots, 50)),
                many_p95=float(np.percentile(lots, 95)),
                cpu=some_cpu,
                many_cpu=lots_cpu,
                late=late,
                told=told,
            )


async def quietest(reading: Callable[[], Awaitable[T]]) -> T:
    """One reading, taken again where the host took much of the machine meanwhile."""
    readings = Readings[T](lambda share: print(f"again: the host took {share:.0%} of the machine", file=sys.stderr))
    while readings.wanted():
        readings.add(await reading())
    return readings.quietest[0]


async def recalls(
    here: Remembering,
    talk: Talk,
    engines: Sequence[int],
    people: Sequence[tuple[str, str]],
    samples: dict[tuple[str, str], list[str]],
    questions: int,
) -> tuple[list[float], float, float]:
    """What so many recalls took, each and of all processors, in ms; and the share that told something."""
    found, used = [], 0.0
    for number in range(WARM + questions):
        if number == WARM:
            used = seconds(engines)
        whose = talk.pick.choice(people)
        scope = Scope(*whose, "read", "a talk")
        found.append(await ask(here, scope, talk.asked(talk.pick.choice(samples[whose]))))
    cpu = (seconds(engines) - used) / questions * 1e3
    took = [one for one, _ in found[WARM:]]
    return took, cpu, sum(told for _, told in found[WARM:]) / questions


def settle(here: Remembering) -> None:
    """Do what autovacuum does within a minute."""
    place = here.shelf.of("organisation", "person")._postgres.place  # noqa: SLF001  # nobody else needs to know
    with psycopg.connect(place.owner.reveal(), autocommit=True) as owner:
        owner.execute("vacuum analyze syntra.memory")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--memories", type=int, default=100_000)
    parser.add_argument("--asked", type=int, default=500)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        found = runner.run(measure(args.memories, args.asked))
    if args.json:
        print(json.dumps({name: getattr(found, name) for name in found.__struct_fields__}))
        return
    print(
        f"{found.memories} memories kept, {found.kept:.0f} a second; {found.kept_cpu:.0f} us of all processors each\n"
        f"the loop worked {found.kept_late:.1f} ms without a break at most, {found.late:.1f} ms in recalls\n"
        f"a recall of who has {EACH}: p50 {found.p50:.2f} ms, p95 {found.p95:.2f} ms; "
        f"{found.cpu:.2f} ms of all processors; {found.told:.0%} told something\n"
        f"of who has {MANY}: p50 {found.many_p50:.2f} ms, p95 {found.many_p95:.2f} ms; {found.many_cpu:.2f} ms"
    )


if __name__ == "__main__":
    main()
