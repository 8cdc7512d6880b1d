"""How a client hears of limits: OpenAI's headers, and the error where a request may not pass."""

from __future__ import annotations

import math
from typing import Final

from gateway.core.errors import BudgetSpent, NotAllowed, RateLimited
from gateway.core.limits import (
    CONCURRENCY,
    COUNT,
    LARGE,
    NANO,
    NEVER,
    REQUESTS_PER_DAY,
    REQUESTS_PER_MINUTE,
    SOON,
    SPENT,
    TOKENS_PER_DAY,
    TOKENS_PER_MINUTE,
    USD_PER_DAY,
    USD_PER_MONTH,
    Most,
    Verdict,
    duration,
)
from gateway.core.money import Picodollars, dollars

Headers = tuple[tuple[bytes, bytes], ...]

DAY: Final = 86_400.0  # s

_TOLD: Final = ((b"requests", REQUESTS_PER_MINUTE, REQUESTS_PER_DAY), (b"tokens", TOKENS_PER_MINUTE, TOKENS_PER_DAY))
_UNITS: Final = {
    REQUESTS_PER_MINUTE: "requests per minute",
    REQUESTS_PER_DAY: "requests per day",
    TOKENS_PER_MINUTE: "tokens per minute",
    TOKENS_PER_DAY: "tokens per day",
    CONCURRENCY: "requests at the same time",
    USD_PER_DAY: "USD per day",
    USD_PER_MONTH: "USD per month",
}
_ANEW: Final = {
    USD_PER_DAY: "A new day begins at midnight, UTC.",
    USD_PER_MONTH: "A new month begins at midnight, UTC.",
}


def headers(most: Most, verdict: Verdict) -> Headers:
    """OpenAI's rate limit headers, of the limit of key or organisation that is nearest; none where there is none."""
    told: list[tuple[bytes, bytes]] = []
    for unit, minute, day in _TOLD:
        nearest: tuple[int, int, float] | None = None  # what is left, the limit, seconds until all of it is
        for at in (minute, day, COUNT + minute, COUNT + day):
            limit = most[at]
            if limit is None:
                continue
            left = max(0, limit - verdict.used[at])
            if nearest is None or (left, limit) < nearest[:2]:
                by_minute = at % COUNT == minute
                nearest = left, limit, verdict.resets[at // COUNT * 2 + minute // 2] if by_minute else _rest(verdict)
        if nearest is not None:
            left, limit, reset = nearest
            told += (
                (b"x-ratelimit-limit-" + unit, b"%d" % limit),
                (b"x-ratelimit-remaining-" + unit, b"%d" % left),
                (b"x-ratelimit-reset-" + unit, duration(reset).encode()),
            )
    return tuple(told)


def refusal(
    most: Most, verdict: Verdict, organisation: str, *, late: bool, extra: Headers = ()
) -> RateLimited | BudgetSpent:
    """The error of a verdict; `late` lets every other wait a second more, so that not all come again at once."""
    told = (*headers(most, verdict), *extra)
    limit = verdict.limit % COUNT
    words = _words(most, verdict, f"The organisation {organisation}" if verdict.limit < COUNT else "This API key")
    if verdict.why in (SPENT, LARGE):
        return BudgetSpent(words, limits=told)
    type_ = "tokens" if limit in (TOKENS_PER_MINUTE, TOKENS_PER_DAY) else "requests"
    if verdict.why == NEVER:
        return RateLimited(words, type_=type_, retry_after=None, limits=told)
    seconds = max(1, math.ceil(verdict.wait))
    if verdict.wait == SOON and late:
        seconds += 1
    return RateLimited(f"{words} Please try again in {seconds}s.", type_=type_, retry_after=seconds, limits=told)


def unpriced(model: str) -> NotAllowed:
    """The error where a budget holds and nobody knows what the model costs."""
    words = f"This key or its organisation has a budget in USD, and the price of {model[:200]} is not known: its"
    words += " catalogue (models.toml) can say it, 0 if it costs nothing."
    return NotAllowed(words, param="model", code="unpriced_model")


def _words(most: Most, verdict: Verdict, who: str) -> str:
    """What is the matter, without when it will be over."""
    limit = verdict.limit % COUNT
    amount = most[verdict.limit] or 0
    if limit in _ANEW:
        budget = f"{dollars(Picodollars(amount * NANO))} {_UNITS[limit]}"
        if verdict.why == SPENT:
            return f"{who} has spent its budget of {budget}. {_ANEW[limit]}"
        if verdict.why == LARGE:
            return f"This request alone is expected to cost more than the whole budget of {budget}."
        return f"{who} has a budget of {budget}, and requests that are running may need the rest of it."
    if verdict.why == NEVER:
        return f"{who} may use {amount} {_UNITS[limit]}, and this request alone needs more."
    if limit == CONCURRENCY:
        return f"{who} may have {amount} requests running at the same time, and has."
    return f"{who} has reached its limit of {amount} {_UNITS[limit]}."


def _rest(verdict: Verdict) -> float:
    """Seconds until the next day of UTC."""
    return DAY - verdict.now % DAY
