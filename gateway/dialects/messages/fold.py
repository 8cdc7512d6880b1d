"""The events of a Messages stream joined into the message that a client gets which did not ask for a stream."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw, Struct, field

_encode = msgspec.json.Encoder().encode


class _Event(Struct):
    """The parts of events that make a message."""

    type: str
    index: int = 0
    message: dict[str, Any] = {}
    content_block: dict[str, Any] = {}
    delta: dict[str, Any] = {}
    usage: dict[str, Any] = {}
    syntra: Raw = Raw()


_event = msgspec.json.Decoder(_Event)


class _Block(Struct):
    """One block while its pieces come in."""

    whole: dict[str, Any]
    pieces: dict[str, list[str]] = field(default_factory=dict)


def fold(stream: bytes) -> bytes:
    """The message that these events, of one whole answer, come to."""
    message: dict[str, Any] = {}
    blocks: list[_Block] = []
    for frame in stream.split(b"\n\n"):
        if not frame:
            continue
        event = _event.decode(frame.partition(b"\ndata: ")[2])
        if event.type == "message_start":
            message = event.message
        elif event.type == "content_block_start":
            blocks.append(_Block(event.content_block))
        elif event.type == "content_block_delta":
            _add(blocks[event.index], event.delta)
        elif event.type == "message_delta":
            message |= event.delta
            message["usage"] = {**message["usage"], **event.usage}
            if bytes(event.syntra):
                message["syntra"] = event.syntra
    message["content"] = [_whole(block) for block in blocks]
    return _encode(message)


_FIELDS = {
    "text_delta": "text",
    "thinking_delta": "thinking",
    "signature_delta": "signature",
    "input_json_delta": "partial_json",
}


def _add(block: _Block, delta: dict[str, Any]) -> None:
    name = _FIELDS.get(delta.get("type", ""))
    if name is not None:
        block.pieces.setdefault(name, []).append(delta[name])
    elif delta.get("type") == "citations_delta":
        block.whole["citations"] = [*(block.whole.get("citations") or ()), delta["citation"]]


def _whole(block: _Block) -> dict[str, Any]:
    for name, pieces in block.pieces.items():
        if name == "partial_json":
            block.whole["input"] = _input("".join(pieces))
        else:
            block.whole[name] = (block.whole.get(name) or "") + "".join(pieces)
    return block.whole


def _input(arguments: str) -> Any:
    """A call's input is an object; a model's slip is given on under a name that says so."""
    try:
        found = msgspec.json.decode(arguments)
    except (msgspec.DecodeError, RecursionError):
        found = None
    return Raw(arguments.encode()) if isinstance(found, dict) else {"invalid_json": arguments}
