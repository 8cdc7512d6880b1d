"""The loop's thread comes first in its process; docs/adr/0040.

Granian reads and writes sockets in threads of its own, and whenever one wakes, the kernel lets it in at once, only for
it to hand over what the loop gets to when it is done with what it has. Where they share a core, that took a fifth of a
worker's time and got nobody an answer sooner.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, TypeVar

log = logging.getLogger("syntra")

_BRIEF: Final = 0.001  # s that the loop waits for a thread of ours that reckons; Python's own 5 ms would be felt
_LOOK: Final = 1.0  # s between two looks for threads
_THREADS: Final = Path("/proc/self/task")

_T = TypeVar("_T")
_lock = threading.Lock()
_reckoning: list[float] = []  # for each thread of ours, and for who waits for it, how long one waited before


async def follow() -> None:
    """Have all threads but the loop's, which calls this, wait where they would interrupt it; until cancelled."""
    own = str(threading.get_native_id())
    try:
        while True:
            await asyncio.sleep(_LOOK)  # Granian starts its threads after all that a worker's start waits for
            for thread in _THREADS.iterdir():
                if thread.name != own:
                    with suppress(ProcessLookupError):  # it has ended since
                        os.sched_setscheduler(int(thread.name), os.SCHED_BATCH, os.sched_param(0))
    except (AttributeError, OSError) as error:  # no Linux, or a sandbox that forbids it
        log.debug("threads interrupt the loop: %s", error)


async def in_thread(work: Callable[[], _T], pool: Executor | None = None) -> _T:
    """What this returns, reckoned beside the loop, which gets its turns meanwhile; in the loop's own pool by default.

    Who only waits for a disk or a socket is as well off with `asyncio.to_thread`.
    """
    with _brief():
        return await asyncio.get_running_loop().run_in_executor(pool, _briefly, work)


def _briefly(work: Callable[[], _T]) -> _T:
    """In the thread, too: it may outlive who waits for it."""
    with _brief():
        return work()


@contextmanager
def _brief() -> Iterator[None]:
    """While anybody is in here, who wants the interpreter has it within a millisecond."""
    with _lock:
        _reckoning.append(_reckoning[0] if _reckoning else sys.getswitchinterval())
        sys.setswitchinterval(_BRIEF)
    try:
        yield
    finally:
        with _lock:
            before = _reckoning.pop()
            if not _reckoning:
                sys.setswitchinterval(before)
