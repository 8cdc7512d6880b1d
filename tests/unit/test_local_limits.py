"""A worker that is alone with the limits: its share of each, and what it knows of the rest."""

from __future__ import annotations

import calendar
from itertools import count

import pytest

from gateway.core.limits import (
    ADMITTED,
    COUNT,
    LARGE,
    NEVER,
    NO_LIMITS,
    SOON,
    SPENT,
    WAIT,
    Limits,
    Verdict,
    counted,
    nanodollars,
)
from gateway.core.local_limits import AGAIN, DAY, LocalLimits

NOON = calendar.timegm((2026, 3, 31, 12, 0, 0))
CENT = nanodollars(0.01)
NAMES = ("acme", "acme/k1")


class Alone:
    """A worker without Valkey, at a time that the test sets."""

    def __init__(self, limits: Limits = NO_LIMITS, key_limits: Limits = NO_LIMITS, workers: int = 1) -> None:
        self.local = LocalLimits(workers)
        self.most = (*counted(limits), *counted(key_limits))
        self.now, self.utc = 1000.0, float(NOON)
        self._ids = count()

    def passes(self, seconds: float) -> None:
        self.now += seconds
        self.utc += seconds

    def ask(self, tokens: int = 0, cost: int = 0, names: tuple[str, str] = NAMES) -> tuple[str, Verdict]:
        request_id = f"r{next(self._ids)}"
        return request_id, self.local.admit(names, self.most, request_id, tokens, cost, self.now, self.utc)

    def admits(self, tokens: int = 0, cost: int = 0, most: int = 1000) -> int:
        """How many of the same request go through before one does not."""
        return next((n for n in range(most) if self.ask(tokens, cost)[1].why != ADMITTED), most)

    def ends(self, request_id: str, tokens: int = 0, cost: int = 0) -> None:
        self.local.settle(request_id, tokens, cost, self.now, self.utc)

    def heard(self, why: int = ADMITTED, held: int = 0, **used: int) -> None:
        names = Limits.__struct_fields__
        row = [used.get(name, 0) for name in names] + [used.get(f"key_{name}", 0) for name in names]
        self.local.hear(NAMES, Verdict(why, 0, 0.0, self.utc, row, [0.0] * 4, (held, held)))


@pytest.mark.parametrize(("workers", "each"), [(1, 60), (4, 15), (7, 8), (60, 1), (200, 1)])
def test_of_a_minute_each_worker_allows_its_share(workers: int, each: int) -> None:
    assert Alone(Limits(requests_per_minute=60), workers=workers).admits() == each


def test_a_share_is_free_again_after_a_minute_and_not_before() -> None:
    alone = Alone(Limits(requests_per_minute=8), workers=2)
    assert alone.admits() == 4
    alone.passes(59)
    assert alone.admits() == 0
    alone.passes(2)
    assert alone.admits() == 4


def test_of_a_limit_smaller_than_the_workers_each_allows_one_request_in_so_many_minutes() -> None:
    alone = Alone(Limits(requests_per_minute=3), workers=4)
    assert alone.admits() == 1
    _, said = alone.ask()
    assert 79 < said.wait <= 81
    alone.passes(said.wait - 1.1)
    assert alone.admits() == 0
    alone.passes(1.2)
    assert alone.admits() == 1


def test_the_wait_is_true() -> None:
    alone = Alone(Limits(requests_per_minute=10, tokens_per_minute=1000))
    for pause in (0.0, 7.3, 0.4, 11.0):
        alone.passes(pause)
        assert alone.ask(tokens=240)[1].why == ADMITTED
    _, said = alone.ask(tokens=300)
    assert (said.why, said.limit) == (WAIT, 2)
    alone.passes(said.wait)
    assert alone.ask(tokens=300)[1].why == ADMITTED


def test_a_prompt_longer_than_the_share_goes_alone_and_counts_for_longer() -> None:
    alone = Alone(Limits(tokens_per_minute=1000), workers=4)
    assert alone.ask(tokens=600)[1].why == ADMITTED
    _, said = alone.ask(tokens=10)
    assert said.why == WAIT
    assert 143 < said.wait < 146  # 600 of 250 a minute
    alone.passes(said.wait)
    assert alone.ask(tokens=10)[1].why == ADMITTED
    assert alone.ask(tokens=1001)[1].why == NEVER


def test_tokens_are_corrected_when_a_request_has_ended() -> None:
    alone = Alone(Limits(tokens_per_minute=1000, tokens_per_day=5000))
    less, _ = alone.ask(tokens=900)
    assert alone.ask(tokens=200)[1].why == WAIT
    alone.ends(less, tokens=100)
    more, said = alone.ask(tokens=200)
    assert said.why == ADMITTED
    alone.ends(more, tokens=900)
    assert (alone.ask(tokens=1)[1].why, alone.ask(tokens=1)[1].limit) == (WAIT, 2)


def test_requests_that_run_have_their_share_and_give_it_back() -> None:
    alone = Alone(Limits(concurrency=8), workers=3)
    running = [alone.ask() for _ in range(2)]
    _, said = alone.ask()
    assert (said.why, said.limit, said.wait) == (WAIT, 4, SOON)
    alone.ends(running[0][0])
    alone.ends(running[0][0])  # a second time changes nothing
    assert alone.admits() == 1
    assert Alone(Limits(concurrency=2), workers=9).admits() == 1
    assert Alone(Limits(concurrency=0)).ask()[1].why == NEVER


def test_a_request_that_never_ends_holds_its_place_for_ten_minutes() -> None:
    alone = Alone(Limits(concurrency=1))
    alone.ask()
    alone.passes(599)
    assert alone.admits() == 0
    alone.passes(2)
    assert alone.admits() == 1


def test_of_a_day_each_worker_allows_its_share_of_what_was_left() -> None:
    alone = Alone(Limits(requests_per_day=100), workers=4)
    alone.heard(requests_per_day=60)
    assert alone.admits() == 10
    _, said = alone.ask()
    assert (said.why, said.limit, said.wait) == (WAIT, 1, AGAIN)
    alone.heard(requests_per_day=98)  # Valkey was back for a moment
    assert alone.admits() == 1  # two are left for four
    alone.heard(requests_per_day=100)
    _, said = alone.ask()
    assert (said.why, said.wait) == (WAIT, DAY / 2)


def test_a_new_day_is_a_new_day_and_a_new_month_a_new_month() -> None:
    alone = Alone(Limits(requests_per_day=1, usd_per_day=1, usd_per_month=1))
    alone.heard(requests_per_day=1, usd_per_day=nanodollars(1), usd_per_month=nanodollars(1))
    assert alone.ask()[1].why == SPENT
    alone.passes(DAY / 2 - 1)
    assert alone.ask()[1].why == SPENT
    alone.passes(1)
    assert alone.admits() == 1


def test_of_a_budget_each_worker_spends_its_share_of_what_was_left() -> None:
    alone = Alone(Limits(usd_per_day=1), workers=4)
    alone.heard(usd_per_day=20 * CENT, held=40 * CENT)
    assert alone.admits(cost=2 * CENT) == 5  # a fourth of 40 cents
    _, said = alone.ask(cost=2 * CENT)
    assert (said.why, said.limit, said.wait) == (WAIT, 5, SOON)


def test_the_last_cents_of_a_share_are_for_one_request_alone() -> None:
    alone = Alone(Limits(usd_per_day=1))
    alone.heard(usd_per_day=99 * CENT)
    first, said = alone.ask(cost=5 * CENT)
    assert said.why == ADMITTED
    assert alone.ask(cost=5 * CENT)[1].why == WAIT
    alone.ends(first, cost=5 * CENT)
    assert alone.ask(cost=5 * CENT)[1].why == SPENT


def test_what_alone_is_more_than_the_budget_never_goes() -> None:
    assert Alone(Limits(usd_per_month=1)).ask(cost=101 * CENT)[1].why == LARGE


def test_the_ledger_says_what_others_spend_meanwhile() -> None:
    alone = Alone(Limits(usd_per_day=1, usd_per_month=10), workers=2)
    alone.heard(usd_per_day=0, held=90 * CENT)
    assert alone.admits(cost=5 * CENT) == 1
    alone.local.hear_spent("acme", 20 * CENT, 20 * CENT, alone.utc)
    assert alone.admits(cost=5 * CENT) == 7  # with the one that runs: half of 80 cents
    alone.local.hear_spent("acme", 100 * CENT, 100 * CENT, alone.utc)
    assert alone.ask(cost=1)[1].why == SPENT


def test_a_ledger_that_lags_takes_nothing_back() -> None:
    alone = Alone(Limits(usd_per_day=1))
    first, _ = alone.ask(cost=60 * CENT)
    alone.ends(first, cost=60 * CENT)
    alone.local.hear_spent("acme", 10 * CENT, 10 * CENT, alone.utc)
    assert alone.admits(cost=10 * CENT) == 4


def test_the_gravest_refusal_is_told_and_of_waits_the_longest() -> None:
    alone = Alone(Limits(requests_per_minute=1, requests_per_day=1), Limits(concurrency=1, usd_per_day=0))
    assert (alone.ask()[1].why, alone.ask()[1].limit) == (SPENT, COUNT + 5)
    alone = Alone(Limits(requests_per_minute=1, requests_per_day=1), Limits(concurrency=1))
    alone.ask()
    _, said = alone.ask()
    assert (said.limit, said.wait) == (1, DAY / 2)


def test_a_refusal_takes_nothing() -> None:
    alone = Alone(Limits(requests_per_minute=10), Limits(concurrency=1))
    running, _ = alone.ask()
    for _ in range(50):
        alone.ask()
    alone.ends(running)
    assert [alone.ask(names=("acme", f"acme/k{key}"))[1].why for key in range(9)] == [ADMITTED] * 9


def test_organisations_and_keys_have_nothing_to_do_with_each_other() -> None:
    alone = Alone(Limits(requests_per_minute=3), Limits(requests_per_minute=2))
    asked = [("a", "a/1"), ("a", "a/1"), ("a", "a/1"), ("a", "a/2"), ("a", "a/2"), ("b", "b/1")]
    assert [alone.ask(names=names)[1].why == ADMITTED for names in asked] == [True, True, False, True, False, True]


def test_what_is_told_as_left_is_what_this_worker_still_allows() -> None:
    alone = Alone(Limits(requests_per_minute=8, requests_per_day=100, tokens_per_day=1000), workers=2)
    left = [alone.most[0] - alone.ask(tokens=100)[1].used[0] for _ in range(5)]
    assert left == [3, 2, 1, 0, 0]


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.core.local_limits._MOST_KNOWN", 10)
    alone = Alone(Limits(requests_per_minute=1))
    for number in range(100):
        alone.ask(names=(f"o{number}", f"o{number}/k"))
        alone.local.hear((f"o{number}", f"o{number}/k"), Verdict(0, 0, 0.0, alone.utc, [0] * 14, [0.0] * 4))
    assert len(alone.local._states) <= 12
    assert len(alone.local._heard) <= 12
