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
    """What one token costs, in picodollars."""

    input: Picodollars
    output: Picodollars
    cached_input: Picodollars
    cache_write: Picodollars

    def of(self, prompt: int, completion: int, cached: int = 0, written: int = 0) -> Picodollars:
        """The cost of one call; `prompt` counts cached and cache-written tokens in, as OpenAI counts."""
        cached = min(max(cached, 0), max(prompt, 0))
        written = min(max(written, 0), max(prompt, 0) - cached)
        fresh = max(prompt, 0) - cached - written
        total = fresh * self.input + cached * self.cached_input + written * self.cache_write
        return Picodollars(total + max(completion, 0) * self.output)
