"""Where the documents lie, and which models they may name."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from gateway.upstream import prices
from gateway.upstream.providers import NAMES
from policies.library import HERE, Library


def folders(folder: Path | None) -> Sequence[Path]:
    """Where documents lie: ours, then the user's own, whose files of the same name take their place."""
    return (HERE,) if folder is None else (HERE, folder)


def library(folder: Path | None, live: Collection[str]) -> Library:
    """The documents as they are; raises DocumentError."""
    known = prices.load(live, known=NAMES)
    return Library.load(folders(folder), lambda name: known.get(name) is not None)
