"""Where on a Markdown page a stream stands: in the author's own prose, or in code or somebody else's words."""

import re
from typing import Final

from gateway.stages.selfspeech.vocabulary import WORD

CLOSES: Final = {'"': '"', "“": "”", "„": "“”", "«": "»", "»": "«", "「": "」", "『": "』", "‘": "’", "'": "'’"}
TELLING: Final = frozenset("\n`" + "".join(CLOSES) + "".join(CLOSES.values()))
MARK: Final = re.compile(f"`{{1,{WORD}}}|[{re.escape(''.join(TELLING - {'`'}))}]")  # what can end code or a quotation
UNQUOTED: Final = frozenset({"tis", "twas", "cause", "em", "n", "til", "bout"})  # 'tis, 'cause: they open no quotation
PROSE: Final = re.compile(r" {0,3}[^\W\d_]")
TAB: Final = 4  # columns; as many make a line code


class Page:
    """Follows the text word by word."""

    def __init__(self) -> None:
        self.last = ""  # the character before
        self._indent = 0
        self._shut = False  # the whole line is code or a quotation
        self._fence = ""
        self._closing = False  # this line closes the fence, if nothing else follows on it
        self._code = ""  # the backticks that opened inline code
        self._quote = ""  # the characters that end the quotation
        self._perhaps = ""  # an apostrophe that may have opened or closed one: the next word tells
        self.head = True  # nothing but indentation and list marks on this line so far
        self.free = True  # the last word stood in prose
        self.steady = False  # in the midst of a line, where only a few characters can change anything

    def _settle(self) -> None:
        """Both are asked for at every word, and change seldom."""
        self.free = not (self._shut or self._fence or self._code or self._quote)
        self.steady = not (self.head or self._perhaps or self._closing)

    def begin_prose(self, text: str) -> None:
        """A line that begins with a letter, as most do, is prose: there is no need to look at it word by word."""
        if self.head and not (self._indent or self._fence or self._closing or self._perhaps) and PROSE.match(text):
            self.head = False
            self._settle()

    def waits_for(self, word: str) -> bool:
        """Whether the page must know the whole of a word that has only begun."""
        if self._perhaps:
            return any(known.startswith(word.lower()) for known in UNQUOTED)
        return self.head and word.isdigit()

    def see(self, text: str) -> None:
        """One more word."""
        if not text:
            return
        if self.head or self._perhaps or self._closing or text[0] in TELLING:
            self._look(text)
            self._settle()
        self.last = text[-1]

    def _look(self, text: str) -> None:
        if text == "\n":
            self._line()
        elif self.head:
            self._begin(text)
        elif self._fence:
            self._closing = self._closing and text.isspace()
        elif text[0] == "`" and not self._shut:
            self._tick(text)
        elif not (self._code or self._shut):
            self._mark(text)

    def _line(self) -> None:
        if self.head:  # an empty line ends what was left open
            self._code = self._quote = ""
        if self._closing:
            self._fence = ""
        if self._quote.startswith("'"):
            self._quote = ""
        self.head, self._indent, self._shut, self._closing, self._perhaps = True, 0, False, False, ""

    def _begin(self, text: str) -> None:
        if text.isspace():
            self._indent += sum(TAB if char == "\t" else 1 for char in text if char != "\r")
            return
        if self._fence:
            self.head = False
            self._closing = text[0] == self._fence[0] and len(text) >= len(self._fence)
            return
        if len(text) >= 3 and text[0] in "`~":
            self.head, self._shut = False, text[0] == "`" and self._shut
            self._fence = text
            return
        if self._indent >= TAB and not (text in "-+*" or text.isdigit()):
            self._shut, self.head = True, False
            return
        if text == ">":
            self._shut, self.head = True, False
            return
        if text in "-+*#.)" or text.isdigit():
            self._indent = -99  # behind a list mark, spaces are no code
            return
        self.head = False
        self._look(text)

    def _tick(self, text: str) -> None:
        if not self._code:
            self._code = text
        elif len(self._code) == len(text):
            self._code = ""

    def _mark(self, text: str) -> None:
        """Quotation marks; an apostrophe is one only if a word begins or ends there."""
        if self._perhaps:
            joined = text[0].isalnum()
            if self._perhaps == "open" and joined and not text[0].isdigit() and text.lower() not in UNQUOTED:
                self._quote = CLOSES["'"]
            elif self._perhaps == "close" and not joined:
                self._quote = ""
            self._perhaps = ""
        if len(text) > 1:
            return
        if self._quote:
            if text in self._quote:
                self._perhaps, self._quote = ("close", self._quote) if self._quote[0] == "'" else ("", "")
        elif text == "'":
            self._perhaps = "" if self.last.isalnum() else "open"
        elif text in CLOSES and not (text in '"»' and self.last.isalnum() and self.last.isascii()):
            self._quote = CLOSES[text]
