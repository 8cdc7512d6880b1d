"""Identifiers sort by time and never repeat."""

from __future__ import annotations

import sys
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

from gateway.core.ids import uuid7


def test_an_id_is_a_version_7_uuid() -> None:
    for _ in range(200):
        told = uuid7()
        assert len(told) == 32
        assert told == told.lower()
        parsed = uuid.UUID(told)
        assert parsed.version == 7
        assert parsed.variant == uuid.RFC_4122


def test_an_id_tells_its_millisecond() -> None:
    before = time.time_ns() // 1_000_000
    told = int(uuid7()[:12], 16)
    assert before <= told <= time.time_ns() // 1_000_000


def test_ids_sort_by_time() -> None:
    made = []
    for _ in range(5):
        made.append(uuid7())
        time.sleep(0.002)
    assert made == sorted(made)


def test_ids_do_not_repeat_within_a_millisecond_or_between_threads() -> None:
    often = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)  # a thread is stopped wherever it can be, also between a look and what follows it
    try:
        with ThreadPoolExecutor(4) as pool:
            made = [told for batch in pool.map(lambda _: [uuid7() for _ in range(8000)], range(4)) for told in batch]
    finally:
        sys.setswitchinterval(often)
    assert len(set(made)) == len(made)


def test_no_bit_of_the_random_part_is_stuck() -> None:
    fixed = (0xF << 76) | (0b11 << 62)
    ones, zeros = 0, 0
    for _ in range(500):
        value = int(uuid7(), 16) & ((1 << 80) - 1)
        ones |= value
        zeros |= ~value
    free = ((1 << 80) - 1) & ~fixed
    assert ones & free == free
    assert zeros & free == free
