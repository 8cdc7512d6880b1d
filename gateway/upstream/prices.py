"""What models cost, hold and can do, read from LiteLLM's price map as data: importing litellm for it takes seconds.

What the documents say of a model stands over that, for who chooses and for who bills.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Collection, Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

from gateway.core.events import Usage
from gateway.core.money import Picodollars, Price, picodollars
from gateway.core.tariff import Tariff

_FILE: Final = "model_prices_and_context_window_backup.json"
_OWN_NAMES: Final = {"google": "gemini", "kimi": "moonshot"}  # our provider's name to LiteLLM's
_CHAT: Final = frozenset({"chat", "responses"})
_MODES: Final = _CHAT | {"embedding"}
# What is passed through: named by who asks for it, not listed among the models that chat.
_HOSTED: Final = frozenset({"image_generation", "audio_speech", "audio_transcription", "moderation", "rerank"})

# The map also knows who searches the web, but means that a tool for it exists on some endpoint: of no use here.
_ABILITIES: Final = {
    "supports_function_calling": "tools",
    "supports_vision": "vision",
    "supports_response_schema": "json",
    "supports_audio_input": "audio",
    "supports_pdf_input": "files",
}
# What nearly every model does, so that the map only says who does not.
_UNLESS_DENIED: Final = {"supports_sampling_params": "sampling", "supports_forced_tool_use": "forced_tools"}
_INPUT: Final = "input_cost_per_token"
_OUTPUT: Final = "output_cost_per_token"
_CACHED: Final = "cache_read_input_token_cost"
_WRITTEN: Final = "cache_creation_input_token_cost"
_LONG: Final = re.compile(rf"(?:{_INPUT}|{_OUTPUT}|{_CACHED}|{_WRITTEN})(_above_(\d+)k_tokens)")


class _Kind(Struct):
    """The two fields of an entry that say whether it is one of ours."""

    litellm_provider: str = ""
    mode: str = ""


class Model(Struct, frozen=True):
    """What is known of one model; `price` is None where the map has none."""

    name: str  # provider/model
    mode: str
    price: Price | None
    window: int  # tokens, 0 where unknown
    most_output: int
    abilities: frozenset[str] = frozenset()  # as policies/documents.py names them
    tariff: Tariff | None = None  # of what is passed through

    @property
    def chats(self) -> bool:
        """Whether it is for conversations, and not for one thing that is none."""
        return self.mode in _CHAT


class Prices:
    """The models of some providers, by `provider/model`; those of `unlisted` providers are known but not named."""

    def __init__(self, models: Mapping[str, Model], unlisted: Collection[str] = (), version: str = "") -> None:
        self.version = version  # of the map's contents
        self._map = models
        self._unlisted = unlisted
        self.take({})

    def take(self, said: Mapping[str, Model]) -> None:
        """From now on the documents say this of some models, whatever the map has of them."""
        self._models = {**self._map, **said}
        self._names = sorted(
            name
            for name, model in self._models.items()
            if model.tariff is None and name.partition("/")[0] not in self._unlisted
        )

    def mapped(self, name: str) -> Model | None:
        """What the map has of `provider/model`, whatever the documents say."""
        return self._map.get(name)

    def get(self, name: str) -> Model | None:
        """What is known of `provider/model`."""
        return self._models.get(name)

    def names(self) -> list[str]:
        """Every name that can be asked for, sorted."""
        return list(self._names)

    def cost(self, name: str, usage: Usage) -> Picodollars | None:
        """What an answer cost, or None where the price is not known."""
        model = self._models.get(name)
        if model is None or model.price is None:
            return None
        prompt, completion = usage.prompt_tokens_details, usage.completion_tokens_details
        cached = prompt.cached_tokens or 0 if prompt else 0
        written = prompt.cache_write_tokens or 0 if prompt else 0
        thought = completion.reasoning_tokens or 0 if completion else 0
        return model.price.of(usage.prompt_tokens, usage.completion_tokens, cached, written, thought)


def load(providers: Collection[str], known: Collection[str] = ()) -> Prices:
    """The price map's models of these providers; `known` are further ones, whose models are known but not listed."""
    content = _path().read_bytes()
    entries = msgspec.json.decode(content, type=dict[str, msgspec.Raw])
    wanted = {_OWN_NAMES.get(name, name): name for name in (*known, *providers)}
    models: dict[str, Model] = {}
    for name, raw in entries.items():
        kind = _kind(raw)
        provider = wanted.get(kind.litellm_provider) if kind is not None else None
        if kind is None or provider is None or kind.mode not in _MODES | _HOSTED or name.startswith("ft:"):
            continue
        stem = name.removeprefix(kind.litellm_provider + "/")
        model = _model(f"{provider}/{stem}", kind.mode, msgspec.json.decode(raw))
        models[model.name] = model
    return Prices(models, frozenset(known) - frozenset(providers), blake2b(content, digest_size=6).hexdigest())


def _path() -> Path:
    spec = importlib.util.find_spec("litellm")  # finds the package without importing it
    if spec is None or spec.origin is None:
        raise RuntimeError("litellm is not installed; run `make run` again to repair the environment")
    return Path(spec.origin).with_name(_FILE)


def _kind(raw: msgspec.Raw) -> _Kind | None:
    try:
        return msgspec.json.decode(raw, type=_Kind)
    except msgspec.ValidationError:
        return None  # a form of the map that we do not know


def _model(name: str, mode: str, entry: Mapping[str, Any]) -> Model:
    abilities = {ability for key, ability in _ABILITIES.items() if entry.get(key) is True}
    abilities |= {ability for key, ability in _UNLESS_DENIED.items() if entry.get(key) is not False}
    if "tools" not in abilities:
        abilities.discard("forced_tools")
    window, most_output = _number(entry.get("max_input_tokens")), _number(entry.get("max_output_tokens"))
    tariff = _tariff(entry) if mode in _HOSTED else None
    return Model(name, mode, _price(name, entry), int(window or 0), int(most_output or 0), frozenset(abilities), tariff)


def _tariff(entry: Mapping[str, Any]) -> Tariff:
    """What is not chat; of several names for one rate the narrowest holds."""

    def rate(*names: str) -> Picodollars:
        return _pico(next((found for name in names if (found := _number(entry.get(name)))), None))

    return Tariff(
        input=rate(_INPUT),
        output=rate("output_cost_per_image_token", "output_cost_per_audio_token", _OUTPUT),
        input_media=rate("input_cost_per_image_token", "input_cost_per_audio_token"),
        image=rate("output_cost_per_image", "input_cost_per_image"),
        second=rate("input_cost_per_second", "output_cost_per_second"),
        character=rate("input_cost_per_character"),
        query=rate("input_cost_per_query"),
    )


def _price(name: str, entry: Mapping[str, Any]) -> Price | None:
    """The price with its tiers: above a threshold the whole call costs that tier's price, as LiteLLM computes it.

    What a tier does not name costs what it costs below, except that a cache without any price of its own costs what
    input costs in the same tier.
    """
    rates = {key: _number(entry.get(key)) for key in (_INPUT, _OUTPUT, _CACHED, _WRITTEN)}
    if rates[_INPUT] is None:
        return None
    steps = {int(found[2]) * 1000: found[1] for key in entry if (found := _LONG.fullmatch(key))}
    tiers = [(0, rates)]
    for threshold, suffix in sorted(steps.items()):
        above = {key: _number(entry.get(key + suffix)) for key in rates}
        tiers.append(
            (threshold, {key: rate if above[key] is None else above[key] for key, rate in tiers[-1][1].items()})
        )
    thought = _number(entry.get("output_cost_per_reasoning_token"))
    price, long_from = None, 0
    for threshold, tier in reversed(tiers):
        plain = _pico(tier[_INPUT])
        price = Price(
            input=plain,
            output=_pico(tier[_OUTPUT]),
            cached_input=plain if tier[_CACHED] is None else _pico(tier[_CACHED]),
            cache_write=plain if tier[_WRITTEN] is None else _pico(tier[_WRITTEN]),
            reasoning=None if thought is None or thought == rates[_OUTPUT] else _pico(thought),
            request=_pico(_search(name, entry)),
            long_from=long_from,
            long=price,
        )
        long_from = threshold
    return price


def _search(name: str, entry: Mapping[str, Any]) -> float | None:
    """What the search costs of a model that searches on every call, at the size that is searched unless one asks."""
    if not name.startswith("perplexity/sonar"):
        return None
    sizes = entry.get("search_context_cost_per_query")
    return _number(sizes.get("search_context_size_low")) if isinstance(sizes, dict) else None


def _number(value: object) -> float | None:
    """The map is loose: a number, a number in quotes, or anything at all."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value)
    except ValueError:
        return None


def _pico(rate: float | None) -> Picodollars:
    return picodollars(rate or 0.0)
