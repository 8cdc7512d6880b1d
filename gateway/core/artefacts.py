"""What a provider wants to see again of its own thinking: of use to its issuer alone, and refused by every other.

Anthropic signs thoughts, Gemini signs calls and texts, OpenAI and OpenRouter seal their reasoning, Kimi wants its words
back. An issuer is a provider and the credential that it was asked with: under another account the same signature is
worth nothing.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Any, Final

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

EVERYBODY: Final = "env"  # the credential that the operator has set for everybody
_SEALED: Final = "syn1o."  # how OpenAI's reasoning begins that has its issuer's mark

_encode = msgspec.json.Encoder().encode
_calls = msgspec.json.Decoder(list[dict[str, Any]])


def issuer(provider: str, credential: str) -> str:
    """Who can read again what a provider has written under a credential."""
    return provider if credential == EVERYBODY else f"{provider} {credential}"


class Artefacts(Struct, omit_defaults=True):
    """What one issuer wants to see again of one answer, in the fields in which it told it."""

    issuer: str
    blocks: Raw | UnsetType = UNSET  # Anthropic's thinking, with signatures: `thinking_blocks`
    details: list[Raw] = []  # OpenRouter's: `reasoning_details`
    words: str = ""  # the thoughts themselves: `reasoning_content`
    sign: Raw | UnsetType = UNSET  # Gemini's signature of a text: `extra_content`
    calls: dict[str, Raw] = {}  # the same of calls, by the id that the client knows

    def __bool__(self) -> bool:
        """Whether there is anything to be seen again."""
        return self.blocks is not UNSET or self.sign is not UNSET or bool(self.details or self.words or self.calls)

    def into(self, message: dict[str, Raw]) -> dict[str, Raw]:
        """An assistant's message with all of it."""
        full = dict(message)
        if self.blocks is not UNSET:
            full["thinking_blocks"] = self.blocks
        if self.details:
            full["reasoning_details"] = Raw(_encode(self.details))
        if self.words:
            full["reasoning_content"] = Raw(_encode(self.words))
        if self.sign is not UNSET:
            full["extra_content"] = self.sign
        if self.calls and "tool_calls" in full:
            full["tool_calls"] = Raw(_encode([self._signed(call) for call in _calls.decode(full["tool_calls"])]))
        return full

    def _signed(self, call: dict[str, Any]) -> dict[str, Any]:
        signature = self.calls.get(call["id"])
        return call if signature is None else {**call, "extra_content": signature}


def marked(content: str, issued_by: str) -> str:
    """OpenAI's encrypted reasoning with its issuer's mark, as the client keeps it."""
    return content if content.startswith(_SEALED) else f"{_SEALED}{_tag(issued_by)}.{content}"


def unmarked(content: str, wanted: str) -> str | None:
    """The same for OpenAI again; None where another issuer's mark is on it. What has no mark is the client's own."""
    if not content.startswith(_SEALED):
        return content
    tag, _, own = content.removeprefix(_SEALED).partition(".")
    return own if tag == _tag(wanted) else None


def _tag(issued_by: str) -> str:
    return blake2b(issued_by.encode(), digest_size=6).hexdigest()
