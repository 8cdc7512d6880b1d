"""Rates, bursts and places for one worker, and what it learns from 429s and from providers' headers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.tempo import MOST_HOLD, Gate, Learned, held_for
from gateway.upstream.providers import ProvidersError, tempos
from policies.documents import Tempo

NOON = 1_800_000_000.0  # 2027-01-15T08:00:00Z


def let_through(gate: Gate, seconds: float, step: float = 0.01) -> int:
    through, now = 0, 0.0
    while now < seconds:
        while not gate.take(now):
            through += 1
        now += step
    return through


def test_a_burst_goes_at_once_and_then_the_rate_holds() -> None:
    gate = Gate(10, 5, 0)
    assert [gate.take(0.0) for _ in range(5)] == [0] * 5
    assert gate.take(0.0) == pytest.approx(0.1)
    assert gate.take(0.099) > 0
    assert gate.take(0.101) == 0
    assert gate.take(60.0) == 0  # what was not used is a burst again, and no more than one
    assert sum(gate.take(60.0) == 0 for _ in range(20)) == 4


@given(rate=st.floats(0.5, 200), burst=st.integers(1, 50))
def test_no_more_goes_through_than_a_burst_and_the_rate(rate: float, burst: int) -> None:
    assert let_through(Gate(rate, burst, 0), 5.0, 0.05) <= burst + rate * 5.0 + 1


def test_who_waits_as_long_as_it_is_told_goes_through() -> None:
    gate, now = Gate(3, 1, 0), 0.0
    for _ in range(20):
        if wait := gate.take(now):
            now += wait + 1e-9
            assert gate.take(now) == 0


def test_places_are_given_back() -> None:
    gate = Gate(0, 1, 2)
    assert (gate.take(0), gate.take(0)) == (0, 0)
    assert gate.take(0) > 0
    gate.leave()
    assert gate.take(0) == 0


def test_after_a_429_half_is_asked_and_by_and_by_more() -> None:
    learned = Learned(0.0)
    for number in range(500):  # a hundred a second
        assert learned.lets(number / 100)
        learned.asked(number / 100)
    learned.limited(5.0, 2.0)

    def through(second: float) -> int:
        return sum(learned.lets(second + tick / 1000) for tick in range(1000))

    assert through(7.0) <= 110  # a burst of a second and the second itself
    assert 50 <= through(8.0) <= 65
    assert 150 <= through(13.0) <= 200  # 1.1 to the sixth, and the burst of the seconds between
    assert through(60.0) == 1000  # long forgotten
    assert not learned.holds


def test_headers_hold_for_as_long_as_they_say() -> None:
    learned = Learned(0.0)
    learned.hold(3.0)
    assert (learned.held(1.0), learned.held(2.5), learned.held(4.0)) == (2.0, 0.5, 0.0)


@dataclass(frozen=True)
class Told:
    """A provider's headers, and how long they hold requests back."""

    name: str
    headers: Mapping[str, str]
    seconds: float

    def __str__(self) -> str:
        return self.name


def openai(remaining: str, reset: str, limit: str = "100", kind: str = "requests") -> dict[str, str]:
    base = f"x-ratelimit-{{}}-{kind}"
    return {base.format("remaining"): remaining, base.format("reset"): reset, base.format("limit"): limit}


def anthropic(remaining: str, reset: str, limit: str = "50", kind: str = "requests") -> dict[str, str]:
    base = f"anthropic-ratelimit-{kind}-"
    return {f"{base}remaining": remaining, f"{base}reset": reset, f"{base}limit": limit}


TOLD = (
    Told("nothing", {}, 0),
    Told("some are left", openai("3", "1m0s"), 0),
    Told("none is left", openai("0", "1m0s"), 0.6),
    Told("none, milliseconds", openai("0", "600ms", "10"), 0.06),
    Told("none, hours", openai("0", "1h0m0s", "1"), MOST_HOLD),
    Told("no tokens", openai("0", "20s", "30000", "tokens"), 2.0),
    Told("no limit told", openai("0", "20s", ""), 2.0),
    Told("garbage", openai("0", "soon"), 0),
    Told("anthropic", anthropic("0", "2027-01-15T08:00:50Z"), 1.0),
    Told("anthropic, past", anthropic("0", "2027-01-15T07:00:00Z"), 0),
    Told("anthropic, no zone", anthropic("0", "2027-01-15T08:00:50"), 0),
    Told("anthropic, garbage", anthropic("0", "x"), 0),
    Told("the longest holds", {**openai("0", "1m0s"), **anthropic("0", "2027-01-15T08:00:50Z")}, 1.0),
)


@pytest.mark.parametrize("case", TOLD, ids=str)
def test_what_a_provider_says_is_left_is_heeded(case: Told) -> None:
    assert held_for(case.headers, NOON) == pytest.approx(case.seconds)


@given(st.text(max_size=60), st.text(max_size=30))
def test_no_header_breaks_it(reset: str, limit: str) -> None:
    for headers in (openai("0", reset, limit), anthropic("0", reset, limit)):
        assert 0 <= held_for(headers, NOON) <= MOST_HOLD


def test_the_pace_of_a_provider_is_set_in_the_environment() -> None:
    environ = {"OPENAI_RPS": "2.5", "OPENAI_CONCURRENCY": "7", "GEMINI_BURST": "3", "LOCAL_RPS": "1", "KIMI_RPS": "9"}
    found = tempos(environ, ["openai", "google", "local", "anthropic"])
    assert found == {
        "openai": Tempo(rps=2.5, concurrency=7),
        "google": Tempo(burst=3),
        "local": Tempo(rps=1),
    }


@pytest.mark.parametrize(
    ("name", "value"), [("OPENAI_RPS", "fast"), ("OPENAI_BURST", "1.5"), ("OPENAI_CONCURRENCY", "-1")]
)
def test_a_pace_that_cannot_be_is_told_with_its_name(name: str, value: str) -> None:
    with pytest.raises(ProvidersError, match=f"{name}='{value}'"):
        tempos({name: value}, ["openai"])
