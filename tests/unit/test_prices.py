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

from gateway.core.events import CompletionDetails, PromptDetails, Usage
from gateway.core.money import dollars
from gateway.upstream.offers import catalogued
from gateway.upstream.prices import Prices, load
from policies.documents import Model as Entry
from policies.documents import Models
from policies.documents import Price as Said

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


def test_providers_without_a_key_are_known_but_not_listed() -> None:
    prices = load(["kimi"], known=["openai", "kimi"])
    assert prices.names() == load(["kimi"]).names()
    assert prices.get("openai/gpt-4o") is not None
    assert prices.cost("openai/gpt-4o", Usage(1, 1, 2)) is not None
    assert prices.get("anthropic/claude-haiku-4-5") is None


@dataclass(frozen=True)
class Able:
    """A model, and what it can do."""

    name: str
    abilities: str

    def __str__(self) -> str:
        return self.name


@pytest.mark.parametrize(
    "able",
    [
        Able("openai/gpt-4o", "files forced_tools json sampling tools vision"),
        Able("anthropic/claude-haiku-4-5", "files forced_tools json sampling tools vision"),
        Able("anthropic/claude-sonnet-5-5", "files json tools vision"),
        Able("google/gemini-2.5-flash", "audio files forced_tools json sampling tools vision"),
        Able("google/gemini-3.8-flash", "audio files forced_tools json tools vision"),
        Able("kimi/kimi-k2.6", "forced_tools json sampling tools vision"),
        Able("perplexity/sonar", "sampling"),  # who searches is told by the catalogue, never by the map
        Able("openai/gpt-3.5-turbo", "forced_tools sampling tools"),
        Able("openai/text-embedding-3-small", "sampling"),
    ],
    ids=str,
)
def test_what_a_model_can_do_is_read_from_the_map(prices: Prices, able: Able) -> None:
    model = prices.get(able.name)
    assert model is not None
    assert " ".join(sorted(model.abilities)) == able.abilities


@dataclass(frozen=True)
class Tiered:
    """A model whose longer prompts cost more, and from where on."""

    name: str
    long_from: int

    def __str__(self) -> str:
        return self.name


TIERED = [
    Tiered("google/gemini-2.5-pro", 200),
    Tiered("openai/gpt-6-luna", 272),
    Tiered("anthropic/claude-haiku-5-5", 100),
]


@pytest.mark.parametrize("tiered", TIERED, ids=str)
def test_a_prompt_beyond_the_threshold_costs_more_from_its_first_token_on(prices: Prices, tiered: Tiered) -> None:
    owner, _, stem = tiered.name.partition("/")
    entry = listed()[stem if owner != "google" else f"gemini/{stem}"]
    most = tiered.long_from * 1000
    for prompt, suffix in ((most, ""), (most + 1, f"_above_{tiered.long_from}k_tokens")):
        usage = Usage(prompt, 1000, prompt + 1000, PromptDetails(cached_tokens=1000))
        expected = (prompt - 1000) * round(entry[f"input_cost_per_token{suffix}"] * 10**12)
        expected += 1000 * round(entry[f"cache_read_input_token_cost{suffix}"] * 10**12)
        expected += 1000 * round(entry[f"output_cost_per_token{suffix}"] * 10**12)
        assert prices.cost(tiered.name, usage) == expected


def test_no_model_is_cheaper_for_being_asked_more(prices: Prices) -> None:
    for name in prices.names():
        model = prices.get(name)
        price = model.price if model else None
        if price is not None and price.long is not None:
            assert price.of(price.long_from + 1, 1000) >= price.of(price.long_from, 1000), name


def test_a_model_that_always_searches_costs_a_fee_for_every_call(prices: Prices) -> None:
    assert prices.cost("perplexity/sonar", Usage(0, 0, 0)) == 5 * 10**9
    assert prices.cost("perplexity/sonar-pro", Usage(1000, 0, 1000)) == 6 * 10**9 + 1000 * 3 * 10**6
    assert prices.cost("openai/gpt-4o-mini", Usage(0, 0, 0)) == 0


def test_thought_costs_what_the_map_says_of_it(prices: Prices) -> None:
    usage = Usage(0, 1000, 1000, None, CompletionDetails(reasoning_tokens=600))
    fee = 5 * 10**9
    assert prices.cost("perplexity/sonar-deep-research", usage) == fee + 400 * 8 * 10**6 + 600 * 3 * 10**6
    assert prices.cost("google/gemini-2.5-flash", usage) == 1000 * round(2.5e-6 * 10**12)


def test_reading_the_map_does_not_import_litellm() -> None:
    code = "import sys; from gateway.upstream.prices import load; load(['openai']); print('litellm' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30)
    assert done.stdout.strip() == "False"


def test_what_the_documents_say_no_more_is_as_the_map_has_it_again() -> None:
    prices = load(PROVIDERS)
    mapped = prices.get("openai/gpt-4o-mini")
    entry = Entry("openai/gpt-4o-mini", {}, "a contract of ours", price=Said(input=1, output=2), window=999)
    prices.take(catalogued(Models(1, [entry], []), prices))
    said = prices.get("openai/gpt-4o-mini")
    assert said is not None
    assert said.price is not None
    assert (said.price.input, said.price.output, said.window) == (1_000_000, 2_000_000, 999)
    prices.take(catalogued(Models(1, [Entry("openai/gpt-4o-mini", {}, "no contract")], []), prices))
    assert prices.get("openai/gpt-4o-mini") == mapped


def test_a_price_of_the_documents_holds_for_long_prompts_and_for_thought_too() -> None:
    prices = load(PROVIDERS)
    tiered, thinking = "openai/gpt-5.4", "perplexity/sonar-deep-research"
    for name in (tiered, thinking):
        known = prices.get(name)
        assert known is not None
        assert known.price is not None
        assert known.price.long if name == tiered else known.price.reasoning
    free = Said(input=0, cached_input=0, output=0)
    entries = [Entry(tiered, {}, "of ours", price=free), Entry(thinking, {}, "a contract", price=Said(output=2))]
    prices.take(catalogued(Models(1, entries, []), prices))
    assert prices.cost(tiered, Usage(300_000, 1000, 301_000, PromptDetails(cached_tokens=1000))) == 0
    thought = Usage(0, 1000, 1000, None, CompletionDetails(reasoning_tokens=600))
    assert prices.cost(thinking, thought) == 5 * 10**9 + 1000 * 2 * 10**6
