"""What routing by fitted qualities saves: `python -m tests.quality.routing OUTCOMES PRICES`.

OUTCOMES is a jsonl of {task, prompt, scores{model: 0..1}}, PRICES a json of {model: {input_usd_per_million, ...}}.
The router takes the model with the highest expected quality - λ × cost; every λ is one point of cost and quality, and
between two points requests can be shared out, so the upper hull counts.
"""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from gateway.stores.embedding import Encoder
from gateway.stores.fitting import fit
from gateway.stores.outcomes import Outcome, outcomes, prices
from gateway.stores.qualities import Qualities, see
from policies.quality import render

OVERHEAD = 250  # tokens of a call beside the prompt
SHARES = (0.95, 0.98, 1.0)
WEIGHTS = np.concatenate(([0], np.geomspace(1e-7, 1e-1, 800)))  # λ; a cost is in millionths of a USD


class Bench:
    """The rows with their costs, and what a curve through them is worth."""

    def __init__(self, rows: Sequence[Outcome], usd: dict):
        self.rows, self.usd = rows, usd
        self.names = sorted({name for row in rows for name in row.scores})
        # A grade that is missing counts as the model's mean, lest the router be paid for choosing it.
        grades = np.array([[row.scores.get(name, np.nan) for name in self.names] for row in rows])
        self.grades = np.where(np.isnan(grades), np.nanmean(grades, 0), grades)
        tokens = np.array([len(row.prompt) / 4 + OVERHEAD for row in rows])
        self.costs = tokens[:, None] * [usd[name].input_usd_per_million for name in self.names]
        self.quality = self.grades.mean(0).max()
        self.cost = self.costs[:, self.grades.mean(0).argmax()].mean()
        self.tasks = np.array([row.task for row in rows])

    def singles(self):
        """Cost and quality of each model alone."""
        return np.stack((self.costs.mean(0), self.grades.mean(0)), 1)

    def curve(self, expected: np.ndarray):
        """Cost and quality of the router at every λ."""
        at = np.arange(len(self.rows))
        chosen = [(expected - weight * self.costs).argmax(1) for weight in WEIGHTS]
        return np.array([(self.costs[at, one].mean(), self.grades[at, one].mean()) for one in chosen])

    def saved(self, points: np.ndarray, share: float) -> float:
        """The part of the best single model's cost that is not spent at this share of its quality."""
        top, wanted = hull(points), share * self.quality
        return 1 - np.interp(wanted, top[:, 1], top[:, 0]) / self.cost if top[-1, 1] >= wanted else np.nan

    def area(self, points: np.ndarray) -> float:
        """AIQ: the mean quality of the hull between the cheapest and the best single model's cost."""
        top, low = hull(points), self.costs.mean(0).min()
        inner = top[(top[:, 0] > low) & (top[:, 0] < self.cost), 0]
        costs = np.concatenate(([low], inner, [self.cost]))
        return np.trapezoid(np.interp(costs, top[:, 0], top[:, 1]), costs) / (self.cost - low)

    def expected(self, encoder: Encoder, parts: Sequence[np.ndarray]):
        """What is expected of every model for each prompt of a part by a fit on the other parts, and the nearness."""
        found, near = np.zeros_like(self.grades), np.zeros(len(self.rows))
        for part in parts:
            rest = np.setdiff1d(np.arange(len(self.rows)), part)
            qualities = Qualities(fit([self.rows[at] for at in rest], self.usd, encoder), encoder)
            for at in part:
                one = qualities.expected(see(encoder, self.rows[at].prompt))
                found[at] = [one.qualities.get(name, 0.0) for name in self.names]
                near[at] = one.nearness
        return found, near

    def tell(self, title: str, points: np.ndarray, near: np.ndarray | None = None) -> None:
        saved = "  ".join(f"{100 * self.saved(points, share):5.1f} %" for share in SHARES)
        nearness = "" if near is None else f"  nearness {near.mean():.2f}"
        print(f"{title:34} saved {saved}  AIQ {self.area(points):.4f}{nearness}", flush=True)


def hull(points: np.ndarray) -> np.ndarray:
    """The points of rising quality that no mixture of others beats."""
    top: list = []
    for cost, quality in points[np.lexsort((-points[:, 1], points[:, 0]))]:
        if top and quality <= top[-1][1]:
            continue
        while len(top) > 1 and slope(top[-2], top[-1]) <= slope(top[-2], (cost, quality)):
            top.pop()
        top.append((cost, quality))
    return np.array(top)


def slope(one, other) -> float:
    return (other[1] - one[1]) / max(1e-12, other[0] - one[0])


def folds(count: int, seed: int, parts: int = 5):
    order = np.random.default_rng(seed).permutation(count)
    return [order[start::parts] for start in range(parts)]


def speed(bench: Bench, encoder: Encoder) -> None:
    """Fits everything twice and asks for every prompt."""
    begin = time.perf_counter()
    section = fit(bench.rows, bench.usd, encoder)
    took = time.perf_counter() - begin
    text = render(section)
    again = render(fit(bench.rows[::-1], bench.usd, encoder)) == text
    print(f"fit of {len(bench.rows)} rows: {took:.1f} s, {len(text) / 1e3:.0f} kB, same bytes again: {again}")
    qualities, sights = Qualities(section, encoder), [see(encoder, row.prompt) for row in bench.rows]
    best = np.full(len(sights), np.inf)
    for _ in range(3):
        for at, sight in enumerate(sights):
            begin = time.perf_counter()
            qualities.expected(sight)
            best[at] = min(best[at], (time.perf_counter() - begin) * 1e3)
    p50, p99 = np.percentile(best, (50, 99))
    print(f"milliseconds beyond the sight: p50 {p50:.3f}, p99 {p99:.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("outcomes", type=Path)
    parser.add_argument("prices", type=Path)
    parser.add_argument("--seeds", type=int, default=1, help="how many random splits into five")
    parser.add_argument("--unnamed", action="store_true", help="fit without the names of the tasks")
    args = parser.parse_args()
    rows, encoder = outcomes(args.outcomes), Encoder.load()
    bench = Bench(rows, prices(args.prices))
    if args.unnamed:
        bench.rows = [Outcome(row.prompt, row.scores) for row in rows]
    print(f"{len(rows)} rows, {len(set(bench.tasks))} tasks, best single model {bench.quality:.4f}")
    bench.tell("mixing single models", bench.singles())
    for seed in range(args.seeds):
        found, near = bench.expected(encoder, folds(len(rows), seed))
        bench.tell(f"5-fold, split {seed}", bench.curve(found), near)
    if len(set(bench.tasks)) > 1:
        found, near = bench.expected(
            encoder, [np.flatnonzero(bench.tasks == task) for task in sorted(set(bench.tasks))]
        )
        bench.tell("whole tasks left out", bench.curve(found), near)
    speed(bench, encoder)


if __name__ == "__main__":
    main()
