"""A client's file with our lines in it: nothing else changes, and what was there before is kept beside it."""

from __future__ import annotations

import os
import secrets
import shutil
import stat
from datetime import datetime
from pathlib import Path
from typing import Final

from msgspec import Struct

from gateway.doctor.setups import File

_OWN: Final = 0o600  # of a new file: it may hold a key


class Written(Struct, frozen=True):
    """What became of a file."""

    path: Path
    changed: bool
    backup: Path | None = None


class WritingError(Exception):
    """A file that is left as it is; the message says why."""


def write(file: File, home: Path, now: datetime) -> Written:
    """Put the lines into the client's file; raises WritingError, having changed nothing."""
    path = (home / file.path).resolve()  # a link is followed: people keep such files in a repository
    try:
        old = path.read_text("utf-8") if path.exists() else ""
        new = _joined(file, old)
        if new == old:
            return Written(path, changed=False)
        path.parent.mkdir(parents=True, exist_ok=True)
        backup = _backup(path, now)
        _replace(path, new, ours=_OWN if file.holds_key else 0o777)
    except (OSError, UnicodeDecodeError) as error:
        raise WritingError(f"{path}: {error}") from None
    return Written(path, changed=True, backup=backup)


def _joined(file: File, old: str) -> str:
    """The new text, if it says what it should and all else says what it did."""
    try:
        before = file.read(old)
        new = file.merge(old)
        after = file.read(new)
    except ValueError as error:
        raise WritingError(f"~/{file.path} cannot be read: {error}. Put the lines in by hand.") from None
    if after != file.expect(before):
        raise WritingError(f"~/{file.path} is written in a way that is not understood here. Put the lines in by hand.")
    return old if after == before else new


def _backup(path: Path, now: datetime) -> Path | None:
    if not path.exists():
        return None
    backup = path.with_name(f"{path.name}.before-syntra-{now:%Y%m%d-%H%M%S}")
    shutil.copy2(path, backup)
    return backup


def _replace(path: Path, text: str, *, ours: int) -> None:
    """The file appears whole, or not at all; its mode stays, but that nobody else may read a key."""
    mode = stat.S_IMODE(path.stat().st_mode) & ours if path.exists() else _OWN
    draft = path.with_name(f".{path.name}-{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as handle:
            handle.write(text)
        draft.chmod(mode)
        draft.replace(path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise
