"""The way of a request. Read `answer` first: it is the whole product, top to bottom.

bytes -> ChatRequest -> Caller -> Meaning -> Facts -> Route -> Admitted -> ChatRequest' -> Begun -> chunks -> bytes
"""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any

from msgspec import Struct

from gateway import aside
from gateway.continuing import Continuing, can_continue
from gateway.core.caller import Caller
from gateway.core.chat import ChatRequest
from gateway.core.closing import Closing
from gateway.core.context import MANY, Summary
from gateway.core.conversations import CALLS, Turn, conversation
from gateway.core.deadline import Deadline
from gateway.core.ends import ANSWERED
from gateway.core.errors import AllCooling, ContextTooLong, NotAllowed, NothingFits, SyntraError
from gateway.core.freshness import ANY, Freshness
from gateway.core.ids import uuid7
from gateway.core.memories import Mode, least
from gateway.core.milliseconds import milliseconds
from gateway.expectation import expected, room_for_notes
from gateway.fitting import Fitted, fitted
from gateway.leaning import Leaning
from gateway.records import billing
from gateway.records.decision import Decision
from gateway.records.settle import Settle
from gateway.reply import Certain, Reply, Watch, told
from gateway.stages import memory
from gateway.stages.admission import FREE, Admission, Admitted
from gateway.stages.clean import Clean
from gateway.stages.company import circle
from gateway.stages.fallback import Begun, Fallback, Tried
from gateway.stages.memory import Recollection, Scope
from gateway.stages.moving import CARRYING, Moving
from gateway.stages.persona import Persona
from gateway.stages.policy import Policies, Policy, Route
from gateway.stages.reader import Asked, Limits, Reader
from gateway.stores.turns import Turns
from gateway.upstream.names import Meaning
from gateway.upstream.prices import Prices
from gateway.upstream.providers import Candidate
from policies.facts import Facts

CACHE = "cache"  # skipped, because its store did not answer
# Clients of the other surfaces shorten a conversation themselves, when they hear that it is too long.
_SHORTENS = frozenset({"chat", "threads"})
_ASIDE_SECONDS = 10.0  # that a provider has; who waits for it goes on sooner, which must not count against it
PINNED = Facts(intent="unread", confidence=0.0)  # nobody chooses, so nobody needs to know


class Services(Struct, frozen=True):
    """The stages, in the order in which a request meets them."""

    reader: Reader
    policies: Policies
    admission: Admission
    moving: Moving
    persona: Persona
    fallback: Fallback
    settle: Settle
    prices: Prices
    memory: Recollection | None = None
    leaning: Leaning | None = None  # completes follow-ups by a model; else rules do
    turns: Turns | None = None  # tells other workers who goes on with a tool loop


def _untold(_: str) -> None:
    """Nobody follows the steps."""


class Wishes(Struct, frozen=True):
    """What the client asked for in headers."""

    persona: bool | None = None
    debug: bool = False
    policy: str | None = None
    limits: Limits = Limits()
    began: float = 0.0  # time.perf_counter() when the request came in
    conversation: str = ""  # the client's own name for it
    surface: str = "chat"  # where it came in
    freshness: Freshness = ANY
    user: str = ""  # whom the client speaks for
    memory: Mode | None = None
    summary: Summary | None = None  # of the conversation's beginning, by a model, where one was made
    step: Callable[[str], None] = _untold  # hears of each step when it begins


class Course(Struct):
    """One request on its way: what those who close its books must know."""

    decision: Decision
    request: ChatRequest
    wishes: Wishes
    admitted: Admitted = FREE
    scope: Scope | None = None  # whose memory it speaks from
    key: bytes = b""  # of its conversation, once somebody needs it
    words: str | None = None  # the user's last ones made self-contained by a model, for those who read them

    def conversation(self) -> bytes:
        """The conversation's key: a digest of its beginning, made once."""
        if not self.key:
            decision = self.decision
            self.key = conversation(decision.organisation, decision.key_id, self.request, self.wishes.conversation)
        return self.key


async def answer(
    services: Services,
    caller: Caller,
    request: ChatRequest,
    wishes: Wishes,
    deadline: Deadline,
    closing: Closing,
) -> Reply:
    """One request, from what was asked to a reply whose first chunks are there.

    Whatever is taken on the way is given back by `closing`, in reverse, however the request ends.
    """
    decision = Decision(uuid7(), caller.organisation, caller.key_id, request.body.model, wishes.surface, caller.user)
    if caller.degraded:
        decision.degraded += caller.degraded
    course = Course(decision, request, wishes)
    closing.push(partial(settle, services, course))  # recorded, learned from, paid and told, however it ends
    services.settle.require_room()  # 503
    policy = services.policies.of(caller)
    meaning = policy.names.meaning(caller.name, request.body.model, wishes.policy)  # 400, 404
    if services.leaning is not None and _is_read(services, course, caller, meaning):
        whose = caller.organisation, caller.key_id, memory.person(caller, request.body.user, wishes.user)
        course.words = await services.leaning.words(
            partial(beside, services, caller, aside.REWRITE, _ASIDE_SECONDS), whose, request
        )
    facts = await _facts(services, policy, course, meaning)
    decision.facts = None if facts is PINNED else facts
    if meaning.pinned is None:
        wishes.step("choosing")
    pins = _window(services.prices, meaning, wishes, truncates=request.truncates)
    many = MANY if wishes.surface == "threads" else None
    fit = fitted(policy, caller, meaning, request, facts, pins=pins, known=wishes.summary, many=many)  # 400, 403, 429
    route, request, facts = fit.route, fit.request, fit.facts
    decision.facts, decision.context = None if facts is PINNED else facts, fit.context
    _note(decision, route, services.prices)
    kept = services.moving.recall(caller, course.request, closing, wishes.user)
    room = _room(policy, course, caller, fit) if services.memory is not None else 0
    if services.admission.concerns(caller):
        await admit(services, course, caller, route, room)  # 402, 429
    if kept is not None:
        request, skipped = await kept.recalled(request)
        decision.degraded += skipped
    if services.memory is not None and room:
        request = await _recall(services, services.memory, course, request, room)
    wishes.step("searching" if route.searches(facts) else "asking")
    spoken = services.persona.apply(caller, request, wanted=wishes.persona)
    decision.outcome.overhead_ms = milliseconds(time.perf_counter() - wishes.began)
    tried = partial(_tried, decision, services.prices)
    sharing = policy.names.organisation(caller.name).sharing
    company = circle(caller, spoken, wishes.freshness, sharing, partial(_without_cache, decision), wishes.user)

    def ask(candidates: Sequence[Candidate], request: ChatRequest) -> Coroutine[Any, Any, Begun]:
        return services.fallback.begin(
            candidates,
            caller.credentials,
            request,
            deadline,
            closing,
            tried=tried,
            circle=company,
            organisation=caller.organisation,
            moves=route.moves,
        )

    begun = await ask(route.candidates, spoken)  # 4xx, 429, 5xx
    continuing = Continuing(spoken, route.candidates, ask) if route.continues and can_continue(spoken) else None
    voice = not (route.pinned and wishes.persona is False)
    clean = Clean(services.persona.name, course.request, voice=voice)
    carried = wishes.surface in CARRYING
    keeper = partial(services.moving.keeper, caller, course.request, carried=carried, person=wishes.user)
    watch = Watch(clean, keeper, continuing)
    limits = course.admitted.headers
    reply = Reply(request, route, begun, watch, decision, services.prices, debug=wishes.debug, limits=limits)
    closing.callback(reply.close)
    if kept is None and (replayed := begun.opened.share.replayed) is not None and _is_certain(course, begun):
        reply.certain = Certain(course.request, route, course.conversation(), policy.library, replayed)
    return reply


async def plan(
    reader: Reader, policy: Policy, caller: Caller, request: ChatRequest, wishes: Wishes
) -> tuple[Facts, Route | SyntraError]:
    """What `answer` would decide, without calling anyone; an error where nobody could serve it."""
    meaning = policy.names.meaning(caller.name, request.body.model, wishes.policy)
    key = conversation(caller.organisation, caller.key_id, request, wishes.conversation)
    asked = Asked(key, meaning.policy, policy.windows, wishes.limits)
    facts = await reader.facts(request, asked, time.monotonic())
    try:
        fit = fitted(policy, caller, meaning, request, facts, pins=0)
        return fit.facts, fit.route
    except (NothingFits, NotAllowed, AllCooling, ContextTooLong) as error:
        return facts, error


async def beside(
    services: Services, caller: Caller, surface: str, seconds: float, request: ChatRequest, closing: Closing
) -> Reply:
    """The answer to a question of our own, in nobody's voice and from nobody's memory."""
    wishes = Wishes(persona=False, surface=surface, memory="off", began=time.perf_counter())
    return await answer(services, caller, request, wishes, Deadline(seconds), closing)


def _is_read(services: Services, course: Course, caller: Caller, meaning: Meaning) -> bool:
    """Whether somebody reads what the user says: who chooses a model, or who recalls. Our own questions stand alone."""
    wishes = course.wishes
    if wishes.surface in (aside.SUMMARY, aside.REWRITE):
        return False
    if meaning.pinned is None:
        return True
    if services.memory is None or least(caller.memory, wishes.memory) == "off":
        return False
    return bool(memory.person(caller, course.request.body.user, wishes.user))


async def _facts(services: Services, policy: Policy, course: Course, meaning: Meaning) -> Facts:
    """The facts, if anything depends on them."""
    wishes, limits = course.wishes, course.wishes.limits
    if meaning.pinned is not None and not wishes.debug and limits.cost is None and limits.ttft_ms is None:
        return PINNED
    wishes.step("reading")
    asked = Asked(course.conversation(), meaning.policy, policy.windows, limits, course.words)
    return await services.reader.facts(course.request, asked, time.monotonic())


def _window(prices: Prices, meaning: Meaning, wishes: Wishes, *, truncates: bool) -> int | None:
    """The window of a pinned model whose client leaves the conversation to us; None for who shortens it themselves."""
    if wishes.surface not in _SHORTENS and not truncates:
        return None
    if meaning.pinned is None or not (wishes.surface == "threads" or truncates):
        return 0
    known = prices.get(meaning.pinned.name)
    return known.window if known is not None else 0


def _room(policy: Policy, course: Course, caller: Caller, fit: Fitted) -> int:
    """Tokens that notes may take; 0 where nobody is speaking, or what they say is nobody's business."""
    who = memory.person(caller, fit.request.body.user, course.wishes.user)
    if not who:
        return 0
    mode, thread = least(caller.memory, course.wishes.memory), course.conversation().hex()
    course.scope = Scope(course.decision.organisation, who, mode, thread)
    if not course.scope.speaks:
        return 0
    return room_for_notes(fit.request, fit.facts, fit.route, policy.memory_tokens(caller, fit.route.plan.policy))


async def admit(services: Services, course: Course, caller: Caller, route: Route, notes: int) -> None:
    """Let the request in, if its key and its organisation may have what it is thought to take."""
    tokens, cost = expected(course.request, course.decision.facts or PINNED, route, services.prices, notes)
    course.admitted = await services.admission.admit(caller, course.decision.id, tokens, cost, route.candidates[0])
    course.decision.degraded += course.admitted.degraded


async def _recall(
    services: Services, recollection: Recollection, course: Course, request: ChatRequest, tokens: int
) -> ChatRequest:
    """The request with what its user said before; as it came where nothing of that matters."""
    decision = course.decision
    if course.scope is None:
        return request
    course.wishes.step("recalling")
    words = course.words or services.reader.self_contained(course.request)
    recalled = await recollection.recall(course.scope, request, tokens, words)
    decision.notes, decision.second = recalled.notes, recalled.second
    decision.degraded += recalled.degraded
    return recalled.request


def _is_certain(course: Course, begun: Begun) -> bool:
    """Whether nothing but the request's own bytes, its key and the documents has had a part in what goes out."""
    decision = course.decision
    alone = course.scope is None and course.words is None and decision.context is None and not decision.degraded
    return alone and not course.wishes.debug and not begun.opened.dropped and not decision.instead_of


def _note(decision: Decision, route: Route, prices: Prices) -> None:
    """Keep what was decided, with all that it was decided from."""
    decision.document = route.document
    decision.pinned = route.pinned
    if not route.pinned:
        decision.plan = route.plan
        decision.prices = prices.version
        decision.live = route.live
        decision.searching = route.searching
        decision.instead_of = route.instead_of


def _without_cache(decision: Decision) -> None:
    if CACHE not in decision.degraded:
        decision.degraded.append(CACHE)


def _tried(decision: Decision, prices: Prices, tried: Tried) -> None:
    decision.attempts.append(billing.in_vain(tried, prices))


def settle(services: Services, course: Course, error: BaseException | None) -> None:
    """The request is over, one way or another."""
    decision, wishes = course.decision, course.wishes
    if isinstance(error, SyntraError) and isinstance(error.considered, Route):
        _note(decision, error.considered, services.prices)
    settled = services.settle.settle(decision, error, time.perf_counter() - wishes.began)
    course.admitted.settle(settled.tokens, settled.cost)
    outcome = decision.outcome
    if services.memory is not None and course.scope is not None:
        if outcome.ended == ANSWERED:
            services.memory.remember(course.scope, course.request, decision.id, outcome.finish)
        else:
            services.memory.unanswered(course.scope)
    if outcome.ended == ANSWERED and outcome.usage is not None and not decision.pinned:
        key, turn = course.conversation(), Turn(outcome.model, outcome.usage.total_tokens, time.monotonic())
        services.reader.answered(key, turn)
        if services.turns is not None and outcome.finish in CALLS:
            services.turns.tell(key, turn)
    if isinstance(error, SyntraError):
        error.told = (*told(decision, debug=wishes.debug), *course.admitted.headers)
