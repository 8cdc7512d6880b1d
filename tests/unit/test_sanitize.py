"""What the sanitizer promises: our name, no control character and none of our keys."""

from dataclasses import dataclass

import pytest

from gateway.stages.sanitize import Sanitizer
from tests.unit.sanitize_rig import clean


def test_our_own_name_stays() -> None:
    assert clean("I'm Syntra, made by Syntra.") == "I'm Syntra, made by Syntra."


def test_an_organisation_may_have_a_name_of_its_own() -> None:
    assert clean("I'm an OpenAI model.", name="Atlas") == "I'm an Atlas model."
    assert clean("I'm a Google model.", name="Atlas") == "I'm an Atlas model."
    assert clean("Je suis l'assistant d'OpenAI.", name="Atlas") == "Je suis l'assistant d'Atlas."


@pytest.mark.parametrize("text", ["a\x00b", "a\x1bb", "\x7fab", "ab\x84", "a\x9b\x07b"])
def test_control_characters_never_leave(text: str) -> None:
    assert clean(text) == "ab"


def test_control_characters_do_not_leave_in_code_either() -> None:
    assert clean("```\na\x08b\n```") == "```\nab\n```"


def test_tabs_and_line_ends_leave_as_they_are() -> None:
    assert clean("a\tb\r\nc\u2028d") == "a\tb\r\nc\u2028d"


@dataclass(frozen=True)
class Key:
    """A text with one of our keys, and what may leave of it."""

    text: str
    left: str


KEYS = [
    Key("Your key is sk-syn-Ab3_9-x.", "Your key is sk-syn-[hidden]."),
    Key("```\nkey = 'sk-syn-abc'\n```", "```\nkey = 'sk-syn-[hidden]'\n```"),
    Key("sk-syn-one sk-syn-two", "sk-syn-[hidden] sk-syn-[hidden]"),
    Key("xsk-syn-abc", "xsk-syn-[hidden]"),
    Key("sk-s\x00yn-abc", "sk-syn-[hidden]"),
    Key("sk-sk-syn-abc", "sk-sk-syn-[hidden]"),
    Key("keys begin with sk-syn- and more", "keys begin with sk-syn- and more"),
    Key("sk-other-abc", "sk-other-abc"),
    Key("sk-syn-[hidden]", "sk-syn-[hidden]"),
]


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.text[:20])
@pytest.mark.parametrize("size", [1, 2, 5, 99])
def test_our_keys_never_leave(key: Key, size: int) -> None:
    sanitizer = Sanitizer()
    pieces = [key.text[at : at + size] for at in range(0, len(key.text), size)]
    assert "".join(map(sanitizer.feed, pieces)) + sanitizer.finish() == key.left
