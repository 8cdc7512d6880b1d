"""From a name's meaning and facts to candidates."""

from __future__ import annotations

import time
from collections.abc import Collection
from typing import Any

import pytest
from msgspec import structs

from gateway.core.caller import Caller, Credential, Scopes
from gateway.core.errors import AllCooling, NotAllowed, NothingFits, UnknownModel, UpstreamBusy, UpstreamFailed
from gateway.core.health import Health
from gateway.core.money import PICO
from gateway.core.pace import Lengths, Pace
from gateway.core.secret import Secret
from gateway.stages.policy import SAMPLING, Policies, Policy, Route
from gateway.upstream import prices
from gateway.upstream.names import Meaning
from gateway.upstream.providers import NAMES, SIMULATED, Candidate
from policies.documents import Organisation
from policies.facts import Facts
from policies.library import Library
from tests.fakes.library import shipped, with_organisations

FACTS = Facts(intent="qa_retrieval", complexity=0.2, tokens=100, output_tokens=300)
BALANCED = Meaning(policy="balanced")


class Scene:
    """A policy stage over the shipped documents and LiteLLM's own map."""

    def __init__(self, *live: str, library: Library | None = None) -> None:
        self.health, self.pace = Health(), Pace()
        known = prices.load(live, known=NAMES)
        self.policy = Policy(library or shipped(), known, live, self.health, self.pace, Lengths())

    def route(
        self, meaning: Meaning = BALANCED, organisation: str = "local", caller: Caller | None = None, **facts: Any
    ) -> Route:
        asked = Facts(**{name: getattr(FACTS, name) for name in FACTS.__struct_fields__} | facts)
        return self.policy.route(caller or Caller("o", organisation, "k"), meaning, asked, time.monotonic())


def test_without_a_key_the_simulated_provider_answers() -> None:
    route = Scene().route()
    assert [one.provider for one in route.candidates] == [SIMULATED]
    assert not route.pinned


def test_only_providers_with_a_key_are_asked() -> None:
    for provider in NAMES:
        assert {one.provider for one in Scene(provider).route().candidates} == {provider}


def test_a_pin_is_asked_alone_and_as_it_is() -> None:
    pin = Candidate("openai", "gpt-6-luna")
    route = Scene(*NAMES).route(Meaning(pinned=pin))
    (candidate,) = route.candidates
    assert (candidate.name, candidate.without, route.pinned) == (pin.name, (), True)
    assert candidate.most_output > 0


def test_a_temperature_is_left_out_where_the_chosen_model_refuses_it() -> None:
    route = Scene("anthropic").route()
    without = {one.model: one.without for one in route.candidates}
    assert without["claude-haiku-5-5"] == SAMPLING
    assert Scene("kimi").route().candidates[0].without == ()


@pytest.mark.parametrize(
    ("absent", "live", "nearest"),
    [
        ("openai/gpt-4.1-mini", ("openrouter",), "openrouter/openai/gpt-4.1-mini"),
        ("openai/gpt-4o-mini", ("google",), "google/gemini-2.5-flash-lite"),
        ("anthropic/claude-opus-5-5", ("google",), "google/gemini-4-argon"),
        ("google/gemini-2.5-flash-lite", ("openai",), "openai/gpt-4.1-mini"),
        ("openai/gpt-3.5-turbo", ("anthropic",), "anthropic/claude-haiku-4-5"),
    ],
)
def test_a_model_without_a_key_is_stood_in_for_by_the_nearest(absent: str, live: tuple[str, ...], nearest: str) -> None:
    route = Scene(*live).route(Meaning(absent=absent))
    assert route.candidates[0].name == nearest
    assert route.instead_of == absent


def test_a_stand_in_can_do_what_is_needed() -> None:
    route = Scene("perplexity", "kimi").route(Meaning(absent="openai/gpt-4o"), needs=("tools",))
    assert {one.provider for one in route.candidates} == {"kimi"}


def test_a_stand_in_searches_only_where_a_search_is_wanted_or_nobody_else_is_able() -> None:
    scene, wanted = Scene("perplexity", "kimi", "openrouter"), Meaning(absent="openai/gpt-4o")
    assert "perplexity" not in {one.provider for one in scene.route(wanted).candidates}
    assert "perplexity" in {one.provider for one in scene.route(wanted, fresh=0.9).candidates}
    assert {one.provider for one in Scene("perplexity").route(wanted).candidates} == {"perplexity"}
    searcher = Scene("openai", "perplexity").route(Meaning(absent="openai/gpt-4o"), needs=("search",))
    assert {one.provider for one in searcher.candidates} == {"perplexity"}


def test_a_stand_in_that_seems_to_fail_is_asked_when_nobody_else_is_left() -> None:
    scene, wanted = Scene("perplexity"), Meaning(absent="openai/gpt-4o")
    both = scene.route(wanted).candidates
    for one in both:
        for _ in range(3):
            scene.health.failed(one.key, UpstreamFailed("no"), time.monotonic())
    assert set(scene.route(wanted).candidates) == set(both)
    for one in both:
        scene.health.failed(one.key, UpstreamBusy("no", retry_after=20), time.monotonic())
    with pytest.raises(AllCooling):
        scene.route(wanted)


def test_what_nobody_can_serve_is_refused_with_each_ones_reason() -> None:
    with pytest.raises(NothingFits) as caught:
        Scene("perplexity").route(needs=("tools",))
    message = caught.value.message
    assert "perplexity/sonar: cannot do: tools" in message
    assert "perplexity/sonar-pro: cannot do: tools" in message


def test_a_pin_keeps_to_the_requests_own_limits() -> None:
    pin = Meaning(pinned=Candidate("openai", "gpt-4.1"))
    assert Scene("openai").route(pin, max_cost=PICO).pinned
    with pytest.raises(NothingFits, match=r"openai/gpt-4.1: may cost \$0\.0"):
        Scene("openai").route(pin, max_cost=1)
    with pytest.raises(NothingFits, match="the limit is 1 ms"):
        Scene("openai").route(pin, max_ttft_ms=1.0)
    with pytest.raises(NothingFits, match="price unknown"):
        Scene("openai").route(Meaning(pinned=Candidate("openai", "of-tomorrow")), max_cost=PICO)


def test_a_pins_limit_counts_thought_and_every_choice() -> None:
    scene, cent = Scene(*NAMES), PICO // 100
    pin = Meaning(pinned=Candidate("openai", "gpt-4o"))
    assert scene.route(pin, max_cost=cent, most_output=900).pinned
    with pytest.raises(NothingFits, match=r"openai/gpt-4o: may cost \$0\.07"):
        scene.route(pin, max_cost=cent, most_output=900, choices=8)
    thinking = Meaning(pinned=Candidate("anthropic", "claude-opus-5-5"))
    assert scene.route(thinking, max_cost=cent, complexity=0.0).pinned
    with pytest.raises(NothingFits, match="may cost"):
        scene.route(thinking, max_cost=cent, complexity=0.9)


def test_no_plan_holds_whom_it_expects_to_cost_more_than_the_request_allows() -> None:
    plan = Scene(*NAMES).route(Meaning(policy="best"), max_cost=PICO // 100, complexity=0.9).plan
    assert plan.chain
    assert all(one.cost is not None and one.cost <= PICO // 100 for one in plan.chain)


def test_an_organisation_asks_only_whom_it_may() -> None:
    own = with_organisations(acme=Organisation(models=["kimi/*"]), default=Organisation())
    scene = Scene(*NAMES, library=own)
    assert {one.provider for one in scene.route(organisation="acme").candidates} == {"kimi"}
    with pytest.raises(NotAllowed):
        scene.route(Meaning(pinned=Candidate("openai", "gpt-4o")), "acme")
    assert scene.route(Meaning(absent="openai/gpt-3.5-turbo"), "acme").candidates[0].provider == "kimi"
    assert scene.route(Meaning(pinned=Candidate("openai", "gpt-4o")), "others").pinned


def test_when_all_are_rate_limited_the_smallest_wait_is_told() -> None:
    scene = Scene("perplexity")
    for model, wait in (("sonar", 20), ("sonar-pro", 40)):
        busy = UpstreamBusy("no", retry_after=wait)
        scene.health.failed(Candidate("perplexity", model).key, busy, time.monotonic())
    with pytest.raises(AllCooling) as caught:
        scene.route()
    assert caught.value.retry_after == 20


def test_a_failing_model_is_passed_over_and_asked_when_nobody_else_is_left() -> None:
    scene = Scene("perplexity")
    first = scene.route().candidates[0]
    for _ in range(3):
        scene.health.failed(first.key, UpstreamFailed("no"), time.monotonic())
    assert first not in scene.route().candidates
    (other,) = scene.route().candidates
    for _ in range(3):
        scene.health.failed(other.key, UpstreamFailed("no"), time.monotonic())
    assert set(scene.route().candidates) == {first, other}


def test_a_model_that_turns_out_slow_loses_its_place() -> None:
    scene = Scene(*NAMES)
    fast = Meaning(policy="fast")
    first = scene.route(fast).candidates[0]
    for _ in range(50):
        scene.pace.first_token(first.pace_key, 20_000.0, time.monotonic())
    assert scene.route(fast).candidates[0] != first


def test_new_documents_decide_from_the_next_request_on() -> None:
    scene = Scene(*NAMES)
    own = with_organisations(default=Organisation(models=["kimi/*"]))
    assert scene.route().candidates[0].provider != "kimi"
    scene.policy.take(own)
    assert scene.route().candidates[0].provider == "kimi"


def test_a_key_is_kept_to_its_models_pinned_or_chosen() -> None:
    scene, caller = Scene(*NAMES), Caller("o", "local", "k", scopes=Scopes(models=("kimi/*", "openai/gpt-4o-mini")))
    assert {one.name for one in scene.route(caller=caller).candidates} <= {
        "openai/gpt-4o-mini",
        *(one.name for one in scene.route(caller=caller).candidates if one.provider == "kimi"),
    }
    with pytest.raises(NotAllowed):
        scene.route(Meaning(pinned=Candidate("openai", "gpt-4o")), caller=caller)
    assert scene.route(Meaning(pinned=Candidate("openai", "gpt-4o-mini")), caller=caller).pinned
    assert scene.route(Meaning(pinned=Candidate("openai", "gpt-4o"))).pinned  # another key of the same organisation


def test_a_key_for_syntras_names_leaves_the_choice_to_the_policy_and_pins_nothing() -> None:
    scene = Scene(*NAMES)
    caller = Caller("o", "local", "k", scopes=Scopes(models=("syntra", "syntra-fast")))
    for name in ("syntra", "syntra-fast"):
        asked = scene.policy.names.meaning("local", name)
        assert scene.route(asked, caller=caller).candidates == scene.route(asked).candidates
    for name in ("syntra-best", "openai/gpt-4o-mini"):
        with pytest.raises(NotAllowed):
            scene.route(scene.policy.names.meaning("local", name), caller=caller)


def test_a_key_is_kept_to_its_policies() -> None:
    caller = Caller("o", "local", "k", scopes=Scopes(policies=("cheap",)))
    assert Scene(*NAMES).route(Meaning(policy="cheap"), caller=caller).candidates
    with pytest.raises(NotAllowed):
        Scene(*NAMES).route(caller=caller)
    pin = Meaning(pinned=Candidate("openai", "gpt-4o"))
    with pytest.raises(NotAllowed):
        Scene(*NAMES).route(pin, caller=caller)
    both = Caller("o", "local", "k", scopes=Scopes(policies=("cheap",), models=("openai/gpt-4o",)))
    assert Scene(*NAMES).route(pin, caller=both).pinned


def test_an_alias_means_the_same_in_what_is_no_chat() -> None:
    aliases = {"emb": "small", "small": "openai/text-embedding-3-small", "any": "syntra"}
    own = with_organisations(acme=Organisation(aliases=aliases), default=Organisation())
    scene, caller = Scene(*NAMES, library=own), Caller("o", "acme", "k")
    for name in ("emb", "any", "syntra"):
        assert scene.policy.host(caller, "embeddings", name) == Candidate("openai", "text-embedding-3-small")
    with pytest.raises(UnknownModel):
        scene.policy.host(Caller("o", "others", "k"), "embeddings", "emb")


def test_what_is_no_chat_is_asked_of_the_first_that_may_be_asked() -> None:
    own = with_organisations(acme=Organisation(models=["google/*"]), default=Organisation())
    scene, google = Scene(*NAMES, library=own), Candidate("google", "gemini-embedding-001")
    assert scene.policy.host(Caller("o", "acme", "k"), "embeddings", "syntra") == google
    kept = Caller("o", "others", "k", scopes=Scopes(models=("google/*",)))
    assert scene.policy.host(kept, "embeddings", "syntra") == google
    for caller in (Caller("o", "acme", "k"), kept):
        with pytest.raises(NotAllowed):
            scene.policy.host(caller, "images", "syntra")
    assert Scene("kimi").policy.host(Caller("o", "local", "k"), "images", "syntra") is None


def test_a_key_for_syntras_names_leaves_the_choice_also_in_what_is_no_chat() -> None:
    scene, caller = Scene(*NAMES), Caller("o", "local", "k", scopes=Scopes(models=("syntra*",)))
    assert scene.policy.host(caller, "embeddings", "syntra") == Candidate("openai", "text-embedding-3-small")
    with pytest.raises(NotAllowed):
        scene.policy.host(caller, "embeddings", "openai/text-embedding-3-small")


def test_a_key_for_policies_names_no_model_anywhere() -> None:
    caller, scene = Caller("o", "local", "k", scopes=Scopes(policies=("cheap",))), Scene("google", "openai")
    with pytest.raises(NotAllowed, match="for the policies cheap alone"):
        scene.policy.host(caller, "images", "openai/gpt-image-2")
    with pytest.raises(NotAllowed, match="for the policies cheap alone"):
        scene.route(Meaning(absent="anthropic/claude-opus-5-5"), caller=caller)
    assert scene.policy.host(caller, "images", "syntra") == Candidate("openai", "gpt-image-2")


def test_a_key_is_kept_to_its_policies_where_one_falls_back_to_another() -> None:
    policies = dict(shipped().routing)
    policies["cheap"] = structs.replace(policies["cheap"], fallback="best", models=["kimi/*"], default=[])
    scene = Scene("openai", library=structs.replace(shipped(), routing=policies))
    cheap = Meaning(policy="cheap", name="syntra-cheap")
    assert scene.route(cheap).plan.policy == "best"
    with pytest.raises(NothingFits):
        scene.route(cheap, caller=Caller("o", "local", "k", scopes=Scopes(policies=("cheap",))))
    both = Caller("o", "local", "k", scopes=Scopes(policies=("cheap", "best")))
    assert scene.route(cheap, caller=both).plan.policy == "best"


def test_a_policy_that_another_falls_back_to_chooses_by_its_own_qualities() -> None:
    policies = dict(shipped().routing)
    policies["cheap"] = structs.replace(policies["cheap"], fallback="best", models=["kimi/*"], default=[])
    scene = Scene("openai", library=structs.replace(shipped(), routing=policies))
    by_itself = scene.route(Meaning(policy="best")).plan
    worst = {one.name: 1.0 if one is by_itself.candidates[-1] else 0.0 for one in by_itself.candidates}
    fallen = scene.route(Meaning(policy="cheap"), qualities=worst).plan
    assert [one.name for one in fallen.chain] == [one.name for one in by_itself.chain]


def test_an_organisations_own_key_pays_and_rests_alone() -> None:
    own = Caller("o", "local", "k", credentials={"openai": Credential("c1", Secret("sk-own"))})
    scene = Scene("openai")
    pin = Meaning(pinned=Candidate("openai", "gpt-4o"))
    (candidate,) = scene.route(pin, caller=own).candidates
    assert candidate.key == ("openai", "c1", "gpt-4o")
    scene.health.failed(candidate.key, UpstreamBusy("x", retry_after=30), time.monotonic())
    chosen = scene.route(caller=own).candidates
    assert all(one.credential == "c1" for one in chosen)
    scene.health.failed(("openai", "c1", ""), UpstreamBusy("x", retry_after=30), time.monotonic())
    assert scene.route(pin).candidates[0].key == ("openai", "env", "gpt-4o")  # others are asked with the environment's


def test_an_organisation_with_a_key_of_its_own_is_served_where_the_environment_has_none() -> None:
    scene = Scene("openai")
    known = prices.load(NAMES, known=NAMES)

    def made(live: Collection[str]) -> Policy:
        return Policy(shipped(), known, sorted(live), scene.health, scene.pace, Lengths())

    policies = Policies(scene.policy, ["openai"], made)
    own = Caller("o", "local", "k", credentials={"kimi": Credential("c1", Secret("sk-own"))})
    assert policies.of(Caller("o", "local", "k")) is scene.policy
    assert policies.of(own) is policies.of(own)
    route = policies.of(own).route(own, Meaning(pinned=Candidate("kimi", "kimi-k2.5")), FACTS, time.monotonic())
    assert route.candidates[0].credential == "c1"
