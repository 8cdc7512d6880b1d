"""The limits that all workers share, against a model that is too simple to be wrong and a Valkey that is real."""

from __future__ import annotations

import asyncio
import calendar
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import uvloop
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from gateway.core.limits import (
    ADMITTED,
    COUNT,
    LARGE,
    NEVER,
    SOON,
    SPENT,
    WAIT,
    Limits,
    Most,
    Verdict,
    counted,
    nanodollars,
)
from gateway.stores.accounts import Account
from gateway.stores.leases import Lease
from gateway.stores.valkey import Valkey
from gateway.stores.valkey_place import place
from tests.fakes.engines import ValkeyEngine
from tests.fakes.limits import Counter
from tests.fakes.valkey import until

CENT = nanodollars(0.01)
TTL = 10.0
RING = 61
LAST_MINUTE = calendar.timegm((2026, 3, 31, 23, 59, 15)) * 1000  # of a day and of a month
KEYS = ("k1", "k2")


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as found:
        yield found


@dataclass
class Held:
    """A request that was let in, and what the model thinks of its lease."""

    key: str
    tokens: int
    cost: int
    at: int  # second
    epoch: int
    ends: float  # ms
    counts: list[list[int]]  # its entries in the minute's lists, which a settle corrects
    lease: Lease
    lapsed: bool = False


@dataclass
class Scope:
    """An organisation or a key, as plainly as can be."""

    most: Most
    requests: list[int] = field(default_factory=list)  # seconds
    tokens: list[list[int]] = field(default_factory=list)  # [second, amount]
    days: dict[int, list[int]] = field(default_factory=dict)  # requests, tokens
    spent: dict[Any, int] = field(default_factory=dict)  # by day and by month; never lost, since the ledger has it

    def lose(self) -> None:
        self.requests, self.tokens, self.days = [], [], {}


class Model:
    """What limits mean."""

    def __init__(self, limits: Limits, key_limits: Limits) -> None:
        self.now = LAST_MINUTE
        self.epoch = 0
        self.scopes = {"": Scope(counted(limits)), **{key: Scope(counted(key_limits)) for key in KEYS}}
        self.held: dict[str, Held] = {}
        self.told: set[str] = set()

    @property
    def second(self) -> int:
        return self.now // 1000

    def periods(self) -> tuple[int, tuple[int, int]]:
        then = time.gmtime(self.second)
        return self.second // 86_400, (then.tm_year, then.tm_mon)

    def running(self, name: str) -> list[Held]:
        self.lapse()
        found = [held for held in self.held.values() if not held.lapsed and held.epoch == self.epoch]
        return [held for held in found if name in ("", held.key)]

    def lapse(self) -> None:
        for held in self.held.values():
            if held.epoch == self.epoch and held.ends <= self.now:
                held.lapsed = True

    def ledger(self, name: str) -> tuple[int, int]:
        day, month = self.periods()
        spent = self.scopes[name].spent
        return spent.get(day, 0), spent.get(month, 0)

    def refusals(self, key: str, tokens: int, cost: int) -> list[tuple[int, int, bool]]:
        """Every limit that stands in the way: why, which, and whether only requests that run do."""
        return [
            (why, at + limit, soon)
            for at, name in ((0, ""), (COUNT, key))
            for why, limit, soon in self._refusals(name, tokens, cost)
        ]

    def _refusals(self, name: str, tokens: int, cost: int) -> Iterator[tuple[int, int, bool]]:
        scope, running, second = self.scopes[name], self.running(name), self.second
        per_minute, per_day, tokens_per_minute, tokens_per_day, concurrency, *budgets = scope.most
        day, _ = self.periods()
        requests_today, tokens_today = scope.days.get(day, [0, 0])
        if per_minute is not None and sum(second - at < RING for at in scope.requests) + 1 > per_minute:
            yield NEVER if per_minute < 1 else WAIT, 0, False
        if per_day is not None and requests_today + 1 > per_day:
            yield NEVER if per_day < 1 else WAIT, 1, False
        if tokens_per_minute is not None:
            here = sum(amount for at, amount in scope.tokens if second - at < RING)
            if here + tokens > tokens_per_minute:
                yield NEVER if tokens > tokens_per_minute else WAIT, 2, False
        if tokens_per_day is not None:
            held = sum(one.tokens for one in running)
            if tokens_today + held + tokens > tokens_per_day:
                yield NEVER if tokens > tokens_per_day else WAIT, 3, tokens_today + tokens <= tokens_per_day
        if concurrency is not None and len(running) + 1 > concurrency:
            yield NEVER if concurrency < 1 else WAIT, 4, True
        held_cost = sum(one.cost for one in running)
        for limit, (budget, spent) in enumerate(zip(budgets, self.ledger(name), strict=True), 5):
            if budget is None:
                continue
            if spent >= budget:
                yield SPENT, limit, False
            elif cost > budget:
                yield LARGE, limit, False
            elif spent + held_cost + cost > budget and held_cost > 0:
                yield WAIT, limit, True

    def take(self, request_id: str, key: str, lease: Lease, tokens: int, cost: int) -> None:
        counts = []
        for name in ("", key):
            scope = self.scopes[name]
            scope.requests.append(self.second)
            counts.append([self.second, tokens])
            scope.tokens.append(counts[-1])
            scope.days.setdefault(self.periods()[0], [0, 0])[0] += 1
        ends = self.now + TTL * 1000
        self.held[request_id] = Held(key, tokens, cost, self.second, self.epoch, ends, counts, lease)

    def settle(self, request_id: str, held: Held, tokens: int, cost: int) -> int:
        """How many were counted: one, or none where it was before."""
        if request_id in self.told:
            return 0
        self.lapse()
        if held.epoch != self.epoch and not tokens and not cost:
            del self.held[request_id]  # with its lease went its place; there is nothing more to count
            return 0
        self.told.add(request_id)
        was_leased = held.epoch == self.epoch and not held.lapsed
        del self.held[request_id]
        day, month = self.periods()
        for name, count in zip(("", held.key), held.counts, strict=True):
            scope = self.scopes[name]
            count[1], more = (
                (min(held.tokens, tokens), max(0, tokens - held.tokens)) if was_leased else (held.tokens, tokens)
            )
            scope.tokens.append([self.second, more])
            scope.days.setdefault(day, [0, 0])[1] += tokens
            for period in (day, month):
                scope.spent[period] = scope.spent.get(period, 0) + cost
        return 1


class LimitsMachine(RuleBasedStateMachine):
    """Requests come, end, end twice, are forgotten and renewed; time passes; Valkey loses everything."""

    def __init__(self, runner: asyncio.Runner, url: str) -> None:
        super().__init__()
        self.run = runner.run
        self.valkey = Valkey(place(url))
        self.run(self.begin_anew())
        self.counter = Counter(self.valkey, TTL)
        self.number = 0
        self.ended: dict[str, tuple[Held, int, int]] = {}
        self.let_in: list[int] = []  # ms

    @initialize(
        limits=st.builds(
            Limits,
            requests_per_minute=st.none() | st.integers(0, 8),
            requests_per_day=st.none() | st.integers(5, 15),
            tokens_per_minute=st.none() | st.integers(20, 100),
            tokens_per_day=st.none() | st.integers(50, 300),
            concurrency=st.none() | st.integers(1, 5),
            usd_per_day=st.none() | st.integers(1, 60).map(lambda cents: cents / 100),
            usd_per_month=st.none() | st.integers(30, 90).map(lambda cents: cents / 100),
        ),
        key_limits=st.builds(
            Limits,
            requests_per_minute=st.none() | st.integers(1, 5),
            tokens_per_day=st.none() | st.integers(20, 100),
            concurrency=st.integers(1, 3),
            usd_per_day=st.none() | st.integers(1, 40).map(lambda cents: cents / 100),
        ),
    )
    def begin(self, limits: Limits, key_limits: Limits) -> None:
        self.limits = limits
        self.model = Model(limits, key_limits)
        self.accounts: dict[str, Account] = {key: self.counter.account(key, limits, key_limits) for key in KEYS}
        self.passes(0)

    async def begin_anew(self) -> None:
        await self.valkey.start()
        await until(lambda: self.valkey.state == "ok")
        await self.valkey.run("FLUSHDB", within=5)

    def ask(self, key: str, tokens: int, cost: int) -> tuple[str, Verdict]:
        self.number += 1
        request_id = f"r{self.number}"
        ledger = (self.model.ledger(""), self.model.ledger(key))
        return request_id, self.run(self.counter.admit(self.accounts[key], request_id, tokens, cost, ledger))

    @rule(key=st.sampled_from(KEYS), tokens=st.integers(0, 60), cents=st.integers(0, 30))
    def admit(self, key: str, tokens: int, cents: int) -> None:
        expected = self.model.refusals(key, tokens, cents * CENT)
        request_id, said = self.ask(key, tokens, cents * CENT)
        assert said.why == max((why for why, _, _ in expected), default=ADMITTED), (said, expected)
        if said.why == ADMITTED:
            lease = Lease(self.accounts[key], request_id, tokens, cents * CENT, said.epoch, int(said.now))
            self.model.take(request_id, key, lease, tokens, cents * CENT)
            self.let_in.append(self.model.now)
        else:
            assert said.limit in [limit for why, limit, _ in expected if why == said.why]
        if said.why == WAIT:
            self.is_true(key, tokens, cents * CENT, said)
        for at, name in ((0, ""), (COUNT, key)):
            self.agrees(said, at, name, 0 if said.why == ADMITTED else 1)

    def is_true(self, key: str, tokens: int, cost: int, said: Verdict) -> None:
        """Waiting so long lets it through when nobody else comes, but for those that run; and no shorter wait does."""
        before, self.model.now = self.model.now, self.model.now + round(said.wait * 1000)
        lapsed = [held.lapsed for held in self.model.held.values()]
        left = [soon for _, _, soon in self.model.refusals(key, tokens, cost)]
        assert all(left)
        if said.wait > SOON:
            self.model.now -= 1000
            assert not all(soon for _, _, soon in self.model.refusals(key, tokens, cost))
        self.model.now = before
        for held, was in zip(self.model.held.values(), lapsed, strict=True):
            held.lapsed = was

    def agrees(self, said: Verdict, at: int, name: str, refused: int) -> None:
        """What is told as used is what was used."""
        scope, second = self.model.scopes[name], self.model.second
        day, _ = self.model.periods()
        held = self.model.running(name)
        used = [
            sum(second - when < RING for when in scope.requests),
            scope.days.get(day, [0, 0])[0],
            sum(amount for when, amount in scope.tokens if second - when < RING),
            scope.days.get(day, [0, 0])[1] + sum(one.tokens for one in held),
            len(held) - 1 + refused,  # as it was before this one
            *self.model.ledger(name),
        ]
        for limit, (most, mine) in enumerate(zip(scope.most, used, strict=True)):
            assert most is None or said.used[at + limit] == mine, (limit, said, used)

    @precondition(lambda self: self.model.held)
    @rule(data=st.data(), tokens=st.integers(0, 80), cents=st.integers(0, 40))
    def settle(self, data: st.DataObject, tokens: int, cents: int) -> None:
        request_id = data.draw(st.sampled_from(sorted(self.model.held)))
        held = self.model.held[request_id]
        asked = (self.accounts[held.key], request_id, held.lease.epoch, tokens, cents * CENT)
        assert self.run(self.counter.settle(*asked)) == self.model.settle(request_id, held, tokens, cents * CENT)
        self.ended[request_id] = (held, tokens, cents * CENT)

    @precondition(lambda self: self.ended)
    @rule(data=st.data())
    def settle_again(self, data: st.DataObject) -> None:
        request_id = data.draw(st.sampled_from(sorted(self.ended)))
        held, tokens, cost = self.ended[request_id]
        assert self.run(self.counter.settle(self.accounts[held.key], request_id, held.lease.epoch, tokens, cost)) == 0

    @precondition(lambda self: self.model.held)
    @rule(data=st.data())
    def renew(self, data: st.DataObject) -> None:
        request_id = data.draw(st.sampled_from(sorted(self.model.held)))
        held = self.model.held[request_id]
        self.model.lapse()
        if held.epoch != self.model.epoch:
            held.counts = [[held.at, 0], [held.at, 0]]  # what was counted of the minute is lost
        held.epoch, held.lapsed, held.ends = self.model.epoch, False, self.model.now + TTL * 1000
        self.run(self.counter.renew(held.lease))

    @invariant()
    def leases_are_those_of_who_runs(self) -> None:
        if hasattr(self, "model"):
            range_ = ("ZRANGEBYSCORE", "syntra:{acme}:leases", f"({self.model.now}", "+inf")
            there = {name.decode() for name in self.run(self.valkey.run(*range_, within=5))}
            self.model.lapse()
            running = self.model.held.items()
            leasing = self.accounts["k1"].leasing
            assert not leasing or there == {
                request_id for request_id, held in running if not held.lapsed and held.epoch == self.model.epoch
            }

    @rule(milliseconds=st.one_of(st.integers(0, 5_000), st.integers(0, 70_000)))
    def passes(self, milliseconds: int) -> None:
        self.model.now += milliseconds
        self.run(self.counter.set_clock(self.model.now))

    @rule()
    def valkey_loses_everything(self) -> None:
        self.model.epoch += 1
        for scope in self.model.scopes.values():
            scope.lose()
        self.ended.clear()  # who was told before cannot be known any more
        self.let_in.clear()
        self.run(self.valkey.run("FLUSHDB", within=5))
        self.passes(1)

    def teardown(self) -> None:
        most = self.limits.requests_per_minute if hasattr(self, "limits") else None
        if most is not None:
            assert all(
                later - earlier >= 60_000 for earlier, later in zip(self.let_in, self.let_in[most:], strict=False)
            )
        self.run(self.valkey.close())


def test_any_interleaving_keeps_every_limit(valkey_engine: ValkeyEngine, runner: asyncio.Runner) -> None:
    run_state_machine_as_test(
        lambda: LimitsMachine(runner, valkey_engine.url), settings=settings(max_examples=60, stateful_step_count=50)
    )


bids = st.lists(
    st.tuples(st.sampled_from(KEYS), st.integers(0, 12), st.integers(0, 25), st.integers(0, 3)), min_size=1, max_size=40
)


@given(st.integers(1, 60), st.none() | st.integers(1, 40), bids)
@settings(max_examples=60)
def test_a_budget_is_exceeded_by_no_more_than_is_documented(
    valkey_server: ValkeyEngine, budget: int, key_budget: int | None, bids: list[tuple[str, int, int, int]]
) -> None:
    """By what those in flight cost beyond their estimates, or by the one request that took the last cents."""

    async def story() -> None:
        async with Valkey(place(valkey_server.url)) as valkey:
            await valkey.run("FLUSHDB", within=5)
            counter = Counter(valkey)
            await counter.set_clock(LAST_MINUTE)
            key_limits = Limits(usd_per_day=None if key_budget is None else key_budget / 100)
            accounts = {key: counter.account(key, Limits(usd_per_month=budget / 100), key_limits) for key in KEYS}
            running: list[tuple[str, str, int, int, int]] = []
            spent, beyond = 0, 0  # beyond: the most that the bound has allowed so far
            for number, (key, estimate, real, ends) in enumerate(bids):
                said = await counter.admit(accounts[key], f"r{number}", 0, estimate * CENT)
                if said.why == ADMITTED:
                    alone = not any(held for _, _, _, held, _ in running)
                    running.append((key, f"r{number}", said.epoch, estimate, real))
                    over = sum(max(0, cost - held) for _, _, _, held, cost in running)
                    beyond = max(beyond, over, over - max(0, real - estimate) + real if alone else 0)
                for _ in range(min(ends, len(running))):
                    ended, request_id, epoch, _, cost = running.pop(0)
                    await counter.settle(accounts[ended], request_id, epoch, 0, cost * CENT)
                    spent += cost
                assert spent + sum(cost for *_, cost in running) <= budget + beyond
                assert (said.why == SPENT) <= (spent >= min(budget, key_budget or budget))

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(story())
