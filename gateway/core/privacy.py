"""What clients tell of their user's machine and no provider needs: folders, commits, devices.

Codex sends all three in `client_metadata`, others in `metadata`, beside labels that the user chose. Labels go on; what
looks like a place, a digest or a device does not.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any, Final

import msgspec
from msgspec import Struct

DROPPED: Final = frozenset({"client_metadata", "x-codex-turn-metadata", "x_codex_turn_metadata"})  # whole fields
UNSENT: Final = DROPPED | {"metadata"}  # the same where a provider has no use for labels

_NAMES: Final = re.compile(
    r"device|install|machine|host|workspace|worktree|cwd|path|folder|director|repo|commit|branch|git|sha\b|turn.metadata",
    re.IGNORECASE,
)
_PLACE: Final = re.compile(r"(?:/|~|\\\\|file:|[A-Za-z]:[\\/])")
_DIGEST: Final = re.compile(r"[0-9a-fA-F]{7,64}")
_SESSION: Final = re.compile(r"_session_([0-9a-zA-Z-]{8,64})$")
_OBJECT: Final = re.compile(r"\s*[{\[]")  # whatever may be in it
_DEVICE: Final = re.compile(r"user_[0-9a-fA-F]{16,}")  # as older Claude Code begins: a device, an account, a session


def drop(fields: dict[str, Any], names: frozenset[str] = DROPPED) -> None:
    """Take these fields out of a request's."""
    for name in names & fields.keys():
        del fields[name]


def labels(metadata: Mapping[str, str]) -> dict[str, str]:
    """What of a request's metadata may go on."""
    return {name: value for name, value in metadata.items() if not _tells(name, value)}


def _tells(name: str, value: str) -> bool:
    if _NAMES.search(name) or _OBJECT.match(value) or _PLACE.match(value) or _DEVICE.match(value):
        return True
    return _DIGEST.fullmatch(value) is not None and not value.isdecimal()


def opaque(user_id: str) -> str:
    """Whom a client speaks for, without device, account or session: a digest, where they stand in it."""
    if _tells("user", user_id):
        return blake2b(user_id.encode(), digest_size=16).hexdigest()
    return user_id


class _User(Struct):
    """What Claude Code writes into `metadata.user_id`: only the session is ours to read."""

    session_id: str = ""


_user = msgspec.json.Decoder(_User)


def session(user_id: str) -> str:
    """The session that a user's id names; the devices and accounts in it are nobody's business."""
    if user_id.startswith("{"):
        try:
            return _user.decode(user_id.encode("utf-8", "replace")).session_id[:128]
        except msgspec.MsgspecError:
            return ""
    found = _SESSION.search(user_id) if user_id else None
    return found[1] if found else ""
