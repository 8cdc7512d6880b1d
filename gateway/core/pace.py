"""How fast models are and how long their answers: what the latency and cost of a plan are reckoned from.

Speeds are quantiles of a histogram whose buckets grow by a tenth each: a value is then known to within 5 % wherever it
lies, one observation is one addition to one bucket, and nothing is kept of it but that. A reservoir or a moving average
would be simpler, but the first needs sorting to be read, and the second is dragged along by a single answer of 60 s.

Forgetting is done forwards: old weights stay as they are and new ones weigh more, by a factor that doubles with every
10 minutes and every 200 observations. So an observation touches only its own bucket, and the median's bucket is found
by a step or two from where it was.

What the catalogue says of a model is worth five observations that do not fade. When nobody has asked a model for an
hour, it is by and by taken for what the catalogue says: one that was slow then is tried again.
"""

from __future__ import annotations

import math
from array import array
from collections import OrderedDict
from collections.abc import Hashable
from typing import Final, TypeVar

Key = tuple[str, str]  # provider, model

HALF_LIFE_SECONDS = 600.0
HALF_LIFE_OBSERVATIONS = 200.0
GROWTH = 1.1  # of the buckets
MOST_KEYS = 2_000  # of 3 KB each

_PER_OBSERVATION: Final = 2.0 ** (1 / HALF_LIFE_OBSERVATIONS)
_LONGEST = 60.0  # half-lives of silence that are told apart
_HEAVIEST = 1e150  # when a new observation weighs this much, all weights are made smaller
_DOUBT: Final = 0.01  # of all; one standard error of a twentieth among the 580 that half-lives of 200 are worth
_FEW: Final = 20  # observations; a twentieth of fewer is not one
_MOST_TOKENS = 1_000_000  # of one answer; what says more, lies
_LOG_GROWTH: Final = math.log(GROWTH)

# The five observations of a prior, as multiples of it: its median is the value, and it has a tail, so that a request
# at an untried model is not called late (and hedged) as soon as half of all would be.
_SPREAD = (0.6, 0.8, 1.0, 1.5, 3.0)
PRIOR: Final = len(_SPREAD)

_K = TypeVar("_K", bound=Hashable)


class Quantiles:
    """The p50 and the tail of positive numbers between `least` and `most`, newer ones counting more."""

    __slots__ = ("_at50", "_below50", "_buckets", "_floor", "_prior", "_then", "_total", "_weight", "p50")

    def __init__(self, least: float, most: float, prior: float) -> None:
        self._floor = math.log(least)
        self._buckets = array("d", bytes(8 * (math.ceil((math.log(most) - self._floor) / _LOG_GROWTH) + 1)))
        self._weight = 1.0  # of an observation that comes now
        self._then = -math.inf  # when that was so
        self._total = 0.0
        self._at50 = 0  # the bucket of the median, and the weight that lies below it
        self._below50 = 0.0
        self._prior: list[int] = []  # its buckets
        self.p50 = prior
        self.expect(prior)

    def expect(self, prior: float) -> None:
        """Give or replace what is believed before anything is seen."""
        for bucket in self._prior:
            self._put(bucket, -self._weight)
        self._prior = [self._bucket(prior * times) for times in _SPREAD]
        for bucket in self._prior:
            self._put(bucket, self._weight)
        self._read()

    def add(self, value: float, now: float) -> None:
        """One observation at `now`, monotonic seconds; what is not a positive number is none."""
        if not 0.0 < value < math.inf:
            return
        self._age(now, _PER_OBSERVATION)
        self._put(self._bucket(value), self._weight)
        self._read()

    def late(self) -> float:
        """What one in twenty of the values that were seen lies above: their p95, from below where it is in doubt.

        Where just one in twenty is far above all others, the p95 is anywhere between them and it, as chance has it. So
        a hundredth more may lie above (the error of a share among as many as are remembered), what was only believed is
        left out, and of the bucket the upper edge is told. Where little was seen yet it is the p95 of all.
        """
        buckets, prior = self._buckets, len(self._prior) * self._weight
        left = 0.05 * self._total
        if self._total - prior >= _FEW * self._weight:
            buckets = buckets[:]
            for bucket in self._prior:
                buckets[bucket] -= self._weight
            left = (0.05 + _DOUBT) * (self._total - prior)
        at = len(buckets) - 1
        while at > 0 and buckets[at] <= left:
            left -= buckets[at]
            at -= 1
        return math.exp(self._floor + (at + 0.5) * _LOG_GROWTH)

    def refresh(self, now: float) -> None:
        """Let time pass where nothing is observed: what was seen fades, what was given stays."""
        self._age(now, 1.0)
        self._read()

    def _age(self, now: float, factor: float) -> None:
        """Make what comes now weigh `factor` more, and more with the time that has passed."""
        passed = now - self._then
        if passed > 0:
            factor *= 2.0 ** min(_LONGEST, passed / HALF_LIFE_SECONDS)
            self._then = now
        before = self._weight
        self._weight = before * factor
        for bucket in self._prior:
            self._put(bucket, self._weight - before)
        if self._weight > _HEAVIEST:
            self._rescale()

    def _bucket(self, value: float) -> int:
        at = round((math.log(value) - self._floor) / _LOG_GROWTH)
        return max(0, min(len(self._buckets) - 1, at))

    def _put(self, bucket: int, weight: float) -> None:
        self._buckets[bucket] += weight
        self._total += weight
        if bucket < self._at50:
            self._below50 += weight

    def _read(self) -> None:
        """From the bucket where the median was to the one where it is: the first up to which there is enough."""
        at, below, wanted = self._at50, self._below50, 0.50 * self._total
        buckets, last = self._buckets, len(self._buckets) - 1
        while at < last and below + buckets[at] < wanted:
            below += buckets[at]
            at += 1
        while at > 0 and below >= wanted:
            at -= 1
            below -= buckets[at]
        self._at50, self._below50 = at, below
        self.p50 = math.exp(self._floor + at * _LOG_GROWTH)

    def _rescale(self) -> None:
        """The same weights in smaller numbers; what rounding has done to the sums is made good."""
        self._buckets = array("d", (weight / self._weight for weight in self._buckets))
        self._weight = 1.0
        self._total = math.fsum(self._buckets)
        self._below50 = math.fsum(self._buckets[: self._at50])


class Speed:
    """How fast one model is: milliseconds to its first token, and output tokens a second from there on."""

    __slots__ = ("believed", "flow", "ttft")

    def __init__(self, ttft_ms: float, tokens_per_s: float) -> None:
        self.believed = (ttft_ms, tokens_per_s)
        self.ttft = Quantiles(1.0, 600_000.0, ttft_ms)
        self.flow = Quantiles(0.1, 10_000.0, tokens_per_s)

    def believe(self, ttft_ms: float, tokens_per_s: float) -> None:
        """Replace what is believed before anything is seen; what was seen stays."""
        if self.believed != (ttft_ms, tokens_per_s):
            self.believed = (ttft_ms, tokens_per_s)
            self.ttft.expect(ttft_ms)
            self.flow.expect(tokens_per_s)


class Pace:
    """The speeds of all models, from what is given of them and what is seen."""

    def __init__(self, ttft_ms: float = 1_000.0, tokens_per_s: float = 50.0, most_keys: int = MOST_KEYS) -> None:
        self._unknown = Speed(ttft_ms, tokens_per_s)  # for models of which nothing is given; never changed
        self._most = most_keys
        self._speeds: OrderedDict[Key, Speed] = OrderedDict()

    def expect(self, key: Key, ttft_ms: float, tokens_per_s: float) -> None:
        """Take what the catalogue says of a model; what was seen of it stays."""
        speed = self._speeds.get(key)
        if speed is None:
            self._keep(key, Speed(ttft_ms, tokens_per_s))
        else:
            speed.believe(ttft_ms, tokens_per_s)

    def first_token(self, key: Key, ttft_ms: float, now: float) -> None:
        """An answer's first token came after `ttft_ms`; `now` is monotonic seconds."""
        self._seen(key).ttft.add(ttft_ms, now)

    def flowed(self, key: Key, tokens_per_s: float, now: float) -> None:
        """An answer came at so many output tokens a second, counted from its first."""
        self._seen(key).flow.add(tokens_per_s, now)

    def of(self, key: Key) -> Speed:
        """The speed of a model, seen or believed; only to be read."""
        return self._speeds.get(key, self._unknown)

    def ttft_ms(self, key: Key) -> float:
        """The usual time to the first token, milliseconds."""
        return self.of(key).ttft.p50

    def late_ms(self, key: Key) -> float:
        """The time after which a first token is late: 95 % keep below, milliseconds."""
        return self.of(key).ttft.late()

    def tokens_per_s(self, key: Key) -> float:
        """The usual rate of output."""
        return self.of(key).flow.p50

    def refresh(self, now: float) -> None:
        """Let time pass for all models; to be called about once a minute."""
        for speed in self._speeds.values():
            speed.ttft.refresh(now)
            speed.flow.refresh(now)

    def _seen(self, key: Key) -> Speed:
        speed = self._speeds.get(key)
        if speed is None:
            return self._keep(key, Speed(*self._unknown.believed))
        self._speeds.move_to_end(key)
        return speed

    def _keep(self, key: Key, speed: Speed) -> Speed:
        if len(self._speeds) >= self._most:
            self._speeds.popitem(last=False)
        self._speeds[key] = speed
        return speed


class _Mean:
    """A mean that forgets half with every 200 observations; nothing in it goes stale by time alone."""

    __slots__ = ("sum", "weight")

    def __init__(self) -> None:
        self.sum = self.weight = 0.0

    def add(self, value: float) -> None:
        self.sum = self.sum / _PER_OBSERVATION + value
        self.weight = self.weight / _PER_OBSERVATION + 1.0

    def towards(self, prior: float) -> float:
        """The mean, with a prior that is worth as much as five observations."""
        return (self.sum + PRIOR * prior) / (self.weight + PRIOR)


class Lengths:
    """How many tokens answers have: means and not medians, because what they are read for is a sum of money."""

    def __init__(self, most_keys: int = MOST_KEYS) -> None:
        self._most = most_keys
        self._intents: OrderedDict[str, _Mean] = OrderedDict()
        self._thoughts: OrderedDict[Key, _Mean] = OrderedDict()

    def add(self, intent: str, model: Key, output: int, reasoning: int = 0) -> None:
        """One whole answer: the output tokens that were billed, and how many of them were reasoning."""
        reasoning = min(_MOST_TOKENS, max(0, reasoning))
        said = min(_MOST_TOKENS, max(0, output - reasoning))
        self._mean(self._intents, intent).add(said)
        self._mean(self._thoughts, model).add(reasoning)

    def expected(self, intent: str, given: float) -> float:
        """Tokens of an answer without reasoning, by any model; `given` is what the documents say."""
        mean = self._intents.get(intent)
        return given if mean is None else mean.towards(given)

    def reasoning(self, model: Key, given: float = 0.0) -> float:
        """Tokens that a model thinks before it answers; `given` is what the catalogue says."""
        mean = self._thoughts.get(model)
        return given if mean is None else mean.towards(given)

    def _mean(self, means: OrderedDict[_K, _Mean], key: _K) -> _Mean:
        mean = means.get(key)
        if mean is None:
            if len(means) >= self._most:
                means.popitem(last=False)
            mean = means[key] = _Mean()
        else:
            means.move_to_end(key)
        return mean
