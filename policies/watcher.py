"""Notices edits of the documents: a good one is taken, a bad one keeps the last good documents and says why."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from policies.checks import Nameable
from policies.documents import DocumentError
from policies.library import Library, digest, gather, listed
from policies.reading import Source

_Seen = dict[Path, tuple[int, int, int]]  # mtime in ns, size, inode

# A file that has just been written may be written again within one tick of its clock, and then looks the same.
_SETTLED_NS: Final = 2_000_000_000


class Watcher:
    """The documents of some folders as they change: `library` is the last good one, `error` what is wrong since."""

    def __init__(self, folders: Sequence[Path], known: Nameable, good: Mapping[str, Source] | None = None) -> None:
        """`good` were the files when they were last right; without them, raises DocumentError if they are not now."""
        self._folders = tuple(folders)
        self._known = known
        self.library = Library.load(self._folders, known) if good is None else Library.of(good, known)
        self.error = ""
        self._tried = self.library.version if good is None else ""
        self._seen: _Seen | None = None
        self._names = frozenset(self.library.sources)
        self._gone: frozenset[str] = frozenset()

    def poll(self) -> bool:
        """Look again; True if there is a new library. Costs a stat for each file until something changes.

        A file that has vanished is missed only at the second look: many editors replace a file by removing it first,
        and the organisations' rules must not be lifted in between. Whatever goes wrong is an edit that is not taken.
        """
        try:
            return self._poll()
        except Exception as error:  # noqa: BLE001  # it is told as a mistake is, and the next edit is looked for
            self._seen, self._tried, self.error = None, "", unforeseen(error)
            return False

    def _poll(self) -> bool:
        seen = self._look()
        if seen == self._seen:
            return False
        try:
            sources = gather(self._folders)
        except DocumentError as error:
            self._seen, self._tried, self.error = None, "", str(error)
            return False
        self._seen = seen if _settled(seen) and seen == self._look() else None
        gone = self._names - sources.keys()
        if gone - self._gone:
            self._seen, self._gone = None, gone
            return False
        self._names, self._gone = frozenset(sources), frozenset()
        return self._take(sources)

    def _take(self, sources: Mapping[str, Source]) -> bool:
        version = digest(sources)
        if version == self._tried:
            return False
        self._tried = version
        try:
            library = Library.of(sources, self._known)
        except DocumentError as error:
            self.error = str(error)
            return False
        self.error = ""
        new = version != self.library.version
        self.library = library
        return new

    def _look(self) -> _Seen:
        seen = {}
        for folder in self._folders:
            for path in listed(folder):
                try:
                    found = path.stat()
                except OSError:  # gone between the two looks, or a link to nowhere
                    continue
                seen[path] = (found.st_mtime_ns, found.st_size, found.st_ino)
        return seen


def unforeseen(error: Exception) -> str:
    """What is told of files that make something fail that nobody thought of."""
    return f"the documents cannot be used: {type(error).__name__}: {error}"


def _settled(seen: _Seen) -> bool:
    now = time.time_ns()  # of the same clock as the files'
    return all(now - mtime_ns > _SETTLED_NS for mtime_ns, _, _ in seen.values())
