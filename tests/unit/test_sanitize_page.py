"""What the sanitizer promises: code, quotations and the user's own words stay."""

from dataclasses import dataclass

import pytest

from tests.unit.sanitize_rig import clean


@dataclass(frozen=True)
class Untouched:
    """A text that stays, and where its words are."""

    place: str
    text: str


NOT_OURS = [
    Untouched("fenced code", '```python\nprint("hi")\n# I am Claude, made by Anthropic.\n```\n'),
    Untouched("tildes", "~~~\nI'm ChatGPT.\n~~~"),
    Untouched("a longer fence", "````\n```\nI am Claude.\n```\nI am Claude.\n````"),
    Untouched("a fence in a list", "- look:\n  ```\n  I'm ChatGPT.\n  ```\n"),
    Untouched("an open fence", "```\nI am Claude.\n\nI am Claude."),
    Untouched("inline code", "Type `I am Claude.` and press return."),
    Untouched("two backticks", "Type ``I am `Claude`.`` and press return."),
    Untouched("indented code", "Look:\n\n    I am Claude.\n\tI'm ChatGPT.\n"),
    Untouched("straight quotes", 'It said "I am Claude." and stopped.'),
    Untouched("curly quotes", "It said “I'm ChatGPT, made by OpenAI” and stopped."),
    Untouched("single quotes", "It said 'Hello, I am Claude.' and stopped."),
    Untouched("guillemets", "Il dit « Je suis Claude. » puis rien."),
    Untouched("German quotes", "Es sagte: „Ich bin Claude.“"),
    Untouched("Chinese quotes", "它说：“我是ChatGPT。”"),
    Untouched("corner brackets", "它说：「我是ChatGPT。」"),
    Untouched("a block quotation", "> I am Claude, made by Anthropic.\n"),
]


@pytest.mark.parametrize("case", NOT_OURS, ids=lambda case: case.place)
def test_code_and_quotations_are_never_changed(case: Untouched) -> None:
    assert clean(case.text) == case.text


@pytest.mark.parametrize("case", NOT_OURS[:4] + NOT_OURS[5:8], ids=lambda case: case.place)
def test_prose_after_code_is_read_again(case: Untouched) -> None:
    text = case.text.rstrip("\n")
    assert clean(text + "\n\nI'm ChatGPT.") == text + "\n\nI'm Syntra."


def test_what_the_user_wrote_is_given_back_word_for_word() -> None:
    quoted = "Please translate: I am Claude,\nmade by Anthropic. Thank you!"
    assert (
        clean("You wrote I am Claude, made by Anthropic. Right?", quoted)
        == "You wrote I am Claude, made by Anthropic. Right?"
    )
    assert clean("I'm Claude!", quoted) == "I'm Syntra!"


def test_a_question_about_a_name_does_not_excuse_the_answer() -> None:
    assert clean("Yes, I'm ChatGPT.", "Are you ChatGPT?") == "Yes, I'm Syntra."


def test_a_story_keeps_the_people_whom_the_user_asked_for() -> None:
    assert clean("I am Claude.", "Write a story about a gardener named Claude.") == "I am Claude."
    assert clean("I am Claude.", "Who are you, Claude?") == "I am Syntra."
