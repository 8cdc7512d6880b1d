"""A policy's fitted qualities under the names of the catalogue."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Final

from gateway.core import surface
from gateway.stores.embedding import Encoder
from gateway.stores.qualities import Qualities, see
from policies.quality import Quality, meant

REMEMBERED: Final = 5_000  # prompts, some 2 KB each


class Expectation:
    """What a fitted policy expects of each model of the catalogue for one prompt; computed once a prompt."""

    def __init__(self, section: Quality, encoder: Encoder, catalogue: Sequence[str]) -> None:
        self._qualities = Qualities(section, encoder)
        self._encoder = encoder
        graded = [model.name for model in section.models]
        self._names = {name: found for name in catalogue if (found := meant(name, graded))}
        self._known: OrderedDict[str, Mapping[str, float]] = OrderedDict()

    def of(self, text: str) -> Mapping[str, float]:
        """Expected quality by the catalogue's names; a model whose answers were never graded is not in it."""
        text = surface.cut(text)
        found = self._known.get(text)
        if found is None:
            expected = self._qualities.expected(see(self._encoder, text)).qualities
            found = self._known[text] = {name: round(expected[graded], 4) for name, graded in self._names.items()}
            if len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        return found
