"""Prompts that the reading of small talk is judged by, and those that it was fitted on."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from pathlib import Path

from fit.examples import examples, written

CHATTER = Path(__file__).parents[1] / "quality" / "chatter.txt"
NEAR = 0.4  # what two prompts share, of all that is in either

_WORD = re.compile(r"[^\W_]+")
_DENSE = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")


def shreds(text: str) -> set[str]:
    """Five characters in a row; two where a character is a syllable or a word."""
    bare = " ".join(["", *_WORD.findall(text.lower()), ""])
    size = 2 if _DENSE.search(text) else 5
    return {bare[at : at + size] for at in range(max(1, len(bare) - size + 1))}


def nearest(text: str, where: dict[str, list[int]], sizes: list[int]) -> float:
    """How much the prompt shares with the example that is most like it, 0 to 1."""
    own = shreds(text)
    shared = Counter(at for shred in own for at in where.get(shred, ()))
    return max((count / (len(own) + sizes[at] - count) for at, count in shared.items()), default=0.0)


def test_nothing_that_judges_the_reading_is_like_what_it_was_fitted_on() -> None:
    where: dict[str, list[int]] = defaultdict(list)
    sizes: list[int] = []
    for at, text in enumerate({example.text for example in examples()}):
        found = shreds(text)
        sizes.append(len(found))
        for shred in found:
            where[shred].append(at)
    assert [text for _, _, text in written(CHATTER) if nearest(text, where, sizes) >= NEAR] == []
