"""What goes wrong with any gateway, and how each dialect's clients must be told so that they do the right thing.

The gateway has models for it, for which nobody is called (`gateway/upstream/rehearse.py`). On the right words a client
stops, waits, or makes its prompt shorter; on others it asks again for minutes, or takes half an answer for a whole one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from msgspec import Struct

from gateway.doctor import heard
from gateway.upstream.providers import SIMULATED


class Refusal(Struct, frozen=True):
    """A request that gets no answer: what is looked at, the model that refuses, and what each dialect needs."""

    what: str
    model: str
    told: Mapping[str, tuple[int, str]]  # the status, and the word on which clients act, by dialect
    header: tuple[str, str] = ("", "")  # a name, and its value if it must be this one


BROKEN: Final[Mapping[str, Callable[[bytes], str]]] = {
    "chat": heard.chat_broken,
    "responses": heard.responses_broken,
    "messages": heard.messages_broken,
}
CALL: Final = f"{SIMULATED}/call"
REFUSALS: Final = (
    Refusal(
        "a prompt that is too long is told so that it is made shorter",
        f"{SIMULATED}/overflow",
        {
            "chat": (400, "context_length_exceeded"),
            "responses": (400, "context_length_exceeded"),
            "messages": (400, "prompt is too long: 210000 tokens > 200000 maximum"),
        },
    ),
    Refusal(
        "a spent budget is told so that it stops",
        f"{SIMULATED}/spent",
        {
            "chat": (402, "insufficient_quota"),
            "responses": (429, "insufficient_quota"),  # Codex asks six times on a 402, and once on this
            "messages": (402, "billing_error"),
        },
        ("x-should-retry", "false"),
    ),
    Refusal(
        "too many requests are told with how long to wait",
        f"{SIMULATED}/busy",
        {
            "chat": (429, "rate_limit_exceeded"),
            "responses": (429, "rate_limit_exceeded"),
            "messages": (429, "rate_limit_error"),
        },
        ("retry-after", ""),
    ),
)
BREAKS: Final = (
    ("a failure in the middle of a stream is heard", f"{SIMULATED}/failing"),
    ("a stream that is cut never passes for a whole one", f"{SIMULATED}/cut"),
)
