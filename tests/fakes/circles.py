"""What was left behind in circles, which stay until Python looks for circles."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import psycopg

from gateway.core.errors import SyntraError
from gateway.http.visit import Visit


@contextmanager
def circles() -> Iterator[list[object]]:
    """What of the gateway's own was left in circles, by the end."""
    found: list[object] = []
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        yield found
        gc.collect()
        for one in gc.garbage:
            ours = isinstance(one, FrameType) and "/gateway/" in one.f_code.co_filename
            if ours or isinstance(one, SyntraError | Visit | psycopg.Error):
                found.append(one)
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
