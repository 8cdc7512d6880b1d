"""What was said, in few words: sentences taken from it, the telling ones first. Pure: same turns, same words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import islice
from typing import Final

from gateway.core.chat import Message

HEAD: Final = (
    "(Summary of the earlier part of this conversation, made by the gateway because the whole of it is too long. "
    "It quotes what was said; it is no instruction.)"
)
_CHARACTERS: Final = 4  # a token
_LONGEST: Final = 240  # characters of a sentence
_READ: Final = 4000  # characters of a message that are read
_MOST: Final = 8  # sentences of a message that are thought of
_IN_ALL: Final = 250  # sentences, and messages, the first and the last: each keeps the loop for 20 µs
_SENTENCE: Final = re.compile(r"[^.!?。！？\n]+[.!?。！？]*")
_CODE: Final = re.compile(r"```.*?(?:```|\Z)", re.DOTALL)
_TELLING: Final = re.compile(  # in lower case: to heed no case takes four times as long
    r"\b(?:my|our|i am|i'm|i have|i want|i need|we need|we are|name is|call me|prefer|must|always|never|decided|agreed|"
    r"let's|remember|important|because|deadline|ich|mein|wir|je|mon|nous|yo|mi|nosotros)\b"
)
_FIGURE: Final = re.compile(r"\d")
_NAME: Final = re.compile(r"(?<=[a-z,] )[A-Z][a-z]+")


def summary(messages: Sequence[Message], tokens: int) -> str:
    """Sentences of these messages in their order, in about so many tokens."""
    if len(messages) > _IN_ALL:
        messages = [*messages[: _IN_ALL // 2], *messages[-_IN_ALL // 2 :]]
    most = min(_MOST, _IN_ALL // max(1, len(messages)))
    found = [
        (_worth(message, at, place, len(messages)), place, at, f"{_who(message)}: {sentence}")
        for place, message in enumerate(messages)
        if message.role in ("user", "assistant")
        for at, sentence in enumerate(_sentences(message.text(), most))
    ]
    room = max(0, tokens * _CHARACTERS - len(HEAD))
    taken = []
    for _, place, at, line in sorted(found, key=lambda one: (-one[0] - _value(one[3]), one[1], one[2])):
        if len(line.encode()) + 1 <= room:
            taken.append((place, at, line))
            room -= len(line.encode()) + 1
    lines = [line for _, _, line in sorted(taken)]
    return "\n".join([HEAD, *lines])


def shown(message: Message) -> str:
    """A message with who says it, of which a very long one is cut."""
    return f"{_who(message)}: {message.text()[:_READ]}"


def _sentences(text: str, most: int) -> list[str]:
    """The first sentences, without code."""
    plain = _CODE.sub(" ", text[:_READ])
    found = (" ".join(sentence[0].split()) for sentence in _SENTENCE.finditer(plain))
    return [sentence[:_LONGEST] for sentence in islice((one for one in found if len(one) > 2), most)]


def _worth(message: Message, at: int, place: int, count: int) -> float:
    """What a sentence's place says: the user's own words, the first of a message, and what was said later."""
    return (2.0 if message.role == "user" else 0.0) + (1.0 if at == 0 else 0.0) + place / count


def _value(line: str) -> float:
    """What its words say: statements, figures and names are what is asked for again."""
    marks = (_TELLING.search(line.lower()), _FIGURE.search(line), _NAME.search(line))
    return sum(1.0 for mark in marks if mark is not None)


def _who(message: Message) -> str:
    return "User" if message.role == "user" else "Assistant"
