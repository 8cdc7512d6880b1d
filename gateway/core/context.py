"""Which part of a long conversation stays, and what is said of the rest.

Nothing is remembered between two requests: the client sends the whole conversation, and the cut is found by going
through it once more as it grew. So every request that continues a conversation finds the same cut, until the
conversation has grown past the mark again; then whole turns go, down to half of it. In between the prompt only grows at
its end, and the provider's cache holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import Struct

from gateway.core.chat import SYSTEM_ROLES, ChatRequest, Message
from gateway.core.summary import HEAD, summary
from gateway.core.tokens import PER_ATTACHMENT, estimate

LEAST: Final = 1000  # tokens; nothing is cut to less
MANY: Final = 2000  # messages of a thread that are sent; OpenAI takes 2,048
_CHARACTERS: Final = 4  # a token of a summary
_LOW: Final = 2  # the mark divided by this is what a cut goes down to
_SUMMARY: Final = 1500  # tokens of a summary, at most, ...
_SHARE: Final = 8  # ... and no more than the mark divided by this

_encode = msgspec.json.Encoder().encode


class Shortened(Struct, frozen=True):
    """What became of a conversation that was too long."""

    summarised: int  # messages that a summary stands for
    messages: int  # that there were
    tokens: int  # before
    left: int  # tokens after


class Summary(Struct, frozen=True):
    """What a model has said in summary of the first messages of a conversation."""

    messages: int
    text: str


def shortened(
    request: ChatRequest, most: int, tokens: int, known: Summary | None = None, many: int | None = None
) -> tuple[ChatRequest, Shortened] | None:
    """The conversation with a summary for its older turns; None where it is no longer than `most` or cannot be cut.

    Nor may it have more than so `many` messages. `tokens` is what the whole prompt comes to, better counted than
    estimated here. System messages stay, so does the last turn, and no tool's result loses its call. A `known` summary
    is told if it is of just what goes.
    """
    messages = request.body.messages
    too_many = many is not None and len(messages) > many
    if tokens <= most and not too_many:
        return None
    if most < LEAST or ((request.native or request.asides) and not request.truncates):
        return None
    sizes = [_size(message, len(raw)) for message, raw in zip(messages, request.messages, strict=True)]
    tools = estimate(len(request.fields["tools"])) if "tools" in request.fields else 0
    # The estimate may be short of the count, as in Chinese; in coarse steps, so that the cut does not follow each.
    scale = _step(tokens / max(1, sum(sizes) + tools))
    room = min(_SUMMARY, most // _SHARE)
    cut = find_cut(messages, [round(size * scale) for size in sizes], round(tools * scale) + room, most)
    if many is not None and too_many:
        cut = max(cut, find_cut(messages, [1] * len(messages), 0, many))
    gone = [k for k in range(cut) if messages[k].role not in SYSTEM_ROLES]
    if not gone:
        return None
    head = [k for k in range(cut) if messages[k].role in SYSTEM_ROLES]
    if known is not None and known.messages == len(gone):
        text = f"{HEAD}\n{known.text[: room * _CHARACTERS]}"
    else:
        text = summary([messages[k] for k in gone], room)
    note = Message(role="user", content=text)
    kept = [messages[k] for k in head], messages[cut:]
    raws = [request.messages[k] for k in head], request.messages[cut:]
    raw = _encode({"role": note.role, "content": note.content})
    body = msgspec.structs.replace(request.body, messages=[*kept[0], note, *kept[1]])
    asides = {name: aside.within(len(kept[1])) for name, aside in request.asides.items()}
    made = msgspec.structs.replace(request, body=body, messages=(*raws[0], raw, *raws[1]), asides=asides)
    left = round((sum(sizes) + tools - sum(sizes[k] for k in gone)) * scale) + estimate(len(raw))
    return made, Shortened(len(gone), len(messages), tokens, min(left, tokens))


def find_cut(messages: Sequence[Message], sizes: Sequence[int], fixed: int, most: int) -> int:
    """The index of the first message that stays, not counting system messages; 0 where all stay."""
    starts = turns(messages)
    cut, total, turn = 0, fixed, 0
    dropped: list[int] = []  # the running sum of what is dropped with each turn
    for k, size in enumerate(sizes):
        total += size
        if turn < len(starts) and starts[turn] == k:
            turn += 1
        if total <= most:
            continue
        # `turn` turns have begun; the last of them stays, whatever its size.
        while len(dropped) < turn - 1 and total > most // _LOW:
            start, end = starts[len(dropped)], starts[len(dropped) + 1]
            going = sum(sizes[i] for i in range(start, end) if messages[i].role not in SYSTEM_ROLES)
            dropped.append(going)
            total -= going
            cut = end
    return cut


def turns(messages: Sequence[Message]) -> list[int]:
    """Where turns begin: at what the user says, but never between a call and its result.

    What an assistant says before any user belongs to the first turn.
    """
    torn: set[int] = set()  # where a cut would tear a result from its call
    calls: dict[str, int] = {}
    last = 0  # the last message of an assistant's
    for k, message in enumerate(messages):
        if message.role == "assistant":
            last = k
            calls |= {call.id: k for call in message.tool_calls or ()}
        elif message.role in ("tool", "function"):
            torn.update(range(calls.get(message.tool_call_id or "", last) + 1, k + 1))
    starts = [k for k, message in enumerate(messages) if message.role == "user" and k not in torn]
    first = next((k for k, message in enumerate(messages) if message.role not in SYSTEM_ROLES), None)
    if first is not None and (not starts or starts[0] != first):
        starts.insert(0, first)
    return starts


def _size(message: Message, raw: int) -> int:
    """Tokens of a message, about; what a picture's bytes come to says nothing."""
    if not isinstance(message.content, list):
        return estimate(raw)
    texts = [part.text for part in message.content if part.text is not None]
    return estimate(sum(len(text.encode("utf-8", "replace")) for text in texts)) + PER_ATTACHMENT * (
        len(message.content) - len(texts)
    )


def _step(ratio: float) -> float:
    """The ratio, up to the next of few steps; one is the least."""
    step = 1.0
    while step < min(ratio, 8.0):
        step *= 1.25
    return step
