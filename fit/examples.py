"""The examples that we wrote ourselves: lines of `fit/prompts`, with words in their «slots»; the same on every run."""

from __future__ import annotations

import random
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from gateway.core.reading import INTENTS

HERE: Final = Path(__file__).parent / "prompts"
PER_LINE: Final = 8  # how many prompts one line with slots becomes, at most

_SLOT: Final = re.compile(r"«(\w+)»")


class Example(NamedTuple):
    """A prompt, what it asks for, its language, and the line that it was made from."""

    text: str
    intent: str
    lang: str
    line: str


def written(path: Path) -> Iterator[tuple[str, str, str]]:
    """Language, intent and text of every line of a file; a line `%% de coding_help` says what follows it."""
    lang, intent = "en", path.stem
    for raw in path.read_text("utf-8").splitlines():
        if raw.startswith("%%"):
            words = raw.split()
            lang = words[1] if len(words) > 1 and len(words[1]) == 2 else lang
            intent = words[-1] if words[-1] in INTENTS else intent
        elif raw.strip():
            yield lang, intent, raw.replace("\\n", "\n")


def lines(folder: Path = HERE) -> Iterator[tuple[str, str, str]]:
    """Language, intent and text of every line that was written."""
    for path in sorted(folder.glob("*.txt")):
        yield from written(path)


def slots(folder: Path = HERE) -> dict[str, list[str]]:
    """What may stand in each slot."""
    found: dict[str, list[str]] = {}
    for path in sorted(folder.glob("*.toml")):
        found |= tomllib.loads(path.read_text("utf-8"))
    return found


def filled(line: str, words: dict[str, list[str]], chance: random.Random) -> str:
    """The line with a word in each slot."""
    return _SLOT.sub(lambda slot: chance.choice(words[slot[1]]), line)


_BEFORE: Final = (
    "please ", "Please ", "hi, ", "Hello! ", "Can you ", "could you please ", "I need help. ", "hey, ",
    "I want you to ", "Question: ", "ok so ", "Good morning. ", "Next: ", "Help me: ", "I would like you to ",
)  # fmt: skip
_AFTER: Final = (
    " please", " Thanks!", " thx", " Be brief.", " Explain your answer.", " Think step by step.", " Give details.",
    " Use simple words.", " Format the answer as a table.", " Answer in English.", " I need it today.", " :)",
    "\n\nThank you", " No more than five points.",
)  # fmt: skip
_FRAMES: Final = (
    "You are a helpful assistant. {}", "You are an expert in your field.\n\n{}",
    "### Instruction:\n{}\n\n### Response:", "Task: {}", "{}\n\nAnswer:", "User: {}", "Act as an expert. {}",
    "Answer the following as well as you can.\n\n{}",
)  # fmt: skip


# What people say before they say what they want; it is small talk only if nothing follows.
_GREETINGS: Final = {
    "en": (
        "hi! ", "Hey, ", "hello, ", "good morning, ", "good evening. ", "yo ", "thanks! ", "Thank you. ", "ok cool, ",
        "haha ok, ", "omg ", "sorry, ", "hey quick question: ", "hi there. ", "so ", "thank you so much! ", "lol ",
    ),
    "de": ("Hallo, ", "hi, ", "Moin! ", "danke! ", "super, ", "Guten Morgen. "),
    "fr": ("Bonjour, ", "salut, ", "merci ! ", "coucou, ", "bonsoir. "),
    "es": ("Hola, ", "buenas, ", "¡gracias! ", "oye, ", "buenos días. "),
    "pt": ("Oi, ", "olá! ", "obrigado! ", "bom dia, "),
    "it": ("Ciao, ", "salve, ", "grazie! ", "buongiorno. "),
    "ru": ("Привет, ", "здравствуйте! ", "спасибо! ", "слушай, "),
    "zh": ("你好，", "你好，请问", "嗨，", "谢谢！", "早上好，"),
    "ja": ("こんにちは、", "ありがとう！", "おはよう。"),
    "ko": ("안녕하세요, ", "안녕, ", "고마워! "),
    "vi": ("chào bạn, ", "cảm ơn! "),
}  # fmt: skip


def _mistyped(text: str, chance: random.Random) -> str:
    at = chance.randrange(1, max(2, len(text) - 1))
    kind = chance.randrange(3)
    if kind == 0:
        return text[:at] + text[at + 1 :]
    if kind == 1:
        return text[:at] + text[at : at + 2][::-1] + text[at + 2 :]
    return text[:at] + text[at : at + 1] + text[at:]


def worn(text: str, intent: str, lang: str, chance: random.Random) -> str:
    """The prompt as somebody in a hurry, somebody polite or a program might send it."""
    roll = chance.random()
    if intent != "social_chat":
        if roll < 0.06:
            text = chance.choice(_BEFORE) + text[:1].lower() + text[1:]
        elif roll < 0.12:
            text += chance.choice(_AFTER)
        elif roll < 0.16:
            text = chance.choice(_FRAMES).format(text)
        elif roll < 0.26 and lang in _GREETINGS:
            text = chance.choice(_GREETINGS[lang]) + text[:1].lower() + text[1:]
    roll = chance.random()
    if roll < 0.12:
        text = text.lower()
    elif roll < 0.2:
        text = text[:1].upper() + text[1:]
    if chance.random() < 0.1:
        text = text.rstrip(".?!")
    if chance.random() < 0.08 and len(text) > 12:
        text = _mistyped(text, chance)
    return text


def variants(
    line: str, intent: str, lang: str, words: dict[str, list[str]], chance: random.Random, copies: int
) -> list[str]:
    """The distinct prompts that a line becomes; the first of them is as written."""
    seen: dict[str, None] = {}
    for copy in range(copies):
        text = filled(line, words, chance)
        seen[worn(text, intent, lang, chance) if copy else text] = None
    return list(seen)


def examples(folder: Path = HERE) -> list[Example]:
    """All prompts that the written lines become."""
    words = slots(folder)
    made: list[Example] = []
    for lang, intent, line in lines(folder):
        chance = random.Random(f"{lang} {intent} {line}")  # noqa: S311  the same on every run
        copies = min(PER_LINE, 2 + 3 * len(_SLOT.findall(line))) if _SLOT.search(line) else 2
        made += [Example(text, intent, lang, line) for text in variants(line, intent, lang, words, chance, copies)]
    return made
