"""Limits as they are written and as they are counted, and how a client hears of them."""

from __future__ import annotations

import pytest

from gateway.core.errors import BudgetSpent, RateLimited
from gateway.core.limits import (
    COUNT,
    LARGE,
    NEVER,
    NO_LIMITS,
    SOON,
    SPENT,
    WAIT,
    Limits,
    Verdict,
    completed,
    counted,
    duration,
    nanodollars,
    rounded_up,
)
from gateway.core.money import Picodollars
from gateway.core.refusals import headers, refusal

MIDNIGHT = 20_000 * 86_400.0


def verdict(why: int = 0, limit: int = 0, wait: float = 0.0, now: float = MIDNIGHT, **used: int) -> Verdict:
    """A verdict in which so much is used of each limit; a name that begins with `key_` is the key's."""
    names = Limits.__struct_fields__
    row = [used.get(name, 0) for name in names] + [used.get(f"key_{name}", 0) for name in names]
    return Verdict(why, limit, wait, now, row, [61.0, 30.0, 12.0, 6.0])


def told(limits: Limits, key_limits: Limits, said: Verdict) -> dict[str, str]:
    most = (*counted(limits), *counted(key_limits))
    return {name.decode().removeprefix("x-ratelimit-"): value.decode() for name, value in headers(most, said)}


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0s"),
        (-1, "0s"),
        (0.0001, "1ms"),
        (0.25, "250ms"),
        (1, "1s"),
        (1.01, "2s"),
        (59.9, "1m0s"),
        (360, "6m0s"),
        (3599.5, "1h0m0s"),
        (86_400, "24h0m0s"),
    ],
)
def test_times_are_written_as_openai_writes_them_and_never_too_short(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_a_budget_is_counted_in_nanodollars_and_a_cost_never_for_less_than_it_is() -> None:
    assert nanodollars(0.1) == 100_000_000
    assert counted(Limits(usd_per_day=2.5, requests_per_day=7)) == (None, 7, None, None, None, 2_500_000_000, None)
    assert [rounded_up(Picodollars(amount)) for amount in (0, 1, 999, 1000, 1001)] == [0, 1, 1, 1, 2]


def test_a_limit_below_nothing_is_nothing() -> None:
    assert counted(Limits(concurrency=-1, usd_per_month=-0.5))[4:] == (0, None, 0)


def test_defaults_fill_what_an_organisation_has_not() -> None:
    defaults = Limits(requests_per_day=1000, tokens_per_day=50_000)
    own = Limits(requests_per_day=5, concurrency=2)
    assert completed(own, defaults) == Limits(requests_per_day=5, tokens_per_day=50_000, concurrency=2)
    assert completed(own, NO_LIMITS) is own
    assert completed(Limits(requests_per_day=0), defaults).requests_per_day == 0


def test_only_limits_that_exist_have_headers() -> None:
    assert told(NO_LIMITS, NO_LIMITS, verdict()) == {}
    assert told(Limits(usd_per_day=5, concurrency=3), NO_LIMITS, verdict()) == {}
    said = told(Limits(requests_per_minute=60), NO_LIMITS, verdict(requests_per_minute=1))
    assert said == {"limit-requests": "60", "remaining-requests": "59", "reset-requests": "1m1s"}


def test_of_several_limits_the_one_that_is_reached_first_is_told() -> None:
    limits = Limits(requests_per_minute=60, requests_per_day=100, tokens_per_minute=1000)
    key_limits = Limits(requests_per_minute=50, tokens_per_day=900)
    said = told(limits, key_limits, verdict(requests_per_minute=20, requests_per_day=70, key_requests_per_minute=10))
    assert said == {
        "limit-requests": "100",
        "remaining-requests": "30",
        "reset-requests": "24h0m0s",
        "limit-tokens": "900",
        "remaining-tokens": "900",
        "reset-tokens": "24h0m0s",
    }
    said = told(limits, key_limits, verdict(now=MIDNIGHT + 60, key_requests_per_minute=45, tokens_per_minute=200))
    assert (said["limit-requests"], said["remaining-requests"], said["reset-requests"]) == ("50", "5", "12s")
    assert (said["limit-tokens"], said["remaining-tokens"], said["reset-tokens"]) == ("1000", "800", "30s")


def test_what_is_left_is_never_less_than_nothing() -> None:
    assert told(Limits(tokens_per_day=10), NO_LIMITS, verdict(tokens_per_day=25))["remaining-tokens"] == "0"


LIMITS = Limits(60, 100, 1000, 5000, 3, 5.0, 12.5)
MOST = (*counted(LIMITS), *counted(LIMITS))


@pytest.mark.parametrize(
    ("limit", "wait", "type_", "words", "after"),
    [
        (0, 11.2, "requests", "acme has reached its limit of 60 requests per minute. Please try again in 12s.", 12),
        (1, 3600, "requests", "its limit of 100 requests per day. Please try again in 3600s.", 3600),
        (2, 0.001, "tokens", "its limit of 1000 tokens per minute. Please try again in 1s.", 1),
        (COUNT + 3, 60, "tokens", "This API key has reached its limit of 5000 tokens per day.", 60),
        (COUNT + 4, SOON, "requests", "This API key may have 3 requests running at the same time, and has.", 1),
        (5, SOON, "requests", "requests that are running may need the rest of it. Please try again in 1s.", 1),
    ],
)
def test_a_limit_that_frees_again_is_a_429_which_says_whose_limit_and_for_how_long(
    limit: int, wait: float, type_: str, words: str, after: int
) -> None:
    error = refusal(MOST, verdict(WAIT, limit, wait), "acme", late=False)
    assert isinstance(error, RateLimited)
    assert (error.status, error.type, error.code) == (429, type_, "rate_limit_exceeded")
    assert words in error.message
    assert error.headers[0] == (b"retry-after", str(after).encode())
    far = {b"x-should-retry"} if after > 60 else set()  # clients hang on a wait as long as that, or do not heed it
    assert {name for name, _ in error.headers[1:]} == {name for name, _ in headers(MOST, verdict())} | far


def test_who_waits_for_others_to_end_does_not_come_again_with_all_the_others() -> None:
    waits = [refusal(MOST, verdict(WAIT, 4, SOON), "acme", late=late).headers[0][1] for late in (False, True)]
    assert waits == [b"1", b"2"]
    waits = [refusal(MOST, verdict(WAIT, 0, 30), "acme", late=late).headers[0][1] for late in (False, True)]
    assert waits == [b"30", b"30"]


def test_what_no_waiting_helps_says_so_and_gives_no_time() -> None:
    error = refusal(MOST, verdict(NEVER, 2), "acme", late=False)
    assert error.status == 429
    assert "this request alone needs more" in error.message
    names = [name for name, _ in error.headers]
    assert names[0] == b"x-should-retry"
    assert b"retry-after" not in names


@pytest.mark.parametrize(
    ("why", "limit", "words"),
    [
        (SPENT, 5, "The organisation acme has spent its budget of 5.000000 USD per day. A new day begins at midnight"),
        (SPENT, COUNT + 6, "This API key has spent its budget of 12.500000 USD per month. A new month begins"),
        (LARGE, 5, "This request alone is expected to cost more than the whole budget of 5.000000 USD per day."),
    ],
)
def test_a_spent_budget_is_a_402_that_makes_clients_stop(why: int, limit: int, words: str) -> None:
    error = refusal(MOST, verdict(why, limit), "acme", late=True, extra=((b"x-syntra-degraded", b"limits"),))
    assert isinstance(error, BudgetSpent)
    assert (error.status, error.type, error.code) == (402, "insufficient_quota", "insufficient_quota")
    assert words in error.message
    assert error.headers[0] == (b"x-should-retry", b"false")
    assert b"retry-after" not in [name for name, _ in error.headers]
    assert error.headers[-1] == (b"x-syntra-degraded", b"limits")
