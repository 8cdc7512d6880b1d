"""What a model of another provider must be given back of its thinking, hidden in a signature as Anthropic's are.

A client gives thinking blocks back as they were, signature and all, and so carries what Messages has no field for:
Gemini's signatures of calls, OpenRouter's sealed reasoning. Anthropic must never see such a signature: it would refuse
the conversation. The mark tells ours from theirs.
"""

from __future__ import annotations

import base64
import binascii
from typing import Final

import msgspec
from msgspec import Raw, Struct

MARK: Final = "syntra."

_encode = msgspec.json.Encoder().encode


class Carried(Struct, omit_defaults=True):
    """What travels in one signature."""

    calls: dict[str, Raw] = {}  # a call's `extra_content`, by the call's id
    details: list[Raw] = []  # `reasoning_details`


_carried = msgspec.json.Decoder(Carried)


def sign(carried: Carried) -> str:
    """A signature of ours."""
    return MARK + base64.urlsafe_b64encode(_encode(carried)).decode().rstrip("=")


def is_ours(signature: str) -> bool:
    """Whether a signature was made here, whatever became of it since."""
    return signature.startswith(MARK)


def read(signature: str) -> Carried:
    """What a signature carries; nothing where it is not ours or not as we made it."""
    if not is_ours(signature):
        return Carried()
    sealed = signature.removeprefix(MARK)
    try:
        return _carried.decode(base64.urlsafe_b64decode(sealed + "=" * (-len(sealed) % 4)))
    except (binascii.Error, ValueError, msgspec.MsgspecError, RecursionError):
        return Carried()
