"""What is reckoned in columns comes to what it would one by one."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core import stems
from gateway.core.memories import day_of, parts
from gateway.core.words import split
from gateway.stages.memory.ranking import rank
from gateway.stores.vectors import NOTHING, Marks

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC).timestamp()
TODAY = int(day_of(NOW))
TEXTS = st.text("aeiousdlyng7_'. ", max_size=40) | st.text("aeiousdlyng7_'. é你好", max_size=40)
MARKS = st.builds(
    lambda place, asks, talk, day: place << 32 | asks << 31 | talk << 16 | day,
    st.integers(0, 12) | st.just(2**31 - 1),
    st.integers(0, 1),
    st.sampled_from([0, 1, 0x7FFF]),
    st.sampled_from([0, TODAY - 30, TODAY, TODAY + 1, 0xFFFF]),
)


def score_of(mark: int, scores: dict[int, float]) -> float:
    """The score of one memory among these."""
    at, asks, day = parts(mark)
    others = {parts(other)[0]: score for other, score in scores.items()}
    near = sum(others.get(at + step, 0.0) for step in (-1, 1))
    less_near = sum(others.get(at + step, 0.0) for step in (-2, 2))
    recent = 0.5 ** (max(0.0, day_of(NOW) - day) / 30)
    return scores[mark] + 0.3 * near + 0.2 * less_near - (0.05 if asks else 0) + 0.05 * recent


@given(st.lists(st.tuples(MARKS, st.floats(0, 1)), min_size=1, max_size=9, unique_by=lambda one: parts(one[0])[0]))
def test_the_best_is_told_first_by_what_stands_around_it_too(some: list[tuple[int, float]]) -> None:
    marks, scores = zip(*some, strict=True)
    ranked = rank(Marks(np.array(marks), np.array(scores), np.zeros(len(some))), NOW, 9)
    expected = {mark: score_of(mark, dict(some)) for mark in marks}
    assert set(ranked.marks.tolist()) == set(marks)
    assert dict(zip(ranked.marks.tolist(), ranked.scores.tolist(), strict=True)) == pytest.approx(expected)
    assert ranked.scores.tolist() == sorted(ranked.scores, reverse=True)


def test_of_nothing_nothing_is_told() -> None:
    assert not rank(NOTHING, NOW, 9).marks.size


@given(TEXTS, TEXTS)
def test_no_word_that_is_asked_for_is_overlooked(text: str, asked: str) -> None:
    wanted = [stems.stem(word) for word in split(asked) if word[0].isalnum()]
    all_of_them = {stems.stem(word) for word in split(text) if word not in stems.COMMON}
    assert stems.within(text, wanted) == [one for one in wanted if one in all_of_them]
