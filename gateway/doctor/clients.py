"""The clients that the doctor knows: what each sends, and how it is told where Syntra is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from msgspec import Struct

from gateway.doctor import manners, setups
from gateway.doctor.manners import Manner
from gateway.doctor.setups import Place, Setup


class Profile(Struct, frozen=True):
    """One client; its manner is made anew for each replay, since a session has an id of its own."""

    manner: Callable[[], Manner]
    setup: Callable[[Place], Setup]


CLIENTS: Final[Mapping[str, Profile]] = {
    "codex": Profile(manners.codex, setups.codex),
    "claude": Profile(manners.claude, setups.claude),
    "opencode": Profile(manners.opencode, setups.opencode),
    "continue": Profile(manners.continue_, setups.continue_),
    "cline": Profile(manners.cline, setups.cline),
    "aider": Profile(manners.aider, setups.aider),
    "openai": Profile(manners.openai, setups.openai),
    "cursor": Profile(manners.cursor, setups.cursor),
    "zed": Profile(manners.zed, setups.zed),
}
