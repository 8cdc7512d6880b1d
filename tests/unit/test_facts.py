"""A prompt is read in a moment, the same way every time, and for what it asks."""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from fit.examples import written
from gateway.core import surface
from gateway.core.language import language
from gateway.core.reading import INTENTS, Reading
from gateway.core.words import split
from gateway.stores.classifier import Classifier
from gateway.stores.embedding import HOME, Encoder
from tests.laps import laps

CHATTER = Path(__file__).parents[1] / "quality" / "chatter.txt"


@cache
def classifier() -> Classifier:
    return Classifier.load()


def read(text: str) -> Reading:
    return classifier().read(text)


@dataclass(frozen=True)
class Case:
    """A prompt that no weight was fitted on."""

    text: str
    intent: str


CASES = (
    Case("hiya, long day here, how's yours?", "social_chat"),
    Case("you're such a good listener, thank you", "social_chat"),
    Case("Hallo du, na wie läuft's heute bei dir?", "social_chat"),
    Case("你好，今天过得怎么样？", "social_chat"),
    Case("What is the difference between a hurricane and a typhoon?", "qa_retrieval"),
    Case("how long do i have to bake salmon", "qa_retrieval"),
    Case("Which papers do I need to register my motorbike?", "qa_retrieval"),
    Case("Quels sont les symptômes d'une carence en fer ?", "qa_retrieval"),
    Case("Was kostet ein Reisepass und wie lange dauert es?", "qa_retrieval"),
    Case("why does my goroutine never return from this channel", "coding_help"),
    Case("```python\nfor i in range(3)\n    print(i)\n```\nsyntax error, why?", "coding_help"),
    Case("Write a SQL query that lists every author with more than ten books.", "coding_help"),
    Case("helm upgrade fails: another operation is in progress", "coding_help"),
    Case("Напиши на python функцию, которая считает слова в файле", "coding_help"),
    Case("Write a ballad about a clockmaker who cannot sleep.", "editing_writing"),
    Case("Make this sound less harsh: you never answer my mails and I am fed up", "editing_writing"),
    Case("Draft a short farewell mail to my colleagues in a warm tone.", "editing_writing"),
    Case("You are the queen of a bee hive and give a speech before the winter.", "editing_writing"),
    Case("Schreibe eine Glückwunschkarte zur Hochzeit meiner Schwester", "editing_writing"),
    Case("写一首关于秋天的诗", "editing_writing"),
    Case("A baker sells 42 rolls at 0.60 and 18 cakes at 3.20. How much does he earn?", "reasoning_math"),
    Case("Prove that the sum of two odd numbers is even.", "reasoning_math"),
    Case("$\\int_0^2 (3x^2 - 1) dx$", "reasoning_math"),
    Case("Nora is older than Pim and Pim is older than Quentin. Who is the youngest?", "reasoning_math"),
    Case("Resuelve 4x - 7 = 21", "reasoning_math"),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.text[:40])
def test_a_prompt_is_read_for_what_it_asks(case: Case) -> None:
    assert read(case.text).intent == case.intent


def test_small_talk_is_told_from_tasks_that_sound_like_it() -> None:
    rows = [(intent, read(text).intent) for _, intent, text in written(CHATTER)]
    small_talk = [intent == found for intent, found in rows if "social_chat" in (intent, found)]
    assert sum(small_talk) / len(small_talk) > 0.8
    assert sum(intent == found for intent, found in rows) / len(rows) > 0.85


def test_being_sure_means_more_than_guessing() -> None:
    assert read("Write a short story about a lost kite.").confidence > 0.9
    assert read("the same again, but for the other thing").confidence < 0.8


@pytest.mark.parametrize(
    ("today", "always"),
    [
        ("Who is the prime minister of Norway right now?", "Who was the first prime minister of Norway?"),
        ("What is the latest version of Node.js?", "What does the abbreviation DNS stand for?"),
        ("What's the weather in Oslo tomorrow?", "Why is the sea salty?"),
        ("bitcoin price today", "Write a poem about gold"),
        ("Who won the match last night?", "Who won the battle of Trafalgar?"),
    ],
)
def test_news_need_the_web_and_history_does_not(today: str, always: str) -> None:
    assert read(today).fresh > 0.5 > read(always).fresh


def test_code_stories_and_sums_need_no_news() -> None:
    for case in CASES:
        if case.intent in ("coding_help", "editing_writing", "reasoning_math"):
            assert read(case.text).fresh < 0.5, case.text


def test_harder_is_never_simpler() -> None:
    ladder = [
        "hi",
        "What is the capital of Norway?",
        "Write a function that adds two numbers.",
        """Design a distributed rate limiter. It must work without a central lock, at most 1 ms per call.
        1. Describe the algorithm.\n2. Prove that it never lets more than n through.\n3. Implement it with tests.""",
    ]
    found = [read(text).complexity for text in ladder]
    assert found == sorted(found)
    assert found[0] < 0.15
    assert found[-1] > 0.6


def test_more_of_a_long_text_is_not_simpler() -> None:
    text = "Refactor this so that it must not block:\n" + "    x = step(x)\n" * 10
    assert read(text * 50).complexity >= read(text).complexity


def test_every_figure_stays_between_nothing_and_all() -> None:
    chance = random.Random(3)
    for _ in range(200):
        text = "".join(chr(chance.randrange(1, 0x3000)) for _ in range(chance.randrange(300)))
        reading = read(text)
        assert reading.intent in INTENTS
        for figure in (reading.confidence, reading.complexity, reading.fresh):
            assert 0 <= figure <= 1


@pytest.mark.parametrize("text", ["", " \n\t ", "\x00", "\ud800", "🤷", "?", "…", "a" * 500, "\u2028", "\U000e0001"])
def test_odd_input_is_read_too(text: str) -> None:
    assert read(text).intent in INTENTS


def test_nothing_is_read_as_nothing() -> None:
    assert read("  ").confidence == 0


def test_two_classifiers_read_alike() -> None:
    other = Classifier.load()
    assert [other.read(case.text) for case in CASES] == [read(case.text) for case in CASES]


def test_a_common_prompt_takes_a_fraction_of_a_millisecond() -> None:
    for lap in laps(within=0.3e-3 * len(CASES)):
        with lap:
            for case in CASES:
                read(case.text)


@pytest.mark.parametrize(
    "piece",
    [
        "a",
        "a ",
        "{(;",
        "\\int $x$ ",
        "\n",
        "    ",
        "语",
        "`",
        "1+",
        "<a ",
        "[A-",
        "🤷",
        "a.b(",
        "x\n\n\n\n",
        " \n",
        "x \t",
        "$",
        "?  ",
    ],
)
def test_no_prompt_however_long_holds_the_loop(piece: str) -> None:
    text = f"x{piece * 400_000}x"
    for lap in laps(within=2.5e-3):
        with lap:
            read(text)


def test_no_words_however_strange_hold_the_loop() -> None:
    chance = random.Random(5)
    for lap in laps(within=5e-3):
        text = " ".join("".join(chance.choices("abcdefghijklmnopqrstuvwxyzéß语ん", k=7)) for _ in range(400))
        with lap:
            read(text)  # not one of them was ever seen


def test_both_ends_of_a_long_prompt_are_read() -> None:
    middle = "The committee met again and nothing was decided. " * 400
    assert read(f"{middle}\n\nSummarize the text above for a newsletter.").intent == "editing_writing"
    assert read(f"Summarize the following text for a newsletter:\n\n{middle}").intent == "editing_writing"
    assert len(surface.cut(middle)) < surface.HEAD + surface.TAIL + 10


def test_a_document_adds_an_intent_by_its_examples() -> None:
    booking = ["book a table for two", "reserve a table tonight at eight", "I want to book a table at the restaurant"]
    ours = Classifier.load(extra={"booking": booking})
    assert ours.read("please book a table for four people").intent == "booking"
    for case in CASES:
        assert ours.read(case.text) == read(case.text)


LEGAL = (
    "Can my landlord evict me without notice?",
    "Is a verbal contract binding?",
    "What are my rights if my employer does not pay overtime?",
    "How do I contest a parking fine in court?",
    "Do I need a lawyer for a divorce?",
    "Can I sue my neighbour for damage to my fence?",
    "What does the clause about liability in my rental contract mean legally?",
    "How long do I have to appeal against a court decision?",
)
COOKING = (
    "How do I cook a risotto?",
    "Give me a recipe for pumpkin soup",
    "What can I make with eggs and spinach for dinner?",
    "How long should I roast a chicken in the oven?",
    "Recipe for chocolate cake without flour",
    "How do I make my pizza dough crispy?",
    "Which spices go with lamb stew?",
    "How do I thicken a sauce?",
)


def test_two_added_intents_are_kept_apart_from_each_other_and_from_the_rest() -> None:
    ours = Classifier.load(extra={"legal_advice": LEGAL, "cooking": COOKING})
    for text, intent in (
        ("my landlord keeps the deposit, can I take him to court?", "legal_advice"),
        ("how do I appeal a court ruling", "legal_advice"),
        ("recipe for lentil curry please", "cooking"),
        ("how long should beef roast in the oven", "cooking"),
    ):
        assert ours.read(text).intent == intent, text
    others = [case for case in CASES if "salmon" not in case.text]
    assert [ours.read(case.text) for case in others] == [read(case.text) for case in others]


def test_what_was_seen_comes_with_the_reading() -> None:
    text = "Who painted the ceiling of this chapel?"
    reading, sight = classifier().read_with_vector(text)
    assert reading == read(text)
    assert sight.vector.tolist() == Encoder.load().encode(text).tolist()
    assert not classifier().read_with_vector(" ")[1].vector.any()


def test_what_reads_and_what_recalls_share_one_embedding() -> None:
    assert Encoder.load() is Encoder.load(HOME)
    assert classifier()._encoder is Encoder.load()


def test_an_added_intent_without_examples_changes_nothing() -> None:
    assert Classifier.load(extra={"empty": []}).read("hello") == read("hello")


@pytest.mark.parametrize(
    ("text", "lang"),
    [
        ("What can I do for you?", "en"),
        ("Wie wird das Wetter in den Bergen?", "de"),
        ("Comment est-ce que je peux aider ?", "fr"),
        ("¿Cómo puedo ayudar a mi hermano?", "es"),
        ("Você não está em casa?", "pt"),
        ("как дела", "ru"),
        ("今天天气怎么样", "zh"),
        ("今日の天気は？", "ja"),
        ("오늘 날씨 어때", "ko"),
        ("thời tiết hôm nay thế nào", "vi"),
        ("2 + 2 = ?", "und"),
        ("", "und"),
    ],
)
def test_the_language_is_told(text: str, lang: str) -> None:
    assert language(text, split(text)) == lang


def test_likeness_of_meaning_shows_in_the_vectors() -> None:
    encoder = Encoder.load()
    dog, puppy, tax = (encoder.encode(text) for text in ("my dog barks", "a puppy is barking", "income tax return"))
    assert dog @ puppy > 0.5 > dog @ tax
    assert abs(float(dog @ dog) - 1) < 1e-5
    assert not encoder.encode("").any()
    assert encoder.encode_all([]).shape == (0, encoder.dimensions)
