"""What makes texts comparable: the static embedding that comes with the gateway, or a stronger model in its place.

Models differ in how near they put what belongs together. A ruler of a few questions, each with what answers it, says
for each model where that is, so that one floor of relevance holds for all of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Final, Protocol, TypeVar

import numpy as np
from msgspec import Struct

from gateway.core import stems
from gateway.stores.embedding import Encoder, Floats

STATIC: Final = "minilm-static-256"
_SLICE: Final = 16  # texts that are read or embedded, or points that are made, before others get the loop: 2 ms
_LEAST_SPREAD: Final = 0.05  # between what belongs together and what does not; a model with less tells nothing

PAIRS: Final = (
    ("Where do I live?", "I live in Porto, near the harbour."),
    ("Which tea do I like best?", "My favourite tea is Darjeeling."),
    ("When is my sister's birthday?", "My sister was born on the third of May."),
    ("What do I do for work?", "I work as a nurse in a children's hospital."),
    ("What may I not eat?", "I am allergic to peanuts and shellfish."),
    ("Which database did we choose?", "We decided to use PostgreSQL for the ledger."),
    ("What instrument does my son play?", "My son plays the violin in the school orchestra."),
    ("How do I get to the office?", "I take my bicycle to work every day."),
    ("What is our dog called?", "Our dog is a terrier called Rex."),
    ("Where are we going in the summer?", "We are going to spend August in Norway."),
)  # of our own, and of none of the sets that anything is measured on


_T = TypeVar("_T")


class Dense(Protocol):
    """A model of texts; everything raises Unavailable where it is away or late."""

    name: str  # what the vectors say that they were made by
    spells: (
        bool  # it reads by our vocabulary, which spells out what it does not have: most that is not in Latin letters
    )

    async def ready(self) -> int:
        """How many numbers a vector has, once that is known; 150 ms at most."""

    async def question(self, text: str, words: Sequence[str], organisation: str) -> Floats:
        """The vector of what is looked for, for a request that waits; `words` are what it is about."""

    async def texts(self, texts: Sequence[str], words: Sequence[Sequence[str]], organisation: str) -> Sequence[Floats]:
        """The vectors of what is to be found again, each with the words that it is about; nobody waits."""

    def near(self, cosine: float) -> float:
        """A cosine of this model's as the static one would have it."""


async def sliced(some: Iterable[_T]) -> AsyncIterator[_T]:
    """These in slices, between which others get the loop."""
    for k, one in enumerate(some):
        if k and k % _SLICE == 0:
            await asyncio.sleep(0)
        yield one


class Ruler(Struct, frozen=True):
    """How near a model puts what belongs together, and what does not, on the average."""

    apart: float
    together: float

    @classmethod
    def of(cls, questions: Sequence[Floats], answers: Sequence[Floats]) -> Ruler:
        """Measured on the vectors of `PAIRS`; raises ValueError where the model tells nothing apart."""
        cosines = np.stack(questions) @ np.stack(answers).T
        together = float(np.trace(cosines)) / len(cosines)
        apart = (float(cosines.sum()) - float(np.trace(cosines))) / (len(cosines) * (len(cosines) - 1))
        if not together - apart >= _LEAST_SPREAD:
            raise ValueError(f"what belongs together is no nearer ({together:.2f}) than what does not ({apart:.2f})")
        return cls(apart, together)

    def on(self, other: Ruler, cosine: float) -> float:
        """A cosine as a model with that other ruler would have it."""
        return other.apart + (cosine - self.apart) * (other.together - other.apart) / (self.together - self.apart)


class Static:
    """The static embedding: of the words that a text is about, at once."""

    name = STATIC
    spells = True

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder

    async def ready(self) -> int:
        """As the table has them."""
        return int(self._encoder.dimensions)

    async def question(self, text: str, words: Sequence[str], organisation: str) -> Floats:
        """In 30 us."""
        return self._of(words)

    async def texts(self, texts: Sequence[str], words: Sequence[Sequence[str]], organisation: str) -> Sequence[Floats]:
        """In slices, between which others get the loop."""
        return [self._of(some) async for some in sliced(words)]

    def near(self, cosine: float) -> float:
        """As it is."""
        return cosine

    def ruler(self) -> Ruler:
        """What other models are measured by."""
        questions, answers = zip(*PAIRS, strict=True)
        return Ruler.of(*([self._of(stems.content(text)) for text in texts] for texts in (questions, answers)))

    def _of(self, words: Sequence[str]) -> Floats:
        return self._encoder.rows(self._encoder.pieces(words)).mean()
