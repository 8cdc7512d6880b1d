"""What the keeper of the engines and those who hold them say to each other: lines of JSON on a socket."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

SOCKET: Final = "keeper.sock"


class Places(Struct, frozen=True):
    """Where the embedded engines are; empty for those that were not asked for."""

    postgres: str = ""  # a URL of the superuser, as psycopg reads it
    valkey: str = ""  # a URL as `valkey_place` reads it
    vectors: str = ""  # the socket of `vectors_engine`
    versions: tuple[str, ...] = ()  # "PostgreSQL 18.4", …


class Want(Struct, tag=True):
    """The first line of a holder: which engines it needs, by their names in `Places`."""

    engines: tuple[str, ...]


class Doing(Struct, tag=True):
    """What a holder waits for now."""

    text: str


class Ready(Struct, tag=True):
    """All that was wanted runs."""

    places: Places


class Failed(Struct, tag=True):
    """It cannot be had, and what to do."""

    text: str


class Said(Struct, tag=True):
    """What a holder should log."""

    text: str


class Cannot(Exception):
    """An engine cannot run; the words say what to do. It is not tried again where that would change nothing."""

    def __init__(self, text: str, *, final: bool = True) -> None:
        super().__init__(text)
        self.final = final
