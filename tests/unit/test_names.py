"""What a model's name means."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.errors import UnknownModel, UnknownPolicy
from gateway.core.money import Picodollars, Price
from gateway.upstream.names import Meaning, Names
from gateway.upstream.prices import Model, Prices
from gateway.upstream.providers import NAMES as PROVIDERS
from gateway.upstream.providers import Candidate
from policies.documents import Organisation
from policies.library import Library
from tests.fakes.library import shipped, with_organisations

FREE = Price(*[Picodollars(0)] * 4)
MODELS = """openai/gpt-4o openai/gpt-4o-mini openai/gpt-4.1-mini anthropic/claude-haiku-4-5 anthropic/claude-sonnet-4-5
    google/gemini-2.5-flash kimi/kimi-k2.5 openrouter/openai/gpt-4o openrouter/gpt-4o""".split()
ORG = "local"


def names(*live: str, library: Library | None = None) -> Names:
    models = {name: Model(name, "chat", FREE, 0, 0) for name in MODELS}
    return Names(library or shipped(), live, Prices(models, set(PROVIDERS) - set(live)))


ALL = ("openai", "anthropic", "google", "kimi", "openrouter")


def test_syntra_is_the_organisations_policy() -> None:
    own = with_organisations(acme=Organisation(policy="cheap"), default=Organisation())
    assert names(*ALL, library=own).meaning("acme", "syntra") == Meaning(policy="cheap", name="syntra")
    assert names(*ALL, library=own).meaning("others", "syntra") == Meaning(policy="balanced", name="syntra")


@pytest.mark.parametrize("policy", ["balanced", "best", "cheap", "fast"])
def test_each_policy_has_a_name_and_a_header(policy: str) -> None:
    known = names(*ALL)
    assert known.meaning(ORG, f"syntra-{policy}") == Meaning(policy=policy, name=f"syntra-{policy}")
    assert (
        known.meaning(ORG, "syntra", policy)
        == known.meaning(ORG, "syntra", f"syntra-{policy}")
        == known.meaning(ORG, "syntra-cheap", policy)
        == Meaning(policy=policy, name=f"syntra-{policy}")
    )
    assert f"syntra-{policy}" in known.names(ORG)


@pytest.mark.parametrize("name", ["syntra-", "syntra-o", "syntra-Cheap", "syntra-../cheap", "syntra-" + "x" * 10_000])
def test_a_policy_that_does_not_exist_is_a_bad_request(name: str) -> None:
    for model, header in ((name, None), ("syntra", name), ("openai/gpt-4o", name)):
        with pytest.raises(UnknownPolicy) as caught:
            names(*ALL).meaning(ORG, model, header)
        assert (caught.value.status, caught.value.code) == (400, "unknown_policy")
        assert "balanced, best, cheap, fast" in caught.value.message
        assert len(caught.value.message) < 500


def test_an_organisation_names_only_the_policies_that_it_may() -> None:
    own = with_organisations(acme=Organisation(policy="cheap", policies=["cheap", "fast"]))
    known = names(*ALL, library=own)
    assert known.meaning("acme", "syntra-fast") == Meaning(policy="fast", name="syntra-fast")
    assert "syntra-best" not in known.names("acme")
    with pytest.raises(UnknownPolicy):
        known.meaning("acme", "syntra-best")


def test_an_alias_means_what_its_organisation_says_and_nothing_to_others() -> None:
    aliases = {"house": "quick", "quick": "syntra-fast", "gpt-4": "anthropic/claude-haiku-4-5"}
    known = names(*ALL, library=with_organisations(acme=Organisation(aliases=aliases), default=Organisation()))
    assert known.meaning("acme", "house") == Meaning(policy="fast", name="syntra-fast")
    assert known.meaning("acme", "gpt-4") == Meaning(pinned=Candidate("anthropic", "claude-haiku-4-5"))
    assert {"house", "quick", "gpt-4"} <= set(known.names("acme"))
    assert known.names("others")[0] == "syntra"
    with pytest.raises(UnknownModel):
        known.meaning("others", "house")


def test_an_embedder_is_chosen_from_its_own_list() -> None:
    google = Candidate("google", "gemini-embedding-001")
    assert names(*ALL).hosts(ORG, "embeddings", "syntra") == [Candidate("openai", "text-embedding-3-small"), google]
    assert names("google").hosts(ORG, "embeddings", "syntra") == [google]
    assert list(names("openai").hosts(ORG, "embeddings", "openai/x")) == [Candidate("openai", "x")]
    assert names().hosts(ORG, "embeddings", "syntra") == []


@pytest.mark.parametrize("name", ["gpt-4o-mini", "claude-sonnet-4-5", "gemini-2.5-flash"])
def test_a_well_known_name_without_a_key_asks_for_the_nearest(name: str) -> None:
    meaning = names("kimi").meaning(ORG, name)
    assert meaning.absent.endswith(f"/{name}")
    assert meaning.pinned is None


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
    Pin("claude-opus-19-20390101", "anthropic", "claude-opus-19-20390101"),  # newer than the map
    Pin("claude-opus", None),
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
    known = names(*pin.live)
    if pin.provider is None:
        with pytest.raises(UnknownModel) as caught:
            known.meaning(ORG, pin.name)
        assert (caught.value.status, caught.value.code, caught.value.param) == (404, "model_not_found", "model")
        assert len(caught.value.message) < 500
    else:
        assert known.meaning(ORG, pin.name) == Meaning(pinned=Candidate(pin.provider, pin.model))


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
    found = names(*ALL).near(ORG, near.slip)
    assert near.meant in found
    assert len(found) <= 3


@given(st.text(max_size=60))
def test_any_name_has_a_meaning_or_a_helpful_error(name: str) -> None:
    known = names(*ALL)
    try:
        meaning = known.meaning(ORG, name)
    except UnknownModel:
        assert known.near(ORG, name)
    except UnknownPolicy:
        assert name.startswith("syntra-")
    else:
        assert meaning.policy or meaning.pinned or meaning.absent


def test_what_is_listed_can_be_asked_for() -> None:
    known = names("openai", "openrouter")
    assert known.names(ORG)[0] == "syntra"
    for name in known.names(ORG):
        assert known.knows(ORG, name)
        assert known.meaning(ORG, name)
    assert not known.knows(ORG, "anthropic/claude-haiku-4-5")
    assert not known.knows(ORG, "gpt-4o")


def test_no_name_of_ours_is_one_on_which_clients_switch_behaviour() -> None:
    own = [name for name in names(*ALL).names(ORG) if "/" not in name]
    assert own
    assert [name for name in own if any(part in name for part in ("o1", "o3", "o4", "gpt-5"))] == []
