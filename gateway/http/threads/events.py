"""The events of an answer in a thread, as they are streamed.

    thinking  {"step", "text"}                       what is being done, when it begins: never a guess
    route     {"decision", "model", "policy", …}     who answers: the first words are there
    delta     {"content"} or {"reasoning"}           more of the answer
    usage     {"prompt_tokens", …}
    done      {"message_id", "status", …}            the answer is whole; with "stored": false where it is not kept
    error     {"error": {…}, "message_id"}           it broke off; what was said until then is kept as `cut`

Each has an id, `<answer>.<number>.<characters>`: how many events came before it, and how much of the answer's text has
been told with it. So a client that was lost goes on behind what it has seen, from the events or from the kept answer.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec
from msgspec import Struct

LAST_EVENT: Final = re.compile(r"([0-9a-f]{32})\.(\d{1,9})\.(\d{1,9})")
_encode = msgspec.json.Encoder().encode

STEPS: Final = {
    "reading": "Reading what is asked.",
    "recalling": "Recalling what is known about it.",
    "choosing": "Choosing who answers.",
    "searching": "Searching the web.",
    "asking": "Waiting for the first words.",
}


class Seen(Struct, frozen=True):
    """The last event that a client has seen."""

    answer: str
    number: int
    characters: int


def seen(text: str) -> Seen | None:
    """What a `Last-Event-ID` says, None for what is none of ours."""
    match = LAST_EVENT.fullmatch(text.strip())
    return Seen(match[1], int(match[2]), int(match[3])) if match else None


def encode(answer: str, number: int, characters: int, kind: str, data: object) -> bytes:
    """One event."""
    return b"id: %b.%d.%d\nevent: %b\ndata: %b\n\n" % (
        answer.encode(),
        number,
        characters,
        kind.encode(),
        _encode(data),
    )
