"""How `make soak` tells growth from noise. Row P4 of the fault table."""

from __future__ import annotations

import random

import pytest

from bench.soak import MOST_MB_AN_HOUR, Slope, slope, tenths

MB = 1024 * 1024


def memory(growth: float, noise: float, minutes: float = 24.0) -> Slope:
    """The slope, in MB an hour, of memory that grows by so many MB an hour and wavers by so many MB."""
    rng = random.Random(7)
    points = [(5.0 * k, MB * (180 + growth * 5 * k / 3600 + rng.gauss(0, noise))) for k in range(int(12 * minutes))]
    found = slope(points)
    return Slope(found.value * 3600 / MB, found.error * 3600 / MB)


def test_a_slope_is_found_and_noise_is_not() -> None:
    for growth in (0.0, 0.5, 20.0, 200.0):
        found = memory(growth, noise=0.5)
        assert abs(found.value - growth) < 3 * found.error
        assert found.is_above(MOST_MB_AN_HOUR) is (growth > MOST_MB_AN_HOUR)


def test_a_leak_of_a_kilobyte_a_request_is_found_within_minutes() -> None:
    """A hundred requests a second with a kilobyte left of each are 350 MB an hour."""
    assert memory(growth=350, noise=2, minutes=3).is_above(MOST_MB_AN_HOUR)


def test_a_tenth_is_the_mean_of_its_readings() -> None:
    assert tenths([(k, float(k)) for k in range(25)])[:3] == [0.5, 3, 5.5]
    assert tenths([(0, 7.0), (5, 8.0)]) == [7, 8]
    assert tenths([]) == []


def test_a_line_is_a_line() -> None:
    found = slope([(0, 1), (1, 3), (2, 5)])
    assert found.value == pytest.approx(2)
    assert found.error == pytest.approx(0)
