"""Who is asked, and in which order: the policy's plan, a pin, or the nearest to a model that has no key here."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final

from msgspec import Struct, structs

from gateway.core.caller import Caller
from gateway.core.errors import AllCooling, ContextTooLong, NotAllowed, NothingFits, SyntraError
from gateway.core.health import Health
from gateway.core.pace import Lengths, Pace
from gateway.upstream.names import SYNTRA, Meaning, Names
from gateway.upstream.offers import offer, offers
from gateway.upstream.prices import Prices
from gateway.upstream.providers import SIMULATED, Candidate, candidate
from policies import engine
from policies.documents import LATENESS, Model
from policies.engine import Board, Plan, Scored
from policies.facts import Facts, Live, Offer
from policies.library import Library
from policies.reasons import reasons

_TOLD: Final = 100  # candidates whose reasons an error tells
_REMEMBERED: Final = 10_000  # pins, some 500 bytes each
_ASKED: Final = 3  # stand-ins for a model that has no key here
# The fields that a model which thinks before it speaks refuses.
SAMPLING: Final = tuple(
    "temperature top_p top_k presence_penalty frequency_penalty logit_bias logprobs top_logprobs".split()
)
_FRESH: Final = 0.5  # need for fresh facts from which on a search is what one was chosen for
_NOBODY: Final = Plan("", 0.0, (), ())
_PRICED_AT: Final = (3000, 1000)  # tokens of prompt and answer at which two models' prices are compared


class Route(Struct, frozen=True):
    """Who is asked for one request, best first, and what was thought of everybody."""

    candidates: Sequence[Candidate]
    pinned: bool
    plan: Plan
    document: str  # version of the documents that decided
    live: Mapping[str, Live] = {}
    searching: Sequence[str] = ()  # the candidates that search the web
    instead_of: str = ""  # the well-known model that has no key here
    continues: bool = False  # whether another goes on with a text that was cut
    moves: Collection[str] = ()  # for what the next is asked, beside failures

    def searches(self, facts: Facts) -> bool:
        """Whether who is asked first searches the web, and was chosen for it."""
        return _wants_search(facts) and self.candidates[0].name in self.searching


class Policy:
    """Plans every request with the documents of the moment; `take` gives it new ones between two requests."""

    def __init__(
        self,
        library: Library,
        prices: Prices,
        live: Collection[str],
        health: Health,
        pace: Pace,
        lengths: Lengths,
    ) -> None:
        self._prices = prices
        self._live = live
        self._health = health
        self._pace = pace
        self._lengths = lengths
        self.take(library)

    def take(self, library: Library) -> None:
        """Use these documents from the next request on."""
        self.library = library
        self.names = Names(library, self._live, self._prices)
        self._offers = offers(library.models, self._prices, self._live)
        self._asked = [(one, _candidate(one)) for one in self._offers]
        for one, asked in self._asked:
            self._pace.expect(asked.pace_key, one.ttft_ms, one.tokens_per_s)
        self._searching = [one.name for one in self._offers if "search" in one.abilities]
        self._boards = {name: Board(name, routing, self._offers) for name, routing in library.routing.items()}
        self._allowed: dict[tuple[str, tuple[str, ...]], frozenset[str] | None] = {}
        self._pins: dict[tuple[str, tuple[str, ...], Candidate], Route] = {}
        self.windows = sorted({one.window for one in self._offers if one.window})

    def route(self, caller: Caller, meaning: Meaning, facts: Facts, now: float) -> Route:
        """The plan for one request; raises NothingFits, NotAllowed or AllCooling."""
        if meaning.pinned is not None:
            return self._pin(caller, meaning.pinned, facts)
        if meaning.policy and caller.scopes.policies and meaning.policy not in caller.scopes.policies:
            raise NotAllowed(f"This key may not use the policy {meaning.policy}.", param="model")
        if not self._live:
            nobody = Candidate(SIMULATED, "syntra")
            return Route((nobody,), False, _NOBODY, self.library.version, instead_of=meaning.absent)
        if meaning.absent:
            _refuse_pin(caller)
        asked = self._asked
        if caller.credentials:
            asked = [(one, _paid_by(caller, candidate)) for one, candidate in asked]
        live = self._doing(asked, facts, now)
        allowed = self._allow_list(caller, meaning.name)
        if allowed is not None and not allowed:
            raise NotAllowed(f"This key may not use {meaning.name or meaning.absent}.", param="model")
        if meaning.absent:
            plan = self._nearest(meaning.absent, facts, live, allowed)
        else:
            plan = self.plan(meaning.policy, facts, live, allowed, caller.scopes.policies)
        version = self.library.version
        if not plan.chain:
            error = _nothing(plan, facts, live)
            error.considered = Route((), False, plan, version, live, self._searching, meaning.absent)
            raise error
        named = {one.name: candidate for one, candidate in asked}
        candidates = [named[one.name] for one in plan.chain]
        routing = self.library.routing.get(plan.policy)
        return Route(
            candidates,
            pinned=False,
            plan=plan,
            document=version,
            live=live,
            searching=self._searching,
            instead_of=meaning.absent,
            continues=routing is not None and routing.after_first_word == "continue",
            moves=self._moves(plan, facts),
        )

    def plan(
        self,
        policy: str,
        facts: Facts,
        live: Mapping[str, Live],
        allowed: Collection[str] | None,
        policies: Collection[str],
    ) -> Plan:
        """The policy's plan, or where it has nobody, that of the one it falls back to, if it is of these `policies`."""
        plan = self._boards[policy].plan(facts, live, allowed)
        fallback = self.library.routing[policy].fallback
        if plan.chain or not fallback or (policies and fallback not in policies):
            return plan
        facts = structs.replace(facts, qualities=None)  # were fitted for this policy, not for that
        return self.plan(fallback, facts, live, allowed, policies)

    def _moves(self, plan: Plan, facts: Facts) -> Collection[str]:
        """For what the policy moves on; two are not asked at once where that may cost more than the request allows."""
        routing = self.library.routing.get(plan.policy)
        if routing is None or not routing.moves:
            return ()
        costs = [one.cost for one in plan.chain[:2]]
        dear = facts.max_cost is not None and (None in costs or sum(filter(None, costs)) > facts.max_cost)
        return [move for move in routing.moves if not (dear and move == LATENESS)]

    def memory_tokens(self, caller: Caller, policy: str) -> int:
        """Tokens that notes from memory may take; without a policy, that of the organisation's own."""
        documents = self.library.routing
        return documents[policy if policy in documents else self.names.organisation(caller.name).policy].memory_tokens

    def _doing(self, asked: Sequence[tuple[Offer, Candidate]], facts: Facts, now: float) -> dict[str, Live]:
        """How the models are doing: measured, or the catalogue's start."""
        found = {}
        for one, model in asked:
            key = model.pace_key
            speed = self._pace.of(key)
            thought = self._lengths.reasoning(key, one.reasoning * facts.complexity)
            rest = self._health.cooling(model.key, now)
            if rest is None:
                found[one.name] = Live(speed.ttft.p50, speed.flow.p50, thought)
            else:
                left = rest.left(now)
                found[one.name] = Live(speed.ttft.p50, speed.flow.p50, thought, rest.reason, left, rest.stated)
        return found

    def _allow_list(self, caller: Caller, name: str) -> frozenset[str] | None:
        """The models on offer that may answer to a name of Syntra's, None for all.

        A key that is for that name may have whatever the organisation may; any other only what it is for itself.
        """
        scope = _scope(caller, name)
        key = caller.name, scope
        if key not in self._allowed:
            if len(self._allowed) >= _REMEMBERED:
                self._allowed.clear()
            names = frozenset(one.name for one in self._offers if self._allows(caller.name, scope, one.name))
            self._allowed[key] = None if len(names) == len(self._offers) else names
        return self._allowed[key]

    def host(self, caller: Caller, kind: str, name: str) -> Candidate | None:
        """Who does what is no chat under this name, None where nobody has a key; raises UnknownModel or NotAllowed."""
        name = self.names.told(caller.name, name)
        hosts = self.names.hosts(caller.name, kind, name)
        if name != SYNTRA:
            _refuse_pin(caller)
        scope = _scope(caller, name) if name == SYNTRA else caller.scopes.models
        found = next((one for one in hosts if self._allows(caller.name, scope, one.name)), None)
        if hosts and found is None:
            raise NotAllowed(f"This key or its organisation may not use {hosts[0].name[:200]}.", param="model")
        return None if found is None else _paid_by(caller, found)

    def _allows(self, organisation: str, scope: Sequence[str], model: str) -> bool:
        """Whether an organisation, and a key with this scope, may use a model."""
        by_key = not scope or engine.matches(model, scope)
        return by_key and engine.matches(model, self.names.organisation(organisation).models)

    def _pin(self, caller: Caller, pinned: Candidate, facts: Facts) -> Route:
        """One model and no other, whatever is thought of it: only the limits that somebody has set hold."""
        if pinned.provider != SIMULATED:
            _refuse_pin(caller)
        if facts.max_cost is not None or facts.max_ttft_ms is not None:
            self._refuse_over_limit(pinned, facts)
        pinned = _paid_by(caller, pinned)
        key = caller.name, caller.scopes.models, pinned
        route = self._pins.get(key)
        if route is None:
            route = self._pinned(caller, pinned)
            if len(self._pins) < _REMEMBERED:
                self._pins[key] = route
        return route

    def _pinned(self, caller: Caller, pinned: Candidate) -> Route:
        if pinned.provider != SIMULATED and not self._allows(caller.name, caller.scopes.models, pinned.name):
            raise NotAllowed(f"This key or its organisation may not use {pinned.name[:200]}.", param="model")
        known = self._prices.get(pinned.name)
        if known is not None:
            pinned = structs.replace(pinned, most_output=known.most_output, window=known.window)
        return Route((pinned,), True, _NOBODY, self.library.version)

    def _refuse_over_limit(self, pinned: Candidate, facts: Facts) -> None:
        """Raise NothingFits where a pinned model breaks the request's own limits."""
        one = Scored(pinned.name)
        entry = next((known for known in self._offers if known.name == one.name), None)
        known = entry or offer(Model(one.name, {}, "pinned by the request"), self._prices.get(one.name))
        one.ttft_ms = self._pace.ttft_ms(pinned.pace_key)
        unlimited = Offer(
            known.name, frozenset(facts.needs), 0, 0, known.price, {}, 0, known.ttft_ms, known.tokens_per_s
        )
        thought = self._lengths.reasoning(pinned.pace_key, known.reasoning * facts.complexity)
        one.out, one.detail = engine.limit(unlimited, facts, Live(one.ttft_ms, known.tokens_per_s, thought))
        if one.out:
            raise _nothing(Plan("", 0.0, (), (one,)), facts, {})

    def _nearest(self, absent: str, facts: Facts, live: Mapping[str, Live], allowed: Collection[str] | None) -> Plan:
        """The able models nearest to one that has no key here: itself elsewhere, else near in quality and price."""
        wanted = self._wanted(absent)
        seen = []
        for one in self._offers:
            scored = Scored(one.name, -_distance(wanted, one), ttft_ms=live[one.name].ttft_ms)
            scored.out, scored.detail = engine.limit(one, facts, live[one.name])
            if allowed is not None and one.name not in allowed:
                scored.out, scored.detail = engine.FORBIDDEN, ""
            if one.price is not None:
                said = engine.spoken(facts, live[one.name]) * facts.choices
                scored.cost = one.price.of(facts.tokens, said)
            seen.append(scored)
        able = [one for one in seen if not one.out]
        if not able:  # as in a plan, a guess of ours yields where it would leave nobody
            able = [one for one in seen if one.out == engine.COOLING and not live[one.name].stated]
        # A search costs a fee, and answers from the web what was asked of a model: only where no other is able.
        unwanted = () if _wants_search(facts) or "search" in wanted.abilities else self._searching
        chain = tuple(sorted(able, key=lambda one: (one.name in unwanted, -one.score, one.name))[:_ASKED])
        for rank, scored in enumerate(chain, 1):
            scored.rank, scored.out, scored.detail = rank, "", ""
        rest = sorted((one for one in seen if not one.rank), key=lambda one: (bool(one.out), -one.score, one.name))
        return Plan("nearest", 0.0, chain, (*chain, *rest))

    def _wanted(self, absent: str) -> Offer:
        """The model that was asked for, as the catalogue or the map knows it."""
        entry = next((entry for entry in self.library.models.model if entry.name == absent), None)
        return offer(entry or Model(absent, {}, "asked for by name"), self._prices.get(absent))


class Policies:
    """A `Policy` for every set of providers that callers have keys for: the environment's, and their own."""

    def __init__(self, common: Policy, live: Collection[str], made: Callable[[Collection[str]], Policy]) -> None:
        self._live = frozenset(live)
        self._made = made
        self._of = {self._live: common}

    def take(self, library: Library) -> None:
        """Use these documents from the next request on."""
        for policy in self._of.values():
            policy.take(library)

    def of(self, caller: Caller) -> Policy:
        """The policy whose models are those that this caller can be served by."""
        live = self._live.union(caller.credentials) if caller.credentials else self._live
        policy = self._of.get(live)
        if policy is None:  # some milliseconds, once for a set; the six providers make few
            policy = self._of[live] = self._made(live)
        return policy


def _wants_search(facts: Facts) -> bool:
    """Whether a search of the web is what one is chosen for."""
    return facts.fresh >= _FRESH or "search" in facts.needs


def _refuse_pin(caller: Caller) -> None:
    """Raise NotAllowed where the caller's key is for policies and names no model."""
    scopes = caller.scopes
    if scopes.policies and not scopes.models:
        raise NotAllowed(f"This key is for the policies {', '.join(scopes.policies)} alone.", param="model")


def _scope(caller: Caller, name: str) -> tuple[str, ...]:
    """The models that the caller's key is for, none where it is for this name of Syntra's, which leaves the choice."""
    scope = caller.scopes.models
    return () if name and engine.matches(name, scope) else scope


def _paid_by(caller: Caller, candidate: Candidate) -> Candidate:
    """The candidate, asked with the organisation's own key where it has one."""
    credential = caller.credentials.get(candidate.provider) if caller.credentials else None
    return candidate if credential is None else structs.replace(candidate, credential=credential.id)


def _candidate(one: Offer) -> Candidate:
    """The model as it is asked: a temperature is a wish, and no reason for a refusal, where we chose who answers."""
    return candidate(one.name, () if "sampling" in one.abilities else SAMPLING, one.most_output, one.window)


def _distance(wanted: Offer, one: Offer) -> float:
    """How far apart two models are: 0 for the same one elsewhere, 1 for ten times the price or a tenth in quality."""
    if one.name.rpartition("/")[2].replace(".", "-") == wanted.name.rpartition("/")[2].replace(".", "-"):
        return 0.0
    apart = 0.0
    shared = wanted.quality.keys() & one.quality.keys()
    for intent in shared:
        apart += 10 * abs(wanted.quality[intent][1] - one.quality[intent][1]) / len(shared)
    if wanted.price is not None and one.price is not None:
        there, here = (1 + offered.price.of(*_PRICED_AT) for offered in (wanted, one) if offered.price is not None)
        apart += abs(math.log10(there / here))
    return 0.01 + apart


def _nothing(plan: Plan, facts: Facts, live: Mapping[str, Live]) -> SyntraError:
    """Nobody can be asked: for how long, where that is all there is to it, else each one's reason."""
    resting = [live[one.name].cooling_s for one in plan.candidates if one.out == engine.COOLING]
    if resting:
        wait = max(1, math.ceil(min(resting)))
        return AllCooling(f"Every model that could answer is rate limited; try again in {wait} s.", retry_after=wait)
    fit = [one for one in plan.candidates if one.out not in (engine.NOT_LISTED, engine.FORBIDDEN)]
    if fit and all(one.out == engine.TOO_LONG for one in fit):
        most = max(int(one.detail) for one in fit)
        return ContextTooLong(
            f"This prompt and its answer are longer than any model's window of {most} tokens.",
            tokens=facts.tokens + facts.output_tokens,
            most=most,
            answer=facts.output_tokens,
        )
    told = [
        f"{one.name}: {reasons(one, facts, enough=plan.enough, chosen=0, searches=False)[0]}" for one in plan.candidates
    ]
    more = f"; and {len(told) - _TOLD} more" if len(told) > _TOLD else ""
    listed = "; ".join(told[:_TOLD]) or "no model of the catalogue has a key here"
    return NothingFits(f"No model can serve this request. {listed}{more}.", param="model")
