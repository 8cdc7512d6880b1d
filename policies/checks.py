"""What the documents must be to each other: every name is known, no road leads in a circle, units make sense."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Final

from msgspec import Struct

from policies import lines
from policies.documents import Intents, Model, Models, Organisation, Organisations, Price, Routing
from policies.quality import Quality, QualityError, meant
from policies.reading import KINDS, Mistake, Read, near

BUILT_IN: Final = ("social_chat", "qa_retrieval", "coding_help", "editing_writing", "reasoning_math")
SYNTRA: Final = "syntra"  # what stands before a policy's name where a model's name is asked for
DEFAULT: Final = "default"
_FEWEST: Final = 3  # examples of an intent of one's own
_CHEAPEST, _DEAREST = 0.001, 10_000.0  # dollars for a million tokens; what lies beyond was meant for one token
_DEAREST_REQUEST: Final = 10.0  # dollars; the same slip with what a thousand searches cost

# Clients look for these inside a model's name and then send or leave out parameters as that family wants them.
_SWITCHES: Final = ("o1", "o3", "o4", "gpt-5")


Require = Callable[[Quality], object]  # raises QualityError for a fitted section that cannot be used


def unread(_: Quality) -> None:
    """Take any fitted section."""


class Nameable(Struct, frozen=True):
    """What there is outside of the documents that they may name."""

    mapped: Callable[[str], bool]  # whether LiteLLM's map knows a model, `provider/model`
    own: Collection[str] = ()  # servers of one's own, whose models no map knows
    providers: Collection[str] = ()  # that may have a key, those included
    require_usable: Require = unread


class House(Struct, frozen=True):
    """What the documents say together, as far as they could be read: the names that others may point to."""

    models: frozenset[str]
    intents: frozenset[str]
    policies: Mapping[str, Routing]
    outside: Nameable

    def knows(self, model: str) -> bool:
        """Whether a model can be asked at all."""
        return model in self.models or self.outside.mapped(model)


def mistakes(reads: Iterable[Read], known: Nameable) -> list[str]:
    """Everything that is wrong between these documents; [] if nothing is."""
    reads = list(reads)
    told = _one_of_each(reads)
    house = House(
        models=frozenset(
            entry.name for one in reads if isinstance(one.document, Models) for entry in one.document.model
        ),
        intents=frozenset(name for one in reads if isinstance(one.document, Intents) for name in one.document.intent),
        policies={one.source.stem: one.document for one in reads if isinstance(one.document, Routing)},
        outside=known,
    )
    for one in reads:
        told += one.told(_in(one, house))
    return told


def _one_of_each(reads: list[Read]) -> list[str]:
    """Of every kind but routing there is exactly one."""
    told = []
    for name, kind in KINDS.items():
        found = [one for one in reads if isinstance(one.document, kind)]
        if not found:
            told.append(f"kind: there is no document of kind {name!r}")
        elif kind is not Routing:
            first, *more = found
            what = f"{first.source.path} is of kind {name!r} already; a file of that name in your folder replaces it"
            told += [line for one in more for line in one.told([(("kind",), what)])]
    return told


def _in(read: Read, house: House) -> Iterator[Mistake]:
    match read.document:
        case Models() as models:
            yield from _models(models, house)
        case Intents() as intents:
            yield from _intents(intents)
        case Routing() as routing:
            yield from _routing(read.source.stem, routing, house)
        case Organisations() as organisations:
            named = organisations.organisation
            slip = "" if DEFAULT in named else next(iter(get_close_matches(DEFAULT, named, 1)), "")
            if slip:  # without it, whoever is not named may do everything
                yield ("organisation", slip), f"did you mean {DEFAULT!r}? There is none, and it holds for all not named"
            for name, organisation in named.items():
                yield from _organisation(organisation, ("organisation", name), house)
        case _:
            return


def _models(models: Models, house: House) -> Iterator[Mistake]:
    seen: dict[str, int] = {}
    for index, model in enumerate(models.model):
        if model.name in seen:
            yield ("model", index, "name"), f"{model.name!r} stands here twice; the first is model[{seen[model.name]}]"
        seen.setdefault(model.name, index)
        yield from _model(model, ("model", index), house)
    for name in models.pace:
        if name not in house.outside.providers:
            close = near(name, sorted(house.outside.providers)) or "; one of your own stands in SYNTRA_PROVIDERS"
            yield ("pace", name), f"there is no provider {name!r}{close}"
    for kind, names in models.hosts.items():
        for index, name in enumerate(names):
            if not house.knows(name) and name.partition("/")[0] not in house.outside.own:
                yield (kind, index), f"LiteLLM's map has no model {name!r}, and no [[model]] names it"


def _model(model: Model, at: lines.Path, house: House) -> Iterator[Mistake]:
    priced = model.price is not None and model.price.input is not None and model.price.output is not None
    if not priced and not house.outside.mapped(model.name):
        yield (
            (*at, "name"),
            f"LiteLLM's map has no model {model.name!r}; give price.input and price.output if it is right",
        )
    for intent, ends in model.quality.items():
        yield from _intent(intent, (*at, "quality", intent), house)
        if ends[1] > ends[0]:
            yield (*at, "quality", intent), "quality must not rise with complexity: write the easy end first"
    for ability in set(model.lacks) & set(model.adds):
        yield (*at, "lacks"), f"{ability!r} is added as well"
    if model.price is not None:
        yield from _price(model.price, (*at, "price"))


def _price(price: Price, at: lines.Path) -> Iterator[Mistake]:
    for key in ("input", "cached_input", "output"):
        value = getattr(price, key)
        if value is not None and (0 < value < _CHEAPEST or value > _DEAREST):
            yield (*at, key), f"{value:g} can hardly be right: it is in dollars for a million tokens"
    if price.request is not None and price.request > _DEAREST_REQUEST:
        yield (*at, "request"), f"{price.request:g} can hardly be right: it is in dollars for one request"


def _intents(intents: Intents) -> Iterator[Mistake]:
    for name in BUILT_IN:
        if name not in intents.intent:
            yield ("intent",), f"{name!r} is missing; it is one of the five that are told apart out of the box"
    for name, intent in intents.intent.items():
        at: lines.Path = ("intent", name)
        if name == DEFAULT:
            yield at, f"no intent can be called {DEFAULT!r}: that stands for all that are not named"
        elif name not in BUILT_IN and len(intent.examples) < _FEWEST:
            yield (
                (*at, "examples"),
                f"an intent of your own needs {_FEWEST} examples or more, not {len(intent.examples)}",
            )


def _routing(stem: str, routing: Routing, house: House) -> Iterator[Mistake]:
    for switch in _SWITCHES:
        if switch in stem:
            yield (), f"a policy's file cannot be called {stem!r}: {_switching(f'{SYNTRA}-{stem}', switch)}"
    if routing.weights.surplus >= routing.weights.shortfall:
        yield ("weights", "surplus"), "it must be less than shortfall: what lacks weighs more than what is too much"
    if DEFAULT not in routing.enough:
        yield ("enough",), f"{DEFAULT!r} is missing; it holds for every intent that is not named"
    for intent, ends in routing.enough.items():
        yield from _intent(intent, ("enough", intent), house)
        if ends[1] < ends[0]:
            yield ("enough", intent), "what is good enough must not fall with complexity: write the easy end first"
    yield from _patterns(routing.models, ("models",), house)
    for index, name in enumerate(routing.default):
        if name not in house.models:
            yield ("default", index), f"the catalogue has no model {name!r}{near(name, sorted(house.models))}"
    yield from _fallback(stem, routing, house)
    if routing.quality is not None:
        yield from _quality(routing.quality, house)


def _quality(quality: Quality, house: House) -> Iterator[Mistake]:
    """It is one of this gateway's, and of models that are there; the outcomes may have been of more than these."""
    try:
        house.outside.require_usable(quality)
    except QualityError as error:
        key, _, what = str(error).partition(": ")
        yield tuple(key.split(".")), what
    graded = [model.name for model in quality.models]
    if not any(meant(name, graded) for name in house.models):
        yield ("quality", "models"), f"the catalogue has none of these models: {', '.join(graded)}"


def _fallback(stem: str, routing: Routing, house: House) -> Iterator[Mistake]:
    if routing.fallback and routing.fallback not in house.policies:
        yield ("fallback",), f"there is no policy {routing.fallback!r}{near(routing.fallback, list(house.policies))}"
    links = {name: policy.fallback for name, policy in house.policies.items() if policy.fallback}
    circle = _circle(stem, links)
    if circle:
        yield ("fallback",), f"this leads in a circle: {circle}"


def _organisation(organisation: Organisation, at: lines.Path, house: House) -> Iterator[Mistake]:
    yield from _patterns(organisation.models, (*at, "models"), house)
    named = [((*at, "policy"), organisation.policy)]
    named += [((*at, "policies", index), policy) for index, policy in enumerate(organisation.policies or [])]
    for where, policy in named:
        if policy not in house.policies:
            yield where, f"there is no policy {policy!r}{near(policy, list(house.policies))}"
    for name, target in organisation.aliases.items():
        yield from _alias(name, target, organisation.aliases, (*at, "aliases", name), house)


def _alias(name: str, target: str, aliases: Mapping[str, str], at: lines.Path, house: House) -> Iterator[Mistake]:
    own = [SYNTRA, *(f"{SYNTRA}-{policy}" for policy in house.policies)]
    if "/" in name:
        yield at, "an alias has no '/': that is how a provider's model is pinned"
    elif name in own:
        yield at, "this name is Syntra's own; `policy` says what `syntra` means"
    for switch in _SWITCHES:
        if switch in name:
            yield at, f"an alias cannot be called so: {_switching(name, switch)}"
    circle = _circle(name, aliases)
    if circle:
        yield at, f"this leads in a circle: {circle}"
    elif target in house.policies and target not in aliases:
        yield at, f"write '{SYNTRA}-{target}' to mean the policy"
    elif target not in own and target not in aliases and not ("/" in target and house.knows(target)):
        names = [*own, *aliases, *sorted(house.models)]
        yield at, f"{target!r} is no model, no alias and no policy's name{near(target, names)}"


def _patterns(patterns: Iterable[str], at: lines.Path, house: House) -> Iterator[Mistake]:
    """A pattern that matches nothing is a slip; a whole name may also be one that only LiteLLM's map knows."""
    for index, pattern in enumerate(patterns):
        if not any(fnmatchcase(name, pattern) for name in house.models) and not house.outside.mapped(pattern):
            yield (*at, index), f"nothing in the catalogue matches {pattern!r}{near(pattern, sorted(house.models))}"


def _intent(name: str, at: lines.Path, house: House) -> Iterator[Mistake]:
    if name != DEFAULT and name not in house.intents:
        yield at, f"there is no intent {name!r}{near(name, [*sorted(house.intents), DEFAULT])}"


def _circle(start: str, links: Mapping[str, str]) -> str:
    """The way from here back to here, or nothing; a circle further on is told where it begins."""
    way = [start]
    while (step := links.get(way[-1])) is not None and step not in way:
        way.append(step)
    return " -> ".join([*way, start]) if step == start else ""


def _switching(name: str, switch: str) -> str:
    return (
        f"many clients take a model with {switch!r} in its name ({name}) for one of that family and ask it differently"
    )
