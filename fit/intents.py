"""Fits the intents: `python -m fit.intents --data /path/to/dev.jsonl`, the same bytes from the same data.

Rows are {text, intent, ship}; only those with `"ship": true` are read, and they count little beside our own examples,
since each of their sources knows one kind of prompt only.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fit.examples import Example, examples
from fit.linear import Row, fit, jsonl, see
from gateway.core import surface
from gateway.core.reading import INTENTS
from gateway.stores.embedding import HOME, Encoder

GIVEN: Final = 0.3  # how much a row of the file counts; one of ours counts one over the root of its line's copies
NOISE: Final = 3.0  # times the mean spread; with less, examples of an added intent meet few prompts of its kind


def given(path: Path) -> list[Row]:
    """The rows of the file whose licence lets weights that are fitted on them ship."""
    return [Row(row["text"], INTENTS.index(row["intent"]), GIVEN) for row in jsonl(path) if row["ship"] is True]


def own() -> list[Row]:
    """Our own examples."""
    return counted(examples())


def counted(made: Sequence[Example]) -> list[Row]:
    """Examples as rows; a line with many copies counts little more than one with few."""
    copies = Counter(example.line for example in made)
    return [Row(one.text, INTENTS.index(one.intent), copies[one.line] ** -0.5) for one in made]


def ordinary(encoder: Encoder) -> dict[str, NDArray[np.float16]]:
    """The centre of our own prompts, and axes on which they spread alike in all directions, but for noise."""
    first: dict[str, str] = {}
    for example in examples():
        first.setdefault(example.line, surface.cut(example.text))
    vectors = encoder.encode_all(list(first.values())).astype(np.float64)
    centre = vectors.mean(0)
    spread, axes = np.linalg.eigh(np.cov((vectors - centre).T))
    even = axes / np.sqrt(spread + NOISE * spread.mean())
    return {"centre": centre.astype(np.float16), "axes": even.astype(np.float16)}


def main() -> None:
    """Write the weights."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=HOME / "intents.npz")
    args = parser.parse_args()
    rows = given(args.data) + own()
    kinds, weights = np.array([row.kind for row in rows]), np.array([row.weight for row in rows], np.float32)
    encoder = Encoder.load()
    fit(see([row.text for row in rows], encoder), kinds, weights).save(args.out)
    np.savez(args.out.with_name("ordinary.npz"), allow_pickle=False, **ordinary(encoder))


if __name__ == "__main__":
    main()
