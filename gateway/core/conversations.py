"""Which model answered a conversation last: what its tool loop and its prompt cache hang on."""

from __future__ import annotations

from collections import OrderedDict
from hashlib import blake2b
from typing import Final

from msgspec import Struct

from gateway.core.chat import ChatRequest

MOST: Final = 20_000  # conversations that are remembered; some 300 bytes each
CACHE_SECONDS: Final = 300.0  # how long providers keep a prompt cache warm, at least
CALLS: Final = frozenset({"tool_calls", "function_call"})  # ends of answers after which the turn goes on
_SEEN: Final = 4096  # bytes of a message that tell conversations apart


class Turn(Struct, frozen=True, gc=False):
    """The last answer of a conversation."""

    model: str
    tokens: int  # of prompt and answer: what the provider's cache may hold
    at: float  # monotonic seconds


class Conversations:
    """The last answers of the most recent conversations of this process."""

    def __init__(self) -> None:
        self._turns: OrderedDict[bytes, Turn] = OrderedDict()

    def answered(self, key: bytes, turn: Turn) -> None:
        """Remember who answered."""
        self._turns[key] = turn
        self._turns.move_to_end(key)
        if len(self._turns) > MOST:
            self._turns.popitem(last=False)

    def last(self, key: bytes) -> Turn | None:
        """Who answered last, if that is known."""
        return self._turns.get(key)


def conversation(organisation: str, key_id: str, request: ChatRequest, named: str = "") -> bytes:
    """What tells one conversation from another: its client's own name for it, or else how it began.

    `named` is what a header says; some clients have a key for the provider's cache in the body instead, or a session.
    """
    digest = blake2b(f"{organisation}\0{key_id}\0{request.body.user or ''}\0".encode(), digest_size=16)
    if name := named or request.body.prompt_cache_key or request.session:
        digest.update(name.encode("utf-8", "surrogatepass"))
        return digest.digest()
    for message, raw in zip(request.body.messages, request.messages, strict=True):
        digest.update(bytes(raw)[:_SEEN])
        if message.role == "user":
            break
    return digest.digest()
