"""Which language a text is in: by its script, and for Latin letters by its commonest words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

UNKNOWN: Final = "und"

# In this order: a Japanese text is full of Chinese characters, a Ukrainian one of Russian letters.
_RANGES: Final = (
    ("ja", "぀-ヿ", 0.08),
    ("ko", "가-힣", 0.1),
    ("zh", "一-鿿", 0.1),
    ("uk", "іїєґІЇЄҐ", 0.02),
    ("ru", "а-яА-ЯёЁ", 0.2),
    ("ar", "؀-ۿ", 0.2),
    ("he", "֐-׿", 0.2),
    ("hi", "ऀ-ॿ", 0.2),
    ("th", "฀-๿", 0.2),
    ("el", "Ͱ-Ͽ", 0.3),
    ("vi", "ăđơưĂĐƠƯạ-ỹẠ-Ỹ", 0.03),
)
_SCRIPTS: Final = tuple((lang, re.compile(f"[{letters}]"), share) for lang, letters, share in _RANGES)
_TELLING: Final = re.compile(f"[{''.join(letters for _, letters, _ in _RANGES)}]+")
_COMMON: Final = {
    "en": "the of and to in is you that it for on with as are this be at have from or what how can do my i me a "
    "an write please if not your who when where why which hello hi thanks",
    "de": "der die das und ist nicht ein eine zu den mit sich auf für von im dem wie was ich du wir bitte "
    "schreibe mir kann warum wer wann wo hallo danke über einen bin",
    "fr": "le la les des et est un une du en que pour dans qui sur pas avec je vous comment quel quelle écris "
    "moi mon ma bonjour merci pourquoi où ce cette au aux",
    "es": "el la los las de y en que un una por con para es no se lo como qué cómo cuál escribe me mi del al "
    "hola gracias quién cuándo dónde sobre está",
    "pt": "o os as de e em que um uma por com para é não se do da no na como qual escreva me meu minha você olá "
    "obrigado quem quando onde sobre está",
    "it": "il lo la gli le di e che un una per con non è si come cosa qual scrivi mi mio del della sono ciao "
    "grazie chi quando dove perché nel",
    "nl": "de het een en van ik je dat niet is in op te met voor wat hoe schrijf mijn ben zijn waarom wie hallo dank",
    "pl": "i w na z się nie to jest do że co jak napisz mi czy dla ale po kto kiedy gdzie cześć dziękuję jaki",
    "tr": "bir ve bu için ne nasıl mi da de ile bana yaz çok var ben sen nedir merhaba",
    "sv": "och att det är en ett som på för inte jag du hur vad skriv mig med av hej tack",
    "cs": "a je to se na v že jak co pro mi napiš není jsem které při ale",
    "id": "yang dan di ini itu dengan untuk apa bagaimana saya tidak adalah buat dari kamu ke",
}
_SPOKEN: Final = {word: tuple(lang for lang, words in _COMMON.items() if word in words.split())
                  for words in _COMMON.values() for word in words.split()}  # fmt: skip
_VOTES: Final = {word: tuple((lang, 1 / len(spoken)) for lang in spoken) for word, spoken in _SPOKEN.items()}
READ: Final = 600  # characters whose script is looked at; a language shows early
ENOUGH: Final = 200  # words and marks that vote


def language(text: str, words: Sequence[str]) -> str:
    """The code of the likeliest language of a text and its words, `und` where nothing tells."""
    if not text.isascii():
        text = text[:READ]
        telling = "".join(_TELLING.findall(text))
        letters = sum(map(str.isalpha, text)) if telling else 0
        for lang, script, share in _SCRIPTS if letters else ():
            if len(script.findall(telling)) >= share * letters:
                return lang
    votes: dict[str, float] = {}
    for word in filter(_VOTES.__contains__, words[:ENOUGH]):
        for lang, vote in _VOTES[word]:
            votes[lang] = votes.get(lang, 0.0) + vote
    return max(votes, key=votes.__getitem__) if votes else UNKNOWN
