"""How well prompts are told apart by what they ask for: `python -m tests.quality.intents PATH`.

PATH is a jsonl of {text, intent, lang, source}, or lines of ours like those of `fit/prompts`, but never among them:
`chatter.txt` holds small talk and, in every language, tasks that sound like it.
"""

import argparse
import asyncio
import json
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from fit.examples import written
from gateway.core import chat
from gateway.core.caller import Caller
from gateway.core.health import Health
from gateway.core.pace import Lengths, Pace
from gateway.core.reading import INTENTS
from gateway.pipeline import Wishes, plan
from gateway.rules import Rules
from gateway.stores.classifier import Classifier
from gateway.upstream import prices
from gateway.upstream.providers import NAMES

CALLER = Caller("local", "local", "quality")


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


async def stage(texts: Sequence[str], rounds: int = 3) -> np.ndarray:
    """What choosing costs a new user turn in milliseconds: reading it, and planning over every model there is."""
    rules = Rules(None, NAMES, prices.load(NAMES), Health(), Pace(), Lengths(), reads=True)
    best = np.full(len(texts), np.inf)
    try:
        for lap in range(rounds):
            for at, text in enumerate(texts):
                said = text + " ." * lap  # what was read once is remembered
                body = {"model": "syntra", "messages": [{"role": "user", "content": said}]}
                request = chat.parse(json.dumps(body).encode())
                begin = time.perf_counter()
                await plan(rules.reader, rules.policy, CALLER, request, Wishes())
                best[at] = min(best[at], (time.perf_counter() - begin) * 1e3)
    finally:
        await rules.tokenizer.close()
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
    p50, p95 = np.percentile(asyncio.run(stage([row["text"] for row in rows])), (50, 95))
    print(f"milliseconds that choosing a model adds to a new turn: p50 {p50:.3f}, p95 {p95:.3f}")


if __name__ == "__main__":
    main()
