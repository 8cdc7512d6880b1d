"""What can be asked right now: the catalogue's models over LiteLLM's map, at the providers that have a key."""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from gateway.core.money import Picodollars, picodollars
from gateway.core.money import Price as Tokens
from gateway.upstream.prices import Model as Known
from gateway.upstream.prices import Prices
from policies.documents import Model, Models, Price
from policies.facts import Offer

_MICRO = 1_000_000  # picodollars a token for each dollar a million tokens
_UNKNOWN_ABILITIES = frozenset(
    {"tools", "forced_tools", "json", "sampling"}
)  # of a model that the map does not know; what most can do
_UNLESS_LACKING = frozenset({"forced_tools", "sampling"})  # of what a document lists, as the map has it


def offers(models: Models, prices: Prices, live: Collection[str]) -> list[Offer]:
    """The catalogue's models that chat and whose provider is live, in the document's order."""
    asked = [(entry, prices.get(entry.name)) for entry in models.chat if entry.name.partition("/")[0] in live]
    return [offer(entry, known) for entry, known in asked if known is None or known.chats]


def catalogued(models: Models, prices: Prices) -> dict[str, Known]:
    """What is known of the catalogue's models, by name: what the document says over what the map says."""
    return {entry.name: _known(entry, prices.mapped(entry.name)) for entry in models.model}


def _known(entry: Model, mapped: Known | None) -> Known:
    said = offer(entry, mapped)
    known = mapped or Known(entry.name, "chat", None, 0, 0)
    return msgspec.structs.replace(
        known, price=said.price, window=said.window, most_output=said.most_output, abilities=said.abilities
    )


def offer(entry: Model, known: Known | None) -> Offer:
    """One entry of the catalogue over what the map says of it."""
    said = None if entry.abilities is None else {*entry.abilities, *_UNLESS_LACKING}
    able = said if said is not None else known.abilities if known else _UNKNOWN_ABILITIES
    abilities = {*able, *entry.adds} - set(entry.lacks)
    return Offer(
        name=entry.name,
        abilities=frozenset(abilities if "tools" in abilities else abilities - {"forced_tools"}),
        window=entry.window or (known.window if known else 0),
        most_output=entry.most_output or (known.most_output if known else 0),
        price=_price(entry.price, known.price if known else None),
        quality=entry.quality,
        reasoning=entry.reasoning,
        ttft_ms=entry.ttft_ms,
        tokens_per_s=entry.tokens_per_s,
    )


def _price(said: Price | None, known: Tokens | None) -> Tokens | None:
    """The document's price over the map's; None where neither says what a token costs."""
    if said is None:
        return known
    given = {name: getattr(said, name) for name in ("input", "output", "cached_input")}
    changed = {name: _pico(value) for name, value in given.items() if value is not None}
    if said.request is not None:
        changed["request"] = picodollars(said.request)
    if known is None:
        if said.input is None or said.output is None:
            return None
        cached = changed.get("cached_input", changed["input"])
        known = Tokens(changed["input"], changed["output"], cached, changed["input"])
    elif "input" in changed:
        changed |= {"cache_write": changed["input"]} | {"cached_input": changed.get("cached_input", changed["input"])}
    if "input" in changed or "output" in changed:  # one price for prompts of any length
        known = msgspec.structs.replace(known, long=None, long_from=0)
    if "output" in changed:
        known = msgspec.structs.replace(known, reasoning=None)
    return msgspec.structs.replace(known, **changed)


def _pico(dollars_a_million: float) -> Picodollars:
    return Picodollars(round(dollars_a_million * _MICRO))
