"""What the whole of all-MiniLM-L6-v2 says of a sentence; the second look learns to guess it from single tokens.

Needs jax, and the package that `fit/embedding.py` needs.
"""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import jax
import jax.numpy as jnp
import numpy as np
from safetensors.numpy import load_file

from fit.embedding import HEADS, LAYERS, source
from gateway.core import surface
from gateway.core.words import split
from gateway.stores.embedding import HOME, Encoder, Floats

HEAD: Final = 84  # tokens read from the beginning
TAIL: Final = 42  # and from the end
WIDTHS: Final = (16, 32, 64, 128)  # texts are filled up to one of these lengths
AT_ONCE: Final = 2048  # tokens


class Sentences:
    """The mean of the last hidden states, of length one."""

    def __init__(self, encoder: Encoder, kept: Path | None = None) -> None:
        folder = source()
        words = {word: at for at, word in enumerate((folder / "vocab.txt").read_text("utf-8").split("\n")) if word}
        ours = (HOME / "vocabulary.txt").read_text("utf-8").split("\n")
        self._theirs = np.array([words[word] for word in ours])
        self._ends = words["[CLS]"], words["[SEP]"]
        self._encoder = encoder
        weights = load_file(folder / "model.safetensors").items()
        self._weights = {name: jnp.asarray(part.astype(np.float32)) for name, part in weights if part.dtype != np.int64}
        self._kept = kept
        self._known: dict[str, Floats] = pickle.loads(kept.read_bytes()) if kept and kept.exists() else {}  # noqa: S301

    def _tokens(self, text: str) -> list[int]:
        found = self._theirs[self._encoder.pieces(split(surface.cut(text)))].tolist()
        found = found if len(found) <= HEAD + TAIL else found[:HEAD] + found[-TAIL:]
        return [self._ends[0], *found, self._ends[1]]

    def of(self, texts: Sequence[str]) -> Floats:
        """One row a text."""
        todo = {text: self._tokens(text) for text in sorted(set(texts) - self._known.keys())}
        for low, high in zip((0, *WIDTHS), WIDTHS, strict=False):
            group = [text for text, tokens in todo.items() if low < len(tokens) <= high]
            size = AT_ONCE // high
            for at in range(0, len(group), size):
                part = group[at : at + size]
                tokens, there = np.zeros((size, high), np.int32), np.zeros((size, high), np.float32)
                there[:, 0] = 1
                for row, text in enumerate(part):
                    tokens[row, : len(todo[text])], there[row, : len(todo[text])] = todo[text], 1
                rows = np.asarray(_forward(self._weights, tokens, there))
                self._known |= {text: row / np.linalg.norm(row) for text, row in zip(part, rows, strict=False)}
        if self._kept and todo:
            self._kept.write_bytes(pickle.dumps(self._known))
        return np.stack([self._known[text] for text in texts])


@jax.jit
def _forward(weights: dict[str, Any], tokens: Any, there: Any) -> Any:
    def norm(x: Any, name: str) -> Any:
        mean = x.mean(-1, keepdims=True)
        spread = jnp.sqrt(((x - mean) ** 2).mean(-1, keepdims=True) + 1e-12)
        return (x - mean) / spread * weights[f"{name}.weight"] + weights[f"{name}.bias"]

    def linear(x: Any, name: str) -> Any:
        return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]

    at = "embeddings"
    x = weights[f"{at}.word_embeddings.weight"][tokens]
    x = x + weights[f"{at}.position_embeddings.weight"][: tokens.shape[1]]
    x = norm(x + weights[f"{at}.token_type_embeddings.weight"][0], f"{at}.LayerNorm")
    batch, length, width = x.shape
    for layer in range(LAYERS):
        name = f"encoder.layer.{layer}"
        query, key, value = (
            linear(x, f"{name}.attention.self.{part}").reshape(batch, length, HEADS, -1).transpose(0, 2, 1, 3)
            for part in ("query", "key", "value")
        )
        score = query @ key.transpose(0, 1, 3, 2) / np.sqrt(width // HEADS).astype(np.float32)
        score = jax.nn.softmax(score + (there[:, None, None, :] - 1) * 1e9, -1)
        mixed = (score @ value).transpose(0, 2, 1, 3).reshape(batch, length, width)
        x = norm(x + linear(mixed, f"{name}.attention.output.dense"), f"{name}.attention.output.LayerNorm")
        inner = jax.nn.gelu(linear(x, f"{name}.intermediate.dense"), approximate=False)
        x = norm(x + linear(inner, f"{name}.output.dense"), f"{name}.output.LayerNorm")
    return (x * there[..., None]).sum(1) / there.sum(1, keepdims=True)
