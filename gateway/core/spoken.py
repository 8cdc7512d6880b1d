"""What of a message its user has said: clients put reminders of their own beside it."""

from __future__ import annotations

from typing import Final

_BEGINS: Final = "<system-reminder>"
_ENDS: Final = "</system-reminder>"


def spoken(text: str) -> str:
    """A text without its client's reminders."""
    kept: list[str] = []
    at = 0
    while (begin := text.find(_BEGINS, at)) >= 0 and (end := text.find(_ENDS, begin)) >= 0:
        kept.append(text[at:begin])
        at = end + len(_ENDS)
    kept.append(text[at:])
    return "".join(kept)
