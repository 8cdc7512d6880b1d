"""Milliseconds are what `round(value, 3)` says of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.milliseconds import milliseconds


@pytest.mark.parametrize(("seconds", "told"), [(0.0, 0.0), (0.0123456, 12.346), (59.9999999, 60_000.0), (1.5e-7, 0.0)])
def test_a_span_is_told_to_the_microsecond(seconds: float, told: float) -> None:
    assert milliseconds(seconds) == told


@given(st.integers(0, 10**12))
def test_whole_microseconds_are_told_as_they_are_and_in_few_digits(micros: int) -> None:
    assert milliseconds(micros / 1e6) == micros / 1e3
    assert len(repr(milliseconds(micros / 1e6)).partition(".")[2]) <= 3
