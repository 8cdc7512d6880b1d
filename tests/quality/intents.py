"""How well prompts are told apart by what they ask for: `python -m tests.quality.intents PATH`.

PATH is a jsonl of {text, intent, lang, source}, or lines of ours like those of `fit/prompts`, but never among them:
`chatter.txt` holds small talk and, in every language, tasks that sound like it.
"""

import argparse
import json
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from fit.examples import written
from gateway.core.reading import INTENTS
from gateway.stores.classifier import Classifier


def given(path: Path) -> list[dict[str, str]]:
    """The rows of the file."""
    if path.suffix == ".txt":
        return [{"lang": lang, "intent": intent, "text": text} for lang, intent, text in written(path)]
    return [json.loads(line) for line in path.read_text("utf-8").split("\n") if line]


def confusion(truth: Sequence[str], found: Sequence[str]) -> np.ndarray:
    """Rows are what was asked, columns what was read."""
    table = np.zeros((len(INTENTS), len(INTENTS)), int)
    for asked, read in zip(truth, found, strict=True):
        table[INTENTS.index(asked), INTENTS.index(read)] += 1
    return table


def f1(table: np.ndarray) -> np.ndarray:
    """The F1 of every intent."""
    return 2 * table.diagonal() / np.maximum(1, table.sum(0) + table.sum(1))


def calibration(confidence: np.ndarray, right: np.ndarray) -> float:
    """How far confidence and accuracy lie apart, over ten bins."""
    bins = np.minimum((confidence * 10).astype(int), 9)
    return float(
        sum(abs(confidence[bins == one].mean() - right[bins == one].mean()) * (bins == one).mean() for one in set(bins))
    )


def milliseconds(classifier: Classifier, texts: Sequence[str], rounds: int = 3) -> np.ndarray:
    """What one reading takes, the best of some rounds for each text."""
    best = np.full(len(texts), np.inf)
    for _ in range(rounds):
        for at, text in enumerate(texts):
            begin = time.perf_counter()
            classifier.read(text)
            best[at] = min(best[at], (time.perf_counter() - begin) * 1e3)
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", type=Path)
    args = parser.parse_args()
    rows = given(args.path)
    begin = time.perf_counter()
    classifier = Classifier.load()
    loading = (time.perf_counter() - begin) * 1e3

    readings = [classifier.read(row["text"]) for row in rows]
    truth, found = [row["intent"] for row in rows], [reading.intent for reading in readings]
    right = np.array([asked == read for asked, read in zip(truth, found, strict=True)])
    table = confusion(truth, found)
    print(f"rows {len(rows)}, accuracy {right.mean():.4f}, macro-F1 {f1(table).mean():.4f}")
    print(f"{'':18}" + "".join(f"{name[:12]:>14}" for name in INTENTS) + f"{'F1':>8}")
    for name, line, score in zip(INTENTS, table, f1(table), strict=True):
        print(f"{name:18}" + "".join(f"{count:14d}" for count in line) + f"{score:8.3f}")
    for key in ("lang", "source"):
        groups: dict[str, list[bool]] = defaultdict(list)
        for row, hit in zip(rows, right, strict=True):
            groups[row.get(key, "")].append(hit)
        for value, hits in sorted(groups.items(), key=lambda group: -len(group[1])):
            print(f"{key} {value}: {np.mean(hits):.3f} of {len(hits)}")
    confidence = np.array([reading.confidence for reading in readings])
    print(f"calibration error {calibration(confidence, right):.3f}, mean confidence {confidence.mean():.3f}")
    for bar in (0.5, 0.7, 0.9):
        sure = confidence >= bar
        print(f"confidence >= {bar}: {sure.mean():.3f} of the rows, accuracy {right[sure].mean():.3f}")
    took = milliseconds(classifier, [row["text"] for row in rows])
    p50, p95 = np.percentile(took, (50, 95))
    print(
        f"milliseconds: mean {took.mean():.3f}, p50 {p50:.3f}, p95 {p95:.3f}, max {took.max():.3f}; load {loading:.0f}"
    )


if __name__ == "__main__":
    main()
