"""What clients tell of their user's machine and no provider needs: folders, commits, devices.

Codex sends all three in `client_metadata`, others in `metadata`, beside labels that the user chose. Labels go on; what
looks like a place, a digest or a device does not. For a user's id that is made of such parts a digest stands.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Final

import msgspec
from msgspec import Raw

# Of a request's fields: whole.
DROPPED: Final = frozenset({"client_metadata", "x-codex-turn-metadata", "x_codex_turn_metadata"})
METADATA: Final = "metadata"

_NAMES: Final = re.compile(
    r"device|install|machine|host|workspace|worktree|cwd|path|folder|director|repo|commit|branch|git|sha\b|turn.metadata",
    re.IGNORECASE,
)
_PLACE: Final = re.compile(r"(?:/|~|\\\\|file:|[A-Za-z]:[\\/])")
_DIGEST: Final = re.compile(r"[0-9a-fA-F]{7,64}")
_OBJECT: Final = re.compile(r"\s*[{\[]")  # whatever may be in it
_PARTS: Final = re.compile(r"account|session|device|machine", re.IGNORECASE)  # what Claude Code's ids are made of

_encode = msgspec.json.Encoder().encode
_object = msgspec.json.Decoder(dict[str, Raw] | None)
_text = msgspec.json.Decoder(str)


def strip(fields: dict[str, Raw]) -> None:
    """Take out of a request's fields what no provider needs to know of the user's machine."""
    for name in DROPPED & fields.keys():
        del fields[name]
    if METADATA not in fields:
        return
    shown = shown_of(bytes(fields[METADATA]))
    if shown is None:
        del fields[METADATA]
    else:
        fields[METADATA] = Raw(shown)


def shown_of(metadata: bytes) -> bytes | None:
    """What may go on of a `metadata` in JSON, byte for byte where all may; None where it is no object."""
    try:
        said = _object.decode(metadata) or {}
        kept = {name: raw for name, raw in said.items() if not tells(name, _read(raw))}
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return metadata if len(kept) == len(said) else _encode(kept)


def labels(metadata: Mapping[str, str]) -> dict[str, str]:
    """What of a request's metadata may go on."""
    return {name: value for name, value in metadata.items() if not tells(name, value)}


def user(identity: str) -> str:
    """A user's id that tells of no device, account or session: as it is where it does not, else a digest of it.

    The same id has the same digest, always and on every machine, for it is by this that a provider knows a user again.
    """
    if not tells("user_id", identity) and not _PARTS.search(identity):
        return identity
    return f"user_{hashlib.blake2b(identity.encode('utf-8', 'replace'), digest_size=16).hexdigest()}"


def tells(name: str, value: str) -> bool:
    """Whether a label of this name and value looks like a place, a digest or a device."""
    if _NAMES.search(name) or _OBJECT.match(value) or _PLACE.match(value):
        return True
    return _DIGEST.fullmatch(value) is not None and not value.isdecimal()


def _read(raw: Raw) -> str:
    """A value as text: a string's own, anything else as it was written."""
    return _text.decode(raw) if bytes(raw).startswith(b'"') else bytes(raw).decode()
