"""What the tests of the log share: what is logged meanwhile, and any text."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager

from hypothesis import strategies as st

from gateway.records.log import configure

ANY = st.text(st.characters(), max_size=200)


@contextmanager
def logged(kind: str = "json") -> Iterator[io.StringIO]:
    """What is logged meanwhile."""
    root, stream = logging.getLogger(), io.StringIO()
    before, level = root.handlers[:], root.level
    configure("json" if kind == "json" else "text", "info", stream)
    try:
        yield stream
    finally:
        root.handlers[:] = before
        root.setLevel(level)
