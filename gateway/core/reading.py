"""What one reading of a prompt finds out."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Final

from msgspec import Struct

INTENTS: Final = ("social_chat", "qa_retrieval", "coding_help", "editing_writing", "reasoning_math")


class Reading(Struct, frozen=True):
    """What is asked, how sure that is, how hard it is, whether it needs facts of today, and in which language."""

    intent: str
    confidence: float
    complexity: float
    fresh: float
    language: str


# How much an intent alone says about the model that it takes: a greeting next to nothing, a proof a lot.
_FLOOR: Final = {"social_chat": 0.0, "qa_retrieval": 0.12, "editing_writing": 0.15, "coding_help": 0.25}
_FLOOR_ELSE: Final = 0.25
LONG: Final = math.log1p(2000)  # words; a longer text is not harder for being longer
# Lines are found by the line feed before them: a search for one character is quick.
_STEP: Final = re.compile(r"\n[ \t]*(?:[-*•]|\d+[.)]|\([a-z]\))(?=\s)")
_CODE: Final = re.compile(r"[;{}\n](?:(?<=\n)(?: {4,}|\t)\S|(?<!\n)\s*$)", re.MULTILINE)
_SAYS: Final = {
    word: what
    for what, words in {
        "next": "then finally first second third after also next dann puis luego",
        "bound": "must should least most without only exactly not never limit constraint constraints requirement "
        "requirements using include ensure avoid under within between muss ohne nur doit sans debe sin deve sem нельзя "
        "только",
        "deep": "prove proof derive theorem lemma optimize optimise complexity architecture concurrent concurrency "
        "distributed algorithm refactor migrate migration design tradeoff tradeoffs implement analyze analyse "
        "differential integral eigenvalue eigenvalues beweise démontre demuestra докажите 証明 int sum frac lim mathbb "
        "begin 证",
    }.items()
    for word in words.split()
}


def _share(count: int, half: float) -> float:
    """0 for none, one half at `half`, 1 for very many."""
    return count / (count + half)


def complexity(text: str, words: Sequence[str], intent: str, size: int) -> float:
    """0..1: more text, steps, conditions, mathematics or code is never simpler; `size` counts what was cut, too."""
    length = min(1.0, math.log1p(size / 6) / LONG)
    said = list(map(_SAYS.__getitem__, filter(_SAYS.__contains__, words)))
    lines = f"\n{text}"
    steps = len(_STEP.findall(lines)) + said.count("next")
    sought = (
        0.30 * length
        + 0.14 * _share(steps, 4)
        + 0.14 * _share(said.count("bound"), 5)
        + 0.26 * _share(said.count("deep"), 1.5)
        + 0.16 * _share(len(_CODE.findall(lines)), 10)
    )
    weight = 0.35 if intent == "social_chat" else 1.0
    return round(min(1.0, _FLOOR.get(intent, _FLOOR_ELSE) + weight * sought), 4)
