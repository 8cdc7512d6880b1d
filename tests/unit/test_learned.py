"""What is learned of words stays within its bounds, however many there are."""

from __future__ import annotations

import subprocess
import sys

import pytest

from gateway.core.learned import LONGEST, REMEMBERED, Learned
from gateway.stores.buckets import buckets
from gateway.stores.embedding import Encoder


class Letters(Learned):
    """The words themselves, and how often each was learned."""

    def __init__(self) -> None:
        super().__init__()
        self.learned: list[str] = []

    def learn(self, word: str) -> bytes:
        self.learned.append(word)
        return word.encode()


def test_a_word_is_learned_once_and_always_the_same() -> None:
    letters = Letters()
    assert [letters[word] for word in ("tea", "pot", "tea")] == [b"tea", b"pot", b"tea"]
    assert letters.learned == ["tea", "pot"]


def test_of_any_number_of_words_only_so_many_are_kept() -> None:
    letters = Letters()
    for number in range(3 * REMEMBERED):
        assert letters[str(number)] == str(number).encode()
        assert len(letters) <= REMEMBERED


def test_what_is_too_long_to_be_a_word_is_not_kept() -> None:
    letters = Letters()
    long, longer = LONGEST * "a", (LONGEST + 1) * "a"
    assert (letters[long], letters[longer]) == (long.encode(), longer.encode())
    assert list(letters) == [long]


def test_texts_are_read_the_same_after_their_words_have_been_forgotten() -> None:
    encoder, text = Encoder.load(), "Where does the kettle stand, and who has filled it on 3 May?"
    words = text.lower().split()
    before = encoder.encode(text), buckets(text, words)
    for number in range(REMEMBERED + 1):
        encoder.encode(f"kettle{number}")
        buckets("", [f"kettle{number}"])
    assert (encoder.encode(text) == before[0]).all()
    assert (buckets(text, words) == before[1]).all()


FIRST_UNSURE = """
from resource import RUSAGE_SELF, getrusage
from gateway.stores import classifier

sure = classifier.Classifier.load()
sure.read("Write a poem about the sea.")
classifier.UNSURE = 2.0
before = getrusage(RUSAGE_SELF).ru_minflt
sure.read("Please tell the tea from the pot, " * 12)
print(getrusage(RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="what a page's first touch is counted as elsewhere is not known")
def test_the_first_unsure_prompt_takes_no_more_memory_than_others() -> None:
    shown = subprocess.run([sys.executable, "-c", FIRST_UNSURE], capture_output=True, text=True, check=True)
    assert int(shown.stdout) < 50  # pages
