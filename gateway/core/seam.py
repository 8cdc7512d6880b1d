"""Where a text that was cut goes on in another's words: nothing comes twice there, and nothing is lost.

Whoever goes on is asked to say the last words again first. That is held back and compared; what follows it is the rest.
Whoever does not say them again has not gone on, and nothing of it is used: a guess where two texts meet would be wrong
now and then, and nobody would see it.
"""

from __future__ import annotations

from typing import Final

MOST: Final = 80  # characters that are said again
_LEAST: Final = 24  # of them, so that they stand for one place
_MARKS: Final = ("<<<", ">>>"), ("[[[", "]]]")  # between which they are shown; some say these again too


def last_words(text: str) -> str:
    """The end of a text, from the beginning of a word on; the whole of a short one."""
    tail = text[-MOST:]
    if len(tail) < len(text):
        place = next((k for k, sign in enumerate(tail[: MOST - _LEAST]) if sign.isspace()), -1)
        tail = tail[place + 1 :]
    return tail.lstrip()


def _marks(anchor: str) -> tuple[str, str]:
    """Marks that cannot be taken for the beginning of the last words."""
    return _MARKS[anchor.startswith(_MARKS[0][0][0])]


def asks_for(anchor: str) -> str:
    """What is said to whoever shall go on."""
    opening, closing = _marks(anchor)
    return (
        "Your reply above was cut off on its way. Go on with it as if nothing had happened: first repeat, character "
        "for character, its last words, which stand below between the marks, then write what comes after them. Write "
        f"nothing else before them, no marks, and do not speak of this.\n{opening}{anchor}{closing}"
    )


class NoSeam(Exception):
    """The text does not go on where the first one was cut."""


class Seam:
    """Reads the text that goes on: nothing until the last words are said again, then all that follows."""

    def __init__(self, anchor: str) -> None:
        self._anchor = anchor
        self._open, self._close = _marks(anchor)
        self._held = ""
        self.passed = not anchor

    def feed(self, piece: str) -> str:
        """What of this piece is new; raises NoSeam as soon as it cannot be the seam any more."""
        if self.passed:
            return piece
        self._held += piece
        rest = self._after()
        if rest is None:
            return ""
        self.passed = True
        return rest

    def finish(self) -> str:
        """The text is over; what was held back because it might have been part of the last words."""
        if not self.passed:
            rest = self._after(last=True)
            if rest is None:
                raise NoSeam
            self.passed = True
            return rest
        return ""

    def _after(self, *, last: bool = False) -> str | None:
        """What stands behind the last words; None where more has to come to know."""
        said = self._held.lstrip()
        marked = said.startswith(self._open)
        if not marked and self._open.startswith(said) and not last:
            return None
        place = _place(self._anchor, said, len(self._open) if marked else 0, last=last)
        if place is None:
            return None
        rest = said[place:]
        if not marked:
            return rest
        if len(rest) < len(self._close) and self._close.startswith(rest) and not last:
            return None
        return rest.removeprefix(self._close)


def _place(anchor: str, said: str, at: int, *, last: bool) -> int | None:
    """Where in `said` the anchor ends that begins at `at`; one run of spaces inside is as good as another.

    At the anchor's own end spaces are taken one by one: what the first text has of them is not told again, and what
    it has not is.
    """
    k = 0
    while k < len(anchor):
        if at == len(said):
            if not last:
                return None
            if anchor[k:].strip():
                raise NoSeam
            return at
        if not anchor[k].isspace():
            if anchor[k] != said[at]:
                raise NoSeam
            k, at = k + 1, at + 1
            continue
        run = len(anchor) - len(anchor[k:].lstrip())
        if run == len(anchor):
            if anchor[k] != said[at]:
                return at
            k, at = k + 1, at + 1
            continue
        if not said[at].isspace():
            raise NoSeam
        at = len(said) - len(said[at:].lstrip())
        k = run
    return at
