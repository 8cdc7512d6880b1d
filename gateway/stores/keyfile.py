"""The secrets that a first start makes, each in a file that only its owner reads."""

from __future__ import annotations

import base64
import contextlib
import os
import re
import secrets
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Final

from msgspec import Struct

from gateway.core.secret import Secret

_PUBLIC_BYTES = 6
_SECRET_BYTES = 20


class KeyFileError(Exception):
    """A file that does not hold what it should, or that others may read."""


class Kept(Struct, frozen=True):
    """One kind of secret that is kept in a file of the data directory."""

    name: str  # of the file
    form: re.Pattern[str]
    wanted: str  # in words
    fresh: Callable[[], str]
    setting: str = ""  # what stands in for the file; its secret is the gateway's own, so nobody else may read it


KEY: Final = Kept(
    "key",
    re.compile(r"sk-syn-[0-9a-z]+-[0-9a-z]+"),
    "a key of Syntra's; move it away, and the next start makes a new one",
    lambda: f"sk-syn-{secrets.token_hex(_PUBLIC_BYTES)}-{secrets.token_hex(_SECRET_BYTES)}",
)
SECRET: Final = Kept(
    "secret",
    re.compile(r"[ -~]{32,1024}"),
    "a secret of 32 characters or more; with a new one, no key that was made before is known any more",
    lambda: secrets.token_urlsafe(32),
    "SECRET_KEY",
)
ENCRYPTION: Final = Kept(
    "encryption",
    re.compile(r"[ -~]{43,}"),
    "master keys; without the old ones, no provider key that was stored before can be read",
    lambda: base64.b64encode(secrets.token_bytes(32)).decode(),
    "ENCRYPTION_KEY",
)


def held(given: Secret, directory: Path, kept: Kept) -> Secret:
    """What the setting says, else what the file in its place holds. Raises KeyFileError for one that is too weak."""
    if not given:
        return read_or_make(directory, kept)
    if not kept.form.fullmatch(given.reveal()):
        raise KeyFileError(f"{kept.setting} does not hold {kept.wanted}")
    return given


def read_or_make(directory: Path, kept: Kept = KEY) -> Secret:
    """The secret in its file in `directory`, made there (mode 0600) if there is none; safe when several starts race."""
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = directory / kept.name
    if not path.exists():
        _make(path, kept)
    if kept.setting and stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise KeyFileError(f"{path} can be read by others: chmod 600 {path}, or set {kept.setting} instead")
    text = path.read_text("utf-8", "replace").strip()
    if not kept.form.fullmatch(text):
        raise KeyFileError(f"{path} does not hold {kept.wanted}")
    return Secret(text)


def _make(path: Path, kept: Kept) -> None:
    """A file appears under its name only when it is whole, so a start that races with this one never reads half."""
    draft = path.with_name(f".{kept.name}-{os.getpid()}-{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(kept.fresh() + "\n")
        file.flush()
        os.fsync(file.fileno())
    with contextlib.suppress(FileExistsError):  # the other start was faster: its secret is the secret
        os.link(draft, path)
    draft.unlink()
