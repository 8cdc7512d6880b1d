"""Fits the intents: `python -m fit.intents --data /path/to/dev.jsonl`, the same bytes from the same data.

Rows are {text, intent, ship}; only those with `"ship": true` are read, and they count little beside our own examples,
since each of their sources knows one kind of prompt only.
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path
from typing import Final

import numpy as np

from fit.examples import examples
from fit.linear import Row, fit, jsonl, see
from gateway.core.reading import INTENTS
from gateway.stores.embedding import HOME, Encoder

GIVEN: Final = 0.3  # how much a row of the file counts; one of ours counts one over the root of its line's copies


def given(path: Path) -> list[Row]:
    """The rows of the file whose licence lets weights that are fitted on them ship."""
    return [Row(row["text"], INTENTS.index(row["intent"]), GIVEN) for row in jsonl(path) if row["ship"] is True]


def own() -> list[Row]:
    """Our own examples."""
    made = examples()
    copies = Counter(example.line for example in made)
    return [Row(one.text, INTENTS.index(one.intent), copies[one.line] ** -0.5) for one in made]


def main() -> None:
    """Write the weights."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=HOME / "intents.npz")
    args = parser.parse_args()
    rows = given(args.data) + own()
    kinds, weights = np.array([row.kind for row in rows]), np.array([row.weight for row in rows], np.float32)
    fit(see([row.text for row in rows], Encoder.load()), kinds, weights).save(args.out)


if __name__ == "__main__":
    main()
