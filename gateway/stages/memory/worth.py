"""What of a user's words is worth keeping: statements about themselves, decisions, wishes that hold beyond today.

Rules instead of a model: nobody is asked, nothing leaves the process, and what is kept is what was said, word for word.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from typing import Final

from msgspec import structs

from gateway.core.memories import New, cleaned
from gateway.stages.memory.facts import FACTS
from gateway.stages.memory.tongues import DECIDED, OWN, REQUEST, SECRET

_MOST_READ: Final = 4000  # characters; who sends more has pasted something
_MOST_KEPT: Final = 12  # statements of one turn, or of one memory that are read for facts
_LEAST_WORDS: Final = 3
_LONGEST: Final = 600  # characters of a statement

_UNSPACED: Final = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]")
_FENCE: Final = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`|^\s*>.*$", re.DOTALL | re.MULTILINE)
_SENTENCE: Final = re.compile(r"[^.!?。！？\n]+(?:[.!?](?=\w)[^.!?。！？\n]*)*[.!?。！？]*")


def statements(text: str, at: datetime, thread: str, decision: str) -> list[New]:
    """What a user's turn states, each statement followed by the facts in it; empty where nothing is worth keeping."""
    if len(text) > _MOST_READ:
        return []
    kept: list[New] = []
    for sentence in _sentences(_FENCE.sub(" ", text)):
        if len(kept) >= _MOST_KEPT:
            break
        statement = New(sentence, at, thread=thread, decision=decision)
        kept += [statement, *facts_of(statement, len(kept))]
    return kept


def facts_of(statement: New, source: int | str) -> list[New]:
    """The facts in a statement, which are told of its speaker like it and derived from it."""
    sentences = islice(_sentences(_FENCE.sub(" ", statement.text)), _MOST_KEPT)
    found = {slot: said for sentence in sentences for slot, said in facts(sentence)}
    return [structs.replace(statement, text=found[slot], kind="fact", slot=slot, source=source) for slot in found]


def facts(sentence: str) -> Iterator[tuple[str, str]]:
    """What a statement says of its speaker for good: what it is about, and the words that say it."""
    for slot, pattern in FACTS:
        found = pattern.search(sentence)
        if found is not None:
            of = found.groupdict().get("of") or ""
            yield slot.format(of.lower()), found[0].strip()


def _sentences(text: str) -> Iterator[str]:
    for found in _SENTENCE.finditer(text):
        sentence = cleaned(found[0])
        if _is_statement(sentence):
            yield sentence


def _is_statement(sentence: str) -> bool:
    if sentence.endswith(("?", "？")) or len(sentence) > _LONGEST or SECRET.search(sentence):
        return False
    if _spaced(sentence) and len(sentence.split()) < _LEAST_WORDS:
        return False
    if DECIDED.search(sentence):
        return True
    return OWN.search(sentence) is not None and REQUEST.search(sentence) is None


def _spaced(sentence: str) -> bool:
    """Whether words are told apart by spaces, as everywhere but in Chinese and Japanese."""
    return _UNSPACED.search(sentence) is None
