"""What a request of another dialect brings along that chat completions have no word for.

Every stage reads the request as a chat completion, whatever its client speaks. Beside that form it may carry the
client's own words, for a provider that speaks the same dialect, and what only one provider can be told.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from msgspec import Raw, Struct, structs

RESPONSES: Final = "responses"
MESSAGES: Final = "messages"


class Native(Struct, frozen=True):
    """The request in its client's own words."""

    dialect: str
    fields: Mapping[str, Raw]
    system: str = ""  # what stages have put before the client's own system prompt
    headers: tuple[tuple[str, str], ...] = ()  # that belong to them
    query: str = ""  # the same

    def with_system(self, text: str) -> Native:
        """The same with `text` before everything else in the system prompt."""
        return structs.replace(self, system=f"{text}\n\n{self.system}" if self.system else text)

    def without(self, names: frozenset[str]) -> Native:
        """The same without these fields."""
        return structs.replace(self, fields={name: raw for name, raw in self.fields.items() if name not in names})


class Aside(Struct, frozen=True):
    """What one provider alone is told: fields beside the others, and messages in place of the others' form of them."""

    fields: Mapping[str, Raw] = {}
    messages: Mapping[int, bytes] = {}  # by their place from the end, -1 the last: stages put theirs in front
    found: frozenset[str] = frozenset()  # of `lost`: what is not, at this provider
