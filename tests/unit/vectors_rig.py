"""What the tests of vectors share: loops, vectors, and a store that cannot be trusted."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
import uvloop

from gateway.core.ids import uuid7
from gateway.stores import vectors_talk as talk
from gateway.stores.vectors import vector
from gateway.stores.vectors_talk import Hit, Hits, Nearest, Reply, Request
from tests.unit.wire_rig import Run


@pytest.fixture(name="hurried")
def in_a_hurry() -> Iterator[Run[Any]]:
    """A loop in which a search has its 150 ms."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        yield runner.run


@pytest.fixture(name="run")
def at_leisure(hurried: Run[Any], monkeypatch: pytest.MonkeyPatch) -> Run[Any]:
    """A loop in which a search has all the time that a busy machine may take."""
    monkeypatch.setattr("gateway.stores.vectors.DEADLINE", 10.0)
    return hurried


@pytest.fixture(name="anybody")
def nobody_known() -> str:
    """An organisation that no other test knows."""
    return uuid7()


def text(*heights: float) -> bytes:
    """A vector that points mainly where these numbers say."""
    return vector([*heights, *[0.01] * (256 - len(heights))])


NEAR, FAR = text(1, 0, 0), text(0, 1, 0)


class Careless:
    """A store that gives what was not asked for, or takes its time."""

    is_linked = True

    def __init__(self, delay: float = 0.0) -> None:
        self.delay = delay

    async def start(self) -> None:
        return

    async def close(self) -> None:
        return

    async def ask(self, request: Request) -> Reply:
        await asyncio.sleep(self.delay)
        whose = [("acme", "ann"), ("acme", "bob"), ("evil", "ann"), ("", "")]
        if isinstance(request, Nearest):
            return talk.found([(talk.scope(*one) + bytes(8), 1.0) for one in whose], [])
        return Hits([Hit(f"{organisation} {user}", 1.0, organisation, user, {}) for organisation, user in whose])
