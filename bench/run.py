"""Measures Syntra beside the raw upstream: `python -m bench.run` prints the figures and writes bench/figures.json."""

from __future__ import annotations

import argparse
import dataclasses
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from types import FrameType

from rich.console import Console

from bench import report, stand
from bench.figures import FIGURES, Figure
from bench.processes import cores
from bench.stand import Plan, Stand, StandError

OUT = stand.ROOT / "bench" / "figures.json"
QUICK = Plan(seconds=1.5, rounds=1, stream_chunks=60, starts=1)


def main() -> int:
    """0 when every bar is reached, 1 when one is missed, 2 when nothing can be measured."""
    options = _options()
    console = Console(width=None if sys.stdout.isatty() else 170)
    signal.signal(signal.SIGTERM, _end)
    if sys.platform != "linux":
        console.print("The bench reads /proc and keeps processes on cores: run it on Linux.")
        return 2
    plan = _plan(options)
    try:
        figures = _measure(options.only or list(FIGURES), plan, console)
    except StandError as error:
        console.print(str(error), style="red", markup=False)
        return 2
    except KeyboardInterrupt:
        console.print("Stopped; nothing is left running.")
        return 130
    report.show(console, figures)
    if options.quick or options.only:
        console.print(f"A partial run: {OUT.name} stays as it is.", style="dim")
    else:
        report.write(OUT, figures, dataclasses.asdict(plan))
        console.print(f"Written to {OUT.relative_to(stand.ROOT)}.")
    return 0 if all(figure.ok for figure in figures) else 1


def _measure(names: Iterable[str], plan: Plan, console: Console) -> list[Figure]:
    """The figures of these names."""
    began = time.monotonic()

    def say(text: str) -> None:
        console.print(f"{time.monotonic() - began:4.0f} s  {text}", style="dim", markup=False, highlight=False)

    say("building the instruments")
    stand.build()
    if both := cores():
        os.sched_setaffinity(0, {both[1]})  # what we do ourselves is not done on the gateway's core
    else:
        console.print("No two cores to tell apart, or no taskset: the figures say less.", style="yellow")
    found: list[Figure] = []
    with (
        tempfile.TemporaryDirectory(prefix="syntra-bench-") as folder,
        Stand(Path(folder), plan, both, say) as here,
    ):
        for name in names:
            found += FIGURES[name](here)
    return found


def _plan(options: argparse.Namespace) -> Plan:
    plan = QUICK if options.quick else Plan()
    return dataclasses.replace(plan, seconds=options.seconds) if options.seconds else plan


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.run", description=__doc__)
    parser.add_argument(
        "--seconds", type=float, help=f"length of each load ({Plan.seconds:g}; {QUICK.seconds:g} with --quick)"
    )
    parser.add_argument("--only", action="append", choices=FIGURES, metavar="NAME", help=f"of {', '.join(FIGURES)}")
    parser.add_argument("--quick", action="store_true", help="one short round, to see that it works")
    return parser.parse_args()


def _end(_number: int, _frame: FrameType | None) -> None:
    """SIGTERM ends us as Ctrl-C does."""
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
