"""The child of `tokenizer`: reads texts from a pipe, writes how many tokens each has, and goes when nobody asks."""

from __future__ import annotations

import importlib.util
import os
import select
import sys
from io import FileIO
from pathlib import Path
from typing import Final

import tiktoken

from gateway.stores.tokenizer import LENGTH

ENCODING: Final = "o200k_base"
IDLE: Final = 120.0  # s without a question
_SLICE: Final = 20_000  # characters: tiktoken is quadratic in a run of one letter


def main() -> None:
    """Answer until the pipe ends or nothing was asked for a while."""
    encoding = load()
    asked, told = os.fdopen(0, "rb", buffering=0), sys.stdout.buffer
    while select.select([asked], [], [], IDLE)[0] and (head := _exactly(asked, LENGTH.size)):
        (length,) = LENGTH.unpack(head)
        told.write(LENGTH.pack(count(encoding, _exactly(asked, length).decode("utf-8", "replace"))))
        told.flush()


def load() -> tiktoken.Encoding:
    """The vocabulary, whose files come with LiteLLM: nothing is downloaded."""
    spec = importlib.util.find_spec("litellm")
    if spec is None or spec.origin is None:
        raise RuntimeError("litellm is not installed; run `make run` again to repair the environment")
    os.environ["TIKTOKEN_CACHE_DIR"] = str(Path(spec.origin).parent / "litellm_core_utils" / "tokenizers")
    return tiktoken.get_encoding(ENCODING)


def count(encoding: tiktoken.Encoding, text: str) -> int:
    """The tokens of a text; what looks like a special token is counted as text."""
    return sum(len(encoding.encode_ordinary(text[start : start + _SLICE])) for start in range(0, len(text), _SLICE))


def _exactly(pipe: FileIO, length: int) -> bytes:
    """So many bytes, or none where the pipe has ended."""
    found = bytearray()
    while len(found) < length:
        block = pipe.read(length - len(found))
        if not block:
            return b""
        found += block
    return bytes(found)


if __name__ == "__main__":
    main()
