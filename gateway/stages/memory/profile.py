"""Questions for what is known of a user for good: "Where do I live?" is about "I moved to Hamburg.", in other words.

Facts have slots, so a question names those that it asks for, and is looked for by the words that their facts are said
with, in whichever language.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Final, NamedTuple

_LONGEST: Final = 200  # characters of a question for a fact

_HOW_SAID: Final = {  # by slot
    "name": "name call heiße nenn appelle nom llamo nombre chiamo nome chamo heet naam nazywam imię зовут имя adım 叫",
    "home": "live reside living based moved wohne lebe habite vis déménagé vivo resido mudé abito trasferito "
    "trasferita moro mudei woon mieszkam живу 住",
    "work": "work arbeite travaille trabajo lavoro trabalho werk pracuję работаю",
    "job": "job employed working",
    "birthday": "birthday geburtstag anniversaire cumpleaños compleanno aniversário verjaardag",
    "age": "old years jahre años anni anos",
    "language": "answer reply write respond antworte réponds responde rispondi responda antwoord",
}
_OTHERS: Final = "favourite favorite preferred wife husband partner daughter dog cat boss company project team"
_ASKS: Final = re.compile(  # lower case; Chinese words have no beginnings
    r"(?:\b|(?=[我你]))(?:"
    r"(?P<name>(?:my name|am i called|wie heiße ich|mein name|je m['’]appelle|me llamo|mi chiamo|me chamo|heet ik"
    r"|как меня зовут)\b|我叫什么|我的名字)"
    r"|(?P<home>(?:where (?:do|am) i (?:now )?(?:live|living|based)|my home ?town|wo (?:wohne|lebe) ich"
    r"|où (?:est-ce que )?(?:j['’]habite|habité-je|je vis)|dónde vivo|dove (?:abito|vivo)"
    r"|onde (?:eu )?moro|waar woon ik|gdzie mieszkam|где я живу)\b|我住在?哪)"
    r"|(?P<work>(?:(?:where|what) do i (?:work|do for (?:work|a living))|my (?:job|profession)"
    r"|(?:wo|als was) arbeite ich|mein beruf"
    r"|où (?:est-ce que )?je travaille|dónde trabajo|dove lavoro|onde (?:eu )?trabalho|waar werk ik"
    r"|где я работаю)\b)"
    r"|(?P<birthday>(?:my birthday|how old am i|mein geburtstag|wie alt bin ich|mon anniversaire|quel âge ai-je"
    r"|mi cumpleaños|cuántos años tengo|il mio compleanno|quanti anni ho|mijn verjaardag|hoe oud ben ik)\b)"
    r"|(?P<everything>(?:(?:what|which things) do you (?:already )?(?:know|remember) (?:about|of) me|who am i"
    r"|tell me about (?:me|myself)|was weißt du (?:schon )?(?:über|von) (?:mich|mir)|wer bin ich"
    r"|que sais-tu (?:de|sur) moi|qui suis-je|qué sabes (?:de|sobre) mí|quién soy|cosa sai di me|chi sono"
    r"|sabe (?:de|sobre) mim|quem sou eu|weet je (?:van|over) mij|wie ben ik|что ты (?:знаешь|помнишь) обо мне|кто я)\b"
    r"|我是谁|你(?:知道|了解|记得)我什么))"
)
_TOGETHER: Final = {"work": ("work", "job"), "birthday": ("birthday", "age")}


class Wanted(NamedTuple):
    """The facts that are asked for: those of some slots, or all of them."""

    slots: Collection[str] = ()
    every: bool = False

    def has(self, slot: str) -> bool:
        """Whether a fact of this slot is one of them."""
        return slot in self.slots or (self.every and bool(slot))

    @property
    def words(self) -> Sequence[str]:
        """The words that they are said with."""
        said = [_HOW_SAID[slot] for slot in (_HOW_SAID if self.every else self.slots)]
        return " ".join([*said, _OTHERS] if self.every else said).split()


NOTHING: Final = Wanted()


def wanted(text: str) -> Wanted:
    """What a question asks of its speaker."""
    found = _ASKS.search(text.lower()) if len(text) <= _LONGEST else None
    if found is None or found.lastgroup is None:
        return NOTHING
    if found.lastgroup == "everything":
        return Wanted(every=True)
    return Wanted(_TOGETHER.get(found.lastgroup, (found.lastgroup,)))
