"""Limits while nobody can say what the others use: each worker takes its share of every limit, and no more.

    a minute     `limit / workers` in any sixty seconds. What is more than the share at once (a request of a limit of 3
                 among 4 workers, a long prompt) may go when nothing else counts, and counts so much longer.
    a day,       what was left when Valkey last answered (for money, or the ledger), divided by the workers; one
    a month      request at least while anything is left.
    concurrency  `limit / workers`, at least one.

So all workers together stay within a limit, or exceed one that is small by less than a request of each. Nothing here
looks at a clock: `now` is monotonic, `utc` tells the day, both in seconds.
"""

from __future__ import annotations

import math
import time
from typing import Final

from msgspec import Struct, field

from gateway.core.limits import (
    ADMITTED,
    CONCURRENCY,
    COUNT,
    LARGE,
    NEVER,
    REQUESTS_PER_DAY,
    REQUESTS_PER_MINUTE,
    SOON,
    SPENT,
    TOKENS_PER_DAY,
    TOKENS_PER_MINUTE,
    USD_PER_DAY,
    USD_PER_MONTH,
    WAIT,
    Most,
    Verdict,
)

MINUTE: Final = 60.0
DAY: Final = 86_400.0
AGAIN: Final = 10.0  # s; when to come again where the share of a day is used up: Valkey may be back by then

_MOST_KNOWN = 10_000  # organisations and keys
_SUMS: Final = (REQUESTS_PER_DAY, TOKENS_PER_DAY, USD_PER_DAY, USD_PER_MONTH)


class Window:
    """What was used in the last minute, to the second."""

    def __init__(self) -> None:
        self._ends: dict[int, int] = {}  # second -> what is free again from then on
        self._total = 0

    def look(self, now: float) -> int:
        """What still counts."""
        for second in [second for second in self._ends if second <= now]:
            self._total -= self._ends.pop(second)
        return self._total

    def add(self, amount: int, share: float, now: float) -> int:
        """Count an amount for a minute, or for as many as it is shares; when it is free again."""
        end = math.ceil(now + MINUTE * max(1.0, amount / share))
        self._ends[end] = self._ends.get(end, 0) + amount
        self._total += amount
        return end

    def take_off(self, amount: int, end: int) -> None:
        """Less was used than was counted until `end`."""
        amount = min(amount, self._ends.get(end, 0))
        if amount > 0:
            self._ends[end] -= amount
            self._total -= amount

    def frees(self, amount: float, now: float) -> float:
        """Seconds until so much, or everything, is free."""
        for second in sorted(self._ends):
            amount -= self._ends[second]
            if amount <= 0:
                return second - now
        return self.empty_in(now)

    def empty_in(self, now: float) -> float:
        """Seconds until everything is free."""
        return max(self._ends, default=now) - now


class _Sum(Struct):
    """What is counted by the day or the month: what all had used when last heard, and this worker since."""

    period: int = -1
    base: int = 0
    since: int = 0

    def turn(self, period: int) -> None:
        """Begin a new day or month, if it is one."""
        if period != self.period:
            self.period, self.base, self.since = period, 0, 0


class _State(Struct, eq=False):
    """What is known of an organisation or a key."""

    requests: Window = field(default_factory=Window)
    tokens: Window = field(default_factory=Window)
    sums: dict[int, _Sum] = field(default_factory=lambda: {limit: _Sum() for limit in _SUMS})
    heard: Verdict | None = None
    held: int = 0  # nanodollars that ran elsewhere when last heard
    running: dict[str, _Running] = field(default_factory=dict)


class _Place(Struct, eq=False):
    """A state and the limits that hold for it in one request; `at` is where they stand in a verdict."""

    state: _State
    most: Most
    at: int
    end: int = 0  # when the request's tokens leave the minute


class _Running(Struct, eq=False):
    """A request that this worker has let in by itself."""

    places: list[_Place]
    tokens: int
    cost: int
    until: float


class LocalLimits:
    """What one worker allows by itself; `workers` is how many share every limit."""

    def __init__(self, workers: int = 1, longest: float = 600.0) -> None:
        self.workers = workers
        self._longest = longest  # s; who has not settled by then never will
        self._heard: dict[str, tuple[Verdict, int]] = {}
        self._states: dict[str, _State] = {}
        self._running: dict[str, _Running] = {}

    def hear(self, names: tuple[str, str], verdict: Verdict) -> None:
        """Remember what Valkey says of an organisation and a key; it does so for every request, so this is cheap."""
        heard = self._heard
        while len(heard) > _MOST_KNOWN:
            del heard[next(iter(heard))]
        heard[names[0]], heard[names[1]] = (verdict, 0), (verdict, COUNT)

    def hear_spent(self, name: str, day: int, month: int, utc: float) -> None:
        """Take over what the ledger says of an organisation or a key, which is what everybody has spent."""
        state = self._state(name, utc)
        for limit, amount in ((USD_PER_DAY, day), (USD_PER_MONTH, month)):
            known = state.sums[limit]
            known.base, known.since = max(known.base + known.since, amount), 0
        state.held = 0

    def admit(
        self, names: tuple[str, str], most: Most, request_id: str, tokens: int, cost: int, now: float, utc: float
    ) -> Verdict:
        """What this worker says to a request; what it needs is taken at once where it may pass."""
        self._forget(now)
        verdict = Verdict(ADMITTED, 0, 0.0, utc, [0] * (2 * COUNT), [0.0] * 4)
        organisation, key = names
        places = [
            _Place(self._state(organisation, utc), most[:COUNT], 0),
            _Place(self._state(key, utc), most[COUNT:], COUNT),
        ]
        check = _Check(verdict, self.workers, now, utc)
        for place in places:
            check.minutes(place, tokens)
            check.days(place, tokens)
            check.running(place)
            check.budgets(place, cost)
        if verdict.why == ADMITTED:
            self._take(_Running(places, tokens, cost, now + self._longest), request_id, now)
        return verdict

    def settle(self, request_id: str, tokens: int, cost: int, now: float, utc: float) -> None:
        """Replace what a request was thought to use by what it did; nothing where it is not known here."""
        running = self._running.pop(request_id, None)
        if running is None:
            return
        for place in running.places:
            state = place.state
            state.running.pop(request_id, None)
            _turn(state, utc)
            for limit, amount in ((TOKENS_PER_DAY, tokens), (USD_PER_DAY, cost), (USD_PER_MONTH, cost)):
                state.sums[limit].since += amount
            if tokens > running.tokens:
                self._count_minute(state.tokens, place.most[TOKENS_PER_MINUTE], tokens - running.tokens, now)
            else:
                state.tokens.take_off(running.tokens - tokens, place.end)

    def _take(self, running: _Running, request_id: str, now: float) -> None:
        self._running[request_id] = running
        for place in running.places:
            state = place.state
            self._count_minute(state.requests, place.most[REQUESTS_PER_MINUTE], 1, now)
            place.end = self._count_minute(state.tokens, place.most[TOKENS_PER_MINUTE], running.tokens, now)
            state.sums[REQUESTS_PER_DAY].since += 1
            state.running[request_id] = running

    def _count_minute(self, window: Window, most: int | None, amount: int, now: float) -> int:
        return window.add(amount, most / self.workers, now) if most and amount else 0

    def _forget(self, now: float) -> None:
        """Forget requests that can no longer run; they stand in the order in which they end."""
        for request_id, running in list(self._running.items()):
            if running.until > now:
                break
            del self._running[request_id]
            for place in running.places:
                place.state.running.pop(request_id, None)

    def _state(self, name: str, utc: float) -> _State:
        """What is known of a name, with the last that was heard of it."""
        state = self._states.get(name)
        if state is None:
            if len(self._states) >= _MOST_KNOWN:
                del self._states[next(iter(self._states))]
            state = self._states[name] = _State()
        verdict, at = self._heard.get(name, (None, 0))
        if verdict is not None and verdict is not state.heard:
            _turn(state, verdict.now)
            for limit, known in state.sums.items():
                known.base, known.since = verdict.used[at + limit], 0
            state.heard, state.held = verdict, verdict.held[at // COUNT]
        _turn(state, utc)
        return state


class _Check(Struct):
    """One request before the limits; what refuses most gravely, and then for longest, is what it is told."""

    verdict: Verdict
    workers: int
    now: float
    utc: float

    def minutes(self, place: _Place, tokens: int) -> None:
        """The share of a minute; what is more than the share at once may go alone."""
        state = place.state
        for limit, window, asked in (
            (REQUESTS_PER_MINUTE, state.requests, 1),
            (TOKENS_PER_MINUTE, state.tokens, tokens),
        ):
            most = place.most[limit]
            if most is None:
                continue
            here, share = window.look(self.now), most / self.workers
            self._left(place, limit, int(share) - here - asked)
            self.verdict.resets[place.at // COUNT * 2 + limit // 2] = window.empty_in(self.now) or MINUTE
            if asked > most:
                self._refuse(NEVER, place, limit, 0.0)
            elif here and here + asked > share:
                self._refuse(WAIT, place, limit, window.frees(here + asked - share, self.now))

    def days(self, place: _Place, tokens: int) -> None:
        """The share of what was left of a day."""
        for limit, asked in ((REQUESTS_PER_DAY, 1), (TOKENS_PER_DAY, tokens)):
            most = place.most[limit]
            if most is None:
                continue
            known = place.state.sums[limit]
            held = sum(running.tokens for running in place.state.running.values()) if limit == TOKENS_PER_DAY else 0
            taken, left = known.since + held, most - known.base
            self._left(place, limit, max(left // self.workers, 1) - taken - asked)
            if asked > most:
                self._refuse(NEVER, place, limit, 0.0)
            elif known.base + known.since + asked > most:
                self._refuse(WAIT, place, limit, DAY - self.utc % DAY)
            elif taken + asked > left // self.workers and taken:
                self._refuse(WAIT, place, limit, SOON if held else AGAIN)

    def running(self, place: _Place) -> None:
        """The share of what may run at the same time."""
        most = place.most[CONCURRENCY]
        if most is None:
            return
        share = max(1, most // self.workers)
        running = len(place.state.running)
        self._left(place, CONCURRENCY, share - running - 1)
        if most < 1:
            self._refuse(NEVER, place, CONCURRENCY, 0.0)
        elif running + 1 > share:
            self._refuse(WAIT, place, CONCURRENCY, SOON)

    def budgets(self, place: _Place, cost: int) -> None:
        """The share of what was left of a budget; its last cents are for one request alone."""
        state = place.state
        held = sum(running.cost for running in state.running.values())
        for limit in (USD_PER_DAY, USD_PER_MONTH):
            most = place.most[limit]
            if most is None:
                continue
            known = state.sums[limit]
            share = (most - known.base - state.held) / self.workers
            self.verdict.used[place.at + limit] = known.base + known.since
            if known.base + known.since >= most:
                self._refuse(SPENT, place, limit, 0.0)
            elif cost > most:
                self._refuse(LARGE, place, limit, 0.0)
            elif known.since + held + cost > share and (held or known.since >= share):
                self._refuse(WAIT, place, limit, SOON if held else AGAIN)

    def _left(self, place: _Place, limit: int, left: int) -> None:
        most = place.most[limit]
        if most is not None:
            self.verdict.used[place.at + limit] = most - max(0, left)

    def _refuse(self, why: int, place: _Place, limit: int, wait: float) -> None:
        verdict = self.verdict
        if (why, wait) > (verdict.why, verdict.wait):
            verdict.why, verdict.limit, verdict.wait = why, place.at + limit, wait


def _turn(state: _State, utc: float) -> None:
    """Begin a new day or month where there is one."""
    day, (year, month) = int(utc // DAY), time.gmtime(utc)[:2]
    for limit, known in state.sums.items():
        known.turn(year * 12 + month if limit == USD_PER_MONTH else day)
