"""A conversation for servers that want plain turns: system first, then user and assistant by turns, and no calls."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from gateway.core.chat import SYSTEM_ROLES, ChatRequest, Message, Part, Role

_encode = msgspec.json.Encoder().encode


def alternating(request: ChatRequest) -> ChatRequest:
    """The same conversation in such turns; what was called and what came of it is told in words."""
    turns = list(_turns(request.body.messages))
    body = msgspec.structs.replace(request.body, messages=turns)
    return msgspec.structs.replace(request, body=body, messages=tuple(_encode(_plain(turn)) for turn in turns))


def _turns(messages: list[Message]) -> Iterator[Message]:
    """Neighbours of one role become one turn; the last of the user's is waited for, since the next may be too."""
    turn: Message | None = None
    for message in messages:
        early = turn is None or turn.role == "system"
        role = _role(message, early=early)
        content = _content(message)
        if turn is not None and turn.role == role:
            turn.content = _joined(turn.content, content)
            continue
        if turn is not None:
            yield turn
        if early and role == "assistant":
            yield Message(role="user", content="(The conversation goes on.)")
        turn = Message(role=role, content=content)
    if turn is not None:
        yield turn


def _role(message: Message, *, early: bool) -> Role:
    """Whose turn a message is; a system's word in the middle is said to the model like a user's."""
    if message.role == "assistant":
        return "assistant"
    return "system" if early and message.role in SYSTEM_ROLES else "user"


def _content(message: Message) -> str | list[Part]:
    if message.role in ("tool", "function"):
        return f"Result of the call {message.tool_call_id or message.name}:\n{message.text()}"
    called = [call.function for call in message.tool_calls or () if call.function is not None]
    if not called:
        return message.content or ""
    told = [f"(Called {function.name} with {function.arguments})" for function in called]
    return "\n".join(filter(None, [message.text(), *told]))


def _joined(before: str | list[Part] | None, after: str | list[Part]) -> str | list[Part]:
    if isinstance(before, list) or isinstance(after, list):
        return [*_parts(before), *_parts(after)]
    return f"{before}\n\n{after}" if before and after else before or after


def _parts(content: str | list[Part] | None) -> list[Part]:
    return content if isinstance(content, list) else [Part("text", content)] if content else []


def _plain(message: Message) -> dict[str, object]:
    """A message with nothing but its role and its content; nulls in a part are no part of it."""
    content = message.content
    if isinstance(content, list):
        parts = [msgspec.to_builtins(part) for part in content]
        return {"role": message.role, "content": [_filled(part) for part in parts]}
    return {"role": message.role, "content": content}


def _filled(part: dict[str, object]) -> dict[str, object]:
    return {name: _filled(v) if isinstance(v, dict) else v for name, v in part.items() if v is not None}
