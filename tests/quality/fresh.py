"""How well the need for fresh facts is told, in five parts: `python -m tests.quality.fresh PATH`.

PATH is a jsonl of {question, fact_type}; each part is judged by a model fitted on the four others and our own examples
(needs scikit-learn, as `fit/` does).
"""

import argparse
from pathlib import Path
from typing import Final

import numpy as np

from fit.fresh import fitted, given, own
from fit.linear import Seen, see
from gateway.stores.embedding import Encoder

PARTS: Final = 5


def auc(scores: np.ndarray, truth: np.ndarray) -> float:
    """The chance that a fresh question scores above one that never changes."""
    fresh, stable = scores[truth == 1], scores[truth == 0]
    above = (fresh[:, None] > stable).mean() + 0.5 * (fresh[:, None] == stable).mean()
    return float(above)


def some(seen: Seen, chosen: np.ndarray) -> Seen:
    """Only the chosen rows."""
    return Seen(seen.words[chosen], seen.dense[chosen])


def best_f1(scores: np.ndarray, truth: np.ndarray) -> float:
    """The best F1 over all thresholds."""
    ordered = truth[np.argsort(-scores)]
    hits = np.cumsum(ordered)
    return float((2 * hits / (np.arange(1, len(truth) + 1) + truth.sum())).max())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    args = parser.parse_args()
    rows, ours = given(args.path), own()
    seen = see([row.text for row in rows + ours], Encoder.load())
    truth = np.array([row.kind for row in rows])
    ours_at = np.arange(len(rows), len(rows) + len(ours))
    found = []
    for seed in range(args.seeds):
        part = np.random.default_rng(seed).permutation(len(rows)) % PARTS
        scores = np.zeros(len(rows))
        for held in range(PARTS):
            kept = np.concatenate([np.flatnonzero(part != held), ours_at])
            model = fitted([(rows + ours)[at] for at in kept], some(seen, kept))
            test = np.flatnonzero(part == held)
            scores[test] = model.scores(some(seen, test))[:, 0]
        found.append((auc(scores, truth), best_f1(scores, truth)))
    alone = fitted(ours, some(seen, ours_at)).scores(some(seen, np.arange(len(rows))))[:, 0]
    print(f"rows {len(rows)}, fresh {truth.sum()}")
    print(f"AUC, {PARTS} parts, mean of {args.seeds} seeds {np.mean([one[0] for one in found]):.4f}")
    print(f"best F1 {np.mean([one[1] for one in found]):.4f}")
    print(f"AUC of our own examples alone {auc(alone, truth):.4f}")


if __name__ == "__main__":
    main()
