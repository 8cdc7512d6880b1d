"""Which models may answer a name."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.errors import UnknownModel
from gateway.core.money import Picodollars, Price
from gateway.stages.choose import Choose
from gateway.upstream.prices import Model, Prices
from gateway.upstream.providers import SIMULATED, Candidate
from policies.documents import Models, Named

FREE = Price(*[Picodollars(0)] * 4)
NAMES = """openai/gpt-4o openai/gpt-4o-mini openai/gpt-4.1-mini anthropic/claude-haiku-4-5 anthropic/claude-sonnet-4-5
    google/gemini-2.5-flash kimi/kimi-k2.5 openrouter/openai/gpt-4o openrouter/gpt-4o""".split()
DOCUMENT = Models(
    [Named("openai/gpt-4.1-mini"), Named("anthropic/claude-haiku-4-5"), Named("openrouter/openai/gpt-4.1-mini")],
    [Named("openai/text-embedding-3-small")],
)


def choose(*live: str) -> Choose:
    models = {name: Model(name, "chat", FREE, 0, 0) for name in NAMES if name.partition("/")[0] in live}
    return Choose(DOCUMENT, live, Prices(models))


ALL = ("openai", "anthropic", "google", "kimi", "openrouter")


def test_syntra_is_whoever_is_live_in_the_documents_order() -> None:
    choice = choose("openrouter", "anthropic").candidates("syntra")
    assert [candidate.name for candidate in choice.candidates] == [
        "anthropic/claude-haiku-4-5",
        "openrouter/openai/gpt-4.1-mini",
    ]
    assert not choice.pinned


def test_without_any_key_syntra_is_simulated() -> None:
    choice = choose().candidates("syntra")
    assert [candidate.provider for candidate in choice.candidates] == [SIMULATED]
    assert not choice.pinned
    assert choose().embedder("syntra").candidates[0].provider == SIMULATED


def test_an_embedder_is_chosen_from_its_own_list() -> None:
    assert choose(*ALL).embedder("syntra").candidates == (Candidate("openai", "text-embedding-3-small"),)
    assert choose("openai").embedder("openai/x").pinned


@dataclass(frozen=True)
class Pin:
    """A name that a client asks for, and who answers; None where nobody does."""

    name: str
    provider: str | None
    model: str = ""
    live: tuple[str, ...] = ALL

    def __str__(self) -> str:
        return f"{self.name[:40]!r} at {' '.join(self.live)}"


PINS = (
    Pin("openai/gpt-4o-mini", "openai", "gpt-4o-mini"),
    Pin("OpenAI/gpt-4o-mini", "openai", "gpt-4o-mini"),
    Pin("openai/of-tomorrow", "openai", "of-tomorrow"),
    Pin("openrouter/deepseek/deepseek-chat:free", "openrouter", "deepseek/deepseek-chat:free"),
    Pin("gemini/gemini-2.5-flash", "google", "gemini-2.5-flash"),
    Pin("moonshot/kimi-k2.5", "kimi", "kimi-k2.5"),
    Pin("gpt-4o-mini", "openai", "gpt-4o-mini"),
    Pin("claude-haiku-4-5", "anthropic", "claude-haiku-4-5"),
    Pin("gpt-4o", "openai", "gpt-4o"),
    Pin("gpt-4o", "openrouter", "gpt-4o", live=("openrouter", "kimi")),
    Pin("gpt-4o-mini", None, live=("anthropic",)),
    Pin("openai/gpt-4o-mini", None, live=("anthropic",)),
    Pin("openai/", None),
    Pin("/gpt-4o", None),
    Pin("/", None),
    Pin("", None),
    Pin("Syntra", None),
    Pin("syntra/", None),
    Pin("simulated/syntra", None),
    Pin("of-tomorrow", None),
    Pin("gpt-4o ", None),
    Pin("x" * 100_000, None),
    Pin("openai\\gpt-4o", None),
)


@pytest.mark.parametrize("pin", PINS, ids=str)
def test_a_pin_goes_where_it_says(pin: Pin) -> None:
    chooser = choose(*pin.live)
    if pin.provider is None:
        with pytest.raises(UnknownModel) as caught:
            chooser.candidates(pin.name)
        assert (caught.value.status, caught.value.code, caught.value.param) == (404, "model_not_found", "model")
        assert len(caught.value.message) < 500
    else:
        choice = chooser.candidates(pin.name)
        assert choice.candidates == (Candidate(pin.provider, pin.model),)
        assert choice.pinned


@dataclass(frozen=True)
class Near:
    """A name with a slip, and the name that was meant."""

    slip: str
    meant: str


@pytest.mark.parametrize(
    "near",
    [
        Near("gpt4o-mini", "openai/gpt-4o-mini"),
        Near("gpt-4o-mimi", "openai/gpt-4o-mini"),
        Near("claude-haiku-4.5", "anthropic/claude-haiku-4-5"),
        Near("opnai/gpt-4o-mini", "openai/gpt-4o-mini"),
        Near("google/gemini-2.5-flash-latest", "google/gemini-2.5-flash"),
        Near("kimi-k2", "kimi/kimi-k2.5"),
        Near("sintra", "syntra"),
        Near("zzzzzz", "syntra"),
    ],
    ids=lambda near: near.slip,
)
def test_a_slip_is_answered_with_what_was_meant(near: Near) -> None:
    found = choose(*ALL).near(near.slip)
    assert near.meant in found
    assert len(found) <= 3


@given(st.text(max_size=60))
def test_any_name_has_an_answer_or_a_helpful_error(name: str) -> None:
    chooser = choose(*ALL)
    try:
        assert chooser.candidates(name).candidates
    except UnknownModel:
        assert chooser.near(name)


def test_what_is_listed_can_be_asked_for() -> None:
    chooser = choose("openai", "openrouter")
    assert chooser.names()[0] == "syntra"
    for name in chooser.names():
        assert chooser.knows(name)
        assert chooser.candidates(name).candidates
    assert not chooser.knows("anthropic/claude-haiku-4-5")
    assert not chooser.knows("gpt-4o")
