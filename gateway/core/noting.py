"""Puts what a model is to know of earlier conversations behind the user's last words.

There and nowhere else: what a provider has cached of a conversation stands before it and stays as it was.
"""

from __future__ import annotations

import msgspec
from msgspec import Raw, structs

from gateway.core.chat import ChatRequest, Message, Part
from gateway.core.native import noted
from gateway.core.spoken import spoken

_fields = msgspec.json.Decoder(dict[str, Raw])
_content = msgspec.json.Decoder(str | list[Raw])
_encode = msgspec.json.Encoder().encode


def own_words(message: Message) -> str:
    """What the user says in a message of theirs; empty where there is nothing but reminders and pictures."""
    if isinstance(message.content, str):
        return spoken(message.content).strip()
    return "".join(spoken(part.text or "") for part in message.content or ()).strip()


def last_words(request: ChatRequest) -> int | None:
    """The place of the user's last message that has words."""
    places = range(len(request.messages) - 1, -1, -1)
    messages = request.body.messages
    return next((at for at in places if messages[at].role == "user" and own_words(messages[at])), None)


def with_notes(request: ChatRequest, text: str) -> ChatRequest:
    """The same request with `text` behind the user's last words; as it is where there are none."""
    at = last_words(request)
    if at is None:
        return request
    raw = _fields.decode(request.messages[at])
    content = noted(_content.decode(raw["content"]), text)
    if content is None:
        return request
    messages, read = list(request.messages), list(request.body.messages)
    messages[at], read[at] = _encode({**raw, "content": content}), _read(read[at], text)
    body = structs.replace(request.body, messages=read)
    native = request.native and request.native.with_notes(text)
    return structs.replace(request, body=body, messages=tuple(messages), native=native)


def _read(message: Message, text: str) -> Message:
    if isinstance(message.content, list):
        return structs.replace(message, content=[*message.content, Part(type="text", text=text)])
    return structs.replace(message, content=f"{message.content}\n\n{text}")
