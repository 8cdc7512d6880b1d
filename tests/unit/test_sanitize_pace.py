"""What the sanitizer promises: nothing waits for long, and no text is slow."""

import time
from dataclasses import dataclass

import pytest

from gateway.stages.sanitize import HOLD, Sanitizer
from tests.unit.sanitize_rig import clean


def test_ordinary_text_leaves_at_once() -> None:
    sanitizer = Sanitizer()
    for chunk in ["Sure", "!", " The", " capital", " of", " France is Paris."]:
        assert sanitizer.feed(chunk) == chunk


@dataclass(frozen=True)
class Wait:
    """What comes, piece by piece, and what leaves after each."""

    fed: tuple[str, ...]
    left: tuple[str, ...]


WAITS = [
    Wait(("I", " think", " hills"), ("", "I think", " hills")),
    Wait(("As", " we", " said"), ("", "As ", "we said")),
    Wait(("I am", " Cla", "ude", "."), ("", "", "", "I am Syntra.")),
    Wait(("My", " view", " is"), ("", "", "My view is")),
    Wait(("Goo", "d", " morning"), ("", "Good", " morning")),
    Wait(("a `x", "` I", " see"), ("a `x", "` ", "I see")),
]


@pytest.mark.parametrize("wait", WAITS, ids=lambda wait: "".join(wait.fed))
def test_text_leaves_as_soon_as_it_cannot_become_a_match(wait: Wait) -> None:
    sanitizer = Sanitizer()
    assert tuple(map(sanitizer.feed, wait.fed)) == wait.left


ADVERSARIES = {
    "I am": "I am " * 60_000,
    "as a": "As a very, very, very " * 20_000,
    "spaces": " " * 1_000_000,
    "I am and spaces": "I am" + " " * 1_000_000,
    "one word": "a" * 1_000_000,
    "one line": "I'm the helpful, honest and harmless assistant of nobody, my training data and my model are " * 10_000,
    "backticks": "`" * 1_000_000,
    "quotes": "\"'“" * 100_000,
    "names": "OpenAI, the company, Anthropic's " * 15_000,
    "Han": "我是一个由" * 50_000,
}


@pytest.mark.parametrize("kind", ADVERSARIES)
def test_no_text_is_slow(kind: str) -> None:
    text = ADVERSARIES[kind]
    begin = time.process_time()
    assert clean(text[: len(text) // 4]) == text[: len(text) // 4]
    quarter = time.process_time() - begin
    begin = time.process_time()
    assert clean(text) == text
    assert time.process_time() - begin < 8 * quarter + 0.5


@pytest.mark.parametrize("kind", ADVERSARIES)
def test_what_is_held_back_is_bounded(kind: str) -> None:
    text = ADVERSARIES[kind][:20_000]
    sanitizer = Sanitizer()
    left = 0
    for fed in range(1, len(text) + 1):
        left += len(sanitizer.feed(text[fed - 1]))
        assert fed - left <= HOLD
