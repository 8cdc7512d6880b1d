"""The documents together: what one names, another has; what is wrong between them is told with file, line and key."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import pytest
from msgspec import structs

from gateway.core.reading import INTENTS
from gateway.stores.qualities import require_usable
from gateway.upstream.documents import nameable
from gateway.upstream.prices import Prices, load
from gateway.upstream.providers import NAMES
from policies.checks import BUILT_IN, Nameable
from policies.documents import DocumentError, Models, Organisation, Range
from policies.library import HERE, Library, check
from policies.quality import render
from tests.unit.test_documents import MODELS, PERSONA, ROUTING
from tests.unit.test_qualities import section

KNOWN = Nameable({"b/2", "a/1/x", "c/3", "openai/gpt-4o"}.__contains__, own=["mine"], providers=["mine", "openai"])
INTENT = '[intent.{}]\nabout = "x"\noutput_tokens = [1, 2]\n'
FILES = {
    "persona.toml": PERSONA,
    "models.toml": MODELS,
    "intents.toml": 'kind = "intents"\nversion = 1\n' + "".join(INTENT.format(name) for name in BUILT_IN),
    "balanced.toml": ROUTING,
    "cheap.toml": ROUTING,
    "organisations.toml": 'kind = "organisations"\nversion = 1\n[organisation.default]\n',
}


@cache
def prices() -> Prices:
    return load(["openai", "anthropic", "google", "perplexity", "kimi", "openrouter"])


def write(folder: Path, files: Mapping[str, str]) -> Path:
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text)
    return folder


def mistakes(folder: Path, files: Mapping[str, str], knows: Nameable = KNOWN) -> list[str]:
    """What is told of these files, without the folder's name."""
    try:
        Library.load([write(folder, {**FILES, **files})], knows)
    except DocumentError as error:
        return [line.replace(f"{folder}/", "") for line in error.mistakes]
    return []


def test_good_documents_are_taken(tmp_path: Path) -> None:
    library = Library.load([write(tmp_path, FILES)], KNOWN)
    assert sorted(library.routing) == ["balanced", "cheap"]
    assert library.persona.name == "Nova"
    assert list(library.intents.intent) == list(BUILT_IN)
    assert library.organisation("anybody") == Organisation()


@dataclass(frozen=True)
class Wrong:
    """A change that makes the documents wrong together, and what is told of it."""

    told: tuple[str, ...]
    files: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.told[0]


def models(old: str, new: str) -> dict[str, str]:
    assert old in MODELS
    return {"models.toml": MODELS.replace(old, new)}


def routing(text: str = "", **replaced: str) -> dict[str, str]:
    changed = ROUTING.replace("\n[weights]", f"{text}\n[weights]")
    for old, new in replaced.items():
        changed = re.sub(rf"^{old} = .*$", f"{old} = {new}", changed, flags=re.MULTILINE)
    return {"cheap.toml": changed}


def organisation(text: str) -> dict[str, str]:
    return {"organisations.toml": FILES["organisations.toml"] + text}


RIGHT = "give price.input and price.output if it is right"
SWITCH = "many clients take a model with {!r} in its name ({}) for one of that family and ask it differently"
WRONG = [
    # the catalogue
    Wrong(("models.toml:9: model[1].name: 'b/2' stands here twice; the first is model[0]",), models("a/1/x", "b/2")),
    Wrong((f"models.toml:5: model[0].name: LiteLLM's map has no model 'b/3'; {RIGHT}",), models("b/2", "b/3")),
    Wrong(("models.toml:3: embeddings[0]: LiteLLM's map has no model 'c/4', and no [[model]] names it",), models("c/3", "c/4")),
    Wrong(
        ("models.toml:11: model[1].quality.coding_hlp: there is no intent 'coding_hlp'; did you mean 'coding_help'?",),
        models("coding_help", "coding_hlp"),
    ),
    Wrong(
        ("models.toml:7: model[0].quality.default: quality must not rise with complexity: write the easy end first",),
        models("[0.9, 0.5]", "[0.5, 0.9]"),
    ),
    Wrong(
        ("models.toml:12: model[1].price.input: 1e-07 can hardly be right: it is in dollars for a million tokens",),
        models("input = 0.1", "input = 0.0000001"),
    ),
    Wrong(
        ("models.toml:12: model[1].price.output: 20000 can hardly be right: it is in dollars for a million tokens",),
        models("output = 2", "output = 20_000"),
    ),
    Wrong(
        ("models.toml:12: model[1].price.request: 12 can hardly be right: it is in dollars for one request",),
        models("output = 2", "output = 2, request = 12"),
    ),
    Wrong(("models.toml:13: model[1].lacks: 'tools' is added as well",), models('lacks = ["tools"]', 'lacks = ["tools"]\nadds = ["tools"]')),
    # intents
    Wrong(
        ("intents.toml:3: intent: 'coding_help' is missing; it is one of the five that are told apart out of the box",),
        {"intents.toml": FILES["intents.toml"].replace(INTENT.format("coding_help"), ""), "models.toml": MODELS.replace("coding_help", "default")},
    ),
    Wrong(
        ("intents.toml:21: intent.law.examples: an intent of your own needs 3 examples or more, not 2",),
        {"intents.toml": FILES["intents.toml"] + INTENT.format("law") + 'examples = ["a", "b"]'},
    ),
    Wrong(
        ("intents.toml:18: intent.default: no intent can be called 'default': that stands for all that are not named",),
        {"intents.toml": FILES["intents.toml"] + INTENT.format("default")},
    ),
    # policies
    Wrong(
        ("cheap.toml:21: enough: 'default' is missing; it holds for every intent that is not named",
         "cheap.toml:22: enough.coding: there is no intent 'coding'; did you mean 'coding_help'?"),
        {"cheap.toml": ROUTING.replace("[enough]\ndefault", "\n[enough]\ncoding")},
    ),
    Wrong(
        ("cheap.toml:21: enough.default: what is good enough must not fall with complexity: write the easy end first",),
        routing(default="[0.9, 0.8]"),
    ),
    Wrong(
        ("cheap.toml:7: weights.surplus: it must be less than shortfall: what lacks weighs more than what is too much",),
        routing(surplus="10"),
    ),
    Wrong(("cheap.toml:5: default[1]: the catalogue has no model 'b/3'; did you mean 'b/2'?",), routing('default = ["b/2",\n"b/3"]\n')),
    Wrong(("cheap.toml:4: default[0]: the catalogue has no model 'openai/gpt-4o'",), routing('default = ["openai/gpt-4o"]\n')),
    Wrong(("cheap.toml:4: models[1]: nothing in the catalogue matches 'd/*'",), routing('models = ["b/*", "d/*"]\n')),
    Wrong(("cheap.toml:4: models[0]: nothing in the catalogue matches 'b/22'; did you mean 'b/2'?",), routing('models = ["b/22"]\n')),
    Wrong(("cheap.toml:4: fallback: there is no policy 'balance'; did you mean 'balanced'?",), routing('fallback = "balance"\n')),
    Wrong(("cheap.toml:4: fallback: this leads in a circle: cheap -> cheap",), routing('fallback = "cheap"\n')),
    Wrong(
        ("cheap.toml:4: fallback: this leads in a circle: cheap -> fast -> cheap",
         "fast.toml:4: fallback: this leads in a circle: fast -> cheap -> fast"),
        {**routing('fallback = "fast"\n'), "fast.toml": routing('fallback = "cheap"\n')["cheap.toml"],
         "slow.toml": routing('fallback = "cheap"\n')["cheap.toml"]},
    ),
    Wrong(
        (f"foo3.toml:1: a policy's file cannot be called 'foo3': {SWITCH.format('o3', 'syntra-foo3')}",),
        {"foo3.toml": ROUTING},
    ),
    # organisations
    Wrong(
        ("organisations.toml:4: organisation.acme.policy: there is no policy 'cheep'; did you mean 'cheap'?",
         "organisations.toml:5: organisation.acme.policies[1]: there is no policy 'best'",
         "organisations.toml:6: organisation.acme.models[0]: nothing in the catalogue matches 'z/*'"),
        {"organisations.toml": FILES["organisations.toml"].replace(
            "default]\n", 'acme]\npolicy = "cheep"\npolicies = ["cheap", "best"]\nmodels = ["z/*", "openai/gpt-4o"]\n')},
    ),
    Wrong(
        ("organisations.toml:5: organisation.default.aliases.a/b: an alias has no '/': that is how a provider's model is pinned",),
        organisation('[organisation.default.aliases]\n"a/b" = "b/2"\n'),
    ),
    Wrong(
        ("organisations.toml:5: organisation.default.aliases.my-gpt-5: an alias cannot be called so: " + SWITCH.format("gpt-5", "my-gpt-5"),),
        organisation('[organisation.default.aliases]\nmy-gpt-5 = "b/2"\n'),
    ),
    Wrong(
        ("organisations.toml:5: organisation.default.aliases.syntra-cheap: this name is Syntra's own; `policy` says what `syntra` means",),
        organisation('[organisation.default.aliases]\nsyntra-cheap = "b/2"\n'),
    ),
    Wrong(
        ("organisations.toml:4: organisation.default.aliases.x: 'b/3' is no model, no alias and no policy's name; did you mean 'b/2'?",
         "organisations.toml:4: organisation.default.aliases.y: write 'syntra-cheap' to mean the policy",
         "organisations.toml:4: organisation.default.aliases.z: 'syntra-best' is no model, no alias and no policy's name; did you mean 'syntra'?"),
        organisation('aliases = { x = "b/3", y = "cheap", z = "syntra-best", a = "x", b = "openai/gpt-4o", c = "syntra", d = "syntra-cheap" }\n'),
    ),
    Wrong(
        ("organisations.toml:4: organisation.default.aliases.x: this leads in a circle: x -> y -> x",
         "organisations.toml:4: organisation.default.aliases.y: this leads in a circle: y -> x -> y"),
        organisation('aliases = { x = "y", y = "x", into = "x" }\n'),
    ),
    Wrong(
        ("organisations.toml:3: organisation.defualt: did you mean 'default'? There is none, and it holds for all not named",),
        {"organisations.toml": FILES["organisations.toml"].replace("default", "defualt")},
    ),
    # paces
    Wrong(
        ("models.toml:4: pace.opnai: there is no provider 'opnai'; did you mean 'openai'?",
         "models.toml:6: pace.house: there is no provider 'house'; one of your own stands in SYNTRA_PROVIDERS"),
        models('["c/3"]\n', '["c/3"]\n[pace.opnai]\nrps = 1\n[pace.house]\n[pace.mine]\n'),
    ),
    # kinds
    Wrong(
        ("second.toml:1: kind: {folder}/models.toml is of kind 'models' already; a file of that name in your folder replaces it",),
        {"second.toml": MODELS},
    ),
    Wrong(("kind: there is no document of kind 'persona'",), {"persona.toml": ROUTING}),
]  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG, ids=str)
def test_a_mistake_between_documents_is_told_with_file_line_and_key(tmp_path: Path, wrong: Wrong) -> None:
    told = [line.replace("{folder}/", "") for line in wrong.told]
    assert mistakes(tmp_path, wrong.files) == told


def test_mistakes_of_all_files_are_told_at_once(tmp_path: Path) -> None:
    files = {"cheap.toml": "kind = 1", "models.toml": MODELS.replace("name =", "nam ="), "persona.toml": "= 1"}
    told = mistakes(tmp_path, files)
    assert [line.partition(":")[0] for line in told] == [
        "cheap.toml", "models.toml", "models.toml", "models.toml", "models.toml", "persona.toml",
    ]  # fmt: skip


def test_a_model_that_the_map_does_not_know_is_right_if_it_is_priced(tmp_path: Path) -> None:
    own = MODELS.replace('"a/1/x"', '"mine/llama"')
    assert mistakes(tmp_path, {"models.toml": own}) == []


def test_a_host_of_ones_own_or_with_a_price_is_right(tmp_path: Path) -> None:
    own = MODELS.replace('["c/3"]', '["mine/bge-m3", "a/1/x"]\nrerank = ["mine/bge-reranker"]')
    assert mistakes(tmp_path, {"models.toml": own}) == []


def test_a_section_of_qualities_that_cannot_be_used_is_told_with_file_line_and_key(tmp_path: Path) -> None:
    fitted = ROUTING + render(section())
    at = fitted.split("\n").index(f'eye = "{section().eye}"') + 1
    priced = "price = { input = 1, output = 1 }\nquality.default = [0.9, 0.5]"
    small = f'\n[[model]]\nname = "mine/small"\nsource = "measured by ourselves"\n{priced}\n'
    known = structs.replace(KNOWN, require_usable=require_usable)
    good = {"models.toml": MODELS + small, "cheap.toml": fitted}
    assert mistakes(tmp_path, good, known) == []
    strange = fitted.replace(section().eye, "256+1-0")
    (told,) = mistakes(tmp_path, {**good, "cheap.toml": strange}, known)
    assert told.startswith(f"cheap.toml:{at}: quality.eye: fitted with '256+1-0', but this gateway sees with ")
    (told,) = mistakes(tmp_path, {"models.toml": MODELS, "cheap.toml": fitted}, known)
    assert re.match(r"cheap\.toml:\d+: quality\.models: the catalogue has none of these models: .*small", told)


def test_a_free_model_is_no_slip(tmp_path: Path) -> None:
    assert mistakes(tmp_path, models("input = 0.1, output = 2", "input = 0, output = 0")) == []


def test_a_users_file_stands_in_for_the_shipped_one_of_its_name(tmp_path: Path) -> None:
    shipped = write(tmp_path / "shipped", FILES)
    own = write(tmp_path / "own", {"cheap.toml": ROUTING.replace("cost = 1", "cost = 9"), "mine.toml": ROUTING})
    library = Library.load([shipped, own], KNOWN)
    assert library.routing["cheap"].weights.cost == 9
    assert library.routing["balanced"].weights.cost == 1
    assert "mine" in library.routing


def test_a_folder_that_is_not_there_has_no_documents(tmp_path: Path) -> None:
    assert Library.load([write(tmp_path / "shipped", FILES), tmp_path / "none"], KNOWN).routing


def test_what_an_editor_leaves_beside_a_document_is_none(tmp_path: Path) -> None:
    rest = {".cheap.toml": "x", "cheap.toml~": "x", ".#cheap.toml": "x", "notes.txt": "x", "cheap.toml.swp": "x"}
    assert mistakes(tmp_path, rest) == []


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (write(tmp_path, FILES) / "x.toml").mkdir()
    with pytest.raises(DocumentError, match=re.escape(f"{tmp_path}/x.toml: Is a directory")):
        Library.load([tmp_path], KNOWN)


def test_the_version_is_of_the_contents_and_of_nothing_else(tmp_path: Path) -> None:
    first = Library.load([write(tmp_path / "a", FILES)], KNOWN).version
    assert re.fullmatch("[0-9a-f]{12}", first)
    assert Library.load([write(tmp_path / "b", FILES)], KNOWN).version == first
    changed = {"cheap.toml": ROUTING + "# the same"}
    assert Library.load([write(tmp_path / "c", {**FILES, **changed})], KNOWN).version != first


def test_an_organisation_that_is_not_named_is_the_default_one(tmp_path: Path) -> None:
    text = FILES["organisations.toml"] + 'policy = "cheap"\n[organisation.acme]\nmodels = ["b/*"]\n'
    library = Library.load([write(tmp_path, {**FILES, "organisations.toml": text})], KNOWN)
    assert library.organisation("nobody").policy == "cheap"
    assert library.organisation("acme") == Organisation(models=["b/*"])


# `syntra policy check FILE`


def test_a_file_is_checked_as_if_it_stood_among_the_others(tmp_path: Path) -> None:
    library = Library.load([write(tmp_path / "shipped", FILES)], KNOWN)
    mine = write(
        tmp_path / "drafts", {"mine.toml": ROUTING, "cheap.toml": routing('fallback = "mine"\n')["cheap.toml"]}
    )
    assert check(mine / "mine.toml", library) == []
    assert check(mine / "cheap.toml", library) == [f"{mine}/cheap.toml:4: fallback: there is no policy 'mine'"]
    assert check(mine / "none.toml", library) == [f"{mine}/none.toml: No such file or directory"]
    assert check(mine, library) == [f"{mine}: the name of a document ends in .toml"]
    assert sorted(library.routing) == ["balanced", "cheap"]


def test_a_file_is_checked_for_what_it_breaks_elsewhere(tmp_path: Path) -> None:
    shipped = write(tmp_path / "shipped", {**FILES, **routing('fallback = "balanced"\n')})
    library = Library.load([shipped], KNOWN)
    draft = write(tmp_path / "drafts", {"balanced.toml": PERSONA}) / "balanced.toml"
    assert f"{shipped}/cheap.toml:4: fallback: there is no policy 'balanced'" in check(draft, library)


# The documents that are shipped


@cache
def shipped() -> Library:
    return Library.load([HERE], nameable(prices(), NAMES, require_usable))


def test_the_shipped_documents_are_right() -> None:
    assert sorted(shipped().routing) == ["balanced", "best", "cheap", "fast"]
    assert shipped().persona.text.strip()
    assert shipped().organisation("anybody").policy == "balanced"


def test_the_intents_that_are_built_in_are_the_classifiers() -> None:
    assert BUILT_IN == INTENTS
    assert tuple(shipped().intents.intent) == INTENTS


def test_every_shipped_model_is_in_the_map_or_has_a_price() -> None:
    for model in shipped().models.model:
        entry = prices().get(model.name)
        if entry is None:
            assert model.price is not None, model.name
            assert model.window, model.name
            assert model.abilities, model.name
        else:
            assert entry.mode == "chat", model.name
            assert entry.price is not None, model.name
            assert model.window or entry.window, model.name


def test_the_shipped_catalogue_has_models_of_every_provider_with_tools_but_for_perplexity() -> None:
    able: dict[str, set[str]] = {}
    for model in shipped().models.model:
        entry = prices().get(model.name)
        abilities = set(model.abilities or (entry.abilities if entry else ())) | set(model.adds)
        able.setdefault(model.name.partition("/")[0], set()).update(abilities - set(model.lacks))
    assert set(able) == {"openai", "anthropic", "google", "perplexity", "kimi", "openrouter"}
    assert [name for name, abilities in able.items() if "tools" not in abilities] == ["perplexity"]
    assert [name for name, abilities in able.items() if "search" in abilities] == ["perplexity"]
    # Perplexity keeps to a schema, but refuses {"type": "json_object"}, and nobody asks for one only where it will do.
    assert [name for name, abilities in able.items() if "json" not in abilities] == ["perplexity"]


def test_no_shipped_policy_ends_at_one_provider_alone() -> None:
    for routing in shipped().routing.values():
        assert {"openai", "anthropic", "google", "openrouter"} <= {name.partition("/")[0] for name in routing.default}


RANK = re.compile(r"(coding|chat|math|all) (\d+) of (\d+)")
TASKS = {
    "social_chat": "chat",
    "qa_retrieval": "all",
    "coding_help": "coding",
    "editing_writing": "chat",
    "reasoning_math": "math",
}


def by_the_rule(source: str, intent: str) -> Range:
    """The rule at the head of models.toml."""
    ranks = {task: (int(rank) - 1) / int(of) for task, rank, of in RANK.findall(source)}
    hard = 1 - ranks.get(TASKS[intent], ranks["all"]) ** 0.5
    return 1 - (1 - hard) / 8, hard


def test_every_shipped_quality_follows_from_its_source_by_the_rule() -> None:
    models: Models = shipped().models
    sonar = next(model for model in models.model if model.name == "perplexity/sonar")
    for model in models.model:
        for intent in INTENTS:
            ends = by_the_rule(model.source, intent)
            if "half-way between perplexity/sonar and" in model.source:
                ends = tuple(
                    (one + other) / 2 for one, other in zip(by_the_rule(sonar.source, intent), ends, strict=True)
                )
            assert model.quality[intent] == pytest.approx(ends, abs=0.0051), (model.name, intent)
