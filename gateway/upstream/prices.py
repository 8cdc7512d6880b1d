"""What models cost and hold, read from LiteLLM's price map as data: importing litellm for it would take seconds."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import msgspec
from msgspec import Struct

from gateway.core.events import Usage
from gateway.core.money import Picodollars, Price, picodollars

_FILE = "model_prices_and_context_window_backup.json"
_OWN_NAMES = {"google": "gemini", "kimi": "moonshot"}  # our provider's name to LiteLLM's
_MODES = frozenset({"chat", "responses", "embedding"})


class _Entry(Struct):
    """The fields of an entry that are read; the map is loose, so every one may be missing."""

    litellm_provider: str = ""
    mode: str = ""
    input_cost_per_token: float | None = None
    output_cost_per_token: float | None = None
    cache_read_input_token_cost: float | None = None
    cache_creation_input_token_cost: float | None = None
    max_input_tokens: float | str | None = None
    max_output_tokens: float | str | None = None


class Model(Struct, frozen=True):
    """What is known of one model; `price` is None where the map has none."""

    name: str  # provider/model
    mode: str
    price: Price | None
    window: int  # tokens, 0 where unknown
    most_output: int


class Prices:
    """The models of the providers that are asked for, by `provider/model`."""

    def __init__(self, models: dict[str, Model]) -> None:
        self._models = models

    def get(self, name: str) -> Model | None:
        """What is known of `provider/model`."""
        return self._models.get(name)

    def names(self) -> list[str]:
        """Every known name, sorted."""
        return sorted(self._models)

    def cost(self, name: str, usage: Usage) -> Picodollars | None:
        """What an answer cost, or None where the price is not known."""
        model = self._models.get(name)
        if model is None or model.price is None:
            return None
        details = usage.prompt_tokens_details
        cached = details.cached_tokens or 0 if details else 0
        written = details.cache_write_tokens or 0 if details else 0
        return model.price.of(usage.prompt_tokens, usage.completion_tokens, cached, written)


def load(providers: list[str]) -> Prices:
    """The price map's models of these providers."""
    entries = msgspec.json.decode(_path().read_bytes(), type=dict[str, msgspec.Raw])
    wanted = {_OWN_NAMES.get(name, name): name for name in providers}
    models: dict[str, Model] = {}
    for name, raw in entries.items():
        entry = _entry(raw)
        provider = wanted.get(entry.litellm_provider) if entry is not None else None
        if entry is None or provider is None or entry.mode not in _MODES or name.startswith("ft:"):
            continue
        model = _model(f"{provider}/{name.removeprefix(entry.litellm_provider + '/')}", entry)
        models[model.name] = model
    return Prices(models)


def _path() -> Path:
    spec = importlib.util.find_spec("litellm")  # finds the package without importing it
    if spec is None or spec.origin is None:
        raise RuntimeError("litellm is not installed; run `make run` again to repair the environment")
    return Path(spec.origin).with_name(_FILE)


def _entry(raw: msgspec.Raw) -> _Entry | None:
    try:
        return msgspec.json.decode(raw, type=_Entry, strict=False)
    except msgspec.ValidationError:
        return None  # the map's own example entry and a few of another form


def _model(name: str, entry: _Entry) -> Model:
    price = None
    if entry.input_cost_per_token is not None:
        plain = picodollars(entry.input_cost_per_token)
        cached, written = entry.cache_read_input_token_cost, entry.cache_creation_input_token_cost
        price = Price(
            input=plain,
            output=picodollars(entry.output_cost_per_token or 0.0),
            cached_input=plain if cached is None else picodollars(cached),
            cache_write=plain if written is None else picodollars(written),
        )
    return Model(name, entry.mode, price, _whole(entry.max_input_tokens), _whole(entry.max_output_tokens))


def _whole(value: float | str | None) -> int:
    return int(value) if isinstance(value, float) else 0
