"""Ids of tool calls: the one form that a client sees, and the form that each provider takes.

A provider's own id may have a form that the next one refuses, may come again in a later turn, or be missing. The
client sees `call_…`, unique in its conversation; a provider gets an id of its own form, made of the client's alone, so
that the same history always goes out with the same ids.
"""

from __future__ import annotations

import re
from collections.abc import Container
from hashlib import blake2b
from typing import Final

from msgspec import Struct

_CLIENT: Final = "call_"
_ANTHROPIC: Final = "toolu_"
_KEPT: Final = "syn"  # behind the prefix: of this call's turn something is kept
_FORM = re.compile(r"call_[A-Za-z0-9_-]{1,35}")


def shown(identity: str, taken: Container[str], seed: str, *, kept: bool) -> str:
    """The id as the client sees it; the provider's own where it has the form and was not seen before.

    `seed` tells this call from all others of its organisation; with `kept` the id says that its turn can be completed.
    """
    if not kept:
        plain = _CLIENT + identity.removeprefix(_ANTHROPIC) if identity.startswith(_ANTHROPIC) else identity
        if _FORM.fullmatch(plain) and plain not in taken:
            return plain
    made = blake2b(f"{seed}\0{identity}".encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()
    return f"{_CLIENT}{_KEPT if kept else ''}{made}"


def as_tool_use(identity: str) -> str:
    """The client's id as its like looks in Messages."""
    return _ANTHROPIC + identity.removeprefix(_CLIENT) if identity.startswith(_CLIENT) else identity


def is_kept(identity: str) -> bool:
    """Whether the id says that something of its turn is kept."""
    return identity.startswith(_CLIENT + _KEPT)


class Form(Struct, frozen=True):
    """The ids that a provider takes; `numbered` where they must name the function and count the calls."""

    pattern: re.Pattern[str]
    prefix: str = _CLIENT  # of those that are made
    length: int = 24  # of what stands behind it
    numbered: bool = False


ANY: Final = Form(re.compile(r"[A-Za-z0-9_-]{1,40}"))  # OpenAI's 40 and Anthropic's alphabet
_NINE: Final = Form(re.compile(r"[A-Za-z0-9]{9}"), "", 9)
_COUNTED: Final = Form(re.compile(r"functions\.[A-Za-z0-9_-]+:\d+"), numbered=True)
FORMS: Final = {"kimi": _COUNTED, "mistral": _NINE}  # every other provider takes `ANY`


class Renaming:
    """The ids of one conversation on its way to one provider; asked in the conversation's order."""

    def __init__(self, form: Form) -> None:
        self._form = form
        self._used: set[str] = set()
        self._now: dict[str, str] = {}  # the client's id to the provider's, of the last call that had it
        self._count = 0

    def call(self, identity: str, name: str) -> str:
        """The id of a call."""
        number, self._count = self._count, self._count + 1
        if self._form.numbered:
            said = f"functions.{name}:{number}"
        elif self._form.pattern.fullmatch(identity) and identity not in self._used:
            said = identity
        else:
            said = self._made(f"{identity}\0{number if identity in self._now else ''}")
        self._used.add(said)
        self._now[identity] = said
        return said

    def result(self, identity: str) -> str:
        """The id that a result answers."""
        said = self._now.get(identity)
        return said if said is not None else self.call(identity, "unknown")

    def _made(self, seed: str) -> str:
        digest = blake2b(seed.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
        return self._form.prefix + digest[: self._form.length]
