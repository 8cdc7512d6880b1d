"""What clients tell of their user's machine and no provider needs: folders, commits, devices.

Codex sends all three in `client_metadata`, others in `metadata`, beside labels that the user chose. Labels go on; what
looks like a place, a digest or a device does not. For a user's id that is made of such parts a digest stands.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Final

DROPPED: Final = frozenset({"client_metadata"})  # of a request's fields: whole

_NAMES: Final = re.compile(
    r"device|install|machine|host|workspace|worktree|cwd|path|folder|director|repo|commit|branch|git|sha\b|turn.metadata",
    re.IGNORECASE,
)
_PLACE: Final = re.compile(r"(?:/|~|\\\\|file:|[A-Za-z]:[\\/])")
_DIGEST: Final = re.compile(r"[0-9a-fA-F]{7,64}")
_OBJECT: Final = re.compile(r"\s*[{\[]")  # whatever may be in it
_PARTS: Final = re.compile(
    r"account|session|device|machine", re.IGNORECASE
)  # of Claude Code's ids, of today and before


def labels(metadata: Mapping[str, str]) -> dict[str, str]:
    """What of a request's metadata may go on."""
    return {name: value for name, value in metadata.items() if not _tells(name, value)}


def user(identity: str) -> str:
    """A user's id that tells of no device, account or session: as it is where it does not, else a digest of it.

    The same id has the same digest, always and on every machine, for it is by this that a provider knows a user again.
    """
    if not _tells("user_id", identity) and not _PARTS.search(identity):
        return identity
    return f"user_{hashlib.blake2b(identity.encode('utf-8', 'replace'), digest_size=16).hexdigest()}"


def _tells(name: str, value: str) -> bool:
    if _NAMES.search(name) or _OBJECT.match(value) or _PLACE.match(value):
        return True
    return _DIGEST.fullmatch(value) is not None and not value.isdecimal()
