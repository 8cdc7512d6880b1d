"""all-MiniLM-L6-v2 on onnxruntime: it reads sentences where the static embedding reads words. Loaded only if asked for.

Its thread is its own: onnxruntime lets the loop go on meanwhile, and a question waits for a few texts at most.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnxruntime
from tokenizers.implementations.bert_wordpiece import BertWordPieceTokenizer

from gateway.core.precedence import in_thread
from gateway.stores.breaker import Unavailable
from gateway.stores.dense import PAIRS, Ruler
from gateway.stores.embedding import HOME, Floats, direction

_SECONDS: Final = 0.1  # that a question may take
_BATCH: Final = 4  # texts at once: what a question that comes meanwhile waits for
_LONGEST: Final = 128  # tokens that are read; the model was trained on no more
_UNUSED: Final = 994  # places of its vocabulary that no text can produce: ours leaves them out, its numbers do not


class MiniLM:
    """The model in a file; `reference` is the ruler of the static one."""

    name = "all-minilm-l6-v2"
    spells = True

    def __init__(self, path: Path, reference: Ruler) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session: Any = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self._tokens = _tokens()
        self._wanted = {one.name for one in self._session.get_inputs()}
        self._thread = ThreadPoolExecutor(1, "minilm")
        self._reference = reference
        questions, answers = zip(*PAIRS, strict=True)
        self._ruler = Ruler.of(list(self._vectors(questions)), list(self._vectors(answers)))
        self._dimensions = len(self._vectors(("a",))[0])

    async def ready(self) -> int:
        """As its file has them."""
        return self._dimensions

    async def question(self, text: str, words: Sequence[str], organisation: str) -> Floats:
        """Of the whole text, in 2 to 15 ms."""
        try:
            async with asyncio.timeout(_SECONDS):
                return (await self._apart([text]))[0]
        except TimeoutError:
            raise Unavailable(f"the embedding took longer than {_SECONDS * 1000:.0f} ms") from None

    async def texts(self, texts: Sequence[str], words: Sequence[Sequence[str]], organisation: str) -> Sequence[Floats]:
        """A few at a time."""
        vectors: list[Floats] = []
        for start in range(0, len(texts), _BATCH):
            vectors += await self._apart(texts[start : start + _BATCH])
        return vectors

    def near(self, cosine: float) -> float:
        """By the rulers of both."""
        return self._ruler.on(self._reference, cosine)

    async def _apart(self, texts: Sequence[str]) -> Sequence[Floats]:
        return await in_thread(partial(self._vectors, texts), self._thread)

    def _vectors(self, texts: Sequence[str]) -> Sequence[Floats]:
        """The mean over a text's tokens, at length one. Blocks."""
        read = self._tokens.encode_batch(list(texts))
        given = {
            "input_ids": np.array([one.ids for one in read], np.int64),
            "attention_mask": np.array([one.attention_mask for one in read], np.int64),
            "token_type_ids": np.array([one.type_ids for one in read], np.int64),
        }
        (hidden,) = self._session.run(None, {name: value for name, value in given.items() if name in self._wanted})[:1]
        mask = given["attention_mask"].astype(np.float32)
        return [direction(weights @ rows) for weights, rows in zip(mask, hidden, strict=True)]


def _tokens() -> Any:
    """BERT's own reading of a text, from the vocabulary that the static embedding has of it."""
    ours = (HOME / "vocabulary.txt").read_text("utf-8").split("\n")
    unused = [f"[unused{k}]" for k in range(_UNUSED)]
    every = ["[PAD]", *unused[:99], "[UNK]", "[CLS]", "[SEP]", "[MASK]", *unused[99:], *ours]
    tokens = BertWordPieceTokenizer({piece: at for at, piece in enumerate(every)}, lowercase=True)
    tokens.enable_truncation(_LONGEST)
    tokens.enable_padding()
    return tokens
