"""Folders of our own, and short names for long ones."""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from pathlib import Path
from typing import Final

from gateway.stores.embedded.words import Cannot

_LONGEST: Final = 103 - len("/.s.PGSQL.5432")  # bytes; a socket's address holds 107 on Linux and 103 elsewhere


def private(folder: Path) -> Path:
    """The folder, made if there is none, and nobody else's to look into."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if stat.S_IMODE(folder.stat().st_mode) != 0o700:
        folder.chmod(0o700)
    return folder


def short(folder: Path) -> Path:
    """A name of the folder that does for a socket in it: its own, or a link in the temporary directory.

    Whoever asks makes the link, or makes it look new, so that what cleans /tmp of old things leaves it alone.
    """
    if len(os.fsencode(folder)) <= _LONGEST and "," not in str(folder):  # libpq would read several hosts
        return folder
    home = Path(tempfile.gettempdir()) / f"syntra-{os.geteuid()}"
    home.mkdir(mode=0o700, exist_ok=True)
    found = home.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) & 0o077:
        raise Cannot(f"{home} is not this user's alone; remove it, or choose a shorter SYNTRA_DATA_DIR than {folder}")
    link = home / hashlib.blake2b(os.fsencode(folder), digest_size=8).hexdigest()
    if not link.is_symlink() or link.readlink() != folder:
        draft = link.with_suffix(f".{os.getpid()}")
        draft.symlink_to(folder)
        draft.replace(link)
    os.utime(link, follow_symlinks=False)
    return link
