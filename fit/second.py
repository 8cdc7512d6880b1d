"""Fits the second look: `python -m fit.second --data dev.jsonl --more outcomes.jsonl`; needs jax, too.

A small network over the tokens' vectors learns two things at once: the intents of the rows that `fit/intents.py` reads,
and to guess what MiniLM says of a text, also of texts that have no label: prompts that may be fitted on, and
pieces of all of them.
"""

from __future__ import annotations

import argparse
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from fit.examples import HERE, examples
from fit.intents import counted, given, own
from fit.linear import STRENGTH, Row, Seen, balanced, fit, jsonl, see
from fit.sentences import Sentences
from gateway.core import surface
from gateway.core.reading import INTENTS
from gateway.core.words import split
from gateway.stores.classifier import COOLING, FIRST, LAST
from gateway.stores.embedding import HOME, Encoder, Floats

HIDDEN: Final = 128
GAZES: Final = 4  # pools, each of which looks at the tokens in its own way
PIECES: Final = 22_000
EPOCHS: Final = 10
RATE: Final = 1e-3
SOFT: Final = 0.4  # how much of a label is what a model of MiniLM's vectors, fitted without the row, thinks of it
WIDTHS: Final = (12, 24, 48, FIRST + LAST)
AT_ONCE: Final = 3072  # tokens

Params = dict[str, Any]


class Lesson(NamedTuple):
    """Texts as tokens, what they ask for (rows of weight 0 have no label), and what MiniLM says of them."""

    tokens: list[NDArray[np.int64]]
    labels: Floats
    weights: Floats
    vectors: Floats


def pieces(texts: Sequence[str], chance: np.random.Generator) -> list[str]:
    """Some words in a row out of long texts; short texts with others behind them."""
    made: list[str] = []
    while len(made) < PIECES:
        words = texts[chance.integers(len(texts))].split(" ")
        if len(words) < 10:
            other = texts[chance.integers(len(texts))].split(" ")
            made += [" ".join(words + other)] if len(other) < 25 else []
        else:
            length = int(chance.integers(6, 30))
            at = int(chance.integers(max(1, len(words) - length // 2)))
            made.append(" ".join(words[at : at + length])[:300])
    return made


def softened(seen: Seen, rows: Sequence[Row], kinds: NDArray[np.int64], weights: Floats) -> Floats:
    """Labels, mixed with what a model that was fitted on other rows says."""
    part = np.array([zlib.crc32(row.text[:40].encode()) % 4 for row in rows])
    said = np.zeros((len(rows), len(INTENTS)))
    for one in range(4):
        kept, held = np.flatnonzero(part != one), np.flatnonzero(part == one)
        model = fit(Seen(seen.words[kept], seen.dense[kept]), kinds[kept], weights[kept], STRENGTH)
        scores = model.scores(Seen(seen.words[held], seen.dense[held])) / COOLING
        odds = np.exp(scores - scores.max(1, keepdims=True))
        said[held] = odds / odds.sum(1, keepdims=True)
    mixed: Floats = ((1 - SOFT) * np.eye(len(INTENTS))[kinds] + SOFT * said).astype(np.float32)
    return mixed


def lesson(rows: list[Row], more: list[str], encoder: Encoder, sentences: Sentences) -> Lesson:
    """All that there is to learn."""
    texts = [row.text for row in rows]
    unlabelled = more + pieces(sorted(set(texts)) + more * 3, np.random.default_rng(5))
    kinds, weights = np.array([row.kind for row in rows]), np.array([row.weight for row in rows], np.float32)
    vectors, seen = sentences.of(texts + unlabelled), see(texts, encoder)
    both = Seen(seen.words, np.hstack([vectors[: len(rows)], seen.dense]))
    labels = np.zeros((len(vectors), len(INTENTS)), np.float32)
    labels[: len(rows)] = softened(both, rows, kinds, weights)
    even = np.concatenate([balanced(kinds, weights), np.zeros(len(unlabelled))]).astype(np.float32)
    return Lesson(
        [ends(encoder.pieces(split(surface.cut(text)))) for text in texts + unlabelled], labels, even, vectors
    )


def ends(tokens: NDArray[np.int64]) -> NDArray[np.int64]:
    """The tokens that the second look reads."""
    return tokens if len(tokens) <= FIRST + LAST else np.concatenate([tokens[:FIRST], tokens[-LAST:]])


def start(key: Any) -> Params:
    """Random weights."""
    shapes = {
        "near": (3, 256, HIDDEN), "wide": (3, HIDDEN, HIDDEN), "gaze": (HIDDEN, GAZES),
        "mix": (HIDDEN * (GAZES + 2) + 256, 256), "intent": (256, len(INTENTS)), "guess": (256, 384),
    }  # fmt: skip
    quiet = {"gaze": 0.5, "intent": 0.3, "guess": 0.5}
    made: Params = {}
    for (name, shape), one in zip(shapes.items(), jax.random.split(key, len(shapes)), strict=True):
        made[name] = jax.random.normal(one, shape) * np.sqrt(2 / np.prod(shape[:-1])) * quiet.get(name, 1.0)
        if name != "gaze":
            made[f"{name}_bias"] = jnp.zeros(shape[-1])
    return made


def _three(x: Any, weight: Any, bias: Any) -> Any:
    wide, length = jnp.pad(x, ((0, 0), (1, 1), (0, 0))), x.shape[1]
    return jax.nn.relu(sum(wide[:, at : at + length] @ weight[at] for at in range(3)) + bias)


def forward(params: Params, rows: Any, there: Any, key: Any) -> tuple[Any, Any]:
    """Scores and guessed vectors, while tokens, numbers and hidden units are left out at random."""
    first, second, third = jax.random.split(key, 3)
    there = there * jax.random.bernoulli(first, 0.9, there.shape)
    x = rows * there[..., None] * jax.random.bernoulli(second, 0.85, rows.shape) / 0.85
    hidden = _three(x, params["near"], params["near_bias"]) * there[..., None]
    hidden = hidden + _three(hidden, params["wide"], params["wide_bias"]) * there[..., None]
    share = jax.nn.softmax(hidden @ params["gaze"] + (there[..., None] - 1) * 1e4, 1)
    pooled = jnp.einsum("blh,blg->bgh", hidden, share).reshape(len(hidden), -1)
    count = there.sum(1, keepdims=True) + 1e-3
    seen = jnp.concatenate([pooled, hidden.max(1), hidden.sum(1) / count, x.sum(1) / count * 2], 1)
    mixed = jax.nn.relu(seen @ params["mix"] + params["mix_bias"])
    mixed = mixed * jax.random.bernoulli(third, 0.7, mixed.shape) / 0.7
    return mixed @ params["intent"] + params["intent_bias"], mixed @ params["guess"] + params["guess_bias"]


def loss(params: Params, rows: Any, there: Any, labels: Any, weights: Any, vectors: Any, key: Any) -> Any:
    """How wrong the intents are, and how far the guessed vectors point elsewhere."""
    scores, guessed = forward(params, rows, there, key)
    wrong = -(weights * (jax.nn.log_softmax(scores) * labels).sum(1)).sum()
    # Of a row of nothing the first guess is 0, and there a plain norm has no slope: one such row made every weight NaN.
    near = (guessed * vectors).sum(1) / jnp.sqrt((guessed**2).sum(1) + 1e-12)
    return (wrong + 2 * ((jnp.abs(vectors).sum(1) > 0) * (1 - near)).sum()) / len(rows)


@jax.jit
def step(params: Params, mean: Params, square: Params, at: Any, rate: Any, batch: Any, key: Any) -> Any:
    """One step of Adam with decay."""
    slope = jax.grad(loss)(params, *batch, key)
    mean = jax.tree.map(lambda old, new: 0.9 * old + 0.1 * new, mean, slope)
    square = jax.tree.map(lambda old, new: 0.99 * old + 0.01 * new * new, square, slope)
    moved = jax.tree.map(
        lambda p, m, s: p * (1 - rate * 0.02) - rate * (m / (1 - 0.9**at)) / (jnp.sqrt(s / (1 - 0.99**at)) + 1e-8),
        params, mean, square,
    )  # fmt: skip
    return moved, mean, square


def batches(lengths: NDArray[np.int64], chance: np.random.Generator) -> list[tuple[NDArray[np.int64], int, int]]:
    """Rows of like length, how many of them, and how long; in random order."""
    made = []
    for low, high in zip((-1, *WIDTHS), WIDTHS, strict=False):
        group = chance.permutation(np.flatnonzero((lengths > low) & (lengths <= high)))
        size = AT_ONCE // high
        made += [(group[at : at + size], size, high) for at in range(0, len(group), size)]
    return [made[at] for at in chance.permutation(len(made))]


def packed(what: Lesson, table: Floats, seed: int) -> Iterator[tuple[float, Any]]:
    """How far the training has come, and the next batch, filled up with nothing."""
    chance = np.random.default_rng(seed)
    lengths = np.array([len(tokens) for tokens in what.tokens])
    for epoch in range(EPOCHS):
        todo = batches(lengths, chance)
        for done, (group, size, high) in enumerate(todo):
            rows, there = np.zeros((size, high, 256), np.float32), np.zeros((size, high), np.float32)
            for at, one in enumerate(group):
                rows[at, : lengths[one]], there[at, : lengths[one]] = table[what.tokens[one]], 1
            rest = [np.zeros((size, *part.shape[1:]), np.float32) for part in what[1:]]
            for empty, part in zip(rest, what[1:], strict=True):
                empty[: len(group)] = part[group]
            yield (epoch + done / len(todo)) / EPOCHS, (rows, there, *rest)


def trained(what: Lesson, table: Floats, seed: int = 1) -> dict[str, Floats]:
    """The weights after all epochs."""
    params = start(jax.random.PRNGKey(seed))
    mean = square = jax.tree.map(jnp.zeros_like, params)
    key = jax.random.PRNGKey(seed + 1)
    for at, (come, batch) in enumerate(packed(what, table, seed), 1):
        key, now = jax.random.split(key)
        params, mean, square = step(
            params, mean, square, float(at), RATE * 0.5 * (1 + np.cos(np.pi * come)), batch, now
        )
    return {name: np.asarray(part) for name, part in params.items() if not name.startswith("guess")}


def main() -> None:
    """Write the weights."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--more", type=Path, required=True, help="rows of {prompt} under MIT")
    parser.add_argument("--kept", type=Path, help="where MiniLM's vectors are kept from run to run")
    parser.add_argument("--out", type=Path, default=HOME / "second.npz")
    args = parser.parse_args()
    encoder = Encoder.load()
    more = [row["prompt"] for row in jsonl(args.more)]
    what = lesson(
        given(args.data) + own() + counted(examples(HERE / "second")), more, encoder, Sentences(encoder, args.kept)
    )
    table = np.load(HOME / "embedding.npy") * np.load(HOME / "scales.npy")[:, None]
    loud = np.float32(1 / np.sqrt((table**2).mean()))
    parts = trained(what, table * loud) | {"loud": loud}
    written = {name: np.asarray(part, np.float16) for name, part in parts.items()}
    if broken := [name for name, part in written.items() if not np.isfinite(part).all()]:
        raise SystemExit(f"not written, no numbers in: {', '.join(broken)}")
    np.savez(args.out, allow_pickle=False, **written)


if __name__ == "__main__":
    main()
