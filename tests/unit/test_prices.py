"""What models cost and hold, from LiteLLM's map read as data."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from gateway.core.events import PromptDetails, Usage
from gateway.core.money import dollars
from gateway.upstream.prices import Prices, load

PROVIDERS = ["openai", "anthropic", "google", "perplexity", "kimi", "openrouter"]


@cache
def listed() -> dict[str, dict[str, Any]]:
    spec = importlib.util.find_spec("litellm")
    assert spec is not None
    assert spec.origin is not None
    path = Path(spec.origin).with_name("model_prices_and_context_window_backup.json")
    found: dict[str, dict[str, Any]] = json.loads(path.read_bytes())
    return found


@pytest.fixture(scope="module")
def prices() -> Prices:
    return load(PROVIDERS)


@dataclass(frozen=True)
class Known:
    """One of our names, and the map's."""

    name: str
    entry: str

    def __str__(self) -> str:
        return self.name


KNOWN = (
    Known("openai/gpt-4o-mini", "gpt-4o-mini"),
    Known("openai/text-embedding-3-small", "text-embedding-3-small"),
    Known("anthropic/claude-haiku-4-5", "claude-haiku-4-5"),
    Known("google/gemini-2.5-flash", "gemini/gemini-2.5-flash"),
    Known("perplexity/sonar", "perplexity/sonar"),
    Known("kimi/kimi-k2.5", "moonshot/kimi-k2.5"),
)


@pytest.mark.parametrize("known", KNOWN, ids=str)
def test_a_model_is_found_under_our_name_with_the_maps_figures(prices: Prices, known: Known) -> None:
    model, entry = prices.get(known.name), listed()[known.entry]
    assert model is not None
    assert model.price is not None
    assert model.price.input == round(entry["input_cost_per_token"] * 10**12)
    assert model.price.output == round((entry.get("output_cost_per_token") or 0) * 10**12)
    cached = entry.get("cache_read_input_token_cost")
    assert model.price.cached_input == (model.price.input if cached is None else round(cached * 10**12))
    assert model.window == int(entry.get("max_input_tokens") or 0)
    assert model.mode == entry["mode"]


def test_every_price_is_a_whole_number_and_none_is_negative(prices: Prices) -> None:
    for name in prices.names():
        model = prices.get(name)
        assert model is not None
        assert model.window >= 0
        if model.price is not None:
            for part in (model.price.input, model.price.output, model.price.cached_input, model.price.cache_write):
                assert isinstance(part, int)
                assert part >= 0


def test_names_are_sorted_and_only_of_the_providers_that_were_asked_for() -> None:
    names = load(["kimi"]).names()
    assert names == sorted(names)
    assert names
    assert {name.partition("/")[0] for name in names} == {"kimi"}
    assert load([]).names() == []


def test_only_what_can_be_asked_here_is_listed(prices: Prices) -> None:
    names = set(prices.names())
    assert not [name for name in names if "ft:" in name]
    assert "openai/dall-e-3" not in names
    assert "openai/whisper-1" not in names
    assert {prices.get(name).mode for name in names} <= {"chat", "responses", "embedding"}  # type: ignore[union-attr]


def test_the_cost_of_an_answer_is_exact(prices: Prices) -> None:
    usage = Usage(1_000_000, 100_000, 1_100_000, PromptDetails(cached_tokens=400_000))
    entry = listed()["gpt-4o-mini"]
    expected = 600_000 * entry["input_cost_per_token"] + 400_000 * entry["cache_read_input_token_cost"]
    expected += 100_000 * entry["output_cost_per_token"]
    cost = prices.cost("openai/gpt-4o-mini", usage)
    assert cost is not None
    assert dollars(cost) == f"{expected:.6f}"


def test_a_cache_that_was_written_costs_what_writing_costs(prices: Prices) -> None:
    entry = listed()["claude-haiku-4-5"]
    cost = prices.cost("anthropic/claude-haiku-4-5", Usage(1000, 0, 1000, PromptDetails(cache_write_tokens=1000)))
    assert cost == round(entry["cache_creation_input_token_cost"] * 10**12) * 1000


@pytest.mark.parametrize("name", ["openai/of-tomorrow", "gpt-4o-mini", "", "/", "nobody/gpt-4o-mini"])
def test_a_price_that_is_not_known_is_not_made_up(prices: Prices, name: str) -> None:
    assert prices.get(name) is None
    assert prices.cost(name, Usage(1, 1, 2)) is None


def test_a_providers_lies_about_its_cache_do_not_change_the_sign(prices: Prices) -> None:
    usage = Usage(10, 10, 20, PromptDetails(cached_tokens=-5, cache_write_tokens=10**9))
    assert (prices.cost("openai/gpt-4o-mini", usage) or 0) > 0


def test_reading_the_map_does_not_import_litellm() -> None:
    code = "import sys; from gateway.upstream.prices import load; load(['openai']); print('litellm' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30)
    assert done.stdout.strip() == "False"
