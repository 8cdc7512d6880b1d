"""What a provider wants to see again of its own thinking, sealed into the reasoning item that the client keeps.

Anthropic signs its thoughts, Gemini its calls, OpenRouter numbers its details, Kimi wants its words back. Chat
completions carry each in a field of its own; a Responses client knows only `encrypted_content`. So it goes in there,
with the name of the provider it is for: another one never sees it, and a client can neither read who that was nor make
one up.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Protocol

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

_MARK: Final = "syn1."


class Seal(Protocol):
    """What makes bytes opaque and tells whether they are its own."""

    def seal(self, plain: bytes) -> str:
        """The bytes, sealed, as text."""

    def open(self, sealed: str) -> bytes | None:
        """The bytes again, None where they were not sealed here."""


class Unsealed:
    """Where no client can keep anything: nothing is sealed, and nothing opens."""

    def seal(self, plain: bytes) -> str:
        """Nothing."""
        return ""

    def open(self, sealed: str) -> bytes | None:
        """Nothing."""
        return None


class Memory(Struct, omit_defaults=True):
    """What one provider wants to see again of one answer."""

    provider: str
    blocks: Raw | UnsetType = UNSET  # Anthropic's thinking, with signatures
    details: Raw | UnsetType = UNSET  # OpenRouter's
    calls: dict[str, Raw] = {}  # Gemini's signatures, by call
    words: bool = False  # the thoughts themselves, which the item tells in the open

    def into(self, message: Mapping[str, Any], words: str) -> dict[str, Any]:
        """An assistant's message with what the provider wants to see again."""
        full = dict(message)
        if self.blocks is not UNSET:
            full["thinking_blocks"] = self.blocks
        if self.details is not UNSET:
            full["reasoning_details"] = self.details
        if self.words and words:
            full["reasoning_content"] = words
        if self.calls and "tool_calls" in full:
            full["tool_calls"] = [self._signed(call) for call in full["tool_calls"]]
        return full

    def _signed(self, call: Mapping[str, Any]) -> dict[str, Any]:
        signature = self.calls.get(call["id"])
        return dict(call) if signature is None else {**call, "extra_content": signature}


_memory = msgspec.json.Decoder(Memory)
_encode = msgspec.json.Encoder().encode


def sealed(memory: Memory, seal: Seal) -> str:
    """The memory as `encrypted_content`."""
    return _MARK + seal.seal(_encode(memory))


def is_ours(content: str) -> bool:
    """Whether an `encrypted_content` was made here, so that no provider can read it."""
    return content.startswith(_MARK)


def opened(content: str | None, seal: Seal) -> Memory | None:
    """The memory in an `encrypted_content`, None where it is a provider's own or was made elsewhere."""
    if content is None or not is_ours(content):
        return None
    plain = seal.open(content.removeprefix(_MARK))
    return None if plain is None else _memory.decode(plain)
