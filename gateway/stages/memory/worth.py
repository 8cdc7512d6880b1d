"""What of a user's words is worth keeping: statements about themselves, decisions, wishes that hold beyond today.

Rules instead of a model: nobody is asked, nothing leaves the process, and what is kept is what was said, word for word.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Final

from gateway.core.memories import New, cleaned

_MOST_READ: Final = 4000  # characters; who sends more has pasted something
_MOST_KEPT: Final = 12  # statements of one turn
_LEAST_WORDS: Final = 3
_LONGEST: Final = 600  # characters of a statement

_FENCE: Final = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`|^\s*>.*$", re.DOTALL | re.MULTILINE)
_SENTENCE: Final = re.compile(r"[^.!?。！？\n]+(?:[.!?](?=\w)[^.!?。！？\n]*)*[.!?。！？]*")
_OWN: Final = re.compile(
    r"\b(?:i|i'm|i've|i'd|i'll|im|my|mine|we|we're|we've|we'll|our|ours)\b"
    r"|\b(?:ich|mein\w*|wir|unser\w*)\b|\b(?:je|j'\w+|mon|ma|mes|nous|notre|nos)\b"
    r"|\b(?:yo|mi|mis|nosotros|nuestr[oa]s?|soy|tengo|vivo|trabajo|prefiero)\b"
    r"|\b(?:eu|meu|minha|nós|nosso|moro|prefiro)\b|[我咱]",
    re.IGNORECASE,
)
_DECIDED: Final = re.compile(
    r"\b(?:from now on|let's (?:go|use|stick|keep)|we(?:'ll| will) (?:go|use|stick)|remember (?:that|this)|"
    r"call me|always (?:answer|use|write|reply|call)|never (?:use|call|mention|write)|the (?:plan|decision) is|"
    r"ab jetzt|merke? dir|à partir de maintenant|a partir de ahora)\b",
    re.IGNORECASE,
)
_REQUEST: Final = re.compile(
    r"^\W*(?:(?:so|ok|okay|now|please|hey|hi|hello|thanks|and)\W+)*(?:can|could|would|will) (?:you|we|i)\b"
    r"|^\W*(?:please\W+)?(?:write|tell|give|show|make|explain|help|translate|summari[sz]e|fix|create|generate|list|find|"
    r"draft|rewrite|convert|describe|suggest|compare)\b"
    r"|\bi(?:'d| would)? (?:want|need|like) (?:you )?to (?:know|understand|ask|write|make|create|see)\b"
    r"|\bi(?:'d| would) like (?:you|a|an|some|the)\b|\bi (?:want|need) (?:you|a|an|some|the|help)\b"
    r"|\b(?:tell|give|show|help|send) me\b|\bi wonder\b|\bi have a question\b",
    re.IGNORECASE,
)
_SECRET: Final = re.compile(
    r"\b(?:password|passwort|passwd|api[ _-]?key|secret key|token|pin|cvv|iban|ssn)\b\s*(?:is|:|=|ist|lautet)"
    r"|\b(?:sk|pk|ghp|xox[bp]|AKIA|AIza)[-_A-Za-z0-9]{12,}|\b(?:\d[ -]?){13,19}\b|-----BEGIN",
    re.IGNORECASE,
)
_VALUE: Final = r"(?P<value>[^,.;!?\n]{2,80}?)"
_END: Final = r"(?=\s*(?:[,.;!?\n]|\b(?:and|but|because|so|now|since|though|which|where)\b|$))"
# A slot, and how its fact is said; `{}` in a slot is what the group `of` says.
_NEAR: Final = "wife|husband|partner|son|daughter|dog|cat|boss|manager|company|project|team"
# A slot, and how its fact is said; `{}` in a slot is what the group `of` says.
_FACTS: Final = tuple(
    (slot, re.compile(pattern + _VALUE + _END, re.IGNORECASE))
    for slot, pattern in (
        ("name", r"\b(?:my name is|call me|i go by) "),
        ("home", r"\bi(?:'m| am)? (?:now )?(?:live|living|reside|based|moved|have moved)(?: to)?(?: in| at| near)? "),
        ("work", r"\bi (?:now )?work (?:as|at|for|in) "),
        ("job", r"\b(?:my job is|i(?:'m| am) (?:employed as|working as)) "),
        ("age", r"\bi(?:'m| am) (?=\d{1,3} years old)"),
        ("birthday", r"\bmy birthday is(?: on)? "),
        ("language", r"\balways (?:answer|reply|write|respond)(?: to)?(?: me)? in "),
        ("favourite {}", r"\bmy (?:favou?rite|preferred) (?P<of>\w+(?: \w+)?) (?:is|are) (?:now )?"),
        ("{}", rf"\bmy (?P<of>(?:{_NEAR})(?:'s name)?) is (?:called |named )?"),
    )
)


def statements(text: str, at: datetime, thread: str, decision: str) -> list[New]:
    """What a user's turn states, each statement followed by the facts in it; empty where nothing is worth keeping."""
    if len(text) > _MOST_READ:
        return []
    kept: list[New] = []
    for sentence in _sentences(_FENCE.sub(" ", text)):
        if len(kept) >= _MOST_KEPT:
            break
        said = len(kept)
        kept.append(New(sentence, at, thread=thread, decision=decision))
        kept += [New(fact, at, "fact", thread, slot, source=said, decision=decision) for slot, fact in facts(sentence)]
    return kept


def facts(sentence: str) -> Iterator[tuple[str, str]]:
    """What a statement says of its speaker for good: what it is about, and the words that say it."""
    for slot, pattern in _FACTS:
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
    if sentence.endswith(("?", "？")) or len(sentence) > _LONGEST or _SECRET.search(sentence):
        return False
    if sentence.isascii() and len(sentence.split()) < _LEAST_WORDS:
        return False
    if _DECIDED.search(sentence):
        return True
    return _OWN.search(sentence) is not None and _REQUEST.search(sentence) is None
