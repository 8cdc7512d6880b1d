"""Models that do at once, and for nothing, what else is rare: `simulated/cut` and its like. Nobody is called for them.

A client shows with them what it makes of a prompt that is too long, of a spent budget, or of a stream that breaks;
`syntra doctor --client` looks at how each is told in the client's dialect.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from gateway.core.errors import (
    BudgetSpent,
    ContextTooLong,
    SyntraError,
    UpstreamBroken,
    UpstreamBusy,
    UpstreamFailed,
)
from gateway.core.events import Chunk
from gateway.upstream.count import Counted

CALL: Final = "call"  # calls the first tool that is offered
_WORDS: Final = 6  # chunks of the answer that come before it breaks
_REFUSED: Final[Mapping[str, Callable[[], SyntraError]]] = {
    "overflow": lambda: ContextTooLong(
        "The prompt and the answer have about 210000 tokens, more than the 200000 of this simulated model.",
        tokens=210_000,
        most=200_000,
    ),
    "spent": lambda: BudgetSpent("The budget of this simulated model is spent."),
    "busy": lambda: UpstreamBusy("This simulated model has more to do than it can.", retry_after=2),
}
_BREAKING: Final[Mapping[str, Callable[[], SyntraError]]] = {
    "failing": lambda: UpstreamFailed("This simulated model has failed in the middle of its answer."),
    "cut": lambda: UpstreamBroken("The answer of this simulated model was cut."),
}
MODELS: Final = frozenset({CALL, *_REFUSED, *_BREAKING})


class BreakingAnswer:
    """The beginning of an answer, and then a failure."""

    def __init__(self, chunks: Sequence[Chunk], counted: Counted, failure: SyntraError) -> None:
        self._chunks = iter(chunks[:_WORDS])
        self._counted = counted
        self._failure = failure

    async def next(self) -> Sequence[Chunk]:
        """One chunk at a time; raises the failure behind them."""
        chunk = next(self._chunks, None)
        if chunk is None:
            raise self._failure
        return (chunk,)

    def counted(self) -> Counted:
        """The tokens of the whole: it costs nothing."""
        return self._counted


def refuse(model: str) -> None:
    """Raise what the model answers instead of a first word, if it does."""
    refusal = _REFUSED.get(model)
    if refusal is not None:
        raise refusal()


def breaking(model: str) -> SyntraError | None:
    """What the model's answer breaks with after its first words; None where it does not."""
    return _BREAKING[model]() if model in _BREAKING else None
