"""Money as integers: one picodollar is 1e-12 USD, fine enough for a single token of the cheapest model."""

from __future__ import annotations

from typing import NewType

from msgspec import Struct

Picodollars = NewType("Picodollars", int)

PICO = 10**12


def picodollars(dollars: float) -> Picodollars:
    """A price as the price lists write it (USD, float) to the nearest picodollar."""
    return Picodollars(round(dollars * PICO))


def dollars(amount: Picodollars) -> str:
    """USD with six decimals (micro-dollars), rounded half up, without a float on the way."""
    micro = (amount + 500_000) // 1_000_000
    return f"{micro // 1_000_000}.{micro % 1_000_000:06d}"


class Price(Struct, frozen=True):
    """What one token costs, in picodollars; `request` is what every call costs beside its tokens."""

    input: Picodollars
    output: Picodollars
    cached_input: Picodollars
    cache_write: Picodollars
    reasoning: Picodollars | None = None  # a token of thought; None where it costs what any token of the answer costs
    request: Picodollars = Picodollars(0)
    long_from: int = 0  # tokens; a longer prompt costs `long` from its first token on
    long: Price | None = None

    def of(self, prompt: int, completion: int, cached: int = 0, written: int = 0, reasoning: int = 0) -> Picodollars:
        """The cost of one call; `prompt` counts cached and written tokens in, `completion` reasoning."""
        if self.long is not None and prompt > self.long_from:
            return self.long.of(prompt, completion, cached, written, reasoning)
        if prompt < 0 or completion < 0:  # asked first: a plan of forty models feels two calls of max()
            prompt, completion = max(0, prompt), max(0, completion)
        total = self.request + prompt * self.input + completion * self.output
        if cached > 0 or written > 0:
            cached = min(max(cached, 0), prompt)
            written = min(max(written, 0), prompt - cached)
            total += cached * (self.cached_input - self.input) + written * (self.cache_write - self.input)
        if reasoning > 0 and self.reasoning is not None:
            total += min(reasoning, completion) * (self.reasoning - self.output)
        return Picodollars(total)
