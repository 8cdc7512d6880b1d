"""Two questions ask the same only where nothing that could turn the answer round differs."""

from __future__ import annotations

import pytest

from gateway.core.likeness import alike
from gateway.stores.embedding import Encoder

SAME = (
    ("What is the capital of France?", "what's the capital of france"),
    ("What is the capital of France?", "Tell me the capital of France, please."),
    ("How do I reverse a list?", "Hi! How do I reverse the list"),
    ("Was ist die Hauptstadt von Peru?", "was ist die Hauptstadt von Peru"),
    ("It isn't raining, is it?", "It is not raining is it?"),
)
OTHER = (
    ("What is the capital of France?", "What is the capital of Germany?"),
    ("what is the capital of france", "what is the capital of germany"),
    ("What is 2+2?", "What is 2+3?"),
    ("What is 2+2?", "What is 2-2?"),
    ("What is 1.5 miles?", "What is 15 miles?"),
    ("Is it safe to eat raw eggs?", "Is it not safe to eat raw eggs?"),
    ("Is it safe?", "Isn't it safe?"),
    ("Translate: dog bites man", "Translate: man bites dog"),
    ("flights from Paris to Rome", "flights from Rome to Paris"),
    ("flights from Paris to Rome", "flights to Paris from Rome"),
    ("Who wrote Hamlet?", "When was Hamlet written?"),
    ("Can I eat it?", "Should I eat it?"),
    ("Explain `a`", 'Explain "a"'),
)


@pytest.mark.parametrize(("one", "other"), SAME)
def test_politeness_and_case_make_no_other_question(one: str, other: str) -> None:
    assert alike(one, other)
    assert alike(other, one)


@pytest.mark.parametrize(("one", "other"), OTHER)
def test_what_could_turn_the_answer_round_makes_another(one: str, other: str) -> None:
    assert not alike(one, other)
    assert not alike(other, one)


def test_the_vectors_alone_would_not_tell() -> None:
    encoder = Encoder.load()
    for one, other in (OTHER[2], OTHER[5], OTHER[7], OTHER[8]):
        assert float(encoder.encode(one) @ encoder.encode(other)) > 0.95
