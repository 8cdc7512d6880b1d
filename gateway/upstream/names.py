"""What a model's name means here: a policy that chooses, one pinned model, or a well-known one that has no key."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Sequence

from msgspec import Struct

from gateway.core.errors import UnknownModel, UnknownPolicy
from gateway.upstream import rehearse
from gateway.upstream.prices import Prices
from gateway.upstream.providers import ALIASES, KNOWN, SIMULATED, Candidate, candidate
from policies.documents import Organisation
from policies.library import Library

SYNTRA = "syntra"
_NEAR = 3  # names that an error proposes
_REMEMBERED = 10_000  # meanings; some 300 bytes each
# Models that are newer than the map: Anthropic's clients ask for the latest by its bare name.
_MAKER = "anthropic"
_NEWER = re.compile(r"claude-[a-z]{3,20}-\d[\w.-]{0,40}")
_SLIP = 0.75  # how alike two families are that are one and a misspelt one
_LONGEST = 200  # characters of a name that are compared or quoted


class Meaning(Struct, frozen=True):
    """Who shall answer: the policy's choice, the pinned model, or the nearest to `absent`, which has no key here."""

    policy: str = ""
    name: str = ""  # of Syntra's own, which leaves the choice to the policy
    pinned: Candidate | None = None
    absent: str = ""


class Names:
    """The names that can be asked for, for every organisation; made anew with every new library."""

    def __init__(self, library: Library, live: Collection[str], prices: Prices) -> None:
        self._library = library
        self._live = live
        self._prices = prices
        self._meanings: dict[tuple[str, str, str | None], Meaning] = {}
        self._hosts = {
            kind: [one for one in map(candidate, names) if one.provider in live]
            for kind, names in library.models.hosts.items()
        }

    def organisation(self, name: str) -> Organisation:
        """What the documents say of an organisation."""
        return self._library.organisation(name)

    def meaning(self, organisation: str, name: str, policy: str | None = None) -> Meaning:
        """What a chat request's model means; `policy` is what its header names. Raises UnknownModel, UnknownPolicy."""
        key = organisation, name, policy
        found = self._meanings.get(key)
        if found is None:
            found = self._found(organisation, name, policy)
            if len(self._meanings) < _REMEMBERED and len(name) <= _LONGEST:
                self._meanings[key] = found
        return found

    def _found(self, organisation: str, name: str, policy: str | None) -> Meaning:
        rules = self.organisation(organisation)
        wanted = None if policy is None else self._policy(rules, policy.removeprefix(f"{SYNTRA}-"), "x-syntra-policy")
        name = self.told(organisation, name)
        if name == SYNTRA or name.startswith(f"{SYNTRA}-"):
            named = rules.policy if name == SYNTRA else self._policy(rules, name.removeprefix(f"{SYNTRA}-"))
            return Meaning(policy=wanted or named, name=f"{SYNTRA}-{wanted}" if wanted else name)
        return self._pinned(organisation, name)

    def told(self, organisation: str, name: str) -> str:
        """The name that an organisation's alias stands for, or the name itself."""
        aliases = self.organisation(organisation).aliases
        for _ in range(len(aliases)):
            name = aliases.get(name, name)
        return name

    def hosts(self, organisation: str, kind: str, name: str) -> Sequence[Candidate]:
        """Who does what is no chat under this name, first choice first; raises UnknownModel."""
        if name == SYNTRA:
            return self._hosts[kind]
        meaning = self._pinned(organisation, name)
        if meaning.pinned is None:
            raise UnknownModel(name[:_LONGEST], self.near(organisation, name))
        return (meaning.pinned,)

    def names(self, organisation: str) -> list[str]:
        """Every name, Syntra's own first."""
        rules = self.organisation(organisation)
        own = [f"{SYNTRA}-{policy}" for policy in self._policies(rules)]
        return [SYNTRA, *own, *sorted(rules.aliases), *self._prices.names()]

    def knows(self, organisation: str, name: str) -> bool:
        """Whether `names` has this one."""
        return name in self.names(organisation)

    def near(self, organisation: str, name: str) -> list[str]:
        """Up to three names like this one, for an error that helps."""
        name = name[:_LONGEST]  # the comparison is quadratic in it
        names = self.names(organisation)
        near = difflib.get_close_matches(name, names, _NEAR)
        bare = {known.partition("/")[2]: known for known in names if "/" in known}
        near += [bare[match] for match in difflib.get_close_matches(name.rpartition("/")[2], bare, _NEAR)]
        return list(dict.fromkeys(near))[:_NEAR] or [SYNTRA]

    def _policies(self, rules: Organisation) -> list[str]:
        """The policies that an organisation may name."""
        return [name for name in sorted(self._library.routing) if rules.policies is None or name in rules.policies]

    def _policy(self, rules: Organisation, name: str, param: str = "model") -> str:
        known = self._policies(rules)
        if name not in known:
            raise UnknownPolicy(name[:_LONGEST], list(known), param=param)
        return name

    def _pinned(self, organisation: str, name: str) -> Meaning:
        """`provider/model`, sent as it is, or a bare name that a provider is known by."""
        provider, slash, model = name.partition("/")
        provider = ALIASES.get(provider.lower(), provider.lower())
        if slash and model and provider in self._live:
            return Meaning(pinned=Candidate(provider, model))
        if provider == SIMULATED and model in rehearse.MODELS:
            return Meaning(pinned=Candidate(SIMULATED, model))
        if not slash and name:
            owner = next((live for live in self._live if self._prices.get(f"{live}/{name}") is not None), None)
            if owner is not None:
                return Meaning(pinned=Candidate(owner, name))
            absent = next((f"{one.name}/{name}" for one in KNOWN if self._prices.get(f"{one.name}/{name}")), None)
            if absent is not None:
                return Meaning(absent=absent)
            if _NEWER.fullmatch(name) and not self._misspells(name):
                return (
                    Meaning(pinned=Candidate(_MAKER, name))
                    if _MAKER in self._live
                    else Meaning(absent=f"{_MAKER}/{name}")
                )
        raise UnknownModel(name[:_LONGEST], self.near(organisation, name))

    def _misspells(self, name: str) -> bool:
        """Whether the family of a model is a known one's with a slip of the finger."""
        known = {one.rpartition("claude-")[2].partition("-")[0] for one in self._prices.names() if "claude-" in one}
        family = name.split("-")[1]
        return family not in known and bool(difflib.get_close_matches(family, known, 1, _SLIP))
