"""The outer form of a JWT, looked at before any library is given it."""

from __future__ import annotations

import base64
import re
from typing import Final

import msgspec
from msgspec import Struct

MOST: Final = 16 * 1024  # characters; identity tokens with long lists of groups have some thousand
_FORM: Final = re.compile(r"([A-Za-z0-9_-]{2,4096})\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*")


class Header(Struct, frozen=True):
    """What a token says of itself, none of it proved."""

    alg: str
    kid: str | None = None
    typ: str = "JWT"
    crit: list[str] | None = None


def header(token: str) -> Header | None:
    """The header of a token, None where it is not one."""
    match = _FORM.fullmatch(token) if len(token) <= MOST else None
    if match is None:
        return None
    try:
        return msgspec.json.decode(base64.urlsafe_b64decode(match[1] + "=" * (-len(match[1]) % 4)), type=Header)
    except (ValueError, RecursionError):  # neither base64, nor UTF-8, nor JSON, nor of this form; or too deep
        return None
