"""How well memory finds what was said: `python -m tests.quality.memory PATH`, a file or a folder of them.

Each file is a list of conversations {speakers, turns: [{id, session, date, speaker, text, caption}],
qa: [{question, category, evidence: [turn ids]}]}, as LoCoMo has them. Every turn is kept through the product's own shelf,
in the embedded PostgreSQL and Qdrant Edge, each conversation for a user of its own; then every question is searched for.
"""

import argparse
import asyncio
import json
import math
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from gateway import engines, prepare, settings
from gateway.core.ids import uuid7
from gateway.core.memories import New
from gateway.remembering import Remembering
from gateway.settings import VECTORS
from gateway.stages import memory
from gateway.stages.memory.shelf import Shelf
from gateway.stores import postgres, vectors
from gateway.stores.postgres import Postgres

SEARCHED = 50  # memories, of which the first ten and the first five sessions count
ORGANISATION = uuid7()
ADVERSARIAL = 5  # the category of questions that nothing answers; their sessions are counted all the same


@asynccontextmanager
async def remembering(folder: Path) -> AsyncIterator[Remembering]:
    """Memory on embedded engines of its own."""
    environ = {"SYNTRA_DATA_DIR": str(folder)}
    with engines.held(settings.read(environ), environ, ("postgres", "vectors")) as stores:
        chosen = settings.read(environ | stores.environ)
        database = Postgres(prepare.place(chosen))
        await prepare.Preparation(chosen, database, prepare.pepper(chosen)).tables()
        async with database, vectors.chosen(stores.environ[VECTORS], "", chosen.qdrant_key) as found:
            yield Remembering(database, found)


def said(turn: dict[str, Any]) -> str:
    """A turn as it is kept."""
    return f"{turn['speaker']}: {turn['text']}" + (f" [image: {turn['caption']}]" if turn["caption"] else "")


async def keep(shelf: Shelf, conversation: dict[str, Any]) -> dict[str, str]:
    """Keep every turn; the turns' ids by the memories'."""
    began = datetime(2023, 1, 1, tzinfo=UTC)
    kept = shelf.of(ORGANISATION, str(conversation["sample"]))
    turns = conversation["turns"]
    wanted = [
        New(said(turn), began + timedelta(days=turn["session"], minutes=at), thread=f"session {turn['session']}")
        for at, turn in enumerate(turns)
    ]
    added, _ = await shelf.add(kept, wanted)
    return {memory.id: turn["id"] for memory, turn in zip(reversed(added), reversed(turns), strict=True)}


class Scores:
    """What was found of one conversation's evidence."""

    def __init__(self) -> None:
        self.recall: dict[int, list[float]] = defaultdict(list)
        self.hit: list[float] = []
        self.ndcg: list[float] = []
        self.any: list[float] = []
        self.milliseconds: list[float] = []

    def add(self, question: dict[str, Any], found: Sequence[str], sessions: dict[str, int]) -> None:
        """One question: the turns that were found, the best first."""
        evidence = {turn for turn in question["evidence"] if turn in sessions}
        told = set(found[:10])
        self.recall[question["category"]].append(len(evidence & told) / len(evidence))
        wanted = {sessions[turn] for turn in evidence}
        ranked = list(dict.fromkeys(sessions[turn] for turn in found))
        self.hit.append(bool(ranked) and ranked[0] in wanted)
        gains = [1 / math.log2(place + 2) for place in range(5)]
        gained = sum(gain for gain, one in zip(gains, ranked, strict=False) if one in wanted)
        self.ndcg.append(gained / sum(gains[: len(wanted)]))
        self.any.append(bool({sessions[turn] for turn in told} & wanted))

    def line(self) -> str:
        """The figures."""
        answered = [one for category, rows in self.recall.items() if category != ADVERSARIAL for one in rows]
        return (
            f"turn recall@10 {100 * np.mean(answered):.1f} (categories 1-4), session Hit@1 {np.mean(self.hit):.3f}, "
            f"NDCG@5 {np.mean(self.ndcg):.3f}, any evidence session in ten {100 * np.mean(self.any):.1f} %"
        )


def unhurried() -> None:
    """What is measured is what is found: a busy machine takes the time that it takes."""
    vectors.DEADLINE = postgres.DEADLINE = memory.DEADLINE = 10.0  # type: ignore[misc]


async def measure(conversations: Sequence[dict[str, Any]]) -> None:
    unhurried()
    with TemporaryDirectory(prefix="syntra-quality-") as folder:
        async with remembering(Path(folder)) as here:
            await measured(here.shelf, conversations)


async def measured(kept_here: Shelf, conversations: Sequence[dict[str, Any]]) -> None:
    """The figures of these conversations on one shelf."""
    whole = Scores()
    began, turns = time.perf_counter(), 0
    names = []
    for conversation in conversations:
        names.append(await keep(kept_here, conversation))
        turns += len(conversation["turns"])
    print(f"{turns} turns kept, {turns / (time.perf_counter() - began):.0f} a second")
    for conversation, named in zip(conversations, names, strict=True):
        own = Scores()
        sessions = {turn["id"]: turn["session"] for turn in conversation["turns"]}
        kept = kept_here.of(ORGANISATION, str(conversation["sample"]))
        for question in conversation["qa"]:
            if not any(turn in sessions for turn in question["evidence"]):
                continue
            begin = time.perf_counter()
            found = await kept_here.search(kept, question["question"], SEARCHED)
            whole.milliseconds.append((time.perf_counter() - begin) * 1e3)
            for scores in (own, whole):
                scores.add(question, [named[one.memory.id] for one in found], sessions)
        print(f"{conversation['sample']}: {own.line()}")
    print(f"all: {whole.line()}")
    for category, rows in sorted(whole.recall.items()):
        print(f"category {category}: turn recall@10 {100 * np.mean(rows):.1f} of {len(rows)}")
    p50, p95 = np.percentile(whole.milliseconds, (50, 95))
    print(f"a search for {SEARCHED}: p50 {p50:.2f} ms, p95 {p95:.2f} ms")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", type=Path)
    path = parser.parse_args().path
    files = sorted(path.glob("*.json")) if path.is_dir() else [path]
    asyncio.run(measure([one for file in files for one in json.loads(file.read_text("utf-8"))]))


if __name__ == "__main__":
    main()
