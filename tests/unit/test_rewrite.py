"""A follow-up is made self-contained where that is certain, and left alone where it is not."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.rewrite import self_contained


@pytest.mark.parametrize(
    ("before", "question", "whole"),
    [
        (["What is the weather like in Lisbon?"], "And in winter?", "And in winter (weather Lisbon)?"),
        (["What is a lighthouse?"], "How tall is it?", "How tall is lighthouse?"),
        (["Tell me about tiger sharks."], "Where do they live?", "Where do tiger sharks live?"),
        (["Who was Ada Lovelace?"], "When did she die?", "When did Ada Lovelace die?"),
        (
            ["Who was Ada Lovelace?", "When did she die?"],
            "What was her last work?",
            "What was Ada Lovelace's last work?",
        ),
        (["What is a heat pump?", "How does it work?"], "Why?", "Why (heat pump)?"),
        (["Tell me about tiger sharks.", "Tell me about makos."], "What do they eat?", "What do makos eat?"),
    ],
)
def test_what_leans_on_the_conversation_gets_what_it_leans_on(before: list[str], question: str, whole: str) -> None:
    assert self_contained([*before, question]) == whole


@pytest.mark.parametrize(
    ("before", "question"),
    [
        ([], "How tall is it?"),  # on nothing
        (["What is a lighthouse?"], "Write a poem about autumn."),
        (["What is a lighthouse?"], "What is CCD and how does it spread?"),  # what is meant stands in it
        (["What is a lighthouse?"], "Is it possible to learn Norwegian in a year?"),  # stands for nothing
        (["What is a lighthouse?"], "Take it easy!"),
        (["What is a lighthouse?"], "How old is he?"),  # no person was talked of
        (["Who was Ada Lovelace?"], "How tall is it?"),  # and here only one, by another pronoun
        (["What is a lighthouse?", "Who built Pharos of Alexandria near old Egypt?", "Hmm."], "How tall is it?"),
        (["What is a lighthouse?"], "How tall is it?\n" + "Here is a long text to go with it. " * 20),
        (["What is a lighthouse?"], "Wie hoch ist er?"),  # another language
        (["What is a lighthouse?", "And its keeper told them about their boat."], "Did he show it to her?"),
        (["```\nx = 1\n```"], "why does it fail"),
    ],
)
def test_in_doubt_nothing_is_changed(before: list[str], question: str) -> None:
    assert self_contained([*before, question]) is None


WORDS = st.sampled_from("what is it they the heat pump Ada Lovelace and in winter why ? . ' ’s İ 東京 did she".split())


@given(st.lists(st.one_of(st.text(max_size=300), st.lists(WORDS, max_size=15).map(" ".join)), max_size=12))
def test_any_turns_at_all_are_read_without_failing(turns: list[str]) -> None:
    whole = self_contained(turns)
    assert whole is None or whole != turns[-1]


def test_a_long_text_costs_nothing() -> None:
    turns = ["What is a lighthouse? " * 40_000] * 8 + ["How tall is it?"]
    began = time.perf_counter()
    self_contained(turns)
    assert time.perf_counter() - began < 0.02
