"""What a request is thought to take: the prompt, the notes that may be added to it, and an answer."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.core.chat import ChatRequest, parse
from gateway.core.tokens import estimate_prompt
from gateway.expectation import expected, room_for_notes
from gateway.stages.policy import Route
from gateway.upstream import prices
from gateway.upstream.providers import Candidate
from policies.engine import Plan
from policies.facts import Facts

READ = Facts(intent="qa_retrieval", confidence=1.0, tokens=7000, output_tokens=500)
SMALL = Candidate("openai", "gpt-4o-mini", window=8000, most_output=4000)
LARGE = Candidate("openai", "gpt-4o", window=128_000)
UNKNOWN = Candidate("openai", "new")


def route(*candidates: Candidate) -> Route:
    return Route(candidates, False, Plan("", 0.0, (), ()), "v")


def asked(**fields: Any) -> ChatRequest:
    return parse(json.dumps({"model": "m", "messages": [{"role": "user", "content": "x"}], **fields}).encode())


def test_what_notes_may_take_is_in_what_a_request_is_let_in_for() -> None:
    known = prices.load(["openai"], known=["openai"])
    without, cheap = expected(asked(), READ, route(LARGE), known, 0)
    tokens, cost = expected(asked(), READ, route(LARGE), known, 600)
    price = known.get("openai/gpt-4o")
    assert price is not None
    assert price.price is not None
    assert cost is not None
    assert cheap is not None
    assert tokens - without == 600
    assert cost - cheap == price.price.of(600, 0)


@pytest.mark.parametrize(
    ("fields", "candidates", "room"),
    [
        ({}, (LARGE, UNKNOWN), 600),  # all that the policy allows
        ({}, (LARGE, SMALL), 500),  # whoever is asked last, too
        ({"max_tokens": 900}, (SMALL,), 100),
        ({"max_tokens": 100}, (SMALL,), 500),  # not more than an answer is thought to leave
        ({"max_completion_tokens": 5000}, (SMALL,), 0),  # of which it can say 4000: nothing is left
    ],
)
def test_notes_take_what_every_window_has_left(
    fields: dict[str, Any], candidates: tuple[Candidate, ...], room: int
) -> None:
    assert room_for_notes(asked(**fields), READ, route(*candidates), 600) == room


def test_of_a_pinned_model_whose_prompt_nobody_has_read_the_length_is_estimated() -> None:
    request = asked(messages=[{"role": "user", "content": "x" * 28_000}])
    unread = Facts(intent="unread", confidence=0.0)
    left = SMALL.window - estimate_prompt(request) - unread.output_tokens
    assert room_for_notes(request, unread, route(SMALL), 10_000) == left > 0
