"""Which models may answer a name: Syntra's own choice, or the one that was pinned."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Sequence

from msgspec import Struct

from gateway.core.errors import UnknownModel
from gateway.upstream.prices import Prices
from gateway.upstream.providers import ALIASES, SIMULATED, Candidate
from policies.documents import Models, Named

SYNTRA = "syntra"
_NEAR = 3  # names that an error proposes


class Choice(Struct, frozen=True):
    """The candidates for a request, best first; `pinned` when the client named one model."""

    candidates: Sequence[Candidate]
    pinned: bool


class Choose:
    """Resolves model names against the live providers."""

    def __init__(self, models: Models, live: Collection[str], prices: Prices) -> None:
        self._live = live
        self._prices = prices
        self._syntra = _live_first(models.syntra, live) or (Candidate(SIMULATED, SYNTRA),)
        self._embeddings = _live_first(models.embeddings, live) or (Candidate(SIMULATED, SYNTRA),)

    def candidates(self, name: str) -> Choice:
        """Who may answer a chat request for this name; raises UnknownModel."""
        return Choice(self._syntra, pinned=False) if name == SYNTRA else Choice((self._pinned(name),), pinned=True)

    def embedder(self, name: str) -> Choice:
        """Who may embed for this name; raises UnknownModel."""
        return Choice(self._embeddings, pinned=False) if name == SYNTRA else Choice((self._pinned(name),), pinned=True)

    def names(self) -> list[str]:
        """The names that can be asked for, Syntra's own first."""
        return [SYNTRA, *self._prices.names()]

    def knows(self, name: str) -> bool:
        """Whether `names` has this one."""
        return name == SYNTRA or self._prices.get(name) is not None

    def _pinned(self, name: str) -> Candidate:
        """`provider/model`, or a bare name that exactly one live provider has; an unknown pin is sent all the same."""
        provider, slash, model = name.partition("/")
        provider = ALIASES.get(provider.lower(), provider.lower())
        if slash and model and provider in self._live:
            return Candidate(provider, model)
        if not slash:
            owners = [provider for provider in self._live if self._prices.get(f"{provider}/{name}") is not None]
            if owners:
                return Candidate(owners[0], name)
        raise UnknownModel(name[:100], self.near(name))

    def near(self, name: str) -> list[str]:
        """Up to three names like this one, for an error that helps."""
        name = name[:100]  # the comparison is quadratic in it
        names = self.names()
        near = difflib.get_close_matches(name, names, _NEAR)
        bare = {known.partition("/")[2]: known for known in names if "/" in known}
        near += [bare[match] for match in difflib.get_close_matches(name.rpartition("/")[2], bare, _NEAR)]
        return list(dict.fromkeys(near))[:_NEAR] or [SYNTRA]


def _live_first(named: Sequence[Named], live: Collection[str]) -> tuple[Candidate, ...]:
    pairs = [entry.model.partition("/") for entry in named]
    return tuple(Candidate(provider, model) for provider, _, model in pairs if provider in live)
