"""One reading of a request."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any

import pytest

from gateway.core import chat
from gateway.core.conversations import CACHE_SECONDS, Turn, conversation
from gateway.core.pace import Lengths
from gateway.core.reading import Reading
from gateway.stages.reader import Asked, Reader
from gateway.stores.classifier import Classifier
from gateway.stores.tokenizer import Tokenizer
from policies.facts import Facts
from tests.fakes.library import shipped

KEY = b"conversation"


class Counting:
    """The real classifier, with a record of what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self._classifier = Classifier.load()

    def read(self, text: str) -> Reading:
        self.asked.append(text)
        return self._classifier.read(text)


@pytest.fixture(scope="module")
def classifier() -> Counting:
    return Counting()


@pytest.fixture
def reader(classifier: Counting) -> Reader:
    classifier.asked.clear()
    return Reader(classifier, shipped().intents, Lengths(), Tokenizer())  # type: ignore[arg-type]  # it only reads


def request(*messages: dict[str, Any] | str, **fields: Any) -> chat.ChatRequest:
    said = [{"role": "user", "content": one} if isinstance(one, str) else one for one in messages]
    return chat.parse(json.dumps({"model": "syntra", "messages": said, **fields}).encode())


def facts(reader: Reader, asked: chat.ChatRequest, now: float = 0.0, windows: tuple[int, ...] = ()) -> Facts:
    async def run() -> Facts:
        try:
            return await reader.facts(asked, Asked(KEY, windows=windows), now)
        finally:
            await reader._tokenizer.close()

    return asyncio.run(run())


CALL = {
    "role": "assistant",
    "content": None,
    "tool_calls": [{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
}
RESULT = {"role": "tool", "tool_call_id": "1", "content": "Traceback (most recent call last): KeyError"}
TOOL = {"type": "function", "function": {"name": "f"}}
PICTURE = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{'A' * 400_000}"}}


def test_a_tool_loop_is_read_once_and_by_its_users_turn(reader: Reader, classifier: Counting) -> None:
    first = facts(reader, request("Tell me about the lighthouses of Brittany", tools=[TOOL]))
    for _ in range(3):
        step = facts(reader, request("Tell me about the lighthouses of Brittany", CALL, RESULT, tools=[TOOL]))
        assert (step.intent, step.complexity, step.turn) == (first.intent, first.complexity, "tool")
    assert first.turn == "user"
    assert len(classifier.asked) == 1


def test_what_a_tool_has_shown_is_no_turn_of_the_users(reader: Reader) -> None:
    shown = {"role": "user", "content": [PICTURE]}
    asked = "Look at the page, please"
    assert facts(reader, request(asked, CALL, RESULT, shown, tools=[TOOL])).turn == "tool"
    for new in (
        [asked, CALL, RESULT, shown, "And now?"],
        [shown],
        [asked, {"role": "assistant", "content": "x"}, shown],
    ):
        assert facts(reader, request(*new, tools=[TOOL])).turn == "user"


def test_a_curt_turn_is_read_with_the_one_before(reader: Reader) -> None:
    asked = request("Write a binary search in Rust.", {"role": "assistant", "content": "First or any?"}, "the first")
    assert facts(reader, asked).intent == "coding_help"


def test_thanks_after_code_are_small_talk(reader: Reader) -> None:
    asked = request("Write a binary search in Rust.", {"role": "assistant", "content": "fn …"}, "thanks a lot!")
    assert facts(reader, asked).intent == "social_chat"


@dataclass(frozen=True)
class Need:
    """A request's fields, and what they need."""

    needs: str
    fields: dict[str, Any]

    def __str__(self) -> str:
        return self.needs or "nothing"


@pytest.mark.parametrize(
    "need",
    [
        Need("", {}),
        Need("tools", {"tools": [TOOL]}),
        Need("tools", {"functions": [{"name": "f"}]}),
        Need("forced_tools tools", {"tools": [TOOL], "tool_choice": "required"}),
        Need("forced_tools tools", {"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "f"}}}),
        Need("tools", {"tools": [TOOL], "tool_choice": "auto"}),
        Need("search", {"web_search_options": {}}),
        Need("search", {"tools": [{"type": "web_search"}]}),
        Need("search tools", {"tools": [TOOL, {"type": "web_search"}]}),
        Need("json", {"response_format": {"type": "json_object"}}),
        Need("", {"response_format": {"type": "text"}}),
    ],
    ids=str,
)
def test_what_is_needed_is_read_from_the_fields(reader: Reader, need: Need) -> None:
    assert facts(reader, request("Hello", **need.fields)).needs == tuple(need.needs.split())


@pytest.mark.parametrize(
    ("part", "need"),
    [
        (PICTURE, "vision"),
        ({"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}, "audio"),
        ({"type": "file", "file": {"file_id": "x"}}, "files"),
    ],
)
def test_what_is_needed_is_read_from_the_parts(reader: Reader, part: dict[str, Any], need: str) -> None:
    found = facts(reader, request({"role": "user", "content": [{"type": "text", "text": "Look"}, part]}))
    assert found.needs == (need,)
    assert found.tokens < 2000  # a picture's bytes are not text


def test_tokens_are_estimated_far_from_every_window_and_counted_near_one(reader: Reader) -> None:
    text = "The harbour master wrote down every ship. " * 500
    far = facts(reader, request(text), windows=(1_000_000,))
    near = facts(reader, request(text), windows=(6_000, 1_000_000))
    assert not far.exact
    assert near.exact
    assert near.tokens == pytest.approx(4000, rel=0.01)


def test_tools_are_part_of_the_prompt(reader: Reader) -> None:
    tool = {"type": "function", "function": {"name": "f", "description": "x " * 5000}}
    assert facts(reader, request("Hello", tools=[tool])).tokens > 2000


def test_an_answer_is_never_expected_longer_than_it_may_be(reader: Reader) -> None:
    found = facts(reader, request("Write a long story about a lighthouse.", max_tokens=50))
    assert (found.output_tokens, found.most_output) == (50, 50)
    assert facts(reader, request("Write a long story about a lighthouse.")).output_tokens > 200


def test_who_answered_before_is_known_and_its_cache_grows_cold(reader: Reader) -> None:
    reader.answered(KEY, Turn("a/m", 1_000_000, at=100.0))
    warm = facts(reader, request("And then?"), now=100.0 + CACHE_SECONDS - 1)
    assert (warm.warm, warm.warm_tokens) == ("a/m", warm.tokens)
    cold = facts(reader, request("And then?"), now=100.0 + CACHE_SECONDS + 1)
    assert (cold.warm, cold.warm_tokens) == ("a/m", 0)


def test_without_a_classifier_nothing_is_read_but_sizes_and_needs() -> None:
    found = facts(Reader(None, shipped().intents, Lengths(), Tokenizer()), request("Prove it", tools=[TOOL]))
    assert (found.intent, found.confidence, found.needs) == ("unread", 0.0, ("tools",))


@pytest.mark.parametrize("content", ["", "   ", [], [{"type": "text", "text": ""}], "\u0301", "x" * 1_000_000])
def test_any_prompt_has_facts(reader: Reader, content: Any) -> None:
    found = facts(reader, request({"role": "user", "content": content}))
    assert 0 <= found.complexity <= 1
    assert 0 <= found.fresh <= 1


def test_a_conversation_is_told_by_how_it_began_and_by_who_has_it() -> None:
    begin, more = request("Hello"), request("Hello", {"role": "assistant", "content": "Hi"}, "How are you?")
    assert conversation("a", "k", begin) == conversation("a", "k", more)
    others = [
        conversation("b", "k", begin),
        conversation("a", "l", begin),
        conversation("a", "k", request("Hello!")),
        conversation("a", "k", request("Hello", user="u")),
        conversation("a", "k", request("Hello", prompt_cache_key="x")),
    ]
    assert len({conversation("a", "k", begin), *others}) == 6


@pytest.mark.parametrize("user", ['{"device_id":"d","session_id":"0b1c2d3e"}', "user_a_account_b_session_0b1c2d3e"])
def test_a_session_in_the_users_id_names_the_conversation_whatever_it_begins_with(user: str) -> None:
    one, other = (request(text, metadata={"user_id": user}) for text in ("Hello", "A summary of what was said"))
    assert conversation("a", "k", one) == conversation("a", "k", other)
    assert one.body.metadata in ({}, {"user_id": user})
    plain = (request(text, metadata={"user_id": "u"}) for text in ("Hello", "A summary"))
    assert len({conversation("a", "k", each) for each in plain}) == 2  # of one user there are many


def test_a_follow_up_is_read_with_what_it_leans_on_and_sent_as_it_was_said(
    reader: Reader, classifier: Counting
) -> None:
    asked = request(
        "What is a heat pump?", {"role": "assistant", "content": "A machine."}, "How does it work in winter?"
    )
    found = facts(reader, asked)
    assert found.leans
    assert classifier.asked[-1].endswith("How does heat pump work in winter?")
    assert asked.body.messages[-1].text() == "How does it work in winter?"
    assert not facts(reader, request("What is a heat pump?")).leans


def test_what_leans_is_read_as_it_stands_where_rewriting_is_off(classifier: Counting) -> None:
    plain = Reader(classifier, shipped().intents, Lengths(), Tokenizer(), rewrites=False)  # type: ignore[arg-type]  # it only reads
    assert not facts(plain, request("What is a heat pump?", "How does it work in winter?")).leans
