"""The memory of a worker: what its start has made stays, and what comes and goes leaves no holes."""

from __future__ import annotations

import asyncio
import ctypes
import gc
from collections.abc import Callable
from typing import Final

_GC: Final = (50_000, 20, 100)  # a stream makes no cycles; with 1,000 of them open, Python's own thresholds cost 2 %
_BIG: Final = 256 * 1024  # bytes
_MMAP_THRESHOLD: Final = -3  # M_MMAP_THRESHOLD of <malloc.h>
_EVERY: Final = 10.0  # s between two times at which free pages are given back


def settle() -> None:
    """To be called when a worker has made what it needs."""
    gc.collect()
    gc.freeze()  # looking through it again and again only costs latency
    gc.set_threshold(*_GC)
    _give_big_blocks_back()


def _give_big_blocks_back() -> None:
    """Have each big block by itself, so that it goes back to the system when it is freed and leaves no place to others.

    That is what glibc does until it has freed a bigger one, of up to 32 MB; then such blocks are cut from the heap. The
    table of a cache of 20,000 makes itself anew every few minutes, and small things that live long fill the old place:
    a worker grew by 3 MB an hour.
    """
    _glibc("mallopt")(_MMAP_THRESHOLD, _BIG)


async def follow() -> None:
    """Give the pages that are free back to the system, again and again; for ever.

    By itself it gives back only the end of its heap. What a busy moment needed stayed, and after each a little more: a
    megabyte in half an hour at an even load. It takes 0.1 ms a megabyte that is given back.
    """
    trim = _glibc("malloc_trim")
    while True:
        await asyncio.sleep(_EVERY)
        trim(0)


def _glibc(name: str) -> Callable[..., object]:
    """A function of glibc; one that does nothing where another library is the allocator, which needs neither."""
    return getattr(ctypes.CDLL(None), name, lambda *_: None)
