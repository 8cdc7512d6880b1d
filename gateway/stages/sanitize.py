"""A model's talk about itself as some provider's model becomes Syntra's, while the text streams.

How: the text is cut into words. Outside code and quotations, a word that can begin a self-reference starts a walk
through the phrases of `selfspeech`, and the words of the walk are held until it has matched or died. What a word means
depends only on what stands before it, never on where the stream was cut: every way of cutting gives the same output.
"""

import re
from collections.abc import Callable
from functools import cached_property
from typing import Final, NamedTuple

from gateway.stages.selfspeech.english import REFUSING, ROLE, ROLE_PLAY, SPEAKER, THIRD
from gateway.stages.selfspeech.page import MARK, Page
from gateway.stages.selfspeech.phrasebook import DEAD
from gateway.stages.selfspeech.vocabulary import (
    BEGIN,
    BEGINNERS,
    BOOK,
    HEARD,
    IN_WORD,
    MAKERS,
    NAME,
    NAME_HEADS,
    NOTED,
    NOTED_SPEAKING,
    PERSONS,
    RUN,
    SCAN,
    SEEN_THROUGH,
    STOPS,
    TOKEN,
    WORD,
    form,
    sign_of,
)

REACH: Final = 128  # characters that a walk may last; the longest self-reference we know of has about 110
HOLD: Final = REACH + 2 * WORD  # the most that is ever held back

KEY: Final = "sk-syn-"
KEYS: Final = re.compile(KEY + r"[A-Za-z0-9_-]+")
HIDDEN: Final = KEY + "[hidden]"
BEGUN: Final = 1 - len(KEY)  # where the longest beginning of a key begins, from the end
CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f]")  # U+0085 is a line's end

HOLLOW: Final = "".join(chr(code) for code in range(0x3001) if chr(code).isspace()) + "".join(SEEN_THROUGH)
CLAUSE_EDGE: Final = ("", *".!?:;,，。！？：；、(（—–-\n#>")
FEMININE: Final = {"pelo": "pela", "do": "da", "no": "na"}  # Portuguese: o Google, but a Syntra


class Word(NamedTuple):
    """A piece of the text, and what it is to the phrases: '' when they see through it."""

    text: str
    sign: str


class Guard:
    """Takes out what never leaves, wherever it stands: control characters, and keys of our own."""

    def __init__(self) -> None:
        self._tail = ""  # the end of what has been, as far as a key may go on from it

    def clean(self, text: str) -> str:
        if not text.isprintable():
            text = CONTROL.sub("", text)
        seen = self._tail + text
        if KEY not in seen:
            self._tail = seen[BEGUN:]
            return text
        left = len(KEYS.sub(HIDDEN, self._tail))
        hidden = KEYS.sub(HIDDEN, seen)
        inside = hidden.endswith(HIDDEN) and not seen.endswith(HIDDEN)
        self._tail = KEY + "x" if inside else seen[-len(KEY) :] if seen.endswith(KEY) else seen[BEGUN:]
        return hidden[left:]


class Sanitizer:
    """One choice's text, cleaned while it streams; without `voice` the model may speak of itself as it likes."""

    def __init__(self, name: str = "Syntra", quoted: str | Callable[[], str] = "", *, voice: bool = True) -> None:
        self._voice = voice
        self._name = name
        self._quoting = quoted  # called only when it matters: it may be all of a long conversation
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
        self._over = False  # no more text will come
        self._out: list[str] = []

    def feed(self, text: str) -> str:
        """What may leave now: '' while something could still become a match."""
        self._over = False
        text = self._guard.clean(text)
        if not self._voice:
            return text
        if not self._walk:
            page = self._page
            if self._held:
                text, self._held = self._held + text, ""
            if page.head:
                page.begin_prose(text)
            quiet = self._quiet(text)
            if quiet:
                if quiet < len(text):
                    text, self._held = text[:quiet], text[quiet:]
                page.last = text[-1]
                if text.strip(HOLLOW):
                    self._behind = text
                return text
        return self._read(text)

    def finish(self) -> str:
        """The rest, at the end of the text."""
        self._over = True
        return self._read("")

    def _quiet(self, text: str) -> int:
        """How many characters can neither begin a self-reference nor bear on one: mostly all or all but a last word."""
        page = self._page
        if not page.steady:
            return 0
        if not page.free:
            return 0 if MARK.search(text) else len(text)
        words = SCAN.findall(text.lower())
        noted = NOTED_SPEAKING if self._speaking else NOTED
        begun = 0
        if words and words[-1] in noted.beginnings and text[-1].isalnum():
            begun = len(words.pop())
        if not noted.words.isdisjoint(words) or (begun and not text.isascii()):  # other small letters may be more
            return 0
        return len(text) - begun

    def _read(self, text: str) -> str:
        text, at = self._held + text, 0
        while at < len(text) or (self._over and self._walk):
            step = self._follow(text, at) if self._walk else self._skim(text, at)
            if step is None:
                break
            at = step
        self._held = text[at:]
        said = "".join(self._out)
        self._out.clear()
        return said

    # --- outside walks -------------------------------------------------------------------------------------------

    def _skim(self, text: str, at: int) -> int | None:
        """Lets out the text up to the next word that matters, and that word unless it begins a walk; None to wait."""
        found = self._next(text, at)
        if found is None:
            self._pass(text[at:])
            return len(text)
        if found.start() > at:
            self._pass(text[at : found.start()])
        piece = found[0]
        if found.end() == len(text) and not self._over and self._may_grow(piece):
            return found.start() if found.start() > at else None
        sign = sign_of(piece, self._page.last)
        self._page.see(piece)
        if sign in BEGINNERS and self._page.free and self._sets_out(Word(piece, sign)):
            return found.start()
        self._leave(sign, piece)
        return found.end()

    def _next(self, text: str, at: int) -> re.Match[str] | None:
        if not self._page.steady:
            return TOKEN.match(text, at)
        if not self._page.free:
            return MARK.search(text, at)
        noted = NOTED_SPEAKING if self._speaking else NOTED
        open_end = -1 if self._over else len(text)
        for found in SCAN.finditer(text, at):
            low = found[0].lower()
            if low not in noted.words and (found.end() != open_end or low not in noted.beginnings):
                continue
            if found.start() > at or not (IN_WORD.match(low) and IN_WORD.match(self._page.last)):
                return found
        return None

    def _may_grow(self, piece: str) -> bool:
        """Whether more letters could make the piece, at the end of what has come, matter or matter differently."""
        if not _runs_on(piece):
            return False
        if piece[0] in "`~" or self._page.waits_for(piece):
            return True
        noted = NOTED_SPEAKING if self._speaking else NOTED
        return self._page.free and piece.lower() in noted.beginnings and not IN_WORD.match(self._page.last)

    def _pass(self, text: str) -> None:
        """Text that says nothing goes out."""
        self._out.append(text)
        self._page.last = text[-1]
        if text.strip(HOLLOW):
            self._behind = text

    def _leave(self, sign: str, text: str) -> None:
        """The word goes out; what it says about the sentence stays."""
        if sign in HEARD and self._page.free:
            self._hear(sign)
        if text.strip(HOLLOW):
            self._behind = text
        self._out.append(text)

    def _hear(self, sign: str) -> None:
        if sign in SPEAKER:
            self._speaking = True
        elif sign in THIRD or sign in NAME_HEADS:
            self._speaking = False
        elif sign in STOPS:
            self._speaking = self._refusing = False
        elif sign in REFUSING:
            self._refusing = self._speaking

    # --- walks ---------------------------------------------------------------------------------------------------

    def _sets_out(self, word: Word) -> bool:
        clause = self._behind.rstrip(HOLLOW)[-1:] in CLAUSE_EDGE
        self._state = BOOK.step(BEGIN[clause + 2 * self._speaking + 4 * self._refusing], word.sign)
        if self._state == DEAD:
            return False
        self._walk, self._length, self._matched = [word], len(word.text), 0
        return True

    def _follow(self, text: str, at: int) -> int | None:
        """Along the walk that began here to its end: what has left by then; None to wait for more."""
        ahead = at + self._length
        while ahead < len(text) or self._over:
            found = TOKEN.match(text, ahead)
            piece = found[0] if found else ""
            unfinished = ahead + len(piece) == len(text) and not self._over and _runs_on(piece)
            if unfinished and not _kinds(piece).isdisjoint(BOOK.hopes(self._state)):
                return None
            if self._ends_with(piece, text[ahead - 1]):
                walk, self._walk = self._walk, []
                return at + self._land(walk)
            ahead += len(piece)
        return None

    def _ends_with(self, piece: str, before: str) -> bool:
        """One word more; whether the walk ends with it."""
        sign = "" if piece == " " else sign_of(piece, before)
        if sign == "\n" and next(filter(None, (word.sign for word in reversed(self._walk))), "") == "\n":
            sign = "<end>"  # an empty line
        self._walk.append(Word(piece, sign))
        self._length += len(piece)
        if sign:
            self._state = BOOK.step(self._state, sign)
            if BOOK.done(self._state):
                self._matched = len(self._walk)
        return BOOK.ended(self._state) or self._length > REACH or not piece

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
            self._leave(walk[number].sign, text)
        self._speaking = True
        return last

    def _is_quoted(self, said: str, names: list[Word]) -> bool:
        """Whether the user wrote it, word for word, or asked for somebody of that name."""
        if not self._quoted or " ".join(said.split()) in self._unwrapped:
            return bool(self._quoted)
        return self._plays and all(
            name.sign in PERSONS and re.search(ROLE + name.text, self._unwrapped) for name in names
        )

    @cached_property
    def _quoted(self) -> str:
        """What the user wrote."""
        return self._quoting if isinstance(self._quoting, str) else self._quoting()

    @cached_property
    def _unwrapped(self) -> str:
        """What the user wrote, wherever its lines break."""
        return " ".join(self._quoted.split())

    @cached_property
    def _plays(self) -> bool:
        """Whether the user asked for a voice that is not the model's own."""
        return re.search(ROLE_PLAY, self._unwrapped) is not None


def _runs_on(piece: str) -> bool:
    """Whether the next chunk may go on with the piece."""
    return RUN.match(piece) is not None and len(piece) < WORD


def _kinds(beginning: str) -> set[str]:
    """What a word that begins like this can turn out to be."""
    kind = form(beginning)
    return {beginning.lower(), kind, "<dec>"} if kind == "<num>" else {beginning.lower(), kind}


def _names(match: list[Word]) -> list[tuple[int, int]]:
    """Where names begin and end, the longest first; unknown makers are the capitals behind "by" or "at"."""
    found: list[tuple[int, int]] = []
    number, before = 0, ""
    while number < len(match):
        end = _longest(match, number)
        if not end and before in ("by", "at") and match[number].sign == "<cap>":
            end = _capitals(match, number)
        if end:
            found.append((number, end))
        before = match[number].sign or before
        number = end or number + 1
    return found


def _longest(match: list[Word], begin: int) -> int:
    """The end of the longest name that begins here, or 0."""
    end, state = 0, NAME
    for number in range(begin, len(match)):
        word = match[number]
        if word.sign:
            state = BOOK.step(state, word.sign)
            if BOOK.done(state):
                end = number + 1
        if state == DEAD or word.text in SEEN_THROUGH or word.text == "\n" or (number == begin and not word.sign):
            break
    return end


def _capitals(match: list[Word], begin: int) -> int:
    end = begin + 1
    for number in range(begin + 1, len(match)):
        if match[number].sign in ("<cap>", "ai", "labs", "research", "lab", "inc"):
            end = number + 1
        elif match[number].sign:
            break
    return end


def _rename(changed: list[str], walk: list[Word], begin: int, end: int, name: str) -> None:
    """Our name in place of theirs, and the little words around it made to fit."""
    owner = any(word.sign == "'" for word in walk[begin:end])
    further = next((word.text for word in walk[end:] if word.sign), "")
    changed[begin:end] = [name + ("'s" if owner and further[:1].isalpha() else "")] + [""] * (end - begin - 1)
    gap = begin - 1 if begin and walk[begin - 1].text.isspace() else begin
    little = walk[gap - 1].text if gap else ""
    vowel = name[:1].lower() in "aeiou"
    if gap < begin and little.lower() in ("a", "an") and walk[gap - 1].sign in ("a", "an"):
        changed[gap - 1] = little[0] + ("n" if vowel else "")
    elif little in ("'", "’") and gap > 1 and walk[gap - 2].sign in ("d", "qu", "l") and not vowel:
        changed[gap - 2 : gap] = [changed[gap - 2], "e "]
    elif gap < begin and little in FEMININE and walk[begin].sign in MAKERS:
        changed[gap - 1] = FEMININE[little]
