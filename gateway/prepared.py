"""What an embedded database was last prepared for: a start that finds nothing new need not look again before it serves.

The workers look all the same, in the background; a database of somebody else's is looked at by every start.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

from gateway import __version__

_NAME: Final = "prepared"
_SCHEMA: Final = Path(__file__).parent / "stores"
_SECRETS: Final = ("key", "secret")


def is_known(data: Path, given: str) -> bool:
    """Whether the last start prepared just this; `given` is what stands in for the files, such as SECRET_KEY."""
    try:
        return (data / _NAME).read_text("ascii") == _digest(data, given)
    except (OSError, UnicodeDecodeError):
        return False


def know(data: Path, given: str) -> None:
    """Remember that it is prepared."""
    (data / _NAME).write_text(_digest(data, given), "ascii")


def _digest(data: Path, given: str) -> str:
    digest = hashlib.blake2b(f"{__version__}\0{given}\0".encode(), digest_size=16)
    for path in (_SCHEMA / "schema.sql", *sorted((_SCHEMA / "changes").glob("*.sql"))):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    for name in _SECRETS:
        path = data / name
        digest.update(path.read_bytes() if path.exists() else b"")
    return digest.hexdigest()
