"""The clients that the doctor knows: what each sends, and how it is told where Syntra is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from msgspec import Struct

from gateway.doctor import manners, setups
from gateway.doctor.manners import Manner
from gateway.doctor.setups import Place, Setup


class Client(Struct, frozen=True):
    """One client; its manner is made anew for each replay, since a session has an id of its own."""

    manner: Callable[[], Manner]
    setup: Callable[[Place], Setup]


CLIENTS: Final[Mapping[str, Client]] = {
    "codex": Client(manners.codex, setups.codex),
    "claude": Client(manners.claude, setups.claude),
    "opencode": Client(manners.opencode, setups.opencode),
    "continue": Client(manners.continue_, setups.continue_),
    "cline": Client(manners.cline, setups.cline),
    "aider": Client(manners.aider, setups.aider),
    "openai": Client(manners.openai, setups.openai),
    "cursor": Client(manners.cursor, setups.cursor),
    "zed": Client(manners.zed, setups.zed),
}
