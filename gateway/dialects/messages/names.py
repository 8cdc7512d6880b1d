"""Names of models as Anthropic's clients take them.

Claude Code offers only models whose names begin with "claude" or "anthropic", so every other name gets a prefix that no
provider's name can be, and loses it again when it comes back.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

PREFIX: Final = "claude/"
MOST: Final = 1000  # of a list
_DEFAULT: Final = 20
_TAKEN: Final = ("claude", "anthropic")
_CREATED: Final = "2025-01-01T00:00:00Z"  # clients want a time, and no provider's map has one


def told(name: str) -> str:
    """A model's name as it is listed."""
    return name if name.startswith(_TAKEN) else f"{PREFIX}{name}"


def meant(name: str) -> str:
    """The name behind a listed one; any other name is itself."""
    return name.removeprefix(PREFIX)


def model(name: str) -> dict[str, Any]:
    """One model in Anthropic's shape."""
    return {"type": "model", "id": told(name), "display_name": _display(name), "created_at": _CREATED}


def page(names: Sequence[str], *, after: str = "", before: str = "", limit: int = _DEFAULT) -> dict[str, Any]:
    """A page of the list, the names in their order; an unknown place to begin or to end at is as none."""
    ids = [told(name) for name in names]
    begin = ids.index(after) + 1 if after in ids else 0
    end = ids.index(before) if before in ids else len(ids)
    if before in ids and after not in ids:
        begin = max(0, end - limit)
    shown = range(begin, min(end, begin + limit))
    data = [model(names[k]) for k in shown]
    more = shown.start > 0 if before in ids and after not in ids else begin + limit < end
    return {
        "data": data,
        "has_more": more,
        "first_id": data[0]["id"] if data else None,
        "last_id": data[-1]["id"] if data else None,
    }


def _display(name: str) -> str:
    """What a person reads in a list."""
    return "Syntra" if name == "syntra" else name
