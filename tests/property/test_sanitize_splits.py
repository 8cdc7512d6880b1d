"""However a text is cut into chunks, the same text comes out, and no more than the bound is ever held."""

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.stages.sanitize import HOLD, Sanitizer

# Pieces that begin, carry, break and imitate self-references, and everything that changes how they are read.
PIECES = (
    "I am ",
    "I'm ",
    "I",
    "im ",
    "a ",
    "an AI ",
    "As an AI ",
    "developed by ",
    "trained and ",
    "the team at ",
    "OpenAI",
    "Open AI ",
    "Google DeepMind",
    "Claude",
    " 3.5 Sonnet",
    "GPT-4",
    ".5",
    "ChatGPT",
    "Anthropic's ",
    "policy ",
    "my creators ",
    "My name is ",
    "call me ",
    "language model",
    "not ",
    "can't ",
    ", ",
    ". ",
    "! ",
    "? ",
    "\n",
    "\n\n",
    "\r\n",
    "- ",
    "1. ",
    "> ",
    "    ",
    "\t",
    "```",
    "````",
    "`",
    "~~~",
    '"',
    "'",
    "’",
    "‘",
    "“",
    "”",
    "«",
    "»",
    "„",
    "**",
    "_",
    "[",
    "](",
    "(",
    ")",
    " — ",
    "-",
    "Je suis ",
    "d'",
    "Soy ",
    "Ich bin ein von ",
    "trainiertes Sprachmodell",
    "Eu sou o ",
    "pelo ",
    "我是由",
    "开发的",
    "，",
    "。",
    "作为",
    "模型",
    "谷歌",
    "sk-syn-",
    "sk-",
    "abc123",
    "\x00",
    "\u200b",
    "\u00a0",
    "it ",
    "that ",
    "'tis ",
    "x" * 40,
    " " * 40,
)
TEXTS = st.lists(st.sampled_from(PIECES) | st.text(max_size=3), max_size=40).map("".join)
SIZES = st.lists(st.integers(1, 9), min_size=1, max_size=12)


def whole(text: str, quoted: str = "") -> str:
    sanitizer = Sanitizer(quoted=quoted)
    return sanitizer.feed(text) + sanitizer.finish()


def chunks(text: str, sizes: list[int]) -> list[str]:
    cuts = [0]
    while cuts[-1] < len(text):
        cuts.append(min(len(text), cuts[-1] + sizes[len(cuts) % len(sizes)]))
    return [text[begin:end] for begin, end in pairwise(cuts)]


def streamed(pieces: list[str], quoted: str = "") -> str:
    sanitizer = Sanitizer(quoted=quoted)
    return "".join([sanitizer.feed(piece) for piece in pieces]) + sanitizer.finish()


@settings(max_examples=600, deadline=None)
@given(TEXTS, SIZES)
def test_every_way_of_cutting_gives_the_same_text(text: str, sizes: list[int]) -> None:
    assert streamed(chunks(text, sizes)) == streamed(list(text)) == whole(text)


@settings(max_examples=200, deadline=None)
@given(TEXTS, SIZES)
def test_cutting_does_not_matter_where_the_user_is_quoted(text: str, sizes: list[int]) -> None:
    quoted = text[: len(text) // 2]
    assert streamed(chunks(text, sizes), quoted) == whole(text, quoted)


@settings(max_examples=200, deadline=None)
@given(TEXTS)
def test_no_more_than_the_bound_is_ever_held(text: str) -> None:
    sanitizer = Sanitizer()
    for char in text:
        sanitizer.feed(char)
        assert len(sanitizer._held) <= HOLD


@settings(max_examples=200, deadline=None)
@given(TEXTS)
def test_cleaning_twice_changes_nothing_more(text: str) -> None:
    assert whole(whole(text)) == whole(text)


@settings(max_examples=200, deadline=None)
@given(TEXTS)
def test_no_control_character_and_no_key_leaves(text: str) -> None:
    cleaned = whole(text + "sk-syn-secret")
    assert not any(
        (ord(char) < 32 and char not in "\t\n\r") or (127 <= ord(char) < 160 and char != "\x85") for char in cleaned
    )
    assert "secret" not in cleaned
