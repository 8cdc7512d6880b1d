"""What a request is thought to take before it is let in: prompt and notes in full, an answer as long as most are."""

from __future__ import annotations

from typing import Final

from gateway.core.chat import ChatRequest
from gateway.core.money import Picodollars
from gateway.core.tokens import estimate_prompt
from gateway.stages.policy import Route
from gateway.upstream.prices import Prices
from policies.facts import Facts

_MOST_TIMES: Final = 3  # the mean: as long as 95 of 100 answers are, if lengths fall off exponentially
_UNREAD: Final = 400  # tokens; the mean of an answer to a prompt that nobody has read


def room_for_notes(request: ChatRequest, facts: Facts, route: Route, most: int) -> int:
    """Tokens that notes from memory may take: what the policy allows, and what every window has left beside the answer.

    So what is added never makes too long what was not.
    """
    prompt = facts.tokens or estimate_prompt(request)
    asked = _most(request) or 0
    rooms = [most]
    for one in route.candidates:
        if one.window:
            answer = min(asked, one.most_output) if one.most_output else asked
            rooms.append(one.window - prompt - max(answer, facts.output_tokens))
    return max(0, min(rooms))


def expected(
    request: ChatRequest, facts: Facts, route: Route, prices: Prices, notes: int
) -> tuple[int, Picodollars | None]:
    """Tokens, and the cost at the price of who is asked first; None where that is not known.

    `notes` are the tokens that may be added to the prompt: what they will be is known only once it was let in.
    """
    body = request.body
    prompt = (facts.tokens or estimate_prompt(request)) + notes
    mean = facts.output_tokens if facts.confidence else _UNREAD
    most = _most(request)
    each = min(_MOST_TIMES * mean, most) if most else _MOST_TIMES * mean
    output = each * (body.n or 1)
    known = prices.get(route.candidates[0].name)
    if known is None or known.price is None:
        return prompt + output, None
    return prompt + output, known.price.of(prompt, output)


def _most(request: ChatRequest) -> int | None:
    """Tokens of an answer that the client allows."""
    return request.body.max_completion_tokens or request.body.max_tokens
