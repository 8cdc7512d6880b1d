"""How much a memory is about what is asked: how near they are, and the part of the question's words that it has.

Our vocabulary spells what is not in Latin letters, one by one, and any two texts that it spells are near each other.
So of them only words count; where words are not told apart by spaces, two neighbouring characters are a word.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final

from gateway.core import stems
from gateway.core.memories import Memory
from gateway.core.words import ends
from gateway.stages.memory.profile import wanted
from gateway.stores.embedding import Encoder

MATTERS: Final = 0.8  # nearness and shared words together, from which on a memory is about what is asked
_YEAR: Final = 4  # digits, from which on a number says what something is about
_READ: Final = 2000  # characters of what is asked that are looked at beside its words
_SPELLED: Final = 1.4  # bytes a character; a language in Latin letters with many accents has 1.2

_UNSPACED: Final = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+")
_KANA: Final = re.compile(r"[\u3040-\u309f]+")
_MARKED: Final = re.compile(r"[\u0900-\u0dff]{2,}")  # their vowels are marks, at which `split` tears words apart
# What `stems.IDLE` is elsewhere, where words are not told apart by spaces, or carry their particles.
_IDLE: Final = re.compile(
    r"什[么麼]|怎[么麼样樣]|哪[里裡儿兒个個]?|谁|誰|为什[么麼]|為什麼|多少|几|吗|嗎|呢|吧|请问?|請問?|告[诉訴]|今天|明天|昨天|[现現]在|知道"
    r"|可以|一下|你|您|名字"
    r"|何|ど[これのうんな]+|だれ|誰|いつ|なぜ|いくら|(?:です|ます)か?|でした|ました|ください|教えて|今日|明日|昨日|今|[のはがをにへもとで]"
    r"|\b(?:저|나|제|내|너|우리|당신)(?:는|은|가|의|도|를)?\b|\b(?:무엇|무슨|뭐|누구|누가|어디|언제|왜|어떻게|어떤|어느|얼마|몇)\w*"
    r"|\b(?:오늘|내일|어제|지금)\w*|(?:입니다|습니다|입니까|습니까|이에요|예요|있어요|있나요|인가요|나요|까요)\b"
    r"|(?<=[가-힣]{2})(?:에서|은|는|이|가|을|를|에|의|도|로|와|과)\b"
)


class Question:
    """What is asked; `spells` says whether the vectors are of a model that spells out what it cannot read."""

    def __init__(self, text: str, words: Sequence[str], encoder: Encoder, *, spells: bool) -> None:
        self._spells = spells
        self._rare = {stems.stem(word): encoder.rarity(word) for word in words if _tells(word)}
        parts = () if text.isascii() else ends(list(_parts(text[:_READ])))
        self._parts = {part: encoder.rarity(part) for part in parts}
        self._all = sum(self._rare.values()) + sum(self._parts.values())
        self.facts = wanted(text)
        self._near = self._all > 0 and not (spells and _spelled(text[:_READ]))

    def relevance(self, memory: Memory, near: float) -> float:
        """Of a memory whose vector is so near; a fact that is asked for matters, whatever its words."""
        text = memory.text
        shared = sum(self._rare[one] for one in stems.within(text, self._rare))
        if self._parts:
            shared += sum(rarity for part, rarity in self._parts.items() if part in text)
        tells = self._near and not (self._spells and _spelled(text))
        relevance = (near if tells else 0.0) + (shared / self._all if shared else 0.0)
        return max(relevance, MATTERS) if self.facts.has(memory.slot) else relevance


def _spelled(text: str) -> bool:
    """Whether it is in letters of which our vocabulary has few words: all but Latin ones take two bytes and more."""
    return not text.isascii() and len(text.encode("utf-8", "surrogatepass")) >= _SPELLED * len(text)


def _tells(word: str) -> bool:
    """Whether a word says what a text is about; those of other scripts are taken in parts."""
    if word in stems.IDLE or (word.isdecimal() and len(word) < _YEAR):
        return False
    return word.isascii() or not (_UNSPACED.match(word) or "\u0900" <= word[0] <= "\u0dff")


def _parts(text: str) -> Iterator[str]:
    """Words that are not told apart by spaces, or not by `split`."""
    yield from (word for word in _MARKED.findall(text) if word not in stems.IDLE)
    for run in _UNSPACED.findall(_IDLE.sub(" ", text)):
        yield from (pair for one, other in pairwise(run) if not _KANA.fullmatch(pair := one + other))
