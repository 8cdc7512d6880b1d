"""What a request of another dialect brings along that chat completions have no word for.

Every stage reads the request as a chat completion, whatever its client speaks. Beside that form it may carry the
client's own words, for a provider that speaks the same dialect, and what only one provider can be told.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec
from msgspec import Raw, Struct, structs

from gateway.core.spoken import spoken

RESPONSES: Final = "responses"
MESSAGES: Final = "messages"
# Where each has its messages, and what it calls a part that is text.
_SAID: Final = {RESPONSES: ("input", "input_text"), MESSAGES: ("messages", "text")}
# And what it calls the most that an answer may have.
_LIMIT: Final = {RESPONSES: "max_output_tokens", MESSAGES: "max_tokens"}

_encode = msgspec.json.Encoder().encode
_list = msgspec.json.Decoder(list[Raw])
_message = msgspec.json.Decoder(dict[str, Raw])
_content = msgspec.json.Decoder(str | list[Raw])
_text = msgspec.json.Decoder(str | None)


class _Part(Struct):
    type: str = ""
    text: Raw = Raw(b'""')


_part = msgspec.json.Decoder(_Part)


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

    def with_notes(self, text: str) -> Native:
        """The same with `text` behind the user's last words; all other bytes stay."""
        place, kind = _SAID[self.dialect]
        said = msgspec.json.decode(self.fields[place], type=str | list[Raw])
        if isinstance(said, str):
            return structs.replace(self, fields={**self.fields, place: Raw(_encode(f"{said}\n\n{text}"))})
        for at in range(len(said) - 1, -1, -1):
            message = _message.decode(said[at])
            if bytes(message.get("role", b"")) == b'"user"' and (
                content := noted(_content.decode(message["content"]), text, kind)
            ):
                said[at] = Raw(_encode({**message, "content": content}))
                return structs.replace(self, fields={**self.fields, place: Raw(_encode(said))})
        return self

    def at_most(self, tokens: int) -> Native:
        """The same with its limit, which is beyond what a model can say, lowered to that."""
        name = _LIMIT[self.dialect]
        return (
            structs.replace(self, fields={**self.fields, name: Raw(_encode(tokens))}) if name in self.fields else self
        )

    def without(self, names: frozenset[str]) -> Native:
        """The same without these fields."""
        return structs.replace(self, fields={name: raw for name, raw in self.fields.items() if name not in names})


def noted(content: str | list[Raw], text: str, kind: str = "text") -> str | list[Raw] | None:
    """A message's content with `text` behind it; None where its user says nothing in it."""
    if isinstance(content, str):
        return f"{content}\n\n{text}" if spoken(content).strip() else None
    parts = (_part.decode(part) for part in content)
    if not any(part.type == kind and spoken(_text.decode(part.text) or "").strip() for part in parts):
        return None
    return [*content, Raw(_encode({"type": kind, "text": text}))]


class Aside(Struct, frozen=True):
    """What one provider alone is told: fields beside the others, and messages in place of the others' form of them."""

    fields: Mapping[str, Raw] = {}
    messages: Mapping[int, bytes] = {}  # by their place from the end, -1 the last: stages put theirs in front
    found: frozenset[str] = frozenset()  # of `lost`: what is not, at this provider

    def within(self, last: int) -> Aside:
        """What it has of the last messages alone."""
        return structs.replace(self, messages={at: raw for at, raw in self.messages.items() if -at <= last})
