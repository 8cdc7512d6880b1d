"""The key that the first start makes, in a file that only its owner reads."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
from pathlib import Path

from gateway.core.secret import Secret

_FORM = re.compile(r"sk-syn-[0-9a-z]+-[0-9a-z]+")
_PUBLIC_BYTES = 6
_SECRET_BYTES = 20


class KeyFileError(Exception):
    """A key file that holds no key."""


def read_or_make(directory: Path) -> Secret:
    """The key in `directory`/key, made there (mode 0600) if there is none; safe when several starts race."""
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = directory / "key"
    fresh = f"sk-syn-{secrets.token_hex(_PUBLIC_BYTES)}-{secrets.token_hex(_SECRET_BYTES)}"
    draft = directory / f".key-{os.getpid()}-{secrets.token_hex(4)}"
    if not path.exists():
        # A file appears under its name only when it is whole, so a start that races with this one never reads half.
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(fresh + "\n")
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):  # the other start was faster: its key is the key
            os.link(draft, path)
        draft.unlink()
    key = path.read_text("utf-8", "replace").strip()
    if not _FORM.fullmatch(key):
        raise KeyFileError(f"{path} does not hold a key of Syntra's; move it away, and the next start makes a new one")
    return Secret(key)
