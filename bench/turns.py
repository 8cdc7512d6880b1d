"""What a new user turn costs before anyone is called: `python -m bench.turns [FILE]`, microseconds.

From a parsed request to the plan: the key of its conversation, the reading, the facts, every candidate's scores, as
`answer` does it for `syntra` with the shipped documents. No text comes twice, so nothing is known from before. FILE is
jsonl of {text}; without one, the turns are the lines of `tests/quality/chatter.txt` and of `fit/prompts`. CPU is that
of the loop's thread; beside it stands how much slower the machine was than the quiet one of `tests/laps.py`.
"""

from __future__ import annotations

import asyncio
import json
import random
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from fit.examples import lines, written
from gateway.core import chat
from gateway.core.caller import Caller
from gateway.core.health import Health
from gateway.core.pace import Lengths, Pace
from gateway.pipeline import Wishes, plan
from gateway.rules import Rules
from gateway.upstream import prices
from gateway.upstream.providers import NAMES
from tests.laps import QUIET, same_work

TURNS = 2_000
WARM = 300  # turns before the clock counts: a gateway that has just begun knows few words
_CHATTER = Path(__file__).parents[1] / "tests" / "quality" / "chatter.txt"


def prompts(path: Path | None) -> list[str]:
    """Texts of user turns, each of them once."""
    if path is not None:
        texts = [json.loads(line)["text"] for line in path.read_text("utf-8").split("\n") if line]
    else:
        texts = [text for _, _, text in [*written(_CHATTER), *lines()]]
    found = list(dict.fromkeys(texts))
    random.Random(4).shuffle(found)  # noqa: S311  # the same turns every time
    return found[: WARM + TURNS]


async def costs(texts: Sequence[str]) -> list[tuple[float, float]]:
    """Wall and CPU seconds of each turn after the first `WARM`, in a gateway that has just begun."""
    rules = Rules(None, NAMES, prices.load(NAMES), Health(), Pace(), Lengths(), reads=True)
    caller, wishes = Caller("local", "local", "bench"), Wishes()
    took = []
    try:
        for text in texts:
            body = {"model": "syntra", "messages": [{"role": "user", "content": text}]}
            request = chat.parse(json.dumps(body).encode())
            began, spent = time.perf_counter(), time.thread_time()
            await plan(rules.reader, rules.policy, caller, request, wishes)
            took.append((time.perf_counter() - began, time.thread_time() - spent))
    finally:
        await rules.tokenizer.close()
    return took[WARM:]


def main() -> None:
    before = min(same_work() for _ in range(50))
    took = asyncio.run(costs(prompts(Path(sys.argv[1]) if len(sys.argv) > 1 else None)))
    slower = max(before, min(same_work() for _ in range(50))) / QUIET
    print(f"{len(took)} new user turns, µs; the machine {slower:.1f} times slower than a quiet one")
    for name, seconds in zip(("wall", "CPU"), zip(*took, strict=True), strict=True):
        shares = statistics.quantiles(seconds, n=100)
        mean = statistics.fmean(seconds)
        print(f"{name:5} p50 {shares[49] * 1e6:.0f}, mean {mean * 1e6:.0f}, p95 {shares[94] * 1e6:.0f}")


if __name__ == "__main__":
    main()
