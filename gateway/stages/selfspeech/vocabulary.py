"""The words of self-speech: how a text is cut into them, what each is to the phrases, and the phrases, read."""

import re
from functools import lru_cache
from typing import Final

from gateway.stages.selfspeech import abroad, english
from gateway.stages.selfspeech.english import FUNCTION_WORDS, REFUSING, SPEAKER, THIRD
from gateway.stages.selfspeech.names import NAMES
from gateway.stages.selfspeech.phrasebook import Part, Phrasebook, Reader

KINDS: Final = english.KINDS | abroad.KINDS
MACROS: Final = NAMES | english.MACROS | abroad.MACROS
PHRASES: Final = (english.PHRASES, *abroad.PHRASES)

# --- how a text is cut -----------------------------------------------------------------------------------------------

WORD: Final = 32  # characters of one word; a longer run is no word of ours and counts as several
HAN: Final = "\u3400-\u9fff\uf900-\ufaff"  # written without spaces: each character is a word
LETTER: Final = rf"[^\W_{HAN}]"
TOKEN: Final = re.compile(rf"{LETTER}{{1,{WORD}}}|[^\S\n]{{1,{WORD}}}|`{{1,{WORD}}}|~{{1,{WORD}}}|.", re.DOTALL)
RUN: Final = re.compile(rf"{LETTER}|[`~]")  # what may go on in the next chunk
IN_WORD: Final = re.compile(LETTER)
HAN_WORD: Final = re.compile(f"[{HAN}]")
ENDS: Final = ".!?;:,，、。！？；：…"  # of clauses and sentences
SCAN: Final = re.compile(rf"{LETTER}+|`{{1,{WORD}}}|[\n\"“„«»「『‘{ENDS}{HAN}]|(?<!{LETTER})'")

SEEN_THROUGH: Final = frozenset("*_[]")  # emphasis and links
SAME: Final = {
    "’": "'", "ʼ": "'", "，": ",", "、": ",", "。": ".", "…": ".", "！": "!", "？": "?", "；": ";", "：": ":",
    "(": "<open>", "（": "<open>", ")": "<close>", "）": "<close>", "–": "<dash>", "—": "<dash>", "\r": "",
}  # fmt: skip
STOPS: Final = frozenset({"<end>", ".", "!", "?", ";", ":", "\n"})
UNKNOWN: Final = frozenset("<word> <cap> <num> <han> <mark> <end> <open> <close> <dash> \n".split(" "))

# --- the phrases, read once ------------------------------------------------------------------------------------------


def _kinds() -> dict[str, frozenset[str]]:
    """The kinds of words; the open ones hold the sign of an unknown word and every known word not kept out of them."""
    signs = " ".join((*MACROS.values(), *PHRASES, *KINDS.values()))
    known = frozenset(TOKEN.findall(re.sub(r"[$<][\w-]+>?|[()|?{}^@%]|\s+", " ", signs)))
    names = Phrasebook()
    heads = names.words(names.learn([Reader({}, MACROS, TOKEN).phrase(text) for text in NAMES.values()]))
    lower = {word for word in known if word == word.lower() and IN_WORD.match(word) and not word[0].isdigit()}
    return {kind: frozenset(words.split()) for kind, words in KINDS.items()} | {
        "stop": STOPS,
        "fill": frozenset(lower - heads | {"<word>"}),
        "word": frozenset(lower - heads - FUNCTION_WORDS | {"<word>"}),
        "num": frozenset({"<num>"} | {word for word in known if word[0].isdigit()}),
        "han": frozenset({"<han>"} | {word for word in known if HAN_WORD.match(word)}),
        "on": (known | UNKNOWN) - {"'", "-"},
    }


def _phrases() -> dict[str, list[Part]]:
    """The phrases by the mark before them; a line that is indented further goes on with the phrase above it."""
    marked: dict[str, list[Part]] = {"": [], "^": [], "@": [], "%": []}
    for text in PHRASES:
        for phrase in re.split(r"\n {4}(?! )", "\n" + text.strip("\n")):
            if phrase:
                marked[phrase[0] if phrase[0] in marked else ""].append(READER.phrase(phrase.strip("^@%")))
    return marked


def _situations() -> list[int]:
    """The states to begin in: at a clause's beginning 1, where the speaker speaks of itself 2, where it refuses 4."""
    always, *marked = (BOOK.learn(phrases) for phrases in _phrases().values())
    return [
        BOOK.state(always.union(*(places for bit, places in enumerate(marked) if number >> bit & 1)))
        for number in range(1 << len(marked))
    ]


READER: Final = Reader(_kinds(), MACROS, TOKEN)
BOOK: Final = Phrasebook()
BEGIN: Final = _situations()
NAME: Final = BOOK.state(BOOK.learn([READER.phrase("$any")]))
KNOWN: Final = BOOK.vocabulary()
BEGINNERS: Final = BOOK.openers(BEGIN[-1])
NAME_HEADS: Final = BOOK.openers(NAME)
MAKERS: Final = BOOK.openers(BOOK.state(BOOK.learn([READER.phrase("$maker")])))
PERSONS: Final = frozenset(NAMES["person"].split()) - {"|"}

# --- what need not be passed over ------------------------------------------------------------------------------------


class Noted:
    """The words that a text may not contain to be let out unread."""

    def __init__(self, words: frozenset[str]) -> None:
        self.words = frozenset(word.lower() for word in words)
        self.beginnings = frozenset(word[:end] for word in self.words for end in range(1, len(word) + 1))


STRUCTURE: Final = frozenset("\n\"“„«»「『‘'") | {"`" * length for length in range(1, WORD + 1)}
HEARD: Final = SPEAKER | THIRD | NAME_HEADS | STOPS | REFUSING
NOTED: Final = Noted(BOOK.openers(BEGIN[1]) | NAME_HEADS | SPEAKER | STRUCTURE)
NOTED_SPEAKING: Final = Noted(BEGINNERS | HEARD | STRUCTURE | frozenset(ENDS))


def sign_of(piece: str, before: str) -> str:
    """What the piece is to the phrases, given the character before it."""
    if not piece:
        return "<end>"
    if before.isalnum() and IN_WORD.match(piece) and IN_WORD.match(before):
        return "<part>"
    if before == "." and piece[0].isdigit():
        return "<dec>"
    if piece == "-" and before.isspace():
        return "<dash>"
    return meaning(piece)


@lru_cache(maxsize=4096)
def meaning(piece: str) -> str:
    """What a piece is to the phrases wherever it stands."""
    if piece == "\n":
        return piece
    if piece.isspace() or piece in SEEN_THROUGH:
        return ""
    low = piece.lower()
    if piece in KNOWN or low in KNOWN:
        return piece if piece in KNOWN else low
    if HAN_WORD.match(piece):
        return "<han>"
    return SAME.get(piece) or form(piece)


def form(piece: str) -> str:
    """The kind of an unknown word that begins like this."""
    if piece[0].isdigit():
        return "<num>"
    return "<cap>" if piece[0].isupper() else "<word>" if piece[0].isalpha() else "<mark>"
