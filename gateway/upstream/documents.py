"""Where the documents lie, and what they may name."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from gateway.upstream import prices
from gateway.upstream.prices import Prices
from gateway.upstream.providers import NAMES, possible
from policies.checks import Nameable, Require, unread
from policies.library import HERE, Library


def folders(folder: Path | None) -> Sequence[Path]:
    """Where documents lie: ours, then the user's own, whose files of the same name take their place."""
    return (HERE,) if folder is None else (HERE, folder)


def library(folder: Path | None, live: Collection[str], require_usable: Require = unread) -> Library:
    """The documents as they are; raises DocumentError."""
    return Library.load(folders(folder), nameable(prices.load(live, known=NAMES), live, require_usable))


def nameable(known: Prices, live: Collection[str], require_usable: Require) -> Nameable:
    """What the documents may name, where these providers are live."""
    return Nameable(
        mapped=lambda name: known.mapped(name) is not None,
        own=frozenset(live) - frozenset(NAMES),
        providers=possible().union(live),
        require_usable=require_usable,
    )
