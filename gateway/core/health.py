"""Which (provider, credential, model) is not asked for a while, why, and how it comes back.

    healthy ──failed──▶ cooling ──time──▶ waiting ──one probe──▶ healthy
                           ▲                            │
                           └────────────relapse─────────┘

No clock in here: every `now` is monotonic seconds. Each worker has its own; `stores.cooldowns` makes them agree.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from msgspec import Struct

from gateway.core.errors import (
    SyntraError,
    UpstreamBroken,
    UpstreamBusy,
    UpstreamCredential,
    UpstreamFailed,
    UpstreamOverloaded,
    UpstreamSilent,
    UpstreamUnknownModel,
    UpstreamUnreachable,
)

Key = tuple[str, str, str]  # provider, the credential's id, model: what fails and recovers as one

RATE_LIMITED: Final = "rate limited"
FAILING: Final = "failing"
SLOW: Final = "slow"
REFUSED: Final = "credential refused"
UNKNOWN: Final = "no such model"
REASONS = frozenset({RATE_LIMITED, FAILING, SLOW, REFUSED, UNKNOWN})

EVERY_MODEL = ""  # in place of the model: the credential itself is meant; no request can name a model so

MOST_KEYS = 10_000
MOST_SECONDS = 120.0  # of any cooldown, whoever asks for it
PROBE_SECONDS = 30.0  # a probe that has not reported by then is given up, and another may go

_MOST_RETRY_AFTER = 60.0
_REFUSED_SECONDS = 60.0
_SLOW_SECONDS = 15.0
_FAILING_SECONDS = 5.0  # the first time; each relapse doubles it
_IN_A_ROW = 3
_WINDOW = 30.0
_SLICE = 3.0  # the window forgets in steps of this
_LEAST_ATTEMPTS = 10  # before a share of failures says anything
_SLOW_TTFT = 10.0
_SLOW_TIMES = 5.0  # the usual time to the first token

_ASK_AGAIN = 1.0  # s
_SAME = 0.25  # a cooldown that would end only this much later is the same: twenty calls may hear one 429

# What tells of the provider and not of the request. A deadline of ours that passed is one: it was slower than we bear.
_COUNTS = (UpstreamUnreachable, UpstreamFailed, UpstreamSilent, UpstreamBroken)


def _wide(key: Key) -> Key:
    """The credential of a key."""
    return key[0], key[1], EVERY_MODEL


class Cooldown(Struct, frozen=True):
    """A time in which a key is not asked; `key` has `EVERY_MODEL` where the credential is meant."""

    key: Key
    reason: str
    since: float
    until: float

    @property
    def stated(self) -> bool:
        """Whether the provider itself said for how long."""
        return self.reason == RATE_LIMITED

    @property
    def seconds(self) -> float:
        """How long it lasts from beginning to end."""
        return self.until - self.since

    def left(self, now: float) -> float:
        """Seconds to its end, never negative."""
        return max(0.0, self.until - now)


class Standing(Struct, frozen=True):
    """One unhealthy key as `/health` and the metrics tell it; `state` is cooling, waiting (for a probe) or probing."""

    provider: str
    credential: str
    model: str
    reason: str
    state: str
    seconds: float  # to the end of the cooldown; 0 once it is over


class _Down(Struct):
    """A cooldown, and when the probe after it began."""

    cooldown: Cooldown
    probing: float | None = None

    def state(self, now: float) -> str:
        if now < self.cooldown.until:
            return "cooling"
        return "waiting" if self.free(now) else "probing"

    def free(self, now: float) -> bool:
        """Whether the probe's place is free."""
        return self.probing is None or now >= self.probing + PROBE_SECONDS


class _Record:
    """What lately came of a key's attempts."""

    __slots__ = ("row", "slices", "slow")

    def __init__(self) -> None:
        self.row: list[float] = []  # when the last failures came with no success between them, at most `_IN_A_ROW`
        self.slow = 0  # slow successes in a row
        self.slices: list[list[float]] = []  # [began, attempts, failures], oldest first, at most a window of them

    def count(self, now: float, *, failed: bool) -> None:
        if not self.slices or now >= self.slices[-1][0] + _SLICE:
            self.slices = [one for one in self.slices if one[0] > now - _WINDOW]
            self.slices.append([now, 0, 0])
        last = self.slices[-1]
        last[1] += 1
        last[2] += failed

    def is_failing(self, now: float) -> bool:
        """Whether a failure that has just been counted is one too many."""
        if len(self.row) == _IN_A_ROW and self.row[-1] - self.row[0] <= _WINDOW:
            return True
        recent = [one for one in self.slices if one[0] > now - _WINDOW]
        attempts = sum(one[1] for one in recent)
        return attempts >= _LEAST_ATTEMPTS and 2 * sum(one[2] for one in recent) >= attempts


class Health:
    """The cooldowns of one worker."""

    def __init__(self, most_keys: int = MOST_KEYS) -> None:
        self._most = most_keys
        self._down: OrderedDict[Key, _Down] = OrderedDict()
        self._records: OrderedDict[Key, _Record] = OrderedDict()
        self._wide = 0  # how many of `_down` are for every model of a credential

    # Before an attempt.

    def cooling(self, key: Key, now: float) -> Cooldown | None:
        """Why a key is not to be asked now; None if it may be, though perhaps only as a probe."""
        if not self._down:
            return None
        down = self._down.get(key)
        found = down.cooldown if down is not None and now < down.cooldown.until else None
        if self._wide:
            down = self._down.get(_wide(key))
            if down is not None and now < down.cooldown.until and (found is None or found.until < down.cooldown.until):
                return down.cooldown
        return found

    def recovering(self, key: Key) -> bool:
        """Whether a key has a cooldown, running or over, from which it has not recovered: an attempt needs a probe."""
        return key in self._down or (self._wide > 0 and _wide(key) in self._down)

    def try_probe(self, key: Key, now: float) -> bool:
        """Whether an attempt may go ahead: always without a cooldown, never during one, one at a time after it."""
        downs = self._downs(key)
        if not all(now >= down.cooldown.until and down.free(now) for down in downs):
            return False
        for down in downs:
            down.probing = now
        return True

    def elsewhere(self, key: Key, now: float) -> None:
        """Tell that another worker has the probe that `try_probe` gave: to be asked for again in a second."""
        for down in self._downs(key):
            down.probing = now - PROBE_SECONDS + _ASK_AGAIN

    def scopes(self, key: Key) -> list[Key]:
        """The cooldowns, running or over, that an attempt would end: the key's own and its credential's."""
        return [down.cooldown.key for down in self._downs(key)]

    # After an attempt.

    def failed(self, key: Key, error: SyntraError, now: float, began: float | None = None) -> Cooldown | None:
        """Tell of a failed attempt that `began` then; the cooldown that follows from it, if a new one does."""
        if key[2] == EVERY_MODEL:
            return None
        if self._down:
            self.released(key, began)  # of the two cooldowns that a key may have, it renews at most one
        if isinstance(error, UpstreamBusy):
            wait = min(_MOST_RETRY_AFTER, max(1.0, float(error.retry_after)))
            return self._lengthen(key, RATE_LIMITED, wait, now)
        if isinstance(error, UpstreamCredential):
            return self._lengthen(_wide(key), REFUSED, _REFUSED_SECONDS, now)
        if isinstance(error, UpstreamUnknownModel):  # not for our key, or not any more; that takes time to change
            return self._lengthen(key, UNKNOWN, MOST_SECONDS, now)
        if isinstance(error, UpstreamOverloaded) and error.retry_after:
            return self._lengthen(key, FAILING, min(_MOST_RETRY_AFTER, float(error.retry_after)), now)
        if not isinstance(error, _COUNTS):
            return None
        down = self._down.get(key)
        if down is not None:
            return self._relapse(key, down.cooldown, now, began)
        record = self._record(key)
        record.slow = 0
        record.row = [*record.row[1 - _IN_A_ROW :], now]
        record.count(now, failed=True)
        return self._cool(key, FAILING, _FAILING_SECONDS, now) if record.is_failing(now) else None

    def succeeded(self, key: Key, ttft_s: float, now: float, usual_s: float = 0.0, began: float | None = None) -> bool:
        """Tell of a first token after `ttft_s`, where `usual_s` is usual (0: unknown); True if it just recovered.

        `began` is when the attempt did, where the time to its first token does not say (a reply that is no stream).

        When an answer is slow once too often, `cooling` says so afterwards.
        """
        slow = ttft_s > max(_SLOW_TTFT, _SLOW_TIMES * usual_s)
        downs = self._downs(key)
        if downs:
            recovered = self._survive(downs, now, began=now - ttft_s if began is None else began, slow=slow)
            if not recovered or self._downs(key):
                return recovered
        record = self._record(key)
        record.row.clear()
        record.count(now, failed=False)
        record.slow = record.slow + 1 if slow else 0
        if record.slow >= _IN_A_ROW:
            self._cool(key, SLOW, _SLOW_SECONDS, now)
        return bool(downs)

    def released(self, key: Key, began: float | None = None) -> None:
        """Tell that an attempt ended and says nothing of the provider (the client left): another may be the probe."""
        for down in self._downs(key):
            if began is None or (down.probing is not None and began >= down.probing):
                down.probing = None

    # What other workers tell.

    def cool(self, key: Key, reason: str, seconds: float, now: float) -> Cooldown | None:
        """Cool a key that another worker found bad; None if it is cooling for longer already."""
        return self._lengthen(key, reason, min(MOST_SECONDS, max(0.0, seconds)), now)

    def recover(self, key: Key, now: float) -> None:
        """Take a key back that another worker found good, unless a Retry-After still runs here."""
        for one in (key, _wide(key)):
            down = self._down.get(one)
            if down is not None and (now >= down.cooldown.until or down.cooldown.reason != RATE_LIMITED):
                self._forget(one)
        self._records.pop(key, None)

    def snapshot(self, now: float) -> list[Standing]:
        """Every key that is not healthy, sorted."""
        return [
            Standing(*key[:2], key[2] or "*", down.cooldown.reason, down.state(now), round(down.cooldown.left(now), 3))
            for key, down in sorted(self._down.items(), key=lambda one: one[0])
        ]

    # Within.

    def _downs(self, key: Key) -> list[_Down]:
        """The key's own cooldown and its credential's, running or over."""
        if not self._down:
            return []
        wide = _wide(key)
        return [self._down[one] for one in (key, wide) if one in self._down]

    def _relapse(self, key: Key, before: Cooldown, now: float, began: float | None) -> Cooldown | None:
        """A failure of a key that has not recovered: longer than before, if it tells anything new."""
        if now < before.until or (began is not None and began < before.until):
            return None  # it was under way when the cooldown began, or was sent in spite of it
        again = 2 * before.seconds if before.reason == FAILING else _FAILING_SECONDS
        return self._cool(key, FAILING, min(MOST_SECONDS, max(_FAILING_SECONDS, again)), now)

    def _survive(self, downs: list[_Down], now: float, *, began: float, slow: bool) -> bool:
        """Lift the cooldowns that a success disproves; False if none is lifted."""
        lifted = False
        for cooldown in [down.cooldown for down in downs]:
            # An answer that was asked for before the cooldown says nothing; and a Retry-After is kept to in any case.
            early = began < cooldown.since or (now < cooldown.until and cooldown.reason == RATE_LIMITED)
            if cooldown.reason == SLOW and slow:
                if now >= cooldown.until:
                    self._cool(cooldown.key, SLOW, _SLOW_SECONDS, now)
            elif not early:
                self._forget(cooldown.key)
                self._records.pop(cooldown.key, None)
                lifted = True
        return lifted

    def _lengthen(self, key: Key, reason: str, seconds: float, now: float) -> Cooldown | None:
        down = self._down.get(key)
        if down is not None and down.cooldown.until >= now + seconds - _SAME:
            return None
        return self._cool(key, reason, seconds, now)

    def _cool(self, key: Key, reason: str, seconds: float, now: float) -> Cooldown:
        self._forget(key)
        self._records.pop(key, None)  # after the cooldown it is judged anew
        if len(self._down) >= self._most:
            self._forget(next(iter(self._down)))
        cooldown = Cooldown(key, reason, now, now + seconds)
        self._down[key] = _Down(cooldown)
        self._wide += key[2] == EVERY_MODEL
        return cooldown

    def _forget(self, key: Key) -> None:
        if self._down.pop(key, None) is not None:
            self._wide -= key[2] == EVERY_MODEL

    def _record(self, key: Key) -> _Record:
        record = self._records.get(key)
        if record is None:
            if len(self._records) >= self._most:
                self._records.popitem(last=False)
            record = self._records[key] = _Record()
        else:
            self._records.move_to_end(key)
        return record
