"""The loop that a test of our own wire runs in."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator
from typing import Any

import pytest
import uvloop

from tests.unit.wire_rig import Run


@pytest.fixture
def run() -> Iterator[Run[Any]]:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:  # what the gateway runs on
        yield runner.run
        runner.run(asyncio.sleep(0))
    gc.collect(1)  # a transport that was forgotten speaks up here, not in another test
