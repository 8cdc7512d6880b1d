"""Fits the need for fresh facts: `python -m fit.fresh --data /path/to/freshqa.jsonl`.

Rows are {question, fact_type} under Apache-2.0; what changes fast or slowly is fresh. Our own questions stand beside
them, and prompts of every intent that nothing in today's news could answer better.
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path
from typing import Final

import numpy as np

from fit.examples import HERE as PROMPTS
from fit.examples import examples, lines, slots, variants
from fit.linear import Fit, Row, Seen, fit, jsonl, see
from gateway.stores.embedding import HOME, Encoder

HERE: Final = PROMPTS / "fresh"
STRENGTH: Final = 0.1
COPIES: Final = 4
GIVEN: Final = 1.0  # how much a question of the file counts
OWN: Final = 0.5  # ours
OTHER: Final = 0.25  # a prompt that asks for no fact at all
OTHERS: Final = 1200


def given(path: Path) -> list[Row]:
    """The questions of the file that are fresh or never change."""
    return [Row(row["question"], int(row["fact_type"] != "never-changing"), GIVEN) for row in jsonl(path)]


def own() -> list[Row]:
    """Our own questions, and other prompts."""
    words = slots(HERE) | slots(PROMPTS)
    asked = [
        Row(text, int(kind == "fresh"), OWN / COPIES)
        for lang, kind, line in lines(HERE)
        for text in variants(line, "qa_retrieval", lang, words, random.Random(line), COPIES)  # noqa: S311  the same each time
    ]
    rest = [example.text for example in examples() if example.intent != "qa_retrieval"]
    chosen = random.Random(0).sample(rest, OTHERS)  # noqa: S311  the same each time
    return asked + [Row(text, 0, OTHER) for text in chosen]


def fitted(rows: list[Row], seen: Seen) -> Fit:
    """The model of these rows."""
    kinds = np.array([row.kind for row in rows])
    return fit(seen, kinds, np.array([row.weight for row in rows], np.float32), STRENGTH)


def main() -> None:
    """Write the weights."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=HOME / "fresh.npz")
    args = parser.parse_args()
    rows = given(args.data) + own()
    fitted(rows, see([row.text for row in rows], Encoder.load())).save(args.out)


if __name__ == "__main__":
    main()
