"""How fast a provider may be asked: a rate with a burst, a number at once, and what is learned of it by asking.

No clock in here: every `now` is monotonic seconds. `stores.pacer` is who waits, and who shares this among workers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Final

MOST_HOLD: Final = 60.0  # s that a provider's headers can hold its requests back

_GROWTH: Final = 1.1  # a second, of a rate that a 429 has halved
_FORGOTTEN: Final = 2.0  # times the rate at which it was said: then nothing is held back any more
_SLICE: Final = 5.0  # s over which a rate is seen
_SOON: Final = 0.05  # s; where only a request that runs stands in the way
_ROUNDING: Final = 1e-9  # s
_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}


class Gate:
    """A rate with a burst, and a number at once, for one worker alone."""

    def __init__(self, rate: float, burst: float, most: float) -> None:
        self._rate, self._burst, self._most = rate, max(1.0, burst), most
        self._due = 0.0  # when the next would come if they came evenly
        self._running = 0

    def take(self, now: float) -> float:
        """0 where a request may go, and then it is counted; else the seconds until it is worth asking again."""
        if self._most and self._running >= max(1.0, self._most):
            return _SOON
        if self._rate:
            due = max(self._due, now) + 1 / self._rate
            if (wait := due - self._burst / self._rate - now) > _ROUNDING:
                return wait
            self._due = due
        self._running += 1
        return 0.0

    def leave(self) -> None:
        """A request that was let through is over."""
        self._running = max(0, self._running - 1)


class Learned:
    """What one worker has learned of one model: how fast it asks, and what the provider has said to that."""

    __slots__ = ("_before", "_began", "_ceiling", "_count", "_due", "_hold", "_said")

    def __init__(self, now: float) -> None:
        self._began, self._count, self._before = now, 0, 0.0  # of the slice that counts, and the rate of the one before
        self._hold = 0.0
        self._ceiling = 0.0  # requests a second at `_said`; 0 for none
        self._said = 0.0
        self._due = 0.0

    def asked(self, now: float) -> None:
        """A request goes out."""
        if now >= self._began + _SLICE:
            passed = now - self._began
            self._before = self._count / passed if passed < 2 * _SLICE else 0.0
            self._began, self._count = now, 0
        self._count += 1

    def rate(self, now: float) -> float:
        """Requests a second, lately."""
        return max(self._before, self._count / max(1.0, now - self._began))

    def limited(self, now: float, seconds: float) -> None:
        """A 429 came: when its wait is over, half of what was asked is asked, and by and by more."""
        self._ceiling, self._said = max(1.0, self.rate(now) / 2), now + seconds
        self._due = 0.0

    def hold(self, until: float) -> None:
        """The provider's headers say that nothing is left until then."""
        self._hold = until

    def held(self, now: float) -> float:
        """Seconds until the provider's own limits let another request through, as its headers have it."""
        return max(0.0, self._hold - now)

    def lets(self, now: float) -> bool:
        """Whether one more request keeps to the rate that is left after a 429; if so, it is counted.

        That rate is a guess: whom nobody else can serve is let through in spite of it.
        """
        if not self._ceiling:
            return True
        grown = _GROWTH ** max(0.0, now - self._said)
        if grown >= 2 * _FORGOTTEN:
            self._ceiling = 0.0
            return True
        rate = self._ceiling * grown
        due = max(self._due, now) + 1 / rate
        if due - max(1.0, rate) / rate - now > _ROUNDING:  # what comes in one second may come at once
            return False
        self._due = due
        return True

    @property
    def holds(self) -> bool:
        """Whether anything is held back, as far as is known."""
        return bool(self._hold or self._ceiling)


SAYS: Final = frozenset(  # headers without which nothing is said
    (
        "x-ratelimit-remaining-requests",
        "x-ratelimit-remaining-tokens",
        "anthropic-ratelimit-requests-remaining",
        "anthropic-ratelimit-tokens-remaining",
    )
)


def held_for(headers: Mapping[str, str], today: float) -> float:
    """Seconds until the provider's own limits let another request through; 0 where they do now or say nothing.

    OpenAI's and Anthropic's headers, lower-case; both tell when a limit will be whole again, and fill up evenly until
    then, so the next request is worth its part of that. `today` is the time of day, as `time.time` has it.
    """
    waits = [0.0]
    for kind in ("requests", "tokens"):
        if headers.get(f"x-ratelimit-remaining-{kind}") == "0":
            whole = _duration(headers.get(f"x-ratelimit-reset-{kind}", ""))
            waits.append(_part(whole, headers.get(f"x-ratelimit-limit-{kind}", ""), kind))
        if headers.get(f"anthropic-ratelimit-{kind}-remaining") == "0":
            whole = _until(headers.get(f"anthropic-ratelimit-{kind}-reset", ""), today)
            waits.append(_part(whole, headers.get(f"anthropic-ratelimit-{kind}-limit", ""), kind))
    return min(MOST_HOLD, max(waits))


def _part(whole: float, limit: str, kind: str) -> float:
    """What one request waits for; of tokens nobody knows how many it takes, so a tenth of them."""
    parts = int(limit) if kind == "requests" and limit.isdecimal() and 0 < len(limit) < 10 else 10
    return whole / max(1, parts)


def _duration(text: str) -> float:
    """`6m0s`, `20ms`, `1h30m`; 0 where it is none."""
    if len(text) > 40 or _DURATION.sub("", text):
        return 0.0
    return sum(float(number) * _UNITS[unit] for number, unit in _DURATION.findall(text))


def _until(text: str, today: float) -> float:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return 0.0
    return max(0.0, moment.timestamp() - today) if moment.tzinfo is not None else 0.0
