"""A model's talk about itself as some provider's model becomes Syntra's, while the text streams.

How: the text is cut into words. Outside code and quotations, a word that can begin a self-reference starts a walk through
the phrases of `selfspeech`, and the words of the walk are held until it has matched or died. What a word means depends
only on what stands before it, never on where the stream was cut: every way of cutting gives the same output.
"""

import re
from functools import lru_cache
from typing import Final, NamedTuple

from gateway.stages.page import Page
from gateway.stages.phrasebook import DEAD, Part, Phrasebook, Reader
from gateway.stages.selfspeech import (
    CLASSES, FUNCTION_WORDS, MACROS, NAMES, PHRASES, REFUSING, ROLE_PLAY, SPEAKER, THIRD,
)  # fmt: skip

REACH: Final = 128  # characters that a walk may last; the longest self-reference we know of has about 110
WORD: Final = 32  # characters of one word; a longer run is no word of ours and counts as several
HOLD: Final = REACH + 2 * WORD  # the most that is ever held back

HAN: Final = "\u3400-\u9fff\uf900-\ufaff"  # written without spaces: each character is a word
LETTER: Final = rf"[^\W_{HAN}]"
TOKEN: Final = re.compile(rf"{LETTER}{{1,{WORD}}}|[^\S\n]{{1,{WORD}}}|`{{1,{WORD}}}|~{{1,{WORD}}}|.", re.DOTALL)
RUN: Final = re.compile(rf"{LETTER}|[`~]")  # what may go on in the next chunk
IN_WORD: Final = re.compile(LETTER)
HAN_WORD: Final = re.compile(f"[{HAN}]")
SCAN: Final = re.compile(rf"{LETTER}+|`{{1,{WORD}}}|[\n\"“„«»「『‘.!?;:,，、。！？；：…{HAN}]|(?<!{LETTER})'")
MARK: Final = re.compile(f"`{{1,{WORD}}}|[\n'’\"”“„«»」』]")  # what can end a quotation or code

KEY: Final = "sk-syn-"
KEY_BODY: Final = re.compile(r"[A-Za-z0-9_-]+")
CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")

SEEN_THROUGH: Final = frozenset("*_[]")  # emphasis and links
HOLLOW: Final = "".join(chr(code) for code in range(0x3001) if chr(code).isspace()) + "*_[]"
SAME: Final = {
    "’": "'", "ʼ": "'", "，": ",", "、": ",", "。": ".", "…": ".", "！": "!", "？": "?", "；": ";", "：": ":",
    "(": "<open>", "（": "<open>", ")": "<close>", "）": "<close>", "–": "<dash>", "—": "<dash>", "\r": "",
}  # fmt: skip
UNKNOWN: Final = frozenset("<word> <cap> <num> <han> <mark> <end> <open> <close> <dash> \n".split(" "))
STOPS: Final = frozenset({"<end>", ".", "!", "?", ";", ":", "\n"})
CLAUSE_EDGE: Final = ("", *".!?:;,，。！？：；、(（—–-\n#>")
FEMININE: Final = {"pelo": "pela", "do": "da", "no": "na"}  # Portuguese: o Google, but a Syntra


class Word(NamedTuple):
    """A piece of the text, and what it is to the phrases: '' when they see through it."""

    text: str
    symbol: str


# --- the phrases, read once ------------------------------------------------------------------------------------------


def _kinds() -> dict[str, frozenset[str]]:
    """The kinds of words; the open ones hold the sign of an unknown word and every known word not kept out of them."""
    signs = " ".join((*MACROS.values(), *PHRASES, *CLASSES.values()))
    known = frozenset(TOKEN.findall(re.sub(r"[$<][\w-]+>?|[()|?{}^@%]|\s+", " ", signs)))
    book = Phrasebook()
    heads = book.words(book.learn([Reader({}, MACROS, TOKEN).phrase(text) for text in NAMES.values()]))
    lower = {word for word in known if word == word.lower() and IN_WORD.match(word) and not word[0].isdigit()}
    return {kind: frozenset(words.split()) for kind, words in CLASSES.items()} | {
        "stop": frozenset([*CLASSES["stop"].split(), "\n"]),
        "fill": frozenset(lower - heads | {"<word>"}),
        "word": frozenset(lower - heads - FUNCTION_WORDS | {"<word>"}),
        "num": frozenset({"<num>"} | {word for word in known if word[0].isdigit()}),
        "on": (known | UNKNOWN) - {"'", "-"},
        "han": frozenset({"<han>"} | {word for word in known if HAN_WORD.match(word)}),
    }


READER: Final = Reader(_kinds(), MACROS, TOKEN)
BOOK: Final = Phrasebook()


def _learn() -> tuple[list[int], int]:
    """The states to begin in, by situation (at a clause 1, speaking of itself 2, refusing 4), and that of a name alone."""
    lines = [line for text in PHRASES for line in text.strip().split("\n")]
    kinds: dict[str, list[Part]] = {"": [], "^": [], "@": [], "%": []}
    for line in lines:
        mark = line.strip()[0]
        kinds[mark if mark in kinds else ""].append(READER.phrase(line.strip(" ^@%")))
    always, clause, speaking, refusing = (BOOK.learn(parts) for parts in kinds.values())
    situations = [
        always
        | (clause if number & 1 else frozenset())
        | (speaking if number & 2 else frozenset())
        | (refusing if number & 4 else frozenset())
        for number in range(8)
    ]
    return [BOOK.state(places) for places in situations], BOOK.state(BOOK.learn([READER.phrase("$any")]))


BEGIN, NAME = _learn()
KNOWN: Final = BOOK.vocabulary()
BEGINNERS: Final = BOOK.openers(BEGIN[-1])
NAME_HEADS: Final = BOOK.openers(NAME)
PERSONS: Final = frozenset(NAMES["person"].split(" | "))
MAKERS: Final = BOOK.openers(BOOK.state(BOOK.learn([READER.phrase("$maker")])))
HEARD: Final = SPEAKER | THIRD | NAME_HEADS | STOPS | REFUSING
STRUCTURE: Final = frozenset('\n"“„«»「『‘\'') | {"`" * length for length in range(1, WORD + 1)}
NOTED: Final = frozenset(word.lower() for word in BOOK.openers(BEGIN[1]) | NAME_HEADS | SPEAKER | STRUCTURE)
NOTED_SPEAKING: Final = NOTED | BEGINNERS | THIRD | REFUSING | frozenset(".!?;:,，、。！？；：…")
BEGINNINGS: Final = frozenset(word[:end] for word in NOTED for end in range(1, len(word) + 1))
BEGINNINGS_SPEAKING: Final = frozenset(word[:end] for word in NOTED_SPEAKING for end in range(1, len(word) + 1))


class Guard:
    """Takes out what never leaves, wherever it stands: control characters, and keys of our own."""

    def __init__(self) -> None:
        self._tail = ""
        self._in_key = False
        self._hidden = False

    def clean(self, text: str) -> str:
        if not text.isprintable():
            text = CONTROL.sub("", text)
        seen = self._tail + text
        if not self._in_key and KEY not in seen:
            self._tail = seen[-len(KEY) + 1 :]
            return text
        return self._hide(text)

    def _hide(self, text: str) -> str:
        out: list[str] = []
        while text:
            if self._in_key:
                body = KEY_BODY.match(text)
                if body and not self._hidden:
                    out.append("[hidden]")
                    self._hidden = True
                text = text[body.end() :] if body else text
                self._in_key = not text
                self._tail = ""
            else:
                seen = self._tail + text
                at = seen.find(KEY)
                cut = len(text) if at < 0 else at + len(KEY) - len(self._tail)
                out.append(text[:cut])
                self._tail = (self._tail + text[:cut])[-len(KEY) + 1 :]
                text = text[cut:]
                self._in_key, self._hidden = at >= 0, False
        return "".join(out)


class Sanitizer:
    """One choice's text, cleaned while it streams."""

    def __init__(self, name: str = "Syntra", quoted: str = "") -> None:
        self._name = name
        self._quoted = quoted
        self._guard = Guard()
        self._page = Page()
        self._held = ""  # what has not left: the words of the walk, or the beginning of one
        self._walk: list[Word] = []  # the words that can still become a match
        self._length = 0  # their characters
        self._state = DEAD
        self._matched = 0  # how many of them are a match already
        self._behind = ""  # the last text that left and was not hollow
        self._speaking = False  # the sentence is about the speaker
        self._refusing = False
        self._out: list[str] = []

    def feed(self, text: str) -> str:
        """What may leave now: '' while something could still become a match."""
        text = self._guard.clean(text)
        if text and not self._held and self._says_nothing(text):
            self._page.last = text[-1]
            if text.strip(HOLLOW):
                self._behind = text
            return text
        return self._read(text)

    def finish(self) -> str:
        """The rest, at the end of the text."""
        return self._read("", last=True)

    def _says_nothing(self, text: str) -> bool:
        """Whether the text can neither begin a self-reference nor change what surrounds one: most text, seen cheaply."""
        page = self._page
        if not page.steady:
            return False
        if not page.free:
            return MARK.search(text) is None
        words = SCAN.findall(text.lower())
        noted, beginnings = (NOTED_SPEAKING, BEGINNINGS_SPEAKING) if self._speaking else (NOTED, BEGINNINGS)
        return noted.isdisjoint(words) and not (words and words[-1] in beginnings and text[-1].isalnum())

    def _read(self, text: str, last: bool = False) -> str:
        text, at = self._held + text, 0
        while at < len(text) or (last and self._walk):
            step = self._follow(text, at, last) if self._walk else self._skim(text, at, last)
            if step is None:
                break
            at = step
        self._held = text[at:]
        said = "".join(self._out)
        self._out.clear()
        return said

    # --- outside walks -------------------------------------------------------------------------------------------

    def _skim(self, text: str, at: int, last: bool) -> int | None:
        """Lets out the text up to the next word that matters, and that word unless it begins a walk; None to wait."""
        found = self._next(text, at, last)
        if found is None:
            self._pass(text[at:])
            return len(text)
        if found.start() > at:
            self._pass(text[at : found.start()])
        piece = found[0]
        if found.end() == len(text) and not last and self._may_grow(piece):
            return found.start() if found.start() > at else None
        symbol = _symbol(piece, self._page.last)
        self._page.see(piece)
        if symbol in BEGINNERS and self._page.free and self._sets_out(Word(piece, symbol)):
            return found.start()
        self._leave(symbol, piece)
        return found.end()

    def _next(self, text: str, at: int, last: bool) -> re.Match[str] | None:
        if not self._page.steady:
            return TOKEN.match(text, at)
        if not self._page.free:
            return MARK.search(text, at)
        noted, beginnings = (NOTED_SPEAKING, BEGINNINGS_SPEAKING) if self._speaking else (NOTED, BEGINNINGS)
        for found in SCAN.finditer(text, at):
            low = found[0].lower()
            open_end = found.end() == len(text) and not last
            if (low in noted or open_end and low in beginnings) and not (
                found.start() == at and IN_WORD.match(low) and IN_WORD.match(self._page.last)
            ):
                return found
        return None

    def _may_grow(self, piece: str) -> bool:
        """Whether more letters could make the piece, at the end of what has come, matter or matter differently."""
        if not RUN.match(piece) or len(piece) >= WORD:
            return False
        if piece[0] in "`~" or self._page.waits_for(piece):
            return True
        beginnings = BEGINNINGS_SPEAKING if self._speaking else BEGINNINGS
        return self._page.free and piece.lower() in beginnings and not IN_WORD.match(self._page.last)

    def _pass(self, text: str) -> None:
        """Text that says nothing goes out."""
        self._out.append(text)
        self._page.last = text[-1]
        if text.strip(HOLLOW):
            self._behind = text

    def _leave(self, symbol: str, text: str) -> None:
        """The word goes out; what it says about the sentence stays."""
        if symbol in HEARD and self._page.free:
            self._hear(symbol)
        if text.strip(HOLLOW):
            self._behind = text
        self._out.append(text)

    def _hear(self, symbol: str) -> None:
        if symbol in SPEAKER:
            self._speaking = True
        elif symbol in THIRD or symbol in NAME_HEADS:
            self._speaking = False
        elif symbol in STOPS:
            self._speaking = self._refusing = False
        elif symbol in REFUSING:
            self._refusing = self._speaking

    # --- walks ---------------------------------------------------------------------------------------------------

    def _sets_out(self, word: Word) -> bool:
        clause = self._behind.rstrip(HOLLOW)[-1:] in CLAUSE_EDGE
        self._state = BOOK.step(BEGIN[clause + 2 * self._speaking + 4 * self._refusing], word.symbol)
        if self._state == DEAD:
            return False
        self._walk, self._length, self._matched = [word], len(word.text), 0
        return True

    def _follow(self, text: str, at: int, last: bool) -> int | None:
        """Along the walk that began here to its end: what has left by then; None to wait for more."""
        ahead = at + self._length
        while ahead < len(text) or last:
            found = TOKEN.match(text, ahead)
            piece = found[0] if found else ""
            if ahead + len(piece) == len(text) and not last and len(piece) < WORD and RUN.match(piece):
                return None
            if self._ends_with(piece, text[ahead - 1]):
                walk, self._walk = self._walk, []
                return at + self._land(walk)
            ahead += len(piece)
        return None

    def _ends_with(self, piece: str, before: str) -> bool:
        """One word more; whether the walk ends with it."""
        symbol = "" if piece == " " else _symbol(piece, before)
        if symbol == "\n" and next(filter(None, (word.symbol for word in reversed(self._walk))), "") == "\n":
            symbol = "<end>"  # an empty line
        self._walk.append(Word(piece, symbol))
        self._length += len(piece)
        if symbol:
            self._state = BOOK.step(self._state, symbol)
            if BOOK.done(self._state):
                self._matched = len(self._walk)
        return self._state == DEAD or self._length > REACH or not piece

    def _land(self, walk: list[Word]) -> int:
        """What the walk has come to; how many of its characters have left."""
        gone = self._rewrite(walk) if self._matched else 0
        if not gone:
            self._leave(*walk[0][::-1])
            gone = 1
        return sum(len(word.text) for word in walk[:gone])

    def _rewrite(self, walk: list[Word]) -> int:
        """Our name for every name in the match; how many words that took, up to the last name."""
        names = _names(walk[: self._matched])
        if not names:
            return 0
        last = names[-1][1]
        changed = [word.text for word in walk[:last]]
        if not self._is_quoted("".join(changed), [walk[begin] for begin, _ in names]):
            for begin, end in names:
                _rename(changed, walk, begin, end, self._name)
        for number, text in enumerate(changed):
            if number:
                self._page.see(walk[number].text)
            self._leave(walk[number].symbol, text)
        self._speaking = True
        return last

    def _is_quoted(self, said: str, names: list[Word]) -> bool:
        """Whether the user wrote it, word for word, or asked for somebody of that name."""
        if " ".join(said.split()) in " ".join(self._quoted.split()):
            return True
        people = all(name.symbol in PERSONS and name.text in self._quoted for name in names)
        return people and re.search(ROLE_PLAY, self._quoted) is not None


def _names(match: list[Word]) -> "list[tuple[int, int]]":
    """Where names begin and end, the longest first; unknown makers are the capitals behind "by" or "at"."""
    found: list[tuple[int, int]] = []
    number, before = 0, ""
    while number < len(match):
        end = _longest(match, number)
        if not end and before in ("by", "at") and match[number].symbol == "<cap>":
            end = _capitals(match, number)
        if end:
            found.append((number, end))
        before = match[number].symbol or before
        number = end or number + 1
    return found


def _longest(match: list[Word], begin: int) -> int:
    """The end of the longest name that begins here, or 0."""
    end, state = 0, NAME
    for number in range(begin, len(match)):
        word = match[number]
        if word.symbol:
            state = BOOK.step(state, word.symbol)
            if BOOK.done(state):
                end = number + 1
        if state == DEAD or word.text in SEEN_THROUGH or word.text == "\n" or number == begin and not word.symbol:
            break
    return end


def _capitals(match: list[Word], begin: int) -> int:
    end = begin + 1
    for number in range(begin + 1, len(match)):
        if match[number].symbol in ("<cap>", "ai", "labs", "research", "lab", "inc"):
            end = number + 1
        elif match[number].symbol:
            break
    return end


def _rename(changed: list[str], walk: list[Word], begin: int, end: int, name: str) -> None:
    """Our name in place of theirs, and the little words around it made to fit."""
    owner = any(word.symbol == "'" for word in walk[begin:end])
    further = next((word.symbol for word in walk[end:] if word.symbol), "<end>")
    changed[begin:end] = [name + ("'s" if owner and further[0].isalpha() else "")] + [""] * (end - begin - 1)
    gap = begin - 1 if begin and walk[begin - 1].text.isspace() else begin
    little = walk[gap - 1].text if gap else ""
    vowel = name[:1].lower() in "aeiou"
    if gap < begin and little.lower() in ("a", "an") and walk[gap - 1].symbol in ("a", "an"):
        changed[gap - 1] = little[0] + ("n" if vowel else "")
    elif little in ("'", "’") and gap > 1 and walk[gap - 2].symbol in ("d", "qu", "l") and not vowel:
        changed[gap - 2 : gap] = [changed[gap - 2], "e "]
    elif gap < begin and little in FEMININE and walk[begin].symbol in MAKERS:
        changed[gap - 1] = FEMININE[little]


def _symbol(piece: str, before: str) -> str:
    """What the piece is to the phrases, given the character before it."""
    if not piece:
        return "<end>"
    if before.isalnum() and IN_WORD.match(piece) and IN_WORD.match(before):
        return "<part>"
    if before == "." and piece[0].isdigit():
        return "<dec>"
    if piece == "-" and before.isspace():
        return "<dash>"
    return _meaning(piece)


@lru_cache(maxsize=4096)
def _meaning(piece: str) -> str:
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
    if piece[0].isdigit():
        return "<num>"
    return SAME.get(piece) or ("<cap>" if piece[0].isupper() else "<word>" if piece[0].isalpha() else "<mark>")
