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
