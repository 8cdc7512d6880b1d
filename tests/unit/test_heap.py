"""A worker that has worked for a month is no bigger than after an hour."""

from __future__ import annotations

import ctypes
import subprocess
import sys

import pytest

BIG_AND_SMALL = """
import ctypes
import sys
from gateway.core import heap

class Told(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in "arena a b c mapped d e used free keep".split()]

told = ctypes.CDLL(None).mallinfo2
told.restype = Told
if "settled" in sys.argv:
    heap.settle()
body = bytearray(8 << 20)
del body
before = told().arena
table = bytearray(1 << 20)
print(told().arena - before)
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallinfo2"), reason="glibc's heap, and what glibc says of it")
@pytest.mark.parametrize(("how", "grows"), [("settled", False), ("as it is", True)])
def test_a_big_block_lies_by_itself_whatever_was_freed_before(how: str, *, grows: bool) -> None:
    shown = subprocess.run([sys.executable, "-c", BIG_AND_SMALL, how], capture_output=True, text=True, check=True)
    assert (int(shown.stdout) >= 1 << 20) is grows


BUSY_ONCE = """
import asyncio
from pathlib import Path
from gateway.core import heap

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

async def follow():
    heap._EVERY = 0.01
    try:
        async with asyncio.timeout(0.2):
            await heap.follow()
    except TimeoutError:
        pass

heap.settle()
busy = [bytearray(b"x" * 16_000) for _ in range(2_000)]
last = bytearray(b"x" * 16_000)  # glibc gives back the end of its heap alone, and this is there
del busy
before = resident()
asyncio.run(follow())
print(before - resident())
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="glibc's heap")
def test_what_a_busy_moment_needed_is_given_back() -> None:
    shown = subprocess.run([sys.executable, "-c", BUSY_ONCE], capture_output=True, text=True, check=True)
    assert int(shown.stdout) > 20_000_000
