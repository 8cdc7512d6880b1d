"""Whose something is that is kept for a user: the person behind the key, or whom the key's holder names."""

from __future__ import annotations

from typing import Final

from gateway.core.caller import Caller
from gateway.core.errors import BadRequest, Forbidden

LONGEST: Final = 256  # characters of a name


def person_of(text: str) -> str:
    """A person as keys, sessions and memories name them: addresses are one person's however they are written."""
    text = text.strip()
    return text.lower() if "@" in text else text


def owner(caller: Caller, named: str = "") -> str:
    """Who the caller acts for, as one text; raises Forbidden where a person's key names somebody else.

    `named` is the header x-syntra-user. A shared key that names nobody acts for itself, so two of an organisation's
    do not see each other's.
    """
    named = person_of(named)
    if len(named) > LONGEST or not named.isprintable():
        raise BadRequest("The header x-syntra-user is a name of at most 256 characters.", code="invalid_header")
    if caller.user and named not in ("", caller.user):
        raise Forbidden("The header x-syntra-user names another person than the key's.", code="wrong_user")
    person = caller.user or named
    return f"user {person}" if person else f"key {caller.key_id}"
