"""`make soak`: half an hour at half load, and nothing may grow: memory, sockets, or what is held of limits and paces.

The load is `make chaos`'s own, one call in fifty with a fault, so that the ways of failing are walked for half an hour,
too. Before it comes a warm-up: full load, one call in ten with a fault, so that what a worker remembers is full and as
much is under way at once as will ever be. Memory is the gateway's whole tree; its slope is told with its error, and
grows only what grows by more than twice that.
"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

import valkey
from rich.console import Console

from bench import stand
from bench.chaos import Verdict, table
from bench.stand import StandError
from bench.weather import Told, Weather, load, progress

MOST_MB_AN_HOUR: Final = 1.0
MOST_ERRORS: Final = 0.001  # beyond those that faults after the first word make
FAULTS: Final = 0.02
WARM_FAULTS: Final = 0.1
WARM: Final = 1 / 5  # of the time, at twice the rate: what a worker remembers is full after 50,000 requests
SETTLED: Final = 8.0  # s after the load, in which idle connections and leases go
_EVERY: Final = 5.0  # s between two looks
_MB: Final = 1024 * 1024


class Slope(NamedTuple):
    """How much something grows in a second, and how far that may be off (one standard error)."""

    value: float
    error: float

    def is_above(self, most: float) -> bool:
        """Whether it grows faster than this beyond doubt."""
        return self.value - 2 * self.error > most


def slope(points: Sequence[tuple[float, float]]) -> Slope:
    """The line of least squares through (seconds, amount); at least three points."""
    count = len(points)
    mean_x, mean_y = (sum(axis) / count for axis in zip(*points, strict=True))
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    value = sum((x - mean_x) * (y - mean_y) for x, y in points) / spread
    rest = sum((y - mean_y - value * (x - mean_x)) ** 2 for x, y in points)
    return Slope(value, math.sqrt(rest / max(1, count - 2) / spread))


def tenths(points: Sequence[tuple[float, float]]) -> list[float]:
    """The mean amount in each tenth of (seconds, amount), or each point where there are fewer than ten."""
    count = min(10, len(points))
    parts = [points[at * len(points) // count : (at + 1) * len(points) // count] for at in range(count)]
    return [sum(amount for _, amount in part) / len(part) for part in parts]


class Watch(threading.Thread):
    """Looks at the gateway's memory and sockets until told to stop."""

    def __init__(self, weather: Weather) -> None:
        super().__init__(name="watch", daemon=True)
        self.memory: list[tuple[float, float]] = []
        self._weather = weather
        self._over = threading.Event()
        self._began = time.monotonic()

    def run(self) -> None:
        while not self._over.wait(_EVERY):
            self.memory.append((time.monotonic() - self._began, float(self._weather.running.resident())))

    def stop(self) -> None:
        self._over.set()
        self.join()


def held(weather: Weather) -> int:
    """Places and leases that Valkey has of requests that run."""
    client = valkey.Valkey.from_url(weather.valkey.url)
    try:
        paced = sum(client.zcard(name) for name in client.scan_iter("syntra:pace:*:run"))
        return int(paced) + sum(client.zcard(name) for name in client.scan_iter("syntra:*:leases"))
    finally:
        client.close()


def soak(weather: Weather, rate: float, seconds: float, console: Console) -> list[Verdict]:
    """The load, and what is left of it."""
    first = weather.first()
    with progress(console) as shown:

        def spoiled(name: str, rate: float, seconds: float, faults: float) -> Told:
            weather.spoil(first, faults)
            return load(weather, name, rate, seconds, shown, words=words)

        def words(told: Told) -> str:
            return f"{weather.running.resident() / _MB:.0f} MB, {told['counts'].get('right', 0)} right"

        warm = spoiled("warm-up", 2 * rate, WARM * seconds, WARM_FAULTS)
        time.sleep(SETTLED)
        sockets = weather.running.sockets()
        watch = Watch(weather)
        watch.start()
        told = spoiled("soak", rate, seconds, FAULTS)
        watch.stop()
    time.sleep(SETTLED)
    points = watch.memory
    grown = slope(points) if len(points) > 2 else Slope(math.nan, math.nan)
    an_hour = Slope(grown.value * 3600 / _MB, grown.error * 3600 / _MB)
    after, leased = weather.running.sockets(), held(weather)
    flying = max(0.0, weather.total("syntra_in_flight_requests") - 1)  # who asks is one
    counts, sent = told["counts"], told["sent"]
    lies = _lies(told) + _lies(warm)
    before = counts.get("before", 0)
    return [
        (
            "memory after the warm-up",
            f"{an_hour.value:+.2f} ± {2 * an_hour.error:.2f} MB an hour, {watch.memory[-1][1] / _MB:.0f} MB in the end",
            f"≤ {MOST_MB_AN_HOUR:g}",
            len(points) > 2 and not an_hour.is_above(MOST_MB_AN_HOUR),
        ),
        ("in every tenth of the time, MB", " ".join(f"{one / _MB:.1f}" for one in tenths(points)), "", True),
        ("sockets of the gateway", f"{sockets} before, {after} after", "no more by 16", after <= sockets + 16),
        ("requests in flight", f"{flying:g}", "0", flying == 0),
        ("places and leases held", f"{leased}", "0", leased == 0),
        ("answers that were lies", f"{lies} of {sent + warm['sent']}", "0", lies == 0),
        ("errors before the first word", f"{before}", f"≤ {MOST_ERRORS:.1%}", before <= MOST_ERRORS * sent),
        ("errors after it, in band", f"{counts.get('after', 0)}", "", True),
        ("what the errors said", f"{told['kinds'] or 'nothing'}; in the warm-up {warm['kinds']}", "", True),
        ("first word, p50 and p99", f"{told['p50_ms']:.1f} and {told['p99_ms']:.0f} ms", "", True),
    ]


def _lies(told: Told) -> int:
    """Answers that were neither right nor told as errors."""
    return int(told["sent"]) - sum(told["counts"].get(name, 0) for name in ("right", "before", "after"))


def main() -> int:
    """0 when nothing has grown, 1 when something has, 2 when nothing can be measured."""
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=1800, help="of the load (1800)")
    parser.add_argument("--rate", type=float, default=100, help="requests a second (100)")
    options = parser.parse_args()
    console = Console(width=None if sys.stdout.isatty() else 150)
    limits = {"DEFAULT_TOKENS_PER_DAY": str(10**12), "OPENAI_CONCURRENCY": "2000", "KIMI_CONCURRENCY": "2000"}
    try:
        stand.build()
        with (
            tempfile.TemporaryDirectory(prefix="syntra-soak-") as folder,
            Weather(Path(folder), environ=limits) as weather,
        ):
            verdicts = soak(weather, options.rate, options.seconds, console)
    except StandError as error:
        console.print(str(error), style="red", markup=False)
        return 2
    except KeyboardInterrupt:
        console.print("Stopped; nothing is left running.")
        return 130
    console.print(table(f"{options.seconds / 60:.1f} minutes at {options.rate:g} requests a second", verdicts))
    return 0 if all(reached for *_, reached in verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
