"""How many tokens a text has, where nobody counted them."""

from __future__ import annotations

from typing import Final

from gateway.core.chat import ChatRequest

PER_ATTACHMENT: Final = 1000  # tokens of a picture, about; its bytes say nothing
_CHARACTERS_PER_TOKEN = 4


def estimate(characters: int) -> int:
    """Tokens in a text of so many characters, rounded up."""
    return -(-characters // _CHARACTERS_PER_TOKEN)


def prompt(request: ChatRequest) -> tuple[list[bytes | memoryview], int]:
    """The bytes of the prompt that are text, tools and all, and the tokens that its pictures and files come to."""
    texts: list[bytes | memoryview] = [memoryview(request.fields["tools"])] if "tools" in request.fields else []
    attached = 0
    for message, raw in zip(request.body.messages, request.messages, strict=True):
        if isinstance(message.content, list):
            parts = [part.text for part in message.content if part.text is not None]
            texts.append("\n".join(parts).encode("utf-8", "replace"))
            attached += PER_ATTACHMENT * (len(message.content) - len(parts))
        else:
            texts.append(memoryview(raw))
    return texts, attached


def estimate_prompt(request: ChatRequest) -> int:
    """Tokens in all that a request gives a model to read."""
    texts, attached = prompt(request)
    return estimate(sum(map(len, texts))) + attached
