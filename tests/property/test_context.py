"""Any conversation at all is cut where nothing is torn, and cut at the same place when it goes on."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateway.core import chat
from gateway.core.chat import ChatRequest
from gateway.core.context import Shortened, find_cut, shortened
from gateway.core.tokens import estimate_prompt

WORDS = st.text("abcdefgh ", min_size=1, max_size=3000)


@st.composite
def turn(draw: st.DrawFn) -> list[dict[str, Any]]:
    """What the user says, steps of a tool loop with calls side by side, and an answer."""
    said: list[dict[str, Any]] = [{"role": "user", "content": draw(WORDS)}]
    for _ in range(draw(st.integers(0, 2))):
        ids = draw(st.lists(st.integers(0, 10**9), min_size=1, max_size=3, unique=True))
        calls = [{"id": f"c{one}", "type": "function", "function": {"name": "f", "arguments": "{}"}} for one in ids]
        said.append({"role": "assistant", "content": None, "tool_calls": calls})
        said += [
            {"role": "tool", "tool_call_id": f"c{one}", "content": draw(WORDS)} for one in draw(st.permutations(ids))
        ]
        if draw(st.booleans()):
            said.append({"role": "system", "content": "A reminder in between."})
    return [*said, {"role": "assistant", "content": draw(WORDS)}]


@st.composite
def conversations(draw: st.DrawFn) -> list[dict[str, Any]]:
    head = draw(st.sampled_from([[], [{"role": "system", "content": "Be kind."}]]))
    return [*head, *(message for one in draw(st.lists(turn(), min_size=1, max_size=25)) for message in one)]


def request(messages: list[dict[str, Any]]) -> ChatRequest:
    return chat.parse(json.dumps({"model": "syntra", "messages": messages}).encode())


def cut(messages: list[dict[str, Any]], most: int) -> tuple[ChatRequest, Shortened] | None:
    asked = request(messages)
    return shortened(asked, most, estimate_prompt(asked))


@given(conversations(), st.integers(1000, 8000))
def test_what_fits_is_not_touched(messages: list[dict[str, Any]], most: int) -> None:
    if estimate_prompt(request(messages)) <= most:
        assert cut(messages, most) is None


@given(conversations(), st.integers(1000, 4000))
def test_system_messages_and_the_last_turn_stay_byte_for_byte(messages: list[dict[str, Any]], most: int) -> None:
    asked, found = request(messages), cut(messages, most)
    if found is None:
        return
    made, told = found
    raws = [bytes(raw) for raw in made.messages]
    start = max(k for k, message in enumerate(messages) if message["role"] == "user")
    assert raws[-len(messages[start:]) :] == [bytes(raw) for raw in asked.messages[start:]]
    for k, message in enumerate(messages):
        if message["role"] == "system":
            assert bytes(asked.messages[k]) in raws
    assert len(made.body.messages) == len(raws) == len(messages) - told.summarised + 1
    assert told.left < told.tokens


@given(conversations(), st.integers(1000, 4000))
def test_a_result_is_never_without_its_call_nor_a_call_without_its_result(
    messages: list[dict[str, Any]], most: int
) -> None:
    found = cut(messages, most)
    if found is None:
        return
    open_: set[str] = set()
    for message in found[0].body.messages:
        if message.role == "tool":
            assert message.tool_call_id in open_
            open_.discard(message.tool_call_id)
        elif message.role != "system":
            assert not open_
            open_ = {call.id for call in message.tool_calls or ()}
    assert not open_


@given(conversations(), st.integers(1000, 4000))
def test_it_is_cut_below_the_mark_unless_the_last_turn_alone_is_above_it(
    messages: list[dict[str, Any]], most: int
) -> None:
    found = cut(messages, most)
    if found is None:
        return
    start = max(k for k, message in enumerate(messages) if message["role"] == "user")
    rest = [message for k, message in enumerate(messages) if k >= start or message["role"] == "system"]
    if estimate_prompt(request(rest)) + min(1500, most // 8) <= most:
        assert estimate_prompt(found[0]) <= most * 1.05  # rounding, message by message


@given(conversations(), st.integers(1000, 4000))
def test_a_conversation_that_goes_on_is_cut_at_the_same_place_or_whole_turns_later(
    messages: list[dict[str, Any]], most: int
) -> None:
    sizes = [len(json.dumps(message)) // 4 for message in messages]
    parsed = request(messages).body.messages
    cuts = [find_cut(parsed[:end], sizes[:end], 100, most) for end in range(1, len(parsed) + 1)]
    assert cuts == sorted(cuts)
    for before, after, end in zip(cuts, cuts[1:], range(2, len(cuts) + 1), strict=False):
        if after != before:  # a cut goes down to half, so there is room before the next one
            kept = 100 + sum(size for size, one in zip(sizes[:end], parsed, strict=False) if one.role == "system")
            kept += sum(sizes[k] for k in range(after, end) if parsed[k].role != "system")
            last = max(k for k in range(end) if parsed[k].role == "user")
            assert kept <= most // 2 or after == last


def test_the_prompt_of_a_long_talk_only_grows_at_its_end_but_for_few_times() -> None:
    talk: list[dict[str, Any]] = [{"role": "system", "content": "Be kind."}]
    before: list[bytes] = []
    kept = breaks = 0
    for number in range(200):
        talk.append({"role": "user", "content": f"Question {number}: " + "what then " * 20})
        found = cut(talk, 4000)
        now = [bytes(raw) for raw in (found[0] if found else request(talk)).messages]
        if before:
            same = now[: len(before)] == before
            kept, breaks = kept + same, breaks + (not same)
        before = now
        talk.append({"role": "assistant", "content": f"Answer {number}: " + "so it is " * 30})
    assert breaks < 20 < kept


@given(st.text(max_size=2000), st.integers(0, 50))
def test_any_text_at_all_is_cut_without_failing(text: str, count: int) -> None:
    messages = [{"role": "user", "content": text or "x"}, {"role": "assistant", "content": text}] * (count + 1)
    cut([*messages, {"role": "user", "content": "And?"}], 1000)
