"""What a request is thought to take, before it is let in: the prompt in full, and an answer as long as most are."""

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


def expected(request: ChatRequest, facts: Facts, route: Route, prices: Prices) -> tuple[int, Picodollars | None]:
    """Tokens, and the cost at the price of who is asked first; None where that is not known."""
    body = request.body
    prompt = facts.tokens or estimate_prompt(request)
    mean = facts.output_tokens if facts.confidence else _UNREAD
    most = body.max_completion_tokens or body.max_tokens
    each = min(_MOST_TIMES * mean, most) if most else _MOST_TIMES * mean
    output = each * (body.n or 1)
    known = prices.get(route.candidates[0].name)
    if known is None or known.price is None:
        return prompt + output, None
    return prompt + output, known.price.of(prompt, output)
