"""What a policy decides from: the facts of a request, the models on offer, and how they are doing right now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from msgspec import Struct

from policies.documents import Range


class Pricing(Protocol):
    """What a model's tokens cost."""

    def of(self, prompt: int, completion: int, cached: int = 0, written: int = 0) -> int:
        """The cost of one call in picodollars; `prompt` counts the cached tokens in, `completion` the reasoning."""


class Facts(Struct, frozen=True, omit_defaults=True):
    """One reading of a request; the same facts always give the same plan."""

    intent: str = "qa_retrieval"
    confidence: float = 1.0
    complexity: float = 0.0
    fresh: float = 0.0  # need for facts of today, 0..1
    language: str = "und"
    leans: bool = False  # on the conversation: it was read with what it leans on
    tokens: int = 0  # of the prompt
    exact: bool = False  # whether `tokens` were counted or estimated
    output_tokens: int = 256  # expected
    most_output: int = 0  # what the request allows at most; 0 where it does not say
    choices: int = 1  # answers that are asked for at once
    ceiling: bool = False  # whether `most_output` may be lowered to what a model can say
    needs: tuple[str, ...] = ()
    turn: str = "user"  # or "tool": a step inside a tool loop
    warm: str = ""  # the model that answered this conversation before
    warm_tokens: int = 0  # tokens of the prompt that this model most likely still holds
    max_cost: int | None = None  # picodollars; the request's own limit
    max_ttft_ms: float | None = None  # the same
    qualities: Mapping[str, float] | None = None  # fitted for this very prompt, by model


class Offer(Struct, frozen=True):
    """A model that could be asked: the catalogue's entry over what LiteLLM's map says."""

    name: str
    abilities: frozenset[str]
    window: int  # tokens; 0 where unknown
    most_output: int  # the same
    price: Pricing | None
    quality: Mapping[str, Range]
    reasoning: int  # tokens that it thinks at complexity 1, until learned
    ttft_ms: float
    tokens_per_s: float

    @property
    def provider(self) -> str:
        """Whose model it is."""
        return self.name.partition("/")[0]


class Live(Struct, frozen=True, array_like=True, gc=False):
    """How a model is doing: measured, or the catalogue's start."""

    ttft_ms: float
    tokens_per_s: float
    reasoning: float  # tokens that it will think before it answers
    cooling: str = ""  # why it rests
    cooling_s: float = 0.0  # and for how long
    stated: bool = False  # whether the provider itself said so
