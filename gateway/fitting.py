"""Who is asked, with the conversation made to fit where nobody's window holds it, or where the policy says so."""

from __future__ import annotations

import time
from typing import Final

from msgspec import Struct, structs

from gateway.core.caller import Caller
from gateway.core.chat import ChatRequest
from gateway.core.context import Shortened, Summary, shortened
from gateway.core.errors import ContextTooLong
from gateway.core.tokens import estimate_prompt
from gateway.stages.policy import Policy, Route
from gateway.upstream.names import Meaning
from policies.facts import Facts

_ANY: Final = 2**62  # tokens
_FOR_ANSWERS: Final = 5  # a window divided by this is kept free for the answer


class Fitted(Struct, frozen=True):
    """A route, and the request and the facts that fit it."""

    route: Route
    request: ChatRequest
    facts: Facts
    context: Shortened | None = None


def fitted(
    policy: Policy,
    caller: Caller,
    meaning: Meaning,
    request: ChatRequest,
    facts: Facts,
    *,
    pins: int | None,
    known: Summary | None = None,
    many: int | None = None,
) -> Fitted:
    """The plan for one request, shortened if need be, to so `many` messages too; raises what `Policy.route` raises.

    `pins` is the window of a pinned model whose client leaves the conversation to us; other clients of a pinned model
    hear from it that their prompt is too long, which is what they act on. None where nothing shall be made to fit.
    """
    now = time.monotonic()
    routing = policy.library.routing.get(meaning.policy)
    if pins is not None and meaning.pinned is not None:
        most = _room(request, pins) if pins else 0
    else:
        most = (routing and routing.summarise_from) or 0
    made, left, context = _made(request, facts, most, known, many)
    try:
        return Fitted(policy.route(caller, meaning, left, now), made, left, context)
    except ContextTooLong as error:
        if pins is None:
            raise
        shorter, less, context = _made(request, facts, _room(request, error.most), known, many)
        if context is None:
            raise
        return Fitted(policy.route(caller, meaning, less, now), shorter, less, context)


def _made(
    request: ChatRequest, facts: Facts, most: int, known: Summary | None, many: int | None
) -> tuple[ChatRequest, Facts, Shortened | None]:
    """The request of at most so many tokens and messages, if it is longer and can be made so; 0 for any length."""
    if not most and (many is None or len(request.messages) <= many):
        return request, facts, None
    tokens = facts.tokens or estimate_prompt(request)
    made = shortened(request, most or _ANY, tokens, known, many)
    if made is None:
        return request, facts, None
    request, context = made
    if facts.tokens:
        left = context.left
        facts = structs.replace(facts, tokens=left, exact=False, warm_tokens=min(left, facts.warm_tokens))
    return request, facts, context


def _room(request: ChatRequest, window: int) -> int:
    """What of a window a prompt may take, however long the answer is thought to be, or the cut would move with it."""
    asked = request.body.max_completion_tokens or request.body.max_tokens or 0
    return max(0, window - max(asked, window // _FOR_ANSWERS))
