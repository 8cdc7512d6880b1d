"""What is kept of one request: what was asked, who was thought of and why, who was asked, and how it ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import Struct, field

from gateway.core.context import Shortened
from gateway.core.ends import ANSWERED
from gateway.core.events import Usage
from gateway.core.money import Picodollars, dollars
from gateway.upstream.incoming import MISS, Cache
from policies.engine import Plan, Scored
from policies.facts import Facts, Live
from policies.reasons import line, reasons

NO_PLAN: Final = Plan("", 0.0, (), ())  # of a request that came to none


class Attempt(Struct, omit_defaults=True):
    """One candidate that was asked; without a usage it has cost nothing."""

    model: str  # provider/model
    outcome: str = ANSWERED  # or `left`, `resting`, or the kind of the error
    ttft_ms: float | None = None
    duration_ms: float = 0.0
    usage: Usage | None = None
    cost: Picodollars | None = None
    estimated: bool = False  # the usage is our count, not the provider's
    odd: tuple[str, ...] = ()  # what the provider did otherwise than its wire has it, and was forgiven
    cache: Cache = MISS  # otherwise another request has asked, and it is billed to that
    writing_ms: float | None = None  # from its first words to its last, where nothing but its model took that time


class Outcome(Struct, omit_defaults=True):
    """How the request ended."""

    ended: str = ""
    model: str = ""  # who answered
    usage: Usage | None = None  # of the attempt that answered
    cost: Picodollars | None = None  # of all attempts
    estimated: bool = False  # a part of the tokens is our count
    ttft_ms: float | None = None
    duration_ms: float = 0.0
    cache: Cache = MISS
    overhead_ms: float = 0.0  # of our own, before the first provider was asked
    finish: str = ""  # why the model ended, as it said

    @property
    def cost_usd(self) -> str | None:
        """US dollars, or None where the cost is not known."""
        return None if self.cost is None else dollars(self.cost)


class Decision(Struct, omit_defaults=True):
    """One request's record; with its documents and its price map, `facts` and `live` give `plan` again, bit for bit.

    The allow-list that held is in the plan: who was not allowed says so.
    """

    id: str
    organisation: str
    key_id: str
    asked: str  # the model that the client named
    surface: str = "chat"
    person: str = ""
    document: str = ""  # version of the documents
    prices: str = ""  # version of the price map, where there is a plan
    pinned: bool = False
    instead_of: str = ""
    facts: Facts | None = None
    plan: Plan | None = None
    live: Mapping[str, Live] = {}
    searching: Sequence[str] = ()  # the candidates that search the web
    attempts: list[Attempt] = []
    notes: Sequence[str] = ()  # ids of the memories that whoever answered was told
    second: Sequence[str] = ()  # those of them that SuperMemory found
    context: Shortened | None = None  # what became of a conversation that was too long
    degraded: list[str] = []  # what was skipped because a store did not answer
    outcome: Outcome = field(default_factory=Outcome)


def view(decision: Decision) -> dict[str, object]:
    """A decision as people and programs read it."""
    told: dict[str, object] = {
        "id": decision.id,
        "object": "decision",
        "model": decision.asked,
        "pinned": decision.pinned,
        "document": decision.document,
    }
    if decision.prices:
        told["prices"] = decision.prices
    if decision.instead_of:
        told["instead_of"] = decision.instead_of
    if decision.context is not None:
        told["context"] = decision.context
    if decision.facts is not None:
        told |= explained(decision.facts, decision.plan or NO_PLAN, decision.searching)
    told["notes"] = list(decision.notes)
    if decision.second:
        told["supermemory"] = list(decision.second)
    attempts = [_view(attempt) for attempt in decision.attempts]
    return told | {"attempts": attempts, "outcome": {"cost_usd": None} | _view(decision.outcome)}


def _view(part: Attempt | Outcome) -> dict[str, object]:
    """What is known of an attempt or an end, with its cost in dollars."""
    told = {name: value for name in part.__struct_fields__ if (value := getattr(part, name)) is not None}
    cost = told.pop("cost", None)
    return told if cost is None else told | {"cost_usd": dollars(cost)}


def explained(facts: Facts, plan: Plan, searching: Sequence[str]) -> dict[str, object]:
    """Facts and plan, with the reasons in words."""
    return {
        "intent": facts.intent,
        "confidence": facts.confidence,
        "complexity": facts.complexity,
        "fresh": facts.fresh,
        "language": facts.language,
        "leans": facts.leans,
        "needs": list(facts.needs),
        "tokens": facts.tokens,
        "output_tokens": facts.output_tokens,
        "turn": facts.turn,
        "policy": plan.policy,
        "enough": round(plan.enough, 4),
        "plan": [_line(one, facts, plan, searching) for one in plan.chain],
        "candidates": [
            _line(one, facts, plan, searching) | {"quality": round(one.quality, 4), "taken": one.rank > 0}
            for one in plan.candidates
        ],
    }


def _line(one: Scored, facts: Facts, plan: Plan, searching: Sequence[str]) -> dict[str, object]:
    told = reasons(one, facts, enough=plan.enough, chosen=len(plan.chain), searches=one.name in searching)
    return line(one) | {"reasons": told}
